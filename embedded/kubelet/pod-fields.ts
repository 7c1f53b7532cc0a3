import type { Container, ObjectFieldSelector, Pod, ResourceFieldSelector } from 'kubernetes-types/core/v1'
import { parseQuantity } from '../../kernel/units.ts'

/** What of a pod only the kubelet knows. */
export interface PodPlace {
  readonly podIp: string
  readonly hostIp: string
  /** What a container without a limit may use: the node's own. */
  readonly allocatable: { readonly cpu: number; readonly memory: number }
}

/**
 * The value of a downward API field, `undefined` for a label or annotation that the pod does not have.
 *
 * @throws {RangeError} for a field that there is not
 * @see https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
 */
export function readPodField({ fieldPath }: Pick<ObjectFieldSelector, 'fieldPath'>, pod: Pod, place: PodPlace): string | undefined {
  const { metadata = {}, spec } = pod
  const [, map, key] = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(fieldPath) ?? []
  if (key !== undefined) return metadata[map as 'labels' | 'annotations']?.[key] ?? ''
  switch (fieldPath) {
    case 'metadata.name':
      return metadata.name
    case 'metadata.namespace':
      return metadata.namespace
    case 'metadata.uid':
      return metadata.uid
    case 'metadata.labels':
      return formatMap(metadata.labels)
    case 'metadata.annotations':
      return formatMap(metadata.annotations)
    case 'spec.nodeName':
      return spec?.nodeName
    case 'spec.serviceAccountName':
      return spec?.serviceAccountName ?? 'default'
    case 'status.podIP':
    case 'status.podIPs':
      return place.podIp
    case 'status.hostIP':
    case 'status.hostIPs':
      return place.hostIp
    default:
      throw new RangeError(`unsupported fieldPath: ${fieldPath}`)
  }
}

/**
 * The value of `limits.cpu` and its like in units of the divisor, rounded up; a limit that is not set is the node's whole.
 *
 * @throws {RangeError} for a resource that there is not
 */
export function readResourceField({ resource, divisor }: ResourceFieldSelector, container: Container, place: PodPlace): string {
  const [, kind, name] = /^(limits|requests)\.(cpu|memory|ephemeral-storage)$/.exec(resource) ?? []
  if (!name) throw new RangeError(`unsupported container resource: ${resource}`)
  const set = container.resources?.[kind as 'limits' | 'requests']?.[name]
  const whole = kind === 'limits' && name !== 'ephemeral-storage' ? place.allocatable[name as 'cpu' | 'memory'] : 0
  const unit = divisor === undefined || divisor === '0' ? 1 : parseQuantity(divisor)
  return String(Math.ceil((set === undefined ? whole : parseQuantity(set)) / unit))
}

/** `key="value"` lines, as the kubelet writes them into downward API files. */
function formatMap(map: Readonly<Record<string, string>> = {}): string {
  return Object.entries(map)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${JSON.stringify(value)}`)
    .join('\n')
}
