import type { Job, JobCondition } from 'kubernetes-types/batch/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { isFinished, isTerminating, restartCount } from './pods.ts'

/** Held on each pod of a Job until its end is counted, so that a pod which is deleted early is counted all the same. */
export const TRACKING_FINALIZER = 'batch.kubernetes.io/job-tracking'
/** The wait after the first failed pod; it doubles with each further one. */
const BACKOFF_MS_MIN = 10_000
const BACKOFF_MS_MAX = 600_000
const SECONDS = 1000

/** Why a Job is to end: `SuccessCriteriaMet` leads to `Complete`, `FailureTarget` to `Failed`. */
export interface Verdict {
  readonly type: 'SuccessCriteriaMet' | 'FailureTarget'
  readonly reason: string
  readonly message: string
}

export function hasFinished(job: Job): boolean {
  return trueCondition(job, 'Complete') !== undefined || trueCondition(job, 'Failed') !== undefined
}

export function trueCondition(job: Job, type: string): JobCondition | undefined {
  return job.status?.conditions?.find(condition => condition.type === type && condition.status === 'True')
}

/** What of the Job this controller cannot do, by the name of the field; `undefined` when it can do all. */
export function unsupportedField({ spec }: Job): string | undefined {
  if (!spec) return undefined
  const { podReplacementPolicy } = spec as { podReplacementPolicy?: string }
  if (spec.completionMode === 'Indexed') return 'completionMode: Indexed'
  if (spec.backoffLimitPerIndex !== undefined) return 'backoffLimitPerIndex'
  if (spec.podFailurePolicy) return 'podFailurePolicy'
  if ('successPolicy' in spec && spec.successPolicy) return 'successPolicy'
  if (podReplacementPolicy === 'Failed') return 'podReplacementPolicy: Failed'
  return undefined
}

/** The verdict that stands, or the one that the counts and the clock give now. */
export function judge(job: Job, pods: readonly Pod[], failed: number, nowMs: number): Verdict | undefined {
  for (const type of ['SuccessCriteriaMet', 'FailureTarget'] as const) {
    const standing = trueCondition(job, type)
    if (standing) return { type, reason: standing.reason ?? '', message: standing.message ?? '' }
  }
  const unsupported = unsupportedField(job)
  if (unsupported) return fail('NotSupported', `Embedded mode does not support ${unsupported}`)
  const backoffLimit = job.spec?.backoffLimit ?? 6
  if (failed > backoffLimit || hasRestartedTooOften(job, pods, backoffLimit)) {
    return fail('BackoffLimitExceeded', 'Job has reached the specified backoff limit')
  }
  const leftMs = deadlineInMs(job, nowMs)
  if (leftMs !== undefined && leftMs <= 0) return fail('DeadlineExceeded', 'Job was active longer than specified deadline')
  return undefined
}

/** The verdict of success, when there are enough pods that ended well and none is left. */
export function judgeSuccess(job: Job, succeeded: number, active: number): Verdict | undefined {
  const { completions } = job.spec ?? {}
  const isDone = completions === undefined ? succeeded > 0 : succeeded >= completions
  if (!isDone || active > 0) return undefined
  return { type: 'SuccessCriteriaMet', reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' }
}

/** How many pods shall run at once now. */
export function wantedActive(job: Job, succeeded: number, active: number): number {
  const { completions, parallelism = 1, suspend } = job.spec ?? {}
  if (suspend) return 0
  if (completions === undefined) return succeeded > 0 ? Math.min(active, parallelism) : parallelism
  return Math.max(0, Math.min(parallelism, completions - succeeded))
}

/** Time until `activeDeadlineSeconds` is over; `undefined` without one, before the start and while suspended. */
export function deadlineInMs({ spec, status }: Job, nowMs: number): number | undefined {
  if (spec?.activeDeadlineSeconds === undefined || !status?.startTime || spec.suspend) return undefined
  return Date.parse(status.startTime) + spec.activeDeadlineSeconds * SECONDS - nowMs
}

/** Time until a failed pod may be replaced: 10 s, 20 s, 40 s … after the last failure, from anew after a success. */
export function backoffInMs(pods: readonly Pod[], nowMs: number): number {
  const lastSuccessMs = Math.max(0, ...pods.filter(pod => pod.status?.phase === 'Succeeded').map(endedAtMs))
  const failures = pods
    .filter(hasFailed)
    .map(endedAtMs)
    .filter(ms => ms > lastSuccessMs)
  if (failures.length === 0) return 0
  const waitMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** (failures.length - 1))
  return Math.max(0, Math.max(...failures) + waitMs - nowMs)
}

/** A pod that is on its way out before it has succeeded counts as failed. */
export function hasFailed(pod: Pod): boolean {
  return pod.status?.phase === 'Failed' || (isTerminating(pod) && pod.status?.phase !== 'Succeeded')
}

export function isTracked(pod: Pod): boolean {
  return (pod.metadata?.finalizers ?? []).includes(TRACKING_FINALIZER)
}

/** Time until a finished Job is removed; `undefined` when it stays. */
export function ttlInMs(job: Job, nowMs: number): number | undefined {
  const seconds = job.spec?.ttlSecondsAfterFinished
  const finishedAt = (trueCondition(job, 'Complete') ?? trueCondition(job, 'Failed'))?.lastTransitionTime
  return seconds === undefined || !finishedAt ? undefined : Date.parse(finishedAt) + seconds * SECONDS - nowMs
}

/** Only where containers are restarted in their pod does a failure show as a restart. */
function hasRestartedTooOften(job: Job, pods: readonly Pod[], backoffLimit: number): boolean {
  if (job.spec?.template?.spec?.restartPolicy !== 'OnFailure') return false
  const restarts = pods.filter(pod => !isFinished(pod)).reduce((sum, pod) => sum + restartCount(pod), 0)
  return backoffLimit === 0 ? restarts > 0 : restarts >= backoffLimit
}

function endedAtMs(pod: Pod): number {
  const ends = (pod.status?.containerStatuses ?? []).flatMap(({ state }) => state?.terminated?.finishedAt ?? [])
  const times = ends.length > 0 ? ends : [pod.metadata?.deletionTimestamp ?? pod.metadata?.creationTimestamp ?? '']
  return Math.max(0, ...times.map(Date.parse).filter(Number.isFinite))
}

function fail(reason: string, message: string): Verdict {
  return { type: 'FailureTarget', reason, message }
}
