import type { Node, NodeSelectorTerm, Pod, Taint, Toleration } from 'kubernetes-types/core/v1'
import { parseQuantity } from '../../kernel/units.ts'
import { matchesLabels, matchesTerm } from './label-selector.ts'

type Requests = Readonly<Record<string, number>>

/**
 * Says why a pod cannot go to a node, in kube-scheduler's words; `undefined` when it can.
 *
 * @param present the pods that the node has to carry already
 * @param isHeard whether the node's kubelet still renews its Lease
 */
export function unfitReason(pod: Pod, node: Node, present: readonly Pod[], isHeard: boolean): string | undefined {
  const ready = node.status?.conditions?.find(condition => condition.type === 'Ready')?.status
  if (!isHeard || ready !== 'True' || node.metadata?.deletionTimestamp) return 'node(s) were not ready'
  if (node.spec?.unschedulable) return 'node(s) were unschedulable'
  if ((node.spec?.taints ?? []).some(taint => isRepelled(pod, taint))) return 'node(s) had untolerated taint(s)'
  if (!isWanted(pod, node)) return "node(s) didn't match Pod's node affinity/selector"
  return lackingResource(pod, node, present)
}

/** Sums the reasons of all nodes up: `0/2 nodes are available: 1 Insufficient memory, 1 node(s) were unschedulable.` */
export function explainUnfit(reasons: readonly string[]): string {
  if (reasons.length === 0) return 'no nodes available to schedule pods'
  const counts = Map.groupBy(reasons, reason => reason)
  const parts = Array.from(counts, ([reason, { length }]) => `${length} ${reason}`).sort()
  return `0/${reasons.length} nodes are available: ${parts.join(', ')}.`
}

function isRepelled(pod: Pod, taint: Taint): boolean {
  if (taint.effect === 'PreferNoSchedule') return false
  return !(pod.spec?.tolerations ?? []).some(toleration => isTolerated(toleration, taint))
}

function isTolerated({ key, operator = 'Equal', value = '', effect }: Toleration, taint: Taint): boolean {
  if (effect && effect !== taint.effect) return false
  if (!key) return operator === 'Exists'
  return key === taint.key && (operator === 'Exists' || value === (taint.value ?? ''))
}

function isWanted(pod: Pod, node: Node): boolean {
  const labels = node.metadata?.labels ?? {}
  if (!matchesLabels(pod.spec?.nodeSelector, labels)) return false
  const required = pod.spec?.affinity?.nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution
  return required === undefined || required.nodeSelectorTerms.some(term => matchesNodeTerm(term, node))
}

function matchesNodeTerm({ matchExpressions = [], matchFields = [] }: NodeSelectorTerm, node: Node): boolean {
  const fields = { 'metadata.name': node.metadata?.name ?? '' }
  return (
    matchExpressions.length + matchFields.length > 0 &&
    matchExpressions.every(term => matchesTerm(term, node.metadata?.labels ?? {})) &&
    matchFields.every(term => matchesTerm(term, fields))
  )
}

function lackingResource(pod: Pod, node: Node, present: readonly Pod[]): string | undefined {
  const { pods, ...allocatable } = node.status?.allocatable ?? {}
  if (pods !== undefined && present.length + 1 > parseQuantity(pods)) return 'Too many pods'
  const wanted = requestsOf(pod)
  const used = present.map(requestsOf)
  for (const [resource, amount] of Object.entries(wanted)) {
    const limit = allocatable[resource]
    const isNative = resource === 'cpu' || resource === 'memory' || resource === 'ephemeral-storage'
    if (limit === undefined && isNative) continue
    const taken = used.reduce((sum, requests) => sum + (requests[resource] ?? 0), 0)
    if (amount > 0 && taken + amount > (limit === undefined ? 0 : parseQuantity(limit))) return `Insufficient ${resource}`
  }
}

/** Containers run at once and init containers one by one, so the larger of the sum and the greatest counts. */
function requestsOf(pod: Pod): Requests {
  const read = (requests: Record<string, string> | undefined) =>
    Object.entries(requests ?? {}).map(([resource, amount]) => [resource, parseQuantity(amount)] as const)
  const total: Record<string, number> = {}
  for (const container of pod.spec?.containers ?? []) {
    for (const [resource, amount] of read(container.resources?.requests)) total[resource] = (total[resource] ?? 0) + amount
  }
  for (const container of pod.spec?.initContainers ?? []) {
    for (const [resource, amount] of read(container.resources?.requests)) total[resource] = Math.max(total[resource] ?? 0, amount)
  }
  return total
}
