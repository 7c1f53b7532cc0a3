import { LABELS } from '../../kernel/contract.ts'
import { isStatus } from '../../kernel/kubernetes/api.ts'
import type { App } from '../domain/app.ts'
import type { Release } from '../domain/release.ts'
import type { Cluster } from './cluster.ts'
import { deploymentName, rolloutTimeoutMs } from './deployment.ts'
import { podState } from './pod-state.ts'
import { awaitRollout } from './rollout.ts'
import type { Workloads } from './workloads.ts'

/** Which processes: one pod by its name (whatever type was given with it), one type, or all. */
export interface RestartScope {
  readonly type?: string
  readonly name?: string
}

// As long as the first API waited; what is not up by then is shown as it is.
const TIMEOUT_MS = 300_000

/**
 * Replaces processes by new ones of the same release. A type is replaced batch by batch, so that the app keeps answering; a single pod is
 * removed, and its Deployment makes another.
 *
 * @returns once the new ones are up, or it is clear that they will not be
 */
export async function restartProcesses(
  app: App,
  release: Release,
  scope: RestartScope,
  parts: { cluster: Cluster; workloads: Workloads; batchTimeoutMs: number; signal: AbortSignal },
): Promise<void> {
  const { cluster, workloads, signal } = parts
  const timeout = AbortSignal.timeout(TIMEOUT_MS)
  const either = AbortSignal.any([signal, timeout])
  if (scope.name !== undefined) {
    const pod = findPod(workloads, app.id, scope.name)
    if (!pod) return
    const type = pod.metadata.labels?.[LABELS.type] ?? ''
    const wanted = workloads.deployment(app.id, deploymentName(app.id, type))?.spec?.replicas ?? 0
    await cluster.removePod(app.id, pod.metadata.name)
    const isBack = () =>
      !workloads.pods(app.id, type).some(({ metadata }) => metadata.uid === pod.metadata.uid && !metadata.deletionTimestamp) &&
      workloads.pods(app.id, type).filter(other => podState(other) === 'up').length >= wanted
    await workloads.until(isBack, either).catch(() => {})
    return
  }
  const types = scope.type === undefined ? Object.keys(app.formation) : [scope.type]
  await Promise.all(
    types
      .filter(type => (workloads.deployment(app.id, deploymentName(app.id, type))?.spec?.replicas ?? 0) > 0)
      .map(async type => {
        try {
          const written = await cluster.restartDeployment(app.id, deploymentName(app.id, type))
          await awaitRollout(workloads, written, rolloutTimeoutMs(release, written, parts.batchTimeoutMs), either)
        } catch (error) {
          // The API itself failing is the caller's to hear; processes that do not come up are seen in the list.
          if (isStatus(error, 500, 503)) throw error
        }
      }),
  )
}

/** Finds a pod by its name, with or without the app's name in front of it. */
export function findPod(workloads: Workloads, app: string, name: string) {
  return workloads.pod(app, name) ?? workloads.pod(app, `${app}-${name}`)
}
