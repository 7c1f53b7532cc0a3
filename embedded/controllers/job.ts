import { isDeepStrictEqual } from 'node:util'
import type { Job, JobCondition, JobStatus } from 'kubernetes-types/batch/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { isStatus } from '../../kernel/kubernetes/api.ts'
import { keyOf, RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Outcome } from '../../kernel/kubernetes/reconciler.ts'
import { type Running, Stack } from '../../kernel/lifecycle.ts'
import { claim } from './claim.ts'
import { timestamp } from './clock.ts'
import type { Cluster } from './cluster.ts'
import { enqueueAll, startController } from './controller.ts'
import {
  backoffInMs,
  deadlineInMs,
  hasFailed,
  hasFinished,
  isTracked,
  judge,
  judgeSuccess,
  TRACKING_FINALIZER,
  ttlInMs,
  type Verdict,
  wantedActive,
} from './job-state.ts'
import { selects } from './label-selector.ts'
import { enqueueOwners, OwnedPods } from './owned-pods.ts'
import { isActive, isFinished, isReady, isTerminating, sortForDeletion } from './pods.ts'

const COMPONENT = 'job-controller'
const MANAGER = 'kubernetes.io/job-controller'
/** Pods that are counted in one go, so that the list of them in the status stays small. */
const UNCOUNTED_COUNT_MAX = 500

/** `kubernetes-types` is of Kubernetes 1.30; `managedBy` came later. */
type Spec = Job['spec'] & { managedBy?: string }

/**
 * Runs each Job's pods until enough have succeeded or it has failed.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/controllers/job/
 */
export function startJobController(cluster: Cluster): Running {
  const { views, log } = cluster
  const running = new Stack(log)
  const jobs = running.add('jobs', startController({ name: 'job', log, reconcile: key => new JobRun(cluster, key).reconcile() }))
  enqueueAll(views.jobs, jobs)
  enqueueOwners(views.jobs, views.pods, jobs)

  const strays = running.add('strays', startController({ name: 'job-stray', log, reconcile: key => freeStray(cluster, key) }))
  const look = (pod: Stored<Pod>) => {
    if (isTracked(pod) && !seenJob(cluster, pod)) strays.enqueue(keyOf(pod))
  }
  for (const pod of views.pods.list()) look(pod)
  views.pods.onChange((_, pod) => pod && look(pod))
  views.jobs.onChange((_, job, previous) => {
    if (!job) for (const pod of views.pods.controlledBy(previous!.metadata.uid)) look(pod)
  })
  return running
}

/** A pod whose Job has gone is counted by nobody, and must not be held back. */
async function freeStray(cluster: Cluster, key: string): Promise<void> {
  const { views } = cluster
  const pod = views.pods.get(key)
  if (!pod || !isTracked(pod) || seenJob(cluster, pod)) return
  const owner = pod.metadata.ownerReferences?.find(reference => reference.controller && reference.kind === 'Job')
  const job = owner && (await views.jobs.live(pod.metadata.namespace!, owner.name))
  if (job?.metadata.uid !== owner?.uid || !owner) await untrack(cluster, pod)
}

function seenJob({ views }: Cluster, pod: Stored<Pod>): Stored<Job> | undefined {
  const owner = pod.metadata.ownerReferences?.find(reference => reference.controller && reference.kind === 'Job')
  const job = owner && views.jobs.get(`${pod.metadata.namespace}/${owner.name}`)
  return job?.metadata.uid === owner?.uid ? job : undefined
}

async function untrack({ views }: Cluster, pod: Stored<Pod>): Promise<void> {
  const finalizers = (pod.metadata.finalizers ?? []).filter(name => name !== TRACKING_FINALIZER)
  const { uid, resourceVersion } = pod.metadata
  try {
    await views.pods.patch(pod, { type: 'merge', body: { metadata: { uid, resourceVersion, finalizers } } })
  } catch (error) {
    if (!isStatus(error, 404)) throw error
  }
}

