import type { Pod } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import type { LogFiles } from './log-files.ts'
import { type LogQuery, readLog } from './log-reader.ts'
import type { PodRunner } from './pod-runner.ts'
import { ServerError } from './server.ts'

/**
 * Opens the log of a container's current or previous run, in the kubelet's words where there is none.
 *
 * @param pod the object; `runner` is absent for one that ended before this kubelet came up
 * @throws {ServerError}
 */
export function openContainerLog(
  pod: Stored<Pod> | undefined,
  runner: PodRunner | undefined,
  container: string,
  files: LogFiles,
  query: LogQuery & { previous: boolean },
  signal: AbortSignal,
): AsyncIterable<Buffer> {
  if (!pod) throw new ServerError(404, 'pod not found on this node')
  const { namespace = '', name, uid } = pod.metadata
  const all = [...(pod.spec?.containers ?? []), ...(pod.spec?.initContainers ?? [])]
  if (!all.some(candidate => candidate.name === container))
    throw new ServerError(400, `container ${container} is not valid for pod ${name}`)
  const found = runner?.container(container)
  const restart = found ? found.restartOfLog(query.previous) : finishedRun(pod, container, query.previous)
  if (restart === undefined) {
    if (query.previous) throw new ServerError(400, `previous terminated container "${container}" in pod "${name}" not found`)
    const reason = found?.status.state?.waiting?.reason ?? 'ContainerCreating'
    throw new ServerError(400, `container "${container}" in pod "${name}" is waiting to start: ${reason}`)
  }
  const path = files.path({ namespace, name, uid }, container, restart)
  return readLog(path, files.live(path), query, signal)
}

function finishedRun(pod: Pod, container: string, isPrevious: boolean): number | undefined {
  const all = [...(pod.status?.containerStatuses ?? []), ...(pod.status?.initContainerStatuses ?? [])]
  const status = all.find(({ name }) => name === container)
  if (!status?.state?.terminated) return undefined
  if (!isPrevious) return status.restartCount
  return status.lastState?.terminated ? status.restartCount - 1 : undefined
}
