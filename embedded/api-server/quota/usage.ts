import type { Draft, Kind } from '../kinds/kind.ts'
import type { Json } from '../schema/decode.ts'
import { formatQuantity, parseQuantity, type Quantity } from '../schema/quantity.ts'

/** Amounts by the name under which a quota limits them. */
export type Usage = Map<string, Quantity>

const COUNTED = ['services', 'secrets', 'configmaps', 'resourcequotas']
/** Have a name of their own besides `requests.…`. */
const PLAIN_REQUESTS = ['cpu', 'memory', 'ephemeral-storage']

/** What one object takes of a quota. */
export function usageOf(kind: Kind, object: Draft): Usage {
  const usage: Usage = new Map()
  add(usage, `count/${kind.plural}${kind.group ? `.${kind.group}` : ''}`, count(1))
  if (kind.group === '' && COUNTED.includes(kind.plural)) add(usage, kind.plural, count(1))
  if (kind.kind === 'Service') addService(usage, object.spec ?? {})
  if (kind.kind === 'Pod' && !hasEnded(object)) addPod(usage, object.spec ?? {})
  return usage
}

/** Adds all of `more` to `usage`. */
export function addUsage(usage: Usage, more: Usage): void {
  for (const [name, amount] of more) add(usage, name, amount)
}

/** `a=1,b=2`, sorted, as refusals have it. */
export function formatUsage(usage: ReadonlyMap<string, Quantity>): string {
  return [...usage]
    .map(([name, amount]) => `${name}=${formatQuantity(amount)}`)
    .sort()
    .join(',')
}

export function count(number: number): Quantity {
  return parseQuantity(String(number))
}

function addService(usage: Usage, spec: Json): void {
  const isBalanced = spec['type'] === 'LoadBalancer'
  const hasPorts = spec['type'] === 'NodePort' || (isBalanced && spec['allocateLoadBalancerNodePorts'] !== false)
  add(usage, 'services.nodeports', count(hasPorts ? ((spec['ports'] ?? []) as Json[]).length : 0))
  add(usage, 'services.loadbalancers', count(isBalanced ? 1 : 0))
}

function addPod(usage: Usage, spec: Json): void {
  add(usage, 'pods', count(1))
  for (const part of ['requests', 'limits'] as const) {
    for (const [name, amount] of podAmounts(spec, part)) {
      add(usage, `${part}.${name}`, amount)
      if (part === 'requests' && PLAIN_REQUESTS.includes(name)) add(usage, name, amount)
    }
  }
}

/** The sum of the containers, or what the largest init container needs before they start. */
function podAmounts(spec: Json, part: 'requests' | 'limits'): Usage {
  const amountsOf = (container: Json) =>
    Object.entries(((container['resources'] as Json | undefined)?.[part] ?? {}) as Record<string, string>)
  const sum: Usage = new Map()
  for (const container of (spec['containers'] ?? []) as Json[]) {
    for (const [name, amount] of amountsOf(container)) add(sum, name, parseQuantity(amount))
  }
  for (const container of (spec['initContainers'] ?? []) as Json[]) {
    for (const [name, text] of amountsOf(container)) {
      const amount = parseQuantity(text)
      if (amount.nano > (sum.get(name)?.nano ?? 0n)) sum.set(name, amount)
    }
  }
  return sum
}

function hasEnded({ status }: Draft): boolean {
  return status?.['phase'] === 'Succeeded' || status?.['phase'] === 'Failed'
}

function add(usage: Usage, name: string, amount: Quantity): void {
  const known = usage.get(name)
  usage.set(name, known ? { ...known, nano: known.nano + amount.nano } : amount)
}
