import type { Container, ContainerStatus, Pod, PodCondition, PodStatus } from 'kubernetes-types/core/v1'

/** What the kubelet knows of a pod, as its status is built from it. */
export interface PodView {
  readonly podIp?: string
  readonly hostIp: string
  readonly startTime: string
  readonly initContainers: readonly ContainerStatus[]
  readonly containers: readonly ContainerStatus[]
  /** Its containers have been ended for good, because it is being deleted. */
  readonly isFinal?: boolean
  /** The pod failed as a whole: `DeadlineExceeded`. */
  readonly failure?: { readonly reason: string; readonly message: string }
}

/** The conditions that the kubelet writes; others of the pod are left as they are. */
const OWN_CONDITIONS = new Set(['PodReadyToStartContainers', 'Initialized', 'ContainersReady', 'Ready', 'PodScheduled'])

/**
 * Builds the status of a pod from its containers, by the kubelet's rules.
 *
 * @param pod as it was last seen: conditions of others are taken from it
 * @param before what was written last: gives the times of conditions that did not change
 * @param now RFC 3339
 * @see https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/
 */
export function buildStatus(pod: Pod, view: PodView, before: PodStatus | undefined, now: string): PodStatus {
  const phase = decidePhase(pod, view)
  const { podIp, hostIp, startTime, initContainers, containers, failure } = view
  return {
    phase,
    conditions: buildConditions(pod, view, phase, before, now),
    hostIP: hostIp,
    hostIPs: [{ ip: hostIp }],
    ...(podIp === undefined ? {} : { podIP: podIp, podIPs: [{ ip: podIp }] }),
    startTime,
    qosClass: decideQosClass(pod),
    ...(initContainers.length > 0 ? { initContainerStatuses: [...initContainers] } : {}),
    containerStatuses: [...containers],
    ...(failure ? { reason: failure.reason, message: failure.message } : {}),
  }
}

/** `Guaranteed` when every container limits cpu and memory and requests all of it, `BestEffort` when none says anything. */
export function decideQosClass(pod: Pod): 'Guaranteed' | 'Burstable' | 'BestEffort' {
  const all = [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? [])]
  const says = ({ resources }: Container) => ['cpu', 'memory'].some(name => resources?.limits?.[name] ?? resources?.requests?.[name])
  const isWhole = ({ resources }: Container) =>
    ['cpu', 'memory'].every(name => {
      const limit = resources?.limits?.[name]
      return limit !== undefined && (resources?.requests?.[name] ?? limit) === limit
    })
  return all.every(isWhole) ? 'Guaranteed' : all.some(says) ? 'Burstable' : 'BestEffort'
}

/** An init container that goes on running beside the others. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

function decidePhase(pod: Pod, { initContainers, containers, failure, isFinal }: PodView): string {
  if (failure) return 'Failed'
  if (isFinal) return containers.every(succeeded) && !initContainers.some(failed) ? 'Succeeded' : 'Failed'
  if (containers.length === 0) return 'Pending'
  const policy = pod.spec?.restartPolicy ?? 'Always'
  const inits = pod.spec?.initContainers ?? []
  if (policy === 'Never' && initContainers.some((status, index) => !isSidecar(inits[index]!) && failed(status))) return 'Failed'
  const isInitialized = initContainers.every((status, index) => isInitDone(inits[index], status))
  if (!isInitialized && !containers.some(({ state }) => state?.running || state?.terminated)) return 'Pending'
  if (containers.some(({ state, lastState }) => state?.running || (state?.waiting && lastState?.terminated))) return 'Running'
  if (containers.some(({ state }) => !state || state.waiting)) return 'Pending'
  // A side-car is ended after all others, and only then is the pod over.
  if (initContainers.some((status, index) => isSidecar(inits[index]!) && status.state?.running)) return 'Running'
  if (policy === 'Always') return 'Running'
  if (containers.every(succeeded)) return 'Succeeded'
  return policy === 'Never' ? 'Failed' : 'Running'
}

function succeeded({ state }: ContainerStatus): boolean {
  return state?.terminated?.exitCode === 0
}

function failed({ state }: ContainerStatus): boolean {
  return state?.terminated !== undefined && state.terminated.exitCode !== 0
}

/** An init container has done its part: a side-car when it has started, another when it has ended well. */
function isInitDone(container: Container | undefined, status: ContainerStatus): boolean {
  return container && isSidecar(container) ? status.started === true : status.state?.terminated?.exitCode === 0
}

function buildConditions(pod: Pod, view: PodView, phase: string, before: PodStatus | undefined, now: string): PodCondition[] {
  const { initContainers, containers, podIp } = view
  const isDone = phase === 'Succeeded' || phase === 'Failed'
  const doneReason = phase === 'Succeeded' ? 'PodCompleted' : 'PodFailed'
  const inits = pod.spec?.initContainers ?? []
  const sidecars = initContainers.filter((_, index) => isSidecar(inits[index]!))
  const unready = [...sidecars, ...containers].filter(({ ready }) => !ready).map(({ name }) => name)
  const unfinished = initContainers.filter((status, index) => !isInitDone(inits[index], status)).map(({ name }) => name)
  const isHealthy = !isDone && unready.length === 0 && containers.length > 0
  const gates = (pod.spec?.readinessGates ?? []).filter(
    ({ conditionType }) => !pod.status?.conditions?.some(({ type, status }) => type === conditionType && status === 'True'),
  )
  const notReady = isDone
    ? { reason: doneReason, message: '' }
    : { reason: 'ContainersNotReady', message: `containers with unready status: [${unready.join(' ')}]` }
  const notGated = {
    reason: 'ReadinessGatesNotReady',
    message: `the status of pod readiness gate "${gates[0]?.conditionType}" is not "True"`,
  }
  const own = [
    condition('PodReadyToStartContainers', podIp !== undefined && !isDone),
    condition(
      'Initialized',
      unfinished.length === 0 || phase === 'Succeeded',
      { reason: 'ContainersNotInitialized', message: `containers with incomplete status: [${unfinished.join(' ')}]` },
      phase === 'Succeeded' ? 'PodCompleted' : undefined,
    ),
    condition('Ready', isHealthy && gates.length === 0, isHealthy ? notGated : notReady),
    condition('ContainersReady', isHealthy, notReady),
    condition('PodScheduled', true),
  ]
  const foreign = (pod.status?.conditions ?? []).filter(({ type }) => !OWN_CONDITIONS.has(type))
  return [...own.map(entry => ({ ...entry, lastTransitionTime: sinceWhen(entry, before, now) })), ...foreign]
}

function condition(type: string, holds: boolean, otherwise?: { reason: string; message: string }, reason?: string): PodCondition {
  const why = holds ? { reason } : { reason: otherwise?.reason, message: otherwise?.message }
  const said = Object.entries(why).filter(([, text]) => text)
  return { type, status: holds ? 'True' : 'False', lastProbeTime: null as unknown as string, ...Object.fromEntries(said) }
}

function sinceWhen({ type, status }: PodCondition, before: PodStatus | undefined, now: string): string {
  const standing = before?.conditions?.find(candidate => candidate.type === type)
  return (standing?.status === status && standing.lastTransitionTime) || now
}
