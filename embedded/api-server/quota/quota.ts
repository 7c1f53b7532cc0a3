import type { ObjectStore } from '../../store/object-store.ts'
import type { Draft, Kind } from '../kinds/kind.ts'
import { pod } from '../kinds/pod.ts'
import { qualityOfService } from '../kinds/pod-spec/quality-of-service.ts'
import { KINDS } from '../kinds/registry.ts'
import type { Json } from '../schema/decode.ts'
import { formatQuantity, parseQuantity, type Quantity } from '../schema/quantity.ts'
import { addUsage, count, formatUsage, type Usage, usageOf } from './usage.ts'

const TABLE = 'resourcequotas'
/** Of these each container of a pod must say how much, once a quota limits them. */
const MUST_BE_SAID = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']

/**
 * Why the quotas of its namespace have no room for a new object.
 *
 * @returns the words of the 403, or `undefined` when there is room
 */
export function quotaRefusal(store: ObjectStore, kind: Kind, object: Draft): string | undefined {
  const namespace = object.metadata.namespace ?? ''
  for (const { object: stored } of store.list(TABLE, `${namespace}/`)) {
    const quota = stored as Draft
    if (!covers(quota, kind, object)) continue
    const hard = hardOf(quota)
    const unsaid = kind.kind === 'Pod' ? unsaidAmounts(object, [...hard.keys()]) : ''
    if (unsaid) return `failed quota: ${quota.metadata.name}: must specify ${unsaid}`
    const requested = pick(usageOf(kind, object), hard)
    const exceeded = exceededBy(store, quota, namespace, requested, hard)
    if (exceeded) return exceeded
  }
  return undefined
}

/** What the objects of a namespace take of a quota, as its status shows it. */
export function usedOf(store: ObjectStore, quota: Draft): Record<string, string> {
  const hard = hardOf(quota)
  const used = sumUp(store, quota, quota.metadata.namespace ?? '', hard)
  return Object.fromEntries([...hard.keys()].sort().map(name => [name, formatQuantity(used.get(name) ?? count(0))]))
}

function exceededBy(store: ObjectStore, quota: Draft, namespace: string, requested: Usage, hard: Usage): string | undefined {
  const wanted = [...requested].filter(([, amount]) => amount.nano > 0n)
  if (wanted.length === 0) return undefined
  const used = sumUp(store, quota, namespace, hard)
  const over = wanted.filter(([name, amount]) => (used.get(name)?.nano ?? 0n) + amount.nano > hard.get(name)!.nano).map(([name]) => name)
  if (over.length === 0) return undefined
  const show = (usage: Usage) => formatUsage(new Map(over.map(name => [name, usage.get(name) ?? count(0)])))
  return `exceeded quota: ${quota.metadata.name}, requested: ${show(requested)}, used: ${show(used)}, limited: ${show(hard)}`
}

function sumUp(store: ObjectStore, quota: Draft, namespace: string, hard: Usage): Usage {
  const used: Usage = new Map()
  for (const kind of KINDS) {
    if (!kind.namespaced || !concerns(kind, hard)) continue
    const table = kind.group ? `${kind.plural}.${kind.group}` : kind.plural
    for (const { object } of store.list(table, `${namespace}/`)) {
      if (covers(quota, kind, object as Draft)) addUsage(used, pick(usageOf(kind, object as Draft), hard))
    }
  }
  return used
}

/** Spares the walk through kinds of which the quota says nothing. */
function concerns(kind: Kind, hard: Usage): boolean {
  if (kind === pod) return true
  return [...hard.keys()].some(
    name => name === kind.plural || name.startsWith(`${kind.plural}.`) || name.startsWith(`count/${kind.plural}`),
  )
}

function covers(quota: Draft, kind: Kind, object: Draft): boolean {
  const scopes = (quota.spec?.['scopes'] ?? []) as string[]
  if (scopes.length === 0) return true
  if (kind.kind !== 'Pod') return false
  const spec = object.spec ?? {}
  const isBestEffort = qualityOfService(spec) === 'BestEffort'
  const isTerminating = spec['activeDeadlineSeconds'] !== undefined
  return scopes.every(scope => {
    if (scope === 'BestEffort') return isBestEffort
    if (scope === 'NotBestEffort') return !isBestEffort
    return scope === 'Terminating' ? isTerminating : !isTerminating
  })
}

function unsaidAmounts(object: Draft, names: readonly string[]): string {
  const containers = [...((object.spec?.['containers'] ?? []) as Json[]), ...((object.spec?.['initContainers'] ?? []) as Json[])]
  return names
    .filter(name => MUST_BE_SAID.includes(name))
    .sort()
    .flatMap(name => {
      const [part, resource] = name.includes('.') ? (name.split('.') as [string, string]) : ['requests', name]
      const silent = containers.filter(
        container => ((container['resources'] as Json | undefined)?.[part] as Json | undefined)?.[resource] === undefined,
      )
      const list = silent.map(container => String(container['name'])).sort()
      return list.length > 0 ? [`${name} for: ${list.join(',')}`] : []
    })
    .join('; ')
}

function hardOf(quota: Draft): Usage {
  const hard = (quota.spec?.['hard'] ?? {}) as Record<string, string>
  return new Map(Object.entries(hard).map(([name, amount]): [string, Quantity] => [name, parseQuantity(amount)]))
}

function pick(usage: Usage, hard: Usage): Usage {
  return new Map([...usage].filter(([name]) => hard.has(name)))
}
