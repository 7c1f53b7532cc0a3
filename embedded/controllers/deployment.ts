import { isDeepStrictEqual } from 'node:util'
import type { Deployment, DeploymentCondition, ReplicaSet } from 'kubernetes-types/apps/v1'
import { isStatus, KubernetesError } from '../../kernel/kubernetes/api.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Outcome, Reconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import { claim } from './claim.ts'
import type { Cluster } from './cluster.ts'
import { enqueueAll, isNamespaceEnding, startController } from './controller.ts'
import { buildStatus, deadlineInMs, findCondition, hasDeadline, isComplete, setCondition } from './deployment-status.ts'
import { isEmptySelector, selects } from './label-selector.ts'
import { isFinished } from './pods.ts'
import { replicasOf } from './replica-set.ts'
import {
  annotationChanges,
  buildNewSet,
  DESIRED_ANNOTATION,
  findNewSet,
  MAX_ANNOTATION,
  maxRevision,
  REVISION_ANNOTATION,
  revisionOf,
} from './revision.ts'
import {
  byAge,
  desiredReplicas,
  isScaled,
  newSetReplicas,
  planRolling,
  planScale,
  planShutdown,
  readLimits,
  type Scaling,
  type Sets,
} from './rollout.ts'

const COMPONENT = 'deployment-controller'
const HISTORY_COUNT_DEFAULT = 10

/**
 * Rolls each Deployment out: a ReplicaSet per pod template, sized step by step within the strategy's limits.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/deployment/
 */
export function startDeploymentController(cluster: Cluster): Running {
  const { views, log } = cluster
  const reconciler = startController({ name: 'deployment', log, reconcile: key => new Rollout(cluster, key).reconcile() })
  enqueueAll(views.deployments, reconciler)
  views.replicaSets.onChange((_, set, previous) => {
    for (const object of [set, previous]) if (object) enqueueOwner(cluster, reconciler, object)
  })
  // A Deployment that recreates waits for the last old pod to be gone.
  views.pods.onChange((_, pod, previous) => {
    const owner = pod ? undefined : previous?.metadata.ownerReferences?.find(reference => reference.controller)
    const set = owner?.kind === 'ReplicaSet' && views.replicaSets.get(`${previous?.metadata.namespace}/${owner.name}`)
    if (set) enqueueOwner(cluster, reconciler, set)
  })
  return reconciler
}

function enqueueOwner({ views }: Cluster, reconciler: Reconciler, set: Stored<ReplicaSet>): void {
  const namespace = set.metadata.namespace!
  const owner = set.metadata.ownerReferences?.find(reference => reference.controller)
  if (owner?.kind === 'Deployment') reconciler.enqueue(`${namespace}/${owner.name}`)
  if (owner) return
  for (const deployment of views.deployments.inNamespace(namespace)) {
    if (selects(deployment.spec?.selector, set.metadata.labels)) reconciler.enqueue(`${namespace}/${deployment.metadata.name}`)
  }
}

/** One reconciliation of one Deployment. */
class Rollout {
  readonly #cluster: Cluster
  readonly #key: string
  /** What stands in the status, and what this run has to say; all of it is written once, at the end. */
  #conditions: readonly DeploymentCondition[] = []
  /** The revision of the present template's set, once it is known. */
  #revision: number | undefined

  constructor(cluster: Cluster, key: string) {
    this.#cluster = cluster
    this.#key = key
  }

  async reconcile(): Promise<Outcome> {
    const deployment = this.#deployment()
    if (!deployment) return
    if (isEmptySelector(deployment.spec?.selector)) {
      this.#tell(deployment, 'Warning', 'SelectingAll', 'This deployment is selecting all pods. A non-empty selector is required.')
      return
    }
    this.#conditions = deployment.status?.conditions ?? []
    const sets = byAge(await this.#claimSets(deployment))
    if (deployment.metadata.deletionTimestamp) return this.#writeStatus(deployment, false)
    this.#notePause(deployment)
    const found = this.#split(deployment, sets)
    const isRolling = !deployment.spec?.paused && !isScaled(deployment, found)
    if (isRolling) await this.#roll(deployment, found)
    else {
      if (found.newSet) await this.#refresh(deployment, found.newSet, found.oldSets)
      await this.#scale(deployment, planScale(deployment, this.#sets(deployment)))
      if (deployment.spec?.paused) await this.#cleanUp(deployment, this.#sets(deployment).oldSets)
    }
    return this.#writeStatus(deployment, isRolling)
  }

  async #roll(deployment: Stored<Deployment>, { newSet, oldSets }: Sets): Promise<void> {
    if (deployment.spec?.strategy?.type === 'Recreate') {
      if (newSet) await this.#refresh(deployment, newSet, oldSets)
      const shutdown = planShutdown(oldSets)
      if (shutdown.length > 0) return this.#scale(deployment, shutdown)
      if (oldSets.some(set => this.#hasPods(set))) return
    }
    const current = newSet ? await this.#refresh(deployment, newSet, oldSets) : await this.#createSet(deployment, oldSets)
    if (!current) return
    const plan = planRolling(deployment, current, oldSets)
    if (plan.length > 0) return this.#scale(deployment, plan)
    if (isComplete(deployment, deployment.status ?? {})) await this.#cleanUp(deployment, oldSets)
  }

  /** Read again where it matters: views hold one's own writes. */
  #deployment(): Stored<Deployment> | undefined {
    return this.#cluster.views.deployments.get(this.#key)
  }

  #sets(deployment: Stored<Deployment>): Sets {
    return this.#split(deployment, byAge(this.#cluster.views.replicaSets.controlledBy(deployment.metadata.uid)))
  }

