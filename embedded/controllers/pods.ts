import type { Pod } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'

/** True once the pod passes its readiness probes, whether it is on its way out or not. */
export function isReady(pod: Pod): boolean {
  return readyCondition(pod)?.status === 'True'
}

/** True for a pod that has run to its end. */
export function isFinished(pod: Pod): boolean {
  return pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed'
}

export function isTerminating(pod: Pod): boolean {
  return pod.metadata?.deletionTimestamp !== undefined
}

/** True for a pod that counts as a replica: it may still come to run, or runs. */
export function isActive(pod: Pod): boolean {
  return !isFinished(pod) && !isTerminating(pod)
}

/**
 * How long it takes until the pod has been ready for `minReadySeconds`.
 *
 * @returns 0 when it has, `undefined` when it is not ready
 */
export function availableInMs(pod: Pod, minReadySeconds: number, nowMs: number): number | undefined {
  const condition = readyCondition(pod)
  if (condition?.status !== 'True') return undefined
  if (minReadySeconds === 0) return 0
  if (!condition.lastTransitionTime) return undefined
  return Math.max(0, Date.parse(condition.lastTransitionTime) + minReadySeconds * 1000 - nowMs)
}

/**
 * Sorts the pods that a scale-down should take first to the front: those without a node, pending, not ready, cheaper by
 * `controller.kubernetes.io/pod-deletion-cost`, on a node with more of their kind, ready for less long, restarted more often, younger.
 *
 * @param siblings how many pods of the same owner stand on a pod's node
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#scaling-a-replicaset
 */
export function sortForDeletion(pods: readonly Stored<Pod>[], siblings: (pod: Pod) => number): Stored<Pod>[] {
  const ranks = pods.map(pod => ({
    pod,
    rank: [
      pod.spec?.nodeName ? 1 : 0,
      PHASE_RANKS[pod.status?.phase ?? 'Pending'] ?? 1,
      isReady(pod) ? 1 : 0,
      Number(pod.metadata.annotations?.['controller.kubernetes.io/pod-deletion-cost'] ?? 0) || 0,
      -siblings(pod),
      isReady(pod) ? -time(readyCondition(pod)?.lastTransitionTime) : 0,
      -restartCount(pod),
      -time(pod.metadata.creationTimestamp),
    ],
  }))
  ranks.sort((a, b) => {
    const at = a.rank.findIndex((value, index) => value !== b.rank[index])
    return at < 0 ? 0 : a.rank[at]! - b.rank[at]!
  })
  return ranks.map(({ pod }) => pod)
}

/** The sum of all containers' restarts. */
export function restartCount(pod: Pod): number {
  const statuses = [...(pod.status?.initContainerStatuses ?? []), ...(pod.status?.containerStatuses ?? [])]
  return statuses.reduce((sum, status) => sum + status.restartCount, 0)
}

const PHASE_RANKS: Readonly<Record<string, number>> = { Pending: 0, Unknown: 1, Running: 2 }

function readyCondition(pod: Pod) {
  return pod.status?.conditions?.find(condition => condition.type === 'Ready')
}

function time(text: string | undefined): number {
  return text === undefined ? 0 : Date.parse(text)
}