/** One reconciliation of one Job. */
class JobRun {
  readonly #cluster: Cluster
  readonly #key: string

  constructor(cluster: Cluster, key: string) {
    this.#cluster = cluster
    this.#key = key
  }

  async reconcile(): Promise<Outcome> {
    const { views, clock } = this.#cluster
    const job = views.jobs.get(this.#key)
    if (!job || ((job.spec as Spec)?.managedBy ?? MANAGER) !== MANAGER) return
    if (hasFinished(job)) return this.#expire(job)

    const pods = await claim({
      ownerResource: RESOURCES.jobs,
      owner: job,
      owners: views.jobs,
      candidates: views.pods,
      selects: pod => selects(job.spec?.selector, pod.metadata.labels),
    })
    const { succeeded, failed } = count(job, pods)
    const verdict = judge(job, pods, failed, clock.now())
    let againAfterMs: number | undefined
    if (verdict) await this.#owned().delete(job, pods.filter(isActive))
    else if (!job.metadata.deletionTimestamp) againAfterMs = await this.#manage(job, pods, { succeeded })
    await this.#record(job, verdict)
    const leftMs = deadlineInMs(this.#newest(job), clock.now())
    const waits = [againAfterMs, leftMs].filter(ms => ms !== undefined && ms > 0) as number[]
    return waits.length > 0 ? { againAfterMs: Math.min(...waits) } : undefined
  }

  /** Starts and stops pods. @returns how long a replacement of a failed pod has to wait */
  async #manage(job: Stored<Job>, pods: readonly Stored<Pod>[], { succeeded }: { succeeded: number }): Promise<number | undefined> {
    const active = pods.filter(isActive)
    const missing = wantedActive(job, succeeded, active.length) - active.length
    if (missing < 0) {
      // These are no failures: they are taken off the books before they go.
      const surplus = sortForDeletion(active, () => 0).slice(0, -missing)
      await Promise.all(surplus.filter(isTracked).map(pod => untrack(this.#cluster, pod)))
      await this.#owned().delete(job, surplus)
    }
    if (missing <= 0) return
    const waitMs = backoffInMs(pods, this.#cluster.clock.now())
    if (waitMs > 0) return waitMs
    const { template } = job.spec!
    const finalizers = [...(template.metadata?.finalizers ?? []), TRACKING_FINALIZER]
    await this.#owned().create(job, { ...template, metadata: { ...template.metadata, finalizers } }, missing)
  }

  /**
   * Counts the pods that have ended: first their uids are noted in the status, then they are let go, then the counters rise. So a crash at
   * any point neither loses a pod nor counts it twice.
   */
  async #record(began: Stored<Job>, verdict: Verdict | undefined): Promise<void> {
    const { views } = this.#cluster
    const pods = views.pods.controlledBy(began.metadata.uid)
    const ended = pods.filter(pod => isTracked(pod) && (began.metadata.deletionTimestamp || verdict || isFinished(pod) || hasFailed(pod)))
    const batch = ended.slice(0, UNCOUNTED_COUNT_MAX)
    const succeeded = count(began, pods).succeeded
    const reached = verdict ?? (began.spec?.suspend ? undefined : judgeSuccess(began, succeeded, pods.filter(isActive).length))
    const noted = await this.#write(began, status => {
      const progress = this.#progress(began, status, pods)
      const conditions = reached ? this.#withVerdict(progress, reached) : progress.conditions
      return { ...progress, uncountedTerminatedPods: note(began, batch, reached), ...withConditions(conditions) }
    })
    await Promise.all(batch.map(pod => untrack(this.#cluster, pod)))
    const tracked = new Set(
      views.pods
        .controlledBy(began.metadata.uid)
        .filter(isTracked)
        .map(pod => pod.metadata.uid),
    )
    const isLast = reached !== undefined && tracked.size === 0
    await this.#write(noted, status => ({ ...settle(status, tracked), ...this.#ending(status, isLast && reached, pods) }))
    if (isLast && hasFinished(this.#newest(began))) this.#tellEnd(began, reached)
  }

  /** Counts of what runs, start time, and whether the Job is suspended. */
  #progress(job: Stored<Job>, status: JobStatus, pods: readonly Stored<Pod>[]): JobStatus {
    const active = pods.filter(isActive)
    const suspended = this.#suspension(job, status)
    const startTime = suspended.isResumed || !status.startTime ? timestamp(this.#cluster.clock) : status.startTime
    const { startTime: _, ...rest } = status
    return {
      ...rest,
      active: active.length,
      ready: active.filter(isReady).length,
      terminating: pods.filter(pod => isTerminating(pod) && !isFinished(pod)).length,
      // The time that a Job is suspended does not count against its deadline: it starts anew when it is resumed.
      ...(job.spec?.suspend ? {} : { startTime }),
      ...withConditions(suspended.conditions),
    }
  }

  #suspension(job: Stored<Job>, status: JobStatus): { conditions: JobCondition[] | undefined; isResumed: boolean } {
    const isSuspended = trueIn(status, 'Suspended')
    const { conditions } = status
    if (Boolean(job.spec?.suspend) === isSuspended) return { conditions, isResumed: false }
    const [state, reason, message] = isSuspended
      ? (['False', 'JobResumed', 'Job resumed'] as const)
      : (['True', 'JobSuspended', 'Job suspended'] as const)
    this.#tell(job, 'Normal', isSuspended ? 'Resumed' : 'Suspended', message)
    const condition = this.#condition('Suspended', { reason, message }, state)
    return { conditions: [...others(status, 'Suspended'), condition], isResumed: isSuspended }
  }

  #withVerdict(status: JobStatus, verdict: Verdict): JobCondition[] {
    if (trueIn(status, verdict.type)) return status.conditions ?? []
    return [...others(status, verdict.type), this.#condition(verdict.type, verdict)]
  }

  /** `Complete` or `Failed`, once no pod is left that has not ended. */
  #ending(status: JobStatus, verdict: Verdict | false, pods: readonly Stored<Pod>[]): JobStatus {
    const fresh = this.#cluster.views.pods
    const left = pods.flatMap(pod => fresh.get(keyOf(pod)) ?? []).filter(pod => !isFinished(pod))
    if (!verdict || left.length > 0) return {}
    const type = verdict.type === 'SuccessCriteriaMet' ? 'Complete' : 'Failed'
    const condition = this.#condition(type, verdict)
    const completionTime = type === 'Complete' ? { completionTime: condition.lastTransitionTime! } : {}
    return { ...withConditions([...others(status, type), condition]), ...completionTime, active: 0, ready: 0, terminating: 0 }
  }

  /** @returns the Job as it stands afterwards */
  async #write(job: Stored<Job>, change: (status: JobStatus) => JobStatus): Promise<Stored<Job>> {
    const newest = this.#newest(job)
    const before = newest.status ?? {}
    const status = change(before)
    if (isDeepStrictEqual(stripEmpty(status), stripEmpty(before))) return newest
    return this.#cluster.views.jobs.update({ ...newest, status }, { subresource: 'status' })
  }

  #newest(job: Stored<Job>): Stored<Job> {
    const newest = this.#cluster.views.jobs.get(this.#key)
    return newest?.metadata.uid === job.metadata.uid ? newest : job
  }

  /** A finished Job goes with its pods when its time is up. */
  async #expire(job: Stored<Job>): Promise<Outcome> {
    const leftMs = ttlInMs(job, this.#cluster.clock.now())
    if (leftMs === undefined || job.metadata.deletionTimestamp) return
    if (leftMs > 0) return { againAfterMs: leftMs }
    const { resourceVersion } = job.metadata
    await this.#cluster.views.jobs.delete(job, { propagationPolicy: 'Foreground', preconditions: { resourceVersion } })
  }

  #owned(): OwnedPods<Job> {
    return new OwnedPods(this.#cluster, RESOURCES.jobs, COMPONENT)
  }

  #condition(type: string, { reason, message }: { reason: string; message: string }, status: 'True' | 'False' = 'True'): JobCondition {
    const now = timestamp(this.#cluster.clock)
    return { type, status, reason, message, lastProbeTime: now, lastTransitionTime: now }
  }

  #tellEnd(job: Stored<Job>, verdict: Verdict): void {
    if (verdict.type === 'SuccessCriteriaMet') this.#tell(job, 'Normal', 'Completed', 'Job completed')
    else this.#tell(job, 'Warning', verdict.reason, verdict.message)
  }

  #tell(job: Stored<Job>, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.events.record(RESOURCES.jobs, job, { type, reason, message, component: COMPONENT })
  }
}

/** All ends so far: those counted, those noted, and those that are still to be noted. */
function count(job: Job, pods: readonly Stored<Pod>[]): { succeeded: number; failed: number } {
  const { succeeded = [], failed = [] } = job.status?.uncountedTerminatedPods ?? {}
  const noted = new Set([...succeeded, ...failed])
  const fresh = pods.filter(pod => isTracked(pod) && !noted.has(pod.metadata.uid))
  return {
    succeeded: (job.status?.succeeded ?? 0) + succeeded.length + fresh.filter(pod => pod.status?.phase === 'Succeeded').length,
    failed: (job.status?.failed ?? 0) + failed.length + fresh.filter(hasFailed).length,
  }
}

/** Adds pods to the lists of ends that are noted and not counted. When a Job fails, whatever had not succeeded has failed. */
function note(job: Stored<Job>, ended: readonly Stored<Pod>[], verdict: Verdict | undefined) {
  const { succeeded = [], failed = [] } = job.status?.uncountedTerminatedPods ?? {}
  const noted = new Set([...succeeded, ...failed])
  const fresh = ended.filter(pod => !noted.has(pod.metadata.uid))
  const isLost = (pod: Stored<Pod>) => pod.status?.phase !== 'Succeeded' && (hasFailed(pod) || verdict?.type === 'FailureTarget')
  const uids = (pods: readonly Stored<Pod>[]) => pods.map(pod => pod.metadata.uid)
  return {
    ...nonEmpty('succeeded', [...succeeded, ...uids(fresh.filter(pod => pod.status?.phase === 'Succeeded'))]),
    ...nonEmpty('failed', [...failed, ...uids(fresh.filter(isLost))]),
  }
}

/** Moves what was noted, and is let go by now, into the counters. */
function settle(status: JobStatus, tracked: ReadonlySet<string>): JobStatus {
  const { succeeded = [], failed = [] } = status.uncountedTerminatedPods ?? {}
  const isHeld = (uid: string) => tracked.has(uid)
  return {
    ...status,
    succeeded: (status.succeeded ?? 0) + succeeded.filter(uid => !isHeld(uid)).length,
    failed: (status.failed ?? 0) + failed.filter(uid => !isHeld(uid)).length,
    uncountedTerminatedPods: { ...nonEmpty('succeeded', succeeded.filter(isHeld)), ...nonEmpty('failed', failed.filter(isHeld)) },
  }
}

function others({ conditions = [] }: JobStatus, type: string): JobCondition[] {
  return conditions.filter(condition => condition.type !== type)
}

function trueIn({ conditions = [] }: JobStatus, type: string): boolean {
  return conditions.some(condition => condition.type === type && condition.status === 'True')
}

function withConditions(conditions: JobCondition[] | undefined): { conditions?: JobCondition[] } {
  return conditions ? { conditions } : {}
}

function nonEmpty(name: string, uids: string[]): Record<string, string[]> {
  return uids.length > 0 ? { [name]: uids } : {}
}

/** The API server leaves out counts of nought, and writes others. */
function stripEmpty(status: JobStatus): object {
  const isSaid = (value: unknown) => value !== 0 && !(typeof value === 'object' && value !== null && Object.keys(value).length === 0)
  return Object.fromEntries(Object.entries(status).filter(([, value]) => isSaid(value)))
}
