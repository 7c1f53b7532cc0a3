import type { Deployment, DeploymentCondition, DeploymentStatus, ReplicaSet } from 'kubernetes-types/apps/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { type Clock, timestamp } from './clock.ts'
import { replicasOf } from './replica-set.ts'
import { desiredReplicas, readLimits, type Sets } from './rollout.ts'

/** `kubernetes-types` is of Kubernetes 1.30; this field came with 1.33. */
type Status = DeploymentStatus & { terminatingReplicas?: number }

type Conditions = readonly DeploymentCondition[]
type NewCondition = Pick<DeploymentCondition, 'type' | 'status' | 'reason' | 'message'>

/** What kube-controller-manager takes for "no deadline": the largest 32-bit number. */
const NO_DEADLINE_SECONDS = 2 ** 31 - 1

/**
 * Builds the status that follows from the sets.
 *
 * @param conditions those that stand, with what this reconciliation has already said
 * @param isRolling whether progress is judged: not while the Deployment is paused or only scaled
 */
export function buildStatus(
  deployment: Stored<Deployment>,
  sets: Sets,
  options: { conditions: Conditions; isRolling: boolean; clock: Clock },
): Status {
  const { conditions, isRolling, clock } = options
  const counts = countPods(deployment, sets)
  const withAvailable = setCondition(conditions, availability(deployment, counts), clock)
  const judged = isRolling ? withProgress(deployment, sets, counts, withAvailable, clock) : withAvailable
  const status = { ...counts, conditions: isRolling ? withFailure(judged, sets) : [...judged] }
  const { collisionCount } = deployment.status ?? {}
  return { ...status, ...(collisionCount ? { collisionCount } : {}) }
}

/**
 * Puts a condition in place of that of its type. One that says the same stays as it is, and the time of transition moves only with the
 * status.
 */
export function setCondition(conditions: Conditions, condition: NewCondition, clock: Clock): Conditions {
  const standing = findCondition(conditions, condition.type)
  if (standing?.status === condition.status && standing.reason === condition.reason) return conditions
  return replaceCondition(conditions, condition, clock)
}

export function findCondition(conditions: Conditions | undefined, type: string): DeploymentCondition | undefined {
  return conditions?.find(condition => condition.type === type)
}

/** How long until the rollout is late; `undefined` when nobody waits for it, or it is late already. */
export function deadlineInMs(deployment: Deployment, clock: Clock): number | undefined {
  const progressing = findCondition(deployment.status?.conditions, 'Progressing')
  if (!hasDeadline(deployment) || !progressing?.lastUpdateTime || progressing.reason === 'ProgressDeadlineExceeded') return undefined
  if (progressing.reason === 'NewReplicaSetAvailable' || deployment.spec?.paused) return undefined
  const deadlineMs = Date.parse(progressing.lastUpdateTime) + deployment.spec!.progressDeadlineSeconds! * 1000
  return Math.max(1, deadlineMs - clock.now())
}

export function hasDeadline(deployment: Deployment): boolean {
  return (deployment.spec?.progressDeadlineSeconds ?? NO_DEADLINE_SECONDS) !== NO_DEADLINE_SECONDS
}

/** All wanted pods are of the newest template, none is left of an older one, and enough are available. */
export function isComplete(deployment: Stored<Deployment>, status: DeploymentStatus): boolean {
  const desired = desiredReplicas(deployment)
  return (
    (status.updatedReplicas ?? 0) === desired &&
    (status.replicas ?? 0) === desired &&
    (status.availableReplicas ?? 0) >= desired - readLimits(deployment).maxUnavailable &&
    (status.observedGeneration ?? 0) >= (deployment.metadata.generation ?? 0)
  )
}

function countPods(deployment: Stored<Deployment>, { newSet, oldSets }: Sets) {
  const all = newSet ? [...oldSets, newSet] : oldSets
  const available = total(all, set => set.status?.availableReplicas)
  return {
    observedGeneration: deployment.metadata.generation ?? 0,
    replicas: total(all, set => set.status?.replicas),
    updatedReplicas: newSet?.status?.replicas ?? 0,
    readyReplicas: total(all, set => set.status?.readyReplicas),
    availableReplicas: available,
    unavailableReplicas: Math.max(0, total(all, replicasOf) - available),
    terminatingReplicas: total(all, set => (set.status as { terminatingReplicas?: number } | undefined)?.terminatingReplicas),
  }
}

