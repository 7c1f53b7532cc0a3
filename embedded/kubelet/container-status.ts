import type { Container, ContainerState, ContainerStateWaiting, ContainerStatus } from 'kubernetes-types/core/v1'
import { wholeSeconds } from './container-text.ts'
import type { ContainerRecord, EndRecord } from './pod-record.ts'

/** `init` runs once to its end, a `sidecar` and a `main` container go on running. */
export type ContainerKind = 'init' | 'sidecar' | 'main'

/** Says whether a container that has ended is started again, by the restart policy of its pod (`Always` where absent). */
export function mayRestart(kind: ContainerKind, policy: string | undefined, exitCode: number): boolean {
  if (kind === 'sidecar') return true
  if (policy === 'Never') return false
  return exitCode !== 0 || (policy !== 'OnFailure' && kind === 'main')
}

/**
 * Builds the status of a container as Kubernetes shows it.
 *
 * @param isOver what has ended stays so: shown as terminated, not as waiting for its next run
 * @param waiting shown while it neither runs nor is over
 */
export function buildContainerStatus(
  container: Container,
  kind: ContainerKind,
  record: ContainerRecord,
  isOver: boolean,
  waiting: ContainerStateWaiting,
): ContainerStatus {
  const { restartCount, imageDigest, process, startedAt = '', end, lastEnd, isStarted = false, isReady = false } = record
  const isRunning = process !== undefined && !end
  const hasEnded = end !== undefined && isOver
  const last = isRunning || hasEnded ? lastEnd : (end ?? lastEnd)
  const id = isRunning ? process.id : (end ?? lastEnd)?.containerId
  const repository = container.image?.replace(/@.*$|:[^/:]*$/, '')
  return {
    name: container.name,
    image: container.image ?? '',
    imageID: imageDigest ? `${repository}@${imageDigest}` : '',
    restartCount,
    started: isRunning && isStarted,
    ready: kind === 'init' ? end?.exitCode === 0 : isRunning && isStarted && isReady,
    state: isRunning ? { running: { startedAt: wholeSeconds(startedAt) } } : hasEnded ? stateOf(end) : { waiting },
    ...(last ? { lastState: stateOf(last) } : {}),
    ...(id ? { containerID: `process://${id}` } : {}),
  }
}

function stateOf({ exitCode, reason, message, startedAt, finishedAt, containerId }: EndRecord): ContainerState {
  const times = { startedAt: wholeSeconds(startedAt), finishedAt: wholeSeconds(finishedAt) }
  return { terminated: { exitCode, reason, ...(message ? { message } : {}), ...times, containerID: `process://${containerId}` } }
}
