import type { Deployment } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import type { Workloads } from './workloads.ts'

/** Why a rollout will not succeed; the text is what the user is shown. */
export class RolloutError extends Error {
  override readonly name = 'RolloutError'
  /** The pod that tells more, where one does. */
  readonly pod: string | undefined

  constructor(message: string, pod?: string) {
    super(message)
    this.pod = pod
  }
}

// A container that waits for one of these does not start by waiting longer.
const HOPELESS: readonly string[] = [
  ...['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'RegistryUnavailable'],
  ...['CrashLoopBackOff', 'RunContainerError', 'CreateContainerError', 'CreateContainerConfigError', 'StartError'],
]

// Nodes come and go: only a pod that has found none for so long is taken at its word.
const UNSCHEDULABLE_GRACE_MS = 15_000
// In a namespace that was made a moment ago pods are refused until it has its service account.
const CREATE_GRACE_MS = 3_000
const RECHECK_MS = 2_000

/**
 * Waits until a Deployment runs what was written, and nothing else.
 *
 * @param written the Deployment as the API server returned it from the write
 * @throws {RolloutError} as soon as it is clear that it will not
 * @throws the signal's reason when it fires
 */
export async function awaitRollout(
  workloads: Workloads,
  written: Stored<Deployment>,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<void> {
  const { namespace = '', name } = written.metadata
  const timeout = AbortSignal.timeout(timeoutMs)
  let fault: RolloutError | undefined
  const isDecided = () => {
    const deployment = workloads.deployment(namespace, name)
    const labels = written.spec?.template.metadata?.labels ?? {}
    const pods = workloads.pods(namespace, labels['type']).filter(pod => pod.metadata.labels?.['version'] === labels['version'])
    if (!deployment || !isObserved(deployment, written.metadata.generation ?? 0)) return false
    fault = findFault(deployment, pods)
    // The pods are watched apart from their Deployment, and whoever lists them next shall find as many as were promised.
    return fault !== undefined || (isSettled(deployment) && countReady(pods) >= (deployment.spec?.replicas ?? 1))
  }
  for (;;) {
    // Asked again now and then, since a pod that finds no node says nothing more while its grace runs out.
    const tick = AbortSignal.timeout(RECHECK_MS)
    try {
      await workloads.until(isDecided, AbortSignal.any([signal, timeout, tick]))
      break
    } catch (error) {
      if (signal.aborted) throw signal.reason
      if (timeout.aborted) throw late(name, timeoutMs)
      if (!tick.aborted) throw error
    }
  }
  if (fault) throw fault
}

function late(name: string, timeoutMs: number): RolloutError {
  return new RolloutError(`${name} did not become ready within ${Math.round(timeoutMs / 1000)} seconds`)
}

/** True when the controller has seen the write; before, what the status says is about what stood until then. */
export function isObserved({ metadata, status }: Deployment, generation: number): boolean {
  const current = metadata?.generation ?? 0
  return current >= generation && (status?.observedGeneration ?? 0) >= current
}

/** True when all pods are new, available and as many as wanted. */
export function isSettled({ spec, status = {} }: Deployment): boolean {
  const wanted = spec?.replicas ?? 1
  return [status.updatedReplicas, status.replicas, status.availableReplicas].every(count => (count ?? 0) === wanted)
}

function countReady(pods: readonly Pod[]): number {
  const isReady = (pod: Pod) => pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True')
  return pods.filter(pod => !pod.metadata?.deletionTimestamp && isReady(pod)).length
}

/** Reads out of a Deployment and the pods of its newest version why they will not come up. */
export function findFault(deployment: Deployment, pods: readonly Pod[]): RolloutError | undefined {
  for (const condition of deployment.status?.conditions ?? []) {
    // A quota, an admission rule: the pods cannot even be made.
    if (condition.type === 'ReplicaFailure' && condition.status === 'True' && ageMs(condition.lastTransitionTime) > CREATE_GRACE_MS)
      return new RolloutError(`${condition.reason ?? 'FailedCreate'}: ${condition.message ?? ''}`)
  }
  for (const pod of pods) {
    if (pod.metadata?.deletionTimestamp) continue
    const fault = findPodFault(pod)
    if (fault) return fault
  }
  return undefined
}

/** Reads out of one pod why it will not start. */
export function findPodFault(pod: Pod): RolloutError | undefined {
  const { name = '', labels = {} } = pod.metadata ?? {}
  const scheduled = pod.status?.conditions?.find(condition => condition.type === 'PodScheduled')
  if (scheduled?.status === 'False' && scheduled.reason === 'Unschedulable' && ageMs(scheduled.lastTransitionTime) > UNSCHEDULABLE_GRACE_MS)
    return new RolloutError(`${name} (${labels['type']}): FailedScheduling: ${scheduled.message ?? ''}`, name)
  for (const { state, lastState, image } of pod.status?.containerStatuses ?? []) {
    const waiting = state?.waiting
    if (!waiting?.reason || !HOPELESS.includes(waiting.reason)) continue
    const ended = lastState?.terminated
    const code = ended ? `, exit code ${ended.exitCode}` : ''
    return new RolloutError(`${name} (${labels['type']}): ${explain(waiting.reason, waiting.message ?? '', image)}${code}`, name)
  }
  return undefined
}

/** Kubernetes sends times as text, whatever the types say. */
function ageMs(time: unknown): number {
  return Date.now() - Date.parse(String(time ?? ''))
}

/** The words that clients look for in what a registry said. */
function explain(reason: string, message: string, image: string): string {
  const text = message ? `${reason}: ${message}` : reason
  if (!/image/i.test(reason)) return text
  if (/unauthorized|denied|forbidden/i.test(message)) return `Permission Denied attempting to pull image ${image}: ${text}`
  return /not found|manifest unknown|does not exist|no such|is not in/i.test(message) ? `image ${image} not found: ${text}` : text
}
