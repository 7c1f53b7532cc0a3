import type { Pod } from 'kubernetes-types/core/v1'
import { isStatus } from '../../kernel/kubernetes/api.ts'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import type { Outcome } from '../../kernel/kubernetes/reconciler.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import { timestamp } from './clock.ts'
import type { Cluster } from './cluster.ts'
import { startController } from './controller.ts'
import { isFinished, isTerminating } from './pods.ts'

/** A node may be registered anew: its pods wait as long as in kube-controller-manager. */
const ABSENT_MS_MIN = 40_000
/** Pods that have ended are kept for their logs and their exit code, the newest of them; one machine needs fewer than a cluster. */
export const FINISHED_COUNT_MAX = 1000
const FINISHED = 'finished pods'

/**
 * Removes pods that nobody else will: those of a node that has gone, those that were deleted before they had a node, and the oldest that
 * have ended when there are too many.
 *
 * @see https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-garbage-collection
 */
export function startPodGarbage({ views, clock, log }: Cluster, options: { finishedCountMax?: number } = {}): Running {
  const finishedCountMax = options.finishedCountMax ?? FINISHED_COUNT_MAX
  const absentSince = new Map<string, number>()
  // A node that has gone is a key by its name with a slash, which no key of a pod ends with.
  const reconciler = startController({ name: 'pod-garbage', log, concurrency: 2, reconcile: key => reconcile(key) })

  async function reconcile(key: string): Promise<Outcome | void> {
    if (key === FINISHED) return removeFinished()
    if (key.endsWith('/')) return removeOf(key.slice(0, -1))
    const pod = views.pods.get(key)
    if (pod && isTerminating(pod) && !pod.spec?.nodeName) await views.pods.delete(pod, { gracePeriodSeconds: 0 })
  }

  async function removeOf(node: string): Promise<Outcome> {
    const pods = views.pods.list().filter(pod => pod.spec?.nodeName === node)
    if (views.nodes.get(node) || pods.length === 0) {
      absentSince.delete(node)
      return
    }
    const since = absentSince.get(node) ?? clock.now()
    absentSince.set(node, since)
    const leftMs = since + ABSENT_MS_MIN - clock.now()
    if (leftMs > 0) return { againAfterMs: leftMs }
    if (await views.nodes.live('', node)) return
    for (const pod of pods) await end(pod)
  }

  /** The pod failed for all who look at it, before it goes: nobody knows how it ended. */
  async function end(pod: Stored<Pod>): Promise<void> {
    if (!isFinished(pod)) {
      const message = 'PodGC: node no longer exists'
      const condition = {
        type: 'DisruptionTarget',
        status: 'True',
        reason: 'DeletionByPodGC',
        message,
        lastTransitionTime: timestamp(clock),
      }
      const body = { status: { phase: 'Failed', conditions: [condition] } }
      try {
        await views.pods.patch(pod, { type: 'strategic', body }, { subresource: 'status' })
      } catch (error) {
        if (!isStatus(error, 404)) throw error
      }
    }
    await views.pods.delete(pod, { gracePeriodSeconds: 0 })
  }

  async function removeFinished(): Promise<void> {
    const finished = views.pods.list().filter(pod => isFinished(pod) && !isTerminating(pod))
    if (finished.length <= finishedCountMax) return
    finished.sort((a, b) => ((a.metadata.creationTimestamp ?? '') < (b.metadata.creationTimestamp ?? '') ? -1 : 1))
    for (const pod of finished.slice(0, finished.length - finishedCountMax)) await views.pods.delete(pod, { gracePeriodSeconds: 0 })
  }

  const look = (key: string, pod: Stored<Pod>) => {
    const { nodeName } = pod.spec ?? {}
    if (nodeName && !views.nodes.get(nodeName)) reconciler.enqueue(`${nodeName}/`)
    else if (!nodeName && isTerminating(pod)) reconciler.enqueue(key)
    if (isFinished(pod)) reconciler.enqueue(FINISHED)
  }
  for (const pod of views.pods.list()) look(`${pod.metadata.namespace}/${pod.metadata.name}`, pod)
  views.pods.onChange((key, pod) => pod && look(key, pod))
  views.nodes.onChange((name, node) => {
    if (!node) reconciler.enqueue(`${name}/`)
  })
  return reconciler
}
