import type { Deployment, ReplicaSet } from 'kubernetes-types/apps/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { replicasOf } from './replica-set.ts'
import { DESIRED_ANNOTATION, MAX_ANNOTATION } from './revision.ts'

/** A Deployment's ReplicaSets: the one of its present template, if it is there, and all others. */
export interface Sets {
  readonly newSet: Stored<ReplicaSet> | undefined
  readonly oldSets: readonly Stored<ReplicaSet>[]
}

/** A ReplicaSet and the size that it shall have. */
export interface Scaling {
  readonly set: Stored<ReplicaSet>
  readonly replicas: number
}

/** How far a rolling update may go beyond and below the wanted number of pods. */
export interface Limits {
  readonly maxSurge: number
  readonly maxUnavailable: number
}

/**
 * Resolves both limits together: a share of the pods is rounded up for the surge and down for the unavailable, and when both come to
 * nought one pod may be unavailable, for otherwise nothing could move.
 */
export function readLimits(deployment: Deployment): Limits {
  const strategy = deployment.spec?.strategy
  if (strategy?.type === 'Recreate') return { maxSurge: 0, maxUnavailable: 0 }
  const desired = desiredReplicas(deployment)
  const maxSurge = share(strategy?.rollingUpdate?.maxSurge ?? '25%', desired, Math.ceil)
  const maxUnavailable = Math.min(desired, share(strategy?.rollingUpdate?.maxUnavailable ?? '25%', desired, Math.floor))
  return { maxSurge, maxUnavailable: maxSurge === 0 && maxUnavailable === 0 ? 1 : maxUnavailable }
}

/** How many pods a Deployment asks for; 1 when it does not say. */
export function desiredReplicas(deployment: Deployment): number {
  return deployment.spec?.replicas ?? 1
}

/**
 * The next step of a rolling update: first the new set grows as far as the surge allows; when it cannot, the old ones shrink, first by the
 * pods that are not available anyway.
 */
export function planRolling(deployment: Deployment, newSet: Stored<ReplicaSet>, oldSets: readonly Stored<ReplicaSet>[]): Scaling[] {
  const replicas = newSetReplicas(deployment, newSet, oldSets)
  if (replicas !== replicasOf(newSet)) return [{ set: newSet, replicas }]
  return shrinkOld(deployment, newSet, oldSets)
}

/** How large the new set may be now. Pods that an old set has not given up yet count, so that the surge holds at every moment. */
export function newSetReplicas(deployment: Deployment, newSet: ReplicaSet | undefined, oldSets: readonly Stored<ReplicaSet>[]): number {
  const desired = desiredReplicas(deployment)
  if (deployment.spec?.strategy?.type === 'Recreate') return desired
  const current = newSet ? replicasOf(newSet) : 0
  if (current >= desired) return desired
  const present =
    Math.max(current, newSet?.status?.replicas ?? 0) + sum(oldSets, set => Math.max(replicasOf(set), set.status?.replicas ?? 0))
  const room = desired + readLimits(deployment).maxSurge - present
  return room <= 0 ? current : Math.min(desired, current + room)
}

function shrinkOld(deployment: Deployment, newSet: Stored<ReplicaSet>, oldSets: readonly Stored<ReplicaSet>[]): Scaling[] {
  const minAvailable = desiredReplicas(deployment) - readLimits(deployment).maxUnavailable
  const newUnavailable = replicasOf(newSet) - availableOf(newSet)
  let mayGo = sum(oldSets, replicasOf) + replicasOf(newSet) - minAvailable - newUnavailable
  let spare = sum(oldSets, availableOf) + availableOf(newSet) - minAvailable
  const sorted = byAge(oldSets)
  const sizes = sorted.map(replicasOf)
  for (const [index, set] of sorted.entries()) {
    const unavailable = Math.max(0, Math.min(mayGo, replicasOf(set) - availableOf(set)))
    sizes[index]! -= unavailable
    mayGo -= unavailable
  }
  for (const [index, size] of sizes.entries()) {
    const available = Math.max(0, Math.min(mayGo, spare, size))
    sizes[index]! -= available
    mayGo -= available
    spare -= available
  }
  return sorted.map((set, index) => ({ set, replicas: sizes[index]! })).filter(({ set, replicas }) => replicas !== replicasOf(set))
}

/** All old sets go to nought before the new one starts. */
export function planShutdown(oldSets: readonly Stored<ReplicaSet>[]): Scaling[] {
  return oldSets.filter(set => replicasOf(set) > 0).map(set => ({ set, replicas: 0 }))
}

