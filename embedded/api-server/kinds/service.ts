import { RESOURCES } from '../../../kernel/kubernetes/objects.ts'
import type { Json } from '../schema/decode.ts'
import { AGE, age, column, formatLabels, NAME, wideColumn } from './columns.ts'
import { isSame } from './compare.ts'
import type { Draft, Kind } from './kind.ts'
import { labelFaults } from './names.ts'
import { allocateService } from './service-allocation.ts'
import { validateService, validateServiceUpdate } from './service-validation.ts'

export const service: Kind = {
  ...RESOURCES.services,
  singular: 'service',
  shortNames: ['svc'],
  categories: ['all'],
  type: 'io.k8s.api.core.v1.Service',
  status: true,
  scale: false,
  createOnUpdate: true,
  deleteCollection: true,
  returnsDeleted: true,
  generation: false,
  changesFirst: true,
  nameFaults: labelFaults,
  defaults,
  prepareCreate(object) {
    object.status = { loadBalancer: {} }
    syncClusterIps(object, undefined)
  },
  prepareUpdate(next, previous) {
    next.status = previous.status ?? { loadBalancer: {} }
    keepAllocated(next, previous)
    dropOfOldType(next, previous)
    syncClusterIps(next, previous)
  },
  prepareStatus(next, previous) {
    if (previous.spec) next.spec = previous.spec
  },
  validate: validateService,
  validateUpdate: validateServiceUpdate,
  allocate: allocateService,
  warnings({ spec = {} }) {
    const warnings: string[] = []
    if (((spec['externalIPs'] ?? []) as string[]).length > 0) {
      warnings.push('spec.externalIPs is deprecated and may no longer be implemented in some clusters')
    }
    if (spec['trafficDistribution'] === 'PreferClose') {
      warnings.push('spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"')
    }
    return warnings
  },
  selectableFields: object => ({
    'spec.clusterIP': String(object.spec?.['clusterIP'] ?? ''),
    'spec.type': String(object.spec?.['type'] ?? ''),
  }),
  columns: [
    NAME,
    column('Type', 'How the Service is exposed.'),
    column('Cluster-IP', 'Its virtual address.'),
    column('External-IP', 'Addresses outside of the cluster.'),
    column('Port(s)', 'The ports it listens on.'),
    AGE,
    wideColumn('Selector', 'Which pods it sends to.'),
  ],
  cells(object, now) {
    const spec = object.spec ?? {}
    const ports = (spec['ports'] ?? []) as { port: number; nodePort?: number; protocol: string }[]
    return [
      object.metadata.name,
      String(spec['type']),
      ((spec['clusterIPs'] ?? []) as string[])[0] ?? '<none>',
      externalIps(object),
      ports.map(({ port, nodePort, protocol }) => `${port}${nodePort ? `:${nodePort}` : ''}/${protocol}`).join(',') || '<none>',
      age(object, now),
      formatLabels(spec['selector']),
    ]
  },
}

function defaults(object: Draft): void {
  const spec = (object.spec ??= {})
  spec['sessionAffinity'] ||= 'None'
  if (spec['sessionAffinity'] === 'None') delete spec['sessionAffinityConfig']
  else if (((spec['sessionAffinityConfig'] as Json | undefined)?.['clientIP'] as Json | undefined)?.['timeoutSeconds'] === undefined) {
    spec['sessionAffinityConfig'] = { clientIP: { timeoutSeconds: 10_800 } }
  }
  spec['type'] ||= 'ClusterIP'
  for (const port of (spec['ports'] ?? []) as Json[]) {
    port['protocol'] ||= 'TCP'
    if (port['targetPort'] === undefined || port['targetPort'] === 0 || port['targetPort'] === '') port['targetPort'] = port['port']
  }
  if (isExternal(spec)) spec['externalTrafficPolicy'] ||= 'Cluster'
  if (spec['type'] !== 'ExternalName') spec['internalTrafficPolicy'] ??= 'Cluster'
  if (spec['type'] === 'LoadBalancer') spec['allocateLoadBalancerNodePorts'] ??= true
}