  #split(deployment: Stored<Deployment>, sets: readonly Stored<ReplicaSet>[]): Sets {
    const newSet = findNewSet(
      deployment,
      sets.filter(set => !set.metadata.deletionTimestamp),
    )
    return { newSet, oldSets: sets.filter(set => set !== newSet) }
  }

  #claimSets(deployment: Stored<Deployment>): Promise<Stored<ReplicaSet>[]> {
    const { views } = this.#cluster
    return claim({
      ownerResource: RESOURCES.deployments,
      owner: deployment,
      owners: views.deployments,
      candidates: views.replicaSets,
      selects: set => selects(deployment.spec?.selector, set.metadata.labels),
    })
  }

  /** The time of a pause must not count against the deadline. */
  #notePause(deployment: Stored<Deployment>): void {
    const reason = findCondition(this.#conditions, 'Progressing')?.reason
    if (!hasDeadline(deployment) || reason === 'ProgressDeadlineExceeded') return
    if (deployment.spec?.paused) this.#say('Unknown', 'DeploymentPaused', 'Deployment is paused')
    else if (reason === 'DeploymentPaused') this.#say('Unknown', 'DeploymentResumed', 'Deployment is resumed')
  }

  async #createSet(deployment: Stored<Deployment>, oldSets: readonly Stored<ReplicaSet>[]): Promise<Stored<ReplicaSet> | undefined> {
    const { views } = this.#cluster
    const revision = maxRevision(oldSets) + 1
    const wanted = buildNewSet(deployment, revision)
    const replicas = newSetReplicas(deployment, undefined, oldSets)
    const annotations = { ...wanted.metadata!.annotations, ...sizeAnnotations(deployment) }
    let set: Stored<ReplicaSet>
    try {
      set = await views.replicaSets.create({
        ...wanted,
        metadata: { ...wanted.metadata, annotations },
        spec: { ...wanted.spec!, replicas },
      })
    } catch (error) {
      if (isStatus(error, 409)) return this.#settleCollision(deployment, wanted)
      if (isNamespaceEnding(error)) return
      if (error instanceof KubernetesError) await this.#noteCreateError(deployment, wanted.metadata!.name!, error)
      throw error
    }
    if (replicas > 0)
      this.#tell(deployment, 'Normal', 'ScalingReplicaSet', `Scaled up replica set ${set.metadata.name} from 0 to ${replicas}`)
    if (hasDeadline(deployment)) this.#say('True', 'NewReplicaSetCreated', `Created new replica set "${set.metadata.name}"`)
    this.#revision = revision
    return set
  }

  /** The name is taken: by our own set, if the view lags; else the next try hashes another number with the template. */
  async #settleCollision(deployment: Stored<Deployment>, wanted: ReplicaSet): Promise<undefined> {
    const { views } = this.#cluster
    const taken = await views.replicaSets.live(deployment.metadata.namespace!, wanted.metadata!.name!)
    const isOurs = taken?.metadata.ownerReferences?.some(owner => owner.uid === deployment.metadata.uid)
    if (!taken || (isOurs && findNewSet(deployment, [taken]))) return
    const status = { ...deployment.status, collisionCount: (deployment.status?.collisionCount ?? 0) + 1 }
    await views.deployments.update({ ...deployment, status }, { subresource: 'status' })
  }

  async #noteCreateError(deployment: Stored<Deployment>, name: string, error: Error): Promise<void> {
    const message = `Failed to create new replica set "${name}": ${error.message}`
    this.#tell(deployment, 'Warning', 'ReplicaSetCreateError', message)
    if (!hasDeadline(deployment)) return
    this.#say('False', 'ReplicaSetCreateError', message)
    await this.#writeStatus(deployment, false)
  }

  /** Brings annotations, revision and `minReadySeconds` of the present template's set up to date. */
  async #refresh(
    deployment: Stored<Deployment>,
    set: Stored<ReplicaSet>,
    oldSets: readonly Stored<ReplicaSet>[],
  ): Promise<Stored<ReplicaSet>> {
    const annotations = annotationChanges(deployment, set, maxRevision(oldSets) + 1)
    const minReadySeconds = deployment.spec?.minReadySeconds ?? 0
    const isStale = minReadySeconds !== (set.spec?.minReadySeconds ?? 0)
    const fresh =
      Object.keys(annotations).length > 0 || isStale
        ? await this.#patchSet(set, { metadata: { annotations }, ...(isStale ? { spec: { minReadySeconds } } : {}) })
        : set
    this.#revision = revisionOf(fresh)
    if (hasDeadline(deployment) && !findCondition(this.#conditions, 'Progressing')) {
      this.#say('True', 'FoundNewReplicaSet', `Found new replica set "${set.metadata.name}"`)
    }
    return fresh
  }

  async #scale(deployment: Stored<Deployment>, scalings: readonly Scaling[]): Promise<void> {
    for (const { set, replicas } of scalings) {
      const from = replicasOf(set)
      const annotations = sizeAnnotations(deployment)
      const standing = set.metadata.annotations ?? {}
      if (from === replicas && Object.entries(annotations).every(([name, value]) => standing[name] === value)) continue
      await this.#patchSet(set, { metadata: { annotations }, spec: { replicas } })
      if (from === replicas) continue
      const message = `Scaled ${replicas > from ? 'up' : 'down'} replica set ${set.metadata.name} from ${from} to ${replicas}`
      this.#tell(deployment, 'Normal', 'ScalingReplicaSet', message)
    }
  }

  #patchSet(set: Stored<ReplicaSet>, body: { metadata: object; spec?: object }): Promise<Stored<ReplicaSet>> {
    const metadata = { uid: set.metadata.uid, ...body.metadata }
    return this.#cluster.views.replicaSets.patch(set, { type: 'merge', body: { ...body, metadata } })
  }

  /** True while a pod of the set is there that has not ended, be it on its way out. */
  #hasPods(set: Stored<ReplicaSet>): boolean {
    return this.#cluster.views.pods.controlledBy(set.metadata.uid).some(pod => !isFinished(pod))
  }

  /** Removes the oldest empty sets beyond `revisionHistoryLimit`. */
  async #cleanUp(deployment: Stored<Deployment>, oldSets: readonly Stored<ReplicaSet>[]): Promise<void> {
    const standing = oldSets.filter(set => !set.metadata.deletionTimestamp).sort((a, b) => revisionOf(a) - revisionOf(b))
    const surplus = standing.length - (deployment.spec?.revisionHistoryLimit ?? HISTORY_COUNT_DEFAULT)
    for (const set of standing.slice(0, Math.max(0, surplus))) {
      const isSettled = (set.status?.observedGeneration ?? 0) >= (set.metadata.generation ?? 0)
      if (isSettled && replicasOf(set) === 0 && !set.status?.replicas) await this.#cluster.views.replicaSets.delete(set)
    }
  }

  async #writeStatus(began: Stored<Deployment>, isRolling: boolean): Promise<Outcome> {
    const { views, clock } = this.#cluster
    const newest = this.#deployment()
    if (newest?.metadata.uid !== began.metadata.uid) return
    // What was decided on is what was observed, even if the spec has changed meanwhile.
    const deployment = { ...newest, spec: began.spec!, metadata: { ...newest.metadata, generation: began.metadata.generation ?? 0 } }
    const status = buildStatus(deployment, this.#sets(deployment), { conditions: this.#conditions, isRolling, clock })
    const revision = String(this.#revision ?? newest.metadata.annotations?.[REVISION_ANNOTATION] ?? '')
    const isSame =
      isDeepStrictEqual(stripZero(status), stripZero(deployment.status ?? {})) &&
      revision === (newest.metadata.annotations?.[REVISION_ANNOTATION] ?? '')
    // The annotation goes with the status: written to the Deployment itself it would make a new generation.
    const annotations = { ...newest.metadata.annotations, ...(revision ? { [REVISION_ANNOTATION]: revision } : {}) }
    const metadata = { ...deployment.metadata, annotations }
    const written = isSame ? deployment : await views.deployments.update({ ...deployment, metadata, status }, { subresource: 'status' })
    const againAfterMs = isRolling ? deadlineInMs(written, clock) : undefined
    return againAfterMs === undefined ? undefined : { againAfterMs }
  }

  #say(status: 'True' | 'False' | 'Unknown', reason: string, message: string): void {
    this.#conditions = setCondition(this.#conditions, { type: 'Progressing', status, reason, message }, this.#cluster.clock)
  }

  #tell(deployment: Stored<Deployment>, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.events.record(RESOURCES.deployments, deployment, { type, reason, message, component: COMPONENT })
  }
}

function sizeAnnotations(deployment: Deployment): Record<string, string> {
  const desired = desiredReplicas(deployment)
  return { [DESIRED_ANNOTATION]: String(desired), [MAX_ANNOTATION]: String(desired + readLimits(deployment).maxSurge) }
}

/** The API server leaves out counts of nought. */
function stripZero(status: object): object {
  return Object.fromEntries(Object.entries(status).filter(([, value]) => value !== 0))
}