/**
 * What a change of the wanted number means while no step of a rollout is taken (or it is paused): the only active set takes it all, or
 * all active sets take their share, so that a scale in the middle of a rollout neither hastens nor undoes it.
 */
export function planScale(deployment: Deployment, { newSet, oldSets }: Sets): Scaling[] {
  const desired = desiredReplicas(deployment)
  const all = newSet ? [...oldSets, newSet] : [...oldSets]
  const active = all.filter(set => replicasOf(set) > 0)
  const only = active.length === 0 ? (newSet ?? byAge(oldSets).at(-1)) : active.length === 1 ? active[0] : undefined
  if (only) return [{ set: only, replicas: desired }]
  if ((newSet && isSaturated(deployment, newSet)) || deployment.spec?.strategy?.type === 'Recreate') return planShutdown(oldSets)
  return shareOut(deployment, active)
}

/** True when some active set was sized for another number of pods than is wanted now. */
export function isScaled(deployment: Deployment, { newSet, oldSets }: Sets): boolean {
  return [...oldSets, ...(newSet ? [newSet] : [])]
    .filter(set => replicasOf(set) > 0)
    .map(set => set.metadata.annotations?.[DESIRED_ANNOTATION])
    .some(text => text !== undefined && Number(text) !== desiredReplicas(deployment))
}

/** True when the set has all the pods and was told so. */
function isSaturated(deployment: Deployment, set: Stored<ReplicaSet>): boolean {
  const desired = desiredReplicas(deployment)
  return (
    replicasOf(set) === desired &&
    Number(set.metadata.annotations?.[DESIRED_ANNOTATION]) === desired &&
    (set.status?.availableReplicas ?? 0) === desired
  )
}

/** Largest sets first; what rounding leaves over goes to the largest. */
function shareOut(deployment: Deployment, active: readonly Stored<ReplicaSet>[]): Scaling[] {
  const desired = desiredReplicas(deployment)
  const allowed = desired > 0 ? desired + readLimits(deployment).maxSurge : 0
  const toAdd = allowed - sum(active, replicasOf)
  const sorted = bySize(active, toAdd > 0)
  let added = 0
  const sizes = sorted.map(set => {
    const part = toAdd === 0 ? 0 : portion(deployment, set, toAdd, added)
    added += part
    return replicasOf(set) + part
  })
  sizes[0] = Math.max(0, sizes[0]! + (toAdd - added))
  return sorted.map((set, index) => ({ set, replicas: sizes[index]! }))
}

/** The set's share of what is to be added (or, below nought, taken), never more than is left. */
function portion(deployment: Deployment, set: Stored<ReplicaSet>, toAdd: number, added: number): number {
  const size = replicasOf(set)
  const left = toAdd - added
  if (left === 0) return 0
  const desired = desiredReplicas(deployment)
  if (desired === 0) return Math.max(-size, left)
  const sizedFor = Number(set.metadata.annotations?.[MAX_ANNOTATION]) || deployment.status?.replicas || size
  const part = Math.round((size * (desired + readLimits(deployment).maxSurge)) / sizedFor) - size
  return toAdd > 0 ? Math.min(part, left) : Math.max(part, left)
}

/** The oldest first. */
export function byAge(sets: readonly Stored<ReplicaSet>[]): Stored<ReplicaSet>[] {
  const time = (set: Stored<ReplicaSet>) => set.metadata.creationTimestamp ?? ''
  return [...sets].sort((a, b) => compare(time(a), time(b)) || compare(a.metadata.name, b.metadata.name))
}

function bySize(sets: readonly Stored<ReplicaSet>[], isNewerFirst: boolean): Stored<ReplicaSet>[] {
  const sorted = isNewerFirst ? byAge(sets).reverse() : byAge(sets)
  return sorted.sort((a, b) => replicasOf(b) - replicasOf(a))
}

/** Available pods that are meant to stay: a set that was just told to shrink will give up available ones too. */
function availableOf(set: ReplicaSet): number {
  return Math.min(replicasOf(set), set.status?.availableReplicas ?? 0)
}

function share(limit: number | string, total: number, round: (n: number) => number): number {
  if (typeof limit === 'number') return limit
  const percent = /^(\d+)%$/.exec(limit)?.[1]
  return percent === undefined ? Number(limit) || 0 : round((Number(percent) * total) / 100)
}

function sum<T>(items: readonly T[], count: (item: T) => number): number {
  return items.reduce((total, item) => total + count(item), 0)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
