import { isDeepStrictEqual } from 'node:util'
import type { ReplicaSet, ReplicaSetCondition, ReplicaSetStatus } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Outcome } from '../../kernel/kubernetes/reconciler.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import { claim } from './claim.ts'
import { type Clock, timestamp } from './clock.ts'
import type { Cluster } from './cluster.ts'
import { enqueueAll, startController } from './controller.ts'
import { matchesLabels, selects } from './label-selector.ts'
import { enqueueOwners, isRefusal, OwnedPods } from './owned-pods.ts'
import { availableInMs, isActive, isFinished, isReady, isTerminating, sortForDeletion } from './pods.ts'

/** `kubernetes-types` is of Kubernetes 1.30; this field came with 1.33. */
type Status = ReplicaSetStatus & { terminatingReplicas?: number }

/**
 * Keeps as many pods as each ReplicaSet asks for.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
 */
export function startReplicaSetController(cluster: Cluster): Running {
  const { views, log } = cluster
  const reconciler = startController({ name: 'replica-set', log, reconcile: key => reconcile(cluster, key) })
  enqueueAll(views.replicaSets, reconciler)
  enqueueOwners(views.replicaSets, views.pods, reconciler)
  return reconciler
}

async function reconcile(cluster: Cluster, key: string): Promise<Outcome> {
  const { views, clock } = cluster
  const set = views.replicaSets.get(key)
  if (!set) return
  const claimed = await claimPods(cluster, set)
  const failure = set.metadata.deletionTimestamp ? undefined : await manage(cluster, set, claimed.filter(isActive))
  // Read again: what was made or deleted just now counts.
  const pods = views.pods.controlledBy(set.metadata.uid)
  await writeStatus(cluster, set, buildStatus(set, pods, failure, clock))
  if (failure) throw failure.error
  return againWhenAvailable(set, pods, clock)
}

function claimPods({ views }: Cluster, set: Stored<ReplicaSet>): Promise<Stored<Pod>[]> {
  return claim({
    ownerResource: RESOURCES.replicaSets,
    owner: set,
    owners: views.replicaSets,
    candidates: views.pods,
    selects: pod => selects(set.spec?.selector, pod.metadata.labels),
  })
}

interface Failure {
  readonly reason: 'FailedCreate' | 'FailedDelete'
  readonly error: Error
}

/** Makes or deletes pods until there are as many as asked for. */
async function manage(cluster: Cluster, set: Stored<ReplicaSet>, active: Stored<Pod>[]): Promise<Failure | undefined> {
  const missing = replicasOf(set) - active.length
  if (missing === 0) return
  const pods = new OwnedPods(cluster, RESOURCES.replicaSets, 'replicaset-controller')
  try {
    if (missing > 0) await pods.create(set, set.spec!.template!, missing)
    else await pods.delete(set, selectForDeletion(cluster, set, active).slice(0, -missing))
  } catch (error) {
    if (!isRefusal(error)) throw error
    return { reason: missing > 0 ? 'FailedCreate' : 'FailedDelete', error }
  }
}

/** Sets of one Deployment share nodes, so that a scale-down of the old one takes from the node where most of the Deployment's pods are. */
function selectForDeletion({ views }: Cluster, set: Stored<ReplicaSet>, active: Stored<Pod>[]): Stored<Pod>[] {
  const deployment = set.metadata.ownerReferences?.find(owner => owner.controller)
  const related = deployment ? views.replicaSets.controlledBy(deployment.uid) : [set]
  const perNode = new Map<string, number>()
  for (const pod of related.flatMap(({ metadata }) => views.pods.controlledBy(metadata.uid)).filter(isActive)) {
    const node = pod.spec?.nodeName ?? ''
    perNode.set(node, (perNode.get(node) ?? 0) + 1)
  }
  return sortForDeletion(active, pod => perNode.get(pod.spec?.nodeName ?? '') ?? 0)
}

/** @internal the counts of a set's pods, and its `ReplicaFailure` condition */
export function buildStatus(set: Stored<ReplicaSet>, pods: readonly Pod[], failure: Failure | undefined, clock: Clock): Status {
  const active = pods.filter(isActive)
  const available = active.filter(pod => availableInMs(pod, set.spec?.minReadySeconds ?? 0, clock.now()) === 0)
  const conditions = conditionsAfter(set.status?.conditions ?? [], failure, clock)
  return {
    replicas: active.length,
    fullyLabeledReplicas: active.filter(pod => matchesLabels(set.spec?.template?.metadata?.labels, pod.metadata?.labels)).length,
    readyReplicas: active.filter(isReady).length,
    availableReplicas: available.length,
    terminatingReplicas: pods.filter(pod => isTerminating(pod) && !isFinished(pod)).length,
    observedGeneration: set.metadata.generation ?? 0,
    ...(conditions.length > 0 ? { conditions } : {}),
  }
}

function conditionsAfter(conditions: ReplicaSetCondition[], failure: Failure | undefined, clock: Clock): ReplicaSetCondition[] {
  const others = conditions.filter(condition => condition.type !== 'ReplicaFailure')
  if (!failure) return others
  const standing = conditions.find(condition => condition.type === 'ReplicaFailure')
  const message = failure.error.message
  if (standing?.reason === failure.reason) return conditions
  return [...others, { type: 'ReplicaFailure', status: 'True', lastTransitionTime: timestamp(clock), reason: failure.reason, message }]
}

async function writeStatus({ views }: Cluster, set: Stored<ReplicaSet>, status: Status): Promise<void> {
  if (isDeepStrictEqual(stripZero(status), stripZero(set.status ?? { replicas: 0 }))) return
  await views.replicaSets.update({ ...set, status }, { subresource: 'status' })
}

/** The API server leaves out counts of nought. */
function stripZero(status: Status): object {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== 0))
}

/** A pod that is ready but not yet for long enough changes the count by the mere passing of time. */
function againWhenAvailable(set: Stored<ReplicaSet>, pods: readonly Pod[], clock: Clock): Outcome {
  const seconds = set.spec?.minReadySeconds ?? 0
  const waits = pods.filter(isActive).map(pod => availableInMs(pod, seconds, clock.now()) ?? 0)
  const againAfterMs = Math.min(...waits.filter(ms => ms > 0))
  return Number.isFinite(againAfterMs) ? { againAfterMs } : undefined
}

/** How many pods a ReplicaSet asks for; 1 when it does not say. */
export function replicasOf(set: ReplicaSet): number {
  return set.spec?.replicas ?? 1
}