/** A PUT without what the server had allocated keeps it, so that a manifest can be sent again. */
function keepAllocated(next: Draft, previous: Draft): void {
  const spec = next.spec ?? {}
  const old = previous.spec ?? {}
  if (spec['type'] === 'ExternalName' || old['type'] === 'ExternalName') return
  if (!spec['clusterIP'] && !spec['clusterIPs']) {
    spec['clusterIP'] = old['clusterIP']
    spec['clusterIPs'] = old['clusterIPs']
  }
  if (!spec['ipFamilies'] && old['ipFamilies']) spec['ipFamilies'] = old['ipFamilies']
  if (!spec['ipFamilyPolicy'] && old['ipFamilyPolicy']) spec['ipFamilyPolicy'] = old['ipFamilyPolicy']
  if (needsNodePorts(spec) && needsNodePorts(old)) {
    const known = new Map(((old['ports'] ?? []) as Json[]).map(port => [`${port['protocol']}/${port['port']}`, port['nodePort']]))
    const used = new Set(((spec['ports'] ?? []) as Json[]).map(port => port['nodePort']))
    for (const port of (spec['ports'] ?? []) as Json[]) {
      const nodePort = known.get(`${port['protocol']}/${port['port']}`)
      if (!port['nodePort'] && nodePort && !used.has(nodePort)) port['nodePort'] = nodePort
    }
  }
}

/** Fields that only the old type had go with it, unless the client changed them in the same breath (`dropTypeDependentFields`). */
function dropOfOldType(next: Draft, previous: Draft): void {
  const spec = next.spec ?? {}
  const old = previous.spec ?? {}
  const drop = (field: string) => {
    if (isSame(spec[field], old[field])) delete spec[field]
  }
  if (old['type'] !== 'ExternalName' && spec['type'] === 'ExternalName') {
    if (isSame(spec['clusterIP'], old['clusterIP']) && isSame(spec['clusterIPs'], old['clusterIPs'])) {
      delete spec['clusterIP']
      delete spec['clusterIPs']
    }
    drop('ipFamilies')
    drop('ipFamilyPolicy')
  }
  const hasNodePorts = (type: unknown) => type === 'NodePort' || type === 'LoadBalancer'
  if (hasNodePorts(old['type']) && !hasNodePorts(spec['type'])) {
    const known = new Set(((old['ports'] ?? []) as Json[]).map(port => port['nodePort']))
    const ports = (spec['ports'] ?? []) as Json[]
    if (ports.every(port => !port['nodePort'] || known.has(port['nodePort']))) for (const port of ports) delete port['nodePort']
  }
  if (isExternal(old) && !isExternal(spec)) drop('externalTrafficPolicy')
  if (old['type'] === 'LoadBalancer' && spec['type'] !== 'LoadBalancer') {
    drop('allocateLoadBalancerNodePorts')
    drop('loadBalancerClass')
    drop('healthCheckNodePort')
    next.status = { loadBalancer: {} }
  }
}

/** Can traffic from outside of the cluster reach it. */
export function isExternal(spec: Json): boolean {
  if (spec['type'] === 'LoadBalancer' || spec['type'] === 'NodePort') return true
  return spec['type'] === 'ClusterIP' && ((spec['externalIPs'] ?? []) as string[]).length > 0
}

export function needsNodePorts(spec: Json): boolean {
  return spec['type'] === 'NodePort' || (spec['type'] === 'LoadBalancer' && spec['allocateLoadBalancerNodePorts'] !== false)
}

/** `clusterIP` and `clusterIPs[0]` are one: whoever was changed alone wins. */
function syncClusterIps(next: Draft, previous: Draft | undefined): void {
  const spec = next.spec ?? {}
  const ips = (spec['clusterIPs'] ?? []) as string[]
  if (!previous) {
    if (spec['clusterIP'] && ips.length === 0) spec['clusterIPs'] = [spec['clusterIP']]
    return
  }
  const old = previous.spec ?? {}
  const oldIps = (old['clusterIPs'] ?? []) as string[]
  if (old['clusterIP'] && !spec['clusterIP'] && String(ips) === String(oldIps)) delete spec['clusterIPs']
  else if (old['clusterIP'] !== spec['clusterIP'] && String(ips) === String(oldIps))
    spec['clusterIPs'] = spec['clusterIP'] ? [spec['clusterIP']] : []
  else if (old['clusterIP'] && spec['clusterIP'] === undefined && ips.length === 0) delete spec['clusterIPs']
}

const LOAD_BALANCER_WIDTH = 16

function externalIps(object: Draft): string {
  const spec = object.spec ?? {}
  const own = (spec['externalIPs'] ?? []) as string[]
  switch (spec['type']) {
    case 'ExternalName':
      return String(spec['externalName'] ?? '')
    case 'LoadBalancer': {
      const ingress = ((object.status?.['loadBalancer'] as Json | undefined)?.['ingress'] ?? []) as { ip?: string; hostname?: string }[]
      let text = [...new Set(ingress.map(({ ip, hostname }) => ip || hostname || ''))].sort().join(',')
      if (text.length > LOAD_BALANCER_WIDTH) text = `${text.slice(0, LOAD_BALANCER_WIDTH - 3)}...`
      return [...(text ? [text] : []), ...own].join(',') || '<pending>'
    }
    default:
      return own.join(',') || '<none>'
  }
}
