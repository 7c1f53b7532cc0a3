import type { Container, Pod } from 'kubernetes-types/core/v1'

/** Fields of a container that have no effect on local processes. */
const CONTAINER_FIELDS = ['stdin', 'tty', 'volumeDevices'] as const
const POD_FIELDS = [
  'hostPID',
  'hostIPC',
  'shareProcessNamespace',
  'hostAliases',
  'dnsConfig',
  'runtimeClassName',
  'ephemeralContainers',
] as const

/**
 * Names the fields of a pod that the kubelet of embedded mode does not heed and that somebody has set on purpose; defaults of the API
 * server are not told of.
 */
export function listUnsupported(pod: Pod): string[] {
  const spec = pod.spec ?? { containers: [] }
  const containers = [...(spec.initContainers ?? []), ...spec.containers]
  return [
    ...POD_FIELDS.filter(field => isSet(spec[field])).map(field => `spec.${field}`),
    ...Object.keys(spec.securityContext ?? {}).map(field => `spec.securityContext.${field}`),
    ...containers.flatMap(container => ofContainer(container).map(field => `spec.containers{${container.name}}.${field}`)),
  ]
}

function ofContainer(container: Container): string[] {
  return [
    ...CONTAINER_FIELDS.filter(field => isSet(container[field])),
    ...Object.keys(container.securityContext ?? {}).map(field => `securityContext.${field}`),
    ...(container.ports ?? []).filter(({ hostPort }) => hostPort).map(({ hostPort }) => `ports.hostPort ${hostPort}`),
    ...(container.ports ?? []).filter(({ protocol = 'TCP' }) => protocol !== 'TCP').map(port => `ports.protocol ${port.protocol}`),
  ]
}

function isSet(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0
  return value !== undefined && value !== false && value !== null
}