function availability(deployment: Deployment, { availableReplicas }: { availableReplicas: number }): NewCondition {
  const isAvailable = availableReplicas >= desiredReplicas(deployment) - readLimits(deployment).maxUnavailable
  return isAvailable
    ? { type: 'Available', status: 'True', reason: 'MinimumReplicasAvailable', message: 'Deployment has minimum availability.' }
    : {
        type: 'Available',
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      }
}

function withProgress(deployment: Stored<Deployment>, sets: Sets, counts: Status, conditions: Conditions, clock: Clock): Conditions {
  if (!hasDeadline(deployment)) return conditions.filter(condition => condition.type !== 'Progressing')
  const standing = findCondition(conditions, 'Progressing')
  // A rollout that has ended is not judged again when pods come and go later.
  if (standing?.reason === 'NewReplicaSetAvailable' && counts.replicas === counts.updatedReplicas) return conditions
  const subject = sets.newSet ? `ReplicaSet "${sets.newSet.metadata.name}"` : `Deployment "${deployment.metadata.name}"`
  const say = (status: 'True' | 'False', reason: string, message: string): NewCondition => ({
    type: 'Progressing',
    status,
    reason,
    message,
  })
  if (isComplete(deployment, counts)) {
    return setCondition(conditions, say('True', 'NewReplicaSetAvailable', `${subject} has successfully progressed.`), clock)
  }
  if (hasProgressed(deployment.status ?? {}, counts)) {
    // Even when it says the same: its update time is what the deadline counts from.
    return replaceCondition(conditions, say('True', 'ReplicaSetUpdated', `${subject} is progressing.`), clock)
  }
  if (isLate(deployment, standing, clock)) {
    return setCondition(conditions, say('False', 'ProgressDeadlineExceeded', `${subject} has timed out progressing.`), clock)
  }
  return conditions
}

/** More new pods, fewer old ones, or more available ones than before. */
function hasProgressed(before: DeploymentStatus, after: DeploymentStatus): boolean {
  const old = (status: DeploymentStatus) => (status.replicas ?? 0) - (status.updatedReplicas ?? 0)
  return (
    (after.updatedReplicas ?? 0) > (before.updatedReplicas ?? 0) ||
    old(after) < old(before) ||
    (after.availableReplicas ?? 0) > (before.availableReplicas ?? 0)
  )
}

function isLate(deployment: Deployment, progressing: DeploymentCondition | undefined, clock: Clock): boolean {
  if (!progressing?.lastUpdateTime) return false
  if (progressing.reason === 'ProgressDeadlineExceeded') return true
  return Date.parse(progressing.lastUpdateTime) + deployment.spec!.progressDeadlineSeconds! * 1000 <= clock.now()
}

/** A set that cannot make or delete pods says why; the new set's word goes before the old ones'. */
function withFailure(conditions: Conditions, { newSet, oldSets }: Sets): DeploymentCondition[] {
  const failure = [...(newSet ? [newSet] : []), ...oldSets]
    .flatMap(set => set.status?.conditions ?? [])
    .find(condition => condition.type === 'ReplicaFailure')
  const others = conditions.filter(condition => condition.type !== 'ReplicaFailure')
  if (!failure) return others
  const standing = findCondition(conditions, 'ReplicaFailure')
  if (standing?.status === failure.status && standing.reason === failure.reason) return [...conditions]
  return [...others, { ...failure, ...(failure.lastTransitionTime ? { lastUpdateTime: failure.lastTransitionTime } : {}) }]
}

function replaceCondition(conditions: Conditions, condition: NewCondition, clock: Clock): Conditions {
  const now = timestamp(clock)
  const standing = findCondition(conditions, condition.type)
  const lastTransitionTime = standing?.status === condition.status ? (standing.lastTransitionTime ?? now) : now
  const replaced = { ...condition, lastUpdateTime: now, lastTransitionTime }
  return [...conditions.filter(({ type }) => type !== condition.type), replaced]
}

function total(sets: readonly ReplicaSet[], count: (set: ReplicaSet) => number | undefined): number {
  return sets.reduce((sum, set) => sum + (count(set) ?? 0), 0)
}
