import { isIPv6 } from 'node:net'
import type { Pod, Service, ServicePort } from 'kubernetes-types/core/v1'
import type { Endpoint, EndpointPort } from 'kubernetes-types/discovery/v1'
import { POD_PORTS_ANNOTATION } from '../../kernel/contract.ts'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { isFinished, isReady, isTerminating } from './pods.ts'

export type AddressType = 'IPv4' | 'IPv6'

/** The endpoints of a Service that share address type and ports, and so may share slices. */
export interface EndpointGroup {
  readonly addressType: AddressType
  readonly ports: readonly EndpointPort[]
  /** By the uid of the pod. */
  readonly endpoints: ReadonlyMap<string, Endpoint>
}

/**
 * Builds what a Service's slices shall say: an endpoint for each pod that has an address and has not ended, one on its way out included.
 * Pods whose ports differ (a named port with two numbers, or the kubelet's own port for each pod) are in different groups.
 *
 * @param pods those that the Service selects
 * @param zoneOf the zone of a node
 * @returns at least one group an address type, be it empty
 */
export function buildEndpoints(
  service: Stored<Service>,
  pods: readonly Stored<Pod>[],
  zoneOf: (nodeName: string) => string | undefined = () => undefined,
): EndpointGroup[] {
  const groups = new Map<string, EndpointGroup & { endpoints: Map<string, Endpoint> }>()
  for (const addressType of addressTypes(service)) {
    const before = groups.size
    for (const pod of pods) {
      const address = podAddresses(pod).find(ip => isIPv6(ip) === (addressType === 'IPv6'))
      if (!address || isFinished(pod)) continue
      const ports = resolvePorts(service, pod)
      const key = groupKey(addressType, ports)
      const group = groups.get(key) ?? { addressType, ports, endpoints: new Map() }
      group.endpoints.set(pod.metadata.uid, buildEndpoint(service, pod, address, zoneOf))
      groups.set(key, group)
    }
    // A Service without pods has an empty slice, so that one can tell it from a Service that nobody looks after.
    if (groups.size === before) groups.set(addressType, { addressType, ports: [], endpoints: new Map() })
  }
  return [...groups.values()]
}

/** Says whether two sets of ports are the same one. */
export function groupKey(addressType: string, ports: readonly EndpointPort[]): string {
  const rows = ports.map(({ name = '', port, protocol = 'TCP', appProtocol = '' }) => [name, port, protocol, appProtocol].join(' '))
  return [addressType, ...rows.sort()].join('\n')
}

function buildEndpoint(
  service: Stored<Service>,
  pod: Stored<Pod>,
  address: string,
  zoneOf: (node: string) => string | undefined,
): Endpoint {
  const serving = isReady(pod)
  const terminating = isTerminating(pod)
  const ready = service.spec?.publishNotReadyAddresses === true || (serving && !terminating)
  const { nodeName, hostname, subdomain } = pod.spec ?? {}
  const zone = nodeName === undefined ? undefined : zoneOf(nodeName)
  const { namespace, name, uid } = pod.metadata
  return {
    addresses: [address],
    conditions: { ready, serving, terminating },
    ...(hostname && subdomain === service.metadata.name ? { hostname } : {}),
    ...(nodeName ? { nodeName } : {}),
    ...(zone ? { zone } : {}),
    targetRef: { kind: 'Pod', namespace: namespace!, name, uid },
  }
}

/** A port that this pod does not have is left out. */
function resolvePorts(service: Service, pod: Stored<Pod>): EndpointPort[] {
  const mapped = readMappedPorts(pod)
  return (service.spec?.ports ?? []).flatMap(servicePort => {
    const declared = declaredPort(servicePort, pod)
    if (declared === undefined) return []
    const { name = '', protocol = 'TCP', appProtocol } = servicePort
    return [{ name, port: mapped[declared] ?? declared, protocol, ...(appProtocol ? { appProtocol } : {}) }]
  })
}

function declaredPort({ targetPort, port, protocol = 'TCP' }: ServicePort, pod: Pod): number | undefined {
  const target = targetPort ?? port
  if (typeof target === 'number') return target || port
  // Side-cars are init containers that go on running.
  const sidecars = (pod.spec?.initContainers ?? []).filter(container => container.restartPolicy === 'Always')
  return [...(pod.spec?.containers ?? []), ...sidecars]
    .flatMap(container => container.ports ?? [])
    .find(candidate => candidate.name === target && (candidate.protocol ?? 'TCP') === protocol)?.containerPort
}

/** Pods of embedded mode share the host's ports, so each declared port has a number of its own there. */
function readMappedPorts(pod: Pod): Readonly<Record<string, number>> {
  const text = pod.metadata?.annotations?.[POD_PORTS_ANNOTATION]
  if (!text) return {}
  try {
    return JSON.parse(text) as Record<string, number>
  } catch {
    return {}
  }
}

function podAddresses(pod: Pod): string[] {
  const all = (pod.status?.podIPs ?? []).flatMap(({ ip }) => (ip ? [ip] : []))
  return all.length > 0 ? all : pod.status?.podIP ? [pod.status.podIP] : []
}

function addressTypes(service: Service): AddressType[] {
  const families = service.spec?.ipFamilies ?? []
  return families.length > 0 ? (families as AddressType[]) : ['IPv4']
}
