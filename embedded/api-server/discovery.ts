import { apiVersion } from '../../kernel/kubernetes/objects.ts'
import type { Kind } from './kinds/kind.ts'
import { KINDS } from './kinds/registry.ts'

/** The Kubernetes whose behaviour is emulated. */
export const VERSION = {
  major: '1',
  minor: '37',
  emulationMajor: '1',
  emulationMinor: '37',
  minCompatibilityMajor: '1',
  minCompatibilityMinor: '36',
  gitVersion: 'v1.37.2+drycc',
  gitCommit: '',
  gitTreeState: 'clean',
  buildDate: '1970-01-01T00:00:00Z',
  goVersion: '',
  compiler: 'node',
  platform: `${process.platform}/${process.arch === 'x64' ? 'amd64' : process.arch}`,
}

const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

const PATHS = new Set([
  '/api',
  '/apis',
  ...KINDS.flatMap(kind => (kind.group ? [`/apis/${kind.group}`, `/apis/${apiVersion(kind)}`] : ['/api/v1'])),
])

/**
 * Answers `/api`, `/apis` and below, where kinds are found.
 *
 * @param path without a slash at its end
 * @param isAggregated the client takes all groups in one answer
 * @returns `undefined` for another path
 */
export function discover(path: string, isAggregated: boolean, address: string): object | undefined {
  if (!PATHS.has(path)) return undefined
  const groups = [...Map.groupBy(KINDS, kind => kind.group)]
  if (path === '/api') {
    if (isAggregated) return aggregated(groups.filter(([group]) => group === ''))
    return { kind: 'APIVersions', versions: ['v1'], serverAddressByClientCIDRs: [{ clientCIDR: '0.0.0.0/0', serverAddress: address }] }
  }
  const named = groups.filter(([group]) => group !== '')
  if (path === '/apis') {
    if (isAggregated) return aggregated(named)
    return { kind: 'APIGroupList', apiVersion: 'v1', groups: named.map(([group, kinds]) => describeGroup(group, kinds)) }
  }
  if (path === '/api/v1') return describeVersion(KINDS.filter(kind => kind.group === ''))
  for (const [group, kinds] of named) {
    if (path === `/apis/${group}`) return { kind: 'APIGroup', apiVersion: 'v1', ...describeGroup(group, kinds) }
    if (path === `/apis/${group}/${kinds[0]!.version}`) return describeVersion(kinds)
  }
  return undefined
}

function describeGroup(name: string, kinds: readonly Kind[]) {
  const version = { groupVersion: apiVersion(kinds[0]!), version: kinds[0]!.version }
  return { name, versions: [version], preferredVersion: version }
}

function describeVersion(kinds: readonly Kind[]) {
  const resources = kinds.flatMap(kind => [
    {
      name: kind.plural,
      singularName: kind.singular,
      namespaced: kind.namespaced,
      kind: kind.kind,
      verbs: verbsOf(kind),
      ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
      ...(kind.categories && { categories: kind.categories }),
    },
    ...subresourcesOf(kind).map(({ name, verbs, responseKind }) => ({
      name: `${kind.plural}/${name}`,
      singularName: '',
      namespaced: kind.namespaced,
      ...(responseKind.version !== kind.version || responseKind.group !== kind.group
        ? { group: responseKind.group, version: responseKind.version }
        : {}),
      kind: responseKind.kind,
      verbs,
    })),
  ])
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersion(kinds[0]!), resources }
}

function aggregated(groups: readonly (readonly [string, readonly Kind[]])[]) {
  return {
    kind: 'APIGroupDiscoveryList',
    apiVersion: 'apidiscovery.k8s.io/v2',
    metadata: {},
    items: groups.map(([group, kinds]) => ({
      metadata: { ...(group && { name: group }), creationTimestamp: null },
      versions: [{ version: kinds[0]!.version, freshness: 'Current', resources: kinds.map(describeResource) }],
    })),
  }
}

function describeResource(kind: Kind) {
  const scope = kind.namespaced ? 'Namespaced' : 'Cluster'
  const subresources = subresourcesOf(kind).map(({ name, verbs, responseKind }) => ({ subresource: name, responseKind, verbs }))
  return {
    resource: kind.plural,
    responseKind: { group: kind.group, version: kind.version, kind: kind.kind },
    scope,
    singularResource: kind.singular,
    verbs: verbsOf(kind),
    ...(kind.shortNames.length > 0 && { shortNames: kind.shortNames }),
    ...(kind.categories && { categories: kind.categories }),
    ...(subresources.length > 0 && { subresources }),
  }
}

interface Subresource {
  readonly name: string
  readonly verbs: readonly string[]
  readonly responseKind: { readonly group: string; readonly version: string; readonly kind: string }
}

function subresourcesOf(kind: Kind): Subresource[] {
  const own = { group: kind.group, version: kind.version, kind: kind.kind }
  const write = ['get', 'patch', 'update']
  return [
    ...(kind.kind === 'Pod'
      ? [
          { name: 'binding', verbs: ['create'], responseKind: { group: '', version: 'v1', kind: 'Binding' } },
          { name: 'eviction', verbs: ['create'], responseKind: { group: 'policy', version: 'v1', kind: 'Eviction' } },
          { name: 'log', verbs: ['get'], responseKind: own },
        ]
      : []),
    ...(kind.kind === 'Namespace' ? [{ name: 'finalize', verbs: ['update'], responseKind: own }] : []),
    ...(kind.scale ? [{ name: 'scale', verbs: write, responseKind: { group: 'autoscaling', version: 'v1', kind: 'Scale' } }] : []),
    ...(kind.status ? [{ name: 'status', verbs: write, responseKind: own }] : []),
  ]
}

function verbsOf(kind: Kind): string[] {
  return kind.deleteCollection ? VERBS : VERBS.filter(verb => verb !== 'deletecollection')
}
