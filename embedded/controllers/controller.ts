import { isStatus } from '../../kernel/kubernetes/api.ts'
import type { KubernetesObject } from '../../kernel/kubernetes/objects.ts'
import { type Outcome, type Reconciler, startReconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Log } from '../../kernel/log.ts'
import type { View } from './view.ts'

/** Waits after a write that came too late; by the first of them the watch has mostly brought what came before it. */
const LATE_MS_MIN = 10
const LATE_MS_MAX = 1000

/**
 * Starts a reconciler that takes a write that came too late (409: somebody else's was before it; 404: the object has gone), and the refusal
 * of a namespace on its way out, for what they are: no fault, and nothing to log.
 */
export function startController(options: {
  name: string
  log: Log
  concurrency?: number
  reconcile(key: string, signal: AbortSignal): Promise<Outcome | void>
}): Reconciler {
  const late = new Map<string, number>()
  return startReconciler({
    ...options,
    concurrency: options.concurrency ?? 8,
    retryMaxMs: 30_000,
    reconcile: async (key, signal) => {
      try {
        const outcome = await options.reconcile(key, signal)
        late.delete(key)
        return outcome
      } catch (error) {
        if (isNamespaceEnding(error)) return
        if (!isStatus(error, 404, 409)) throw error
        const againAfterMs = late.get(key) ?? LATE_MS_MIN
        late.set(key, Math.min(LATE_MS_MAX, againAfterMs * 2))
        return { againAfterMs }
      }
    },
  })
}

/** Enqueues the key of every object that stands and of each that changes. */
export function enqueueAll<T extends KubernetesObject>(view: View<T>, reconciler: Reconciler): void {
  for (const key of keys(view)) reconciler.enqueue(key)
  view.onChange(key => reconciler.enqueue(key))
}

/** True for the refusal to create something in a namespace that is being deleted. */
export function isNamespaceEnding(error: unknown): boolean {
  return isStatus(error, 403) && (error.status.details?.causes ?? []).some(cause => cause.reason === 'NamespaceTerminating')
}

function* keys<T extends KubernetesObject>(view: View<T>): Iterable<string> {
  for (const { metadata } of view.list()) yield metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name
}
