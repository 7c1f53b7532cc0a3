import { isStatus } from '../../kernel/kubernetes/api.ts'
import type { KubernetesObject } from '../../kernel/kubernetes/objects.ts'
import { type Outcome, type Reconciler, startReconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Log } from '../../kernel/log.ts'
import type { View } from './view.ts'

/**
 * Waits after a write that came too late, or reached nobody. By the first of them the watch has mostly brought what came before the write,
 * and an API server that was restarted finds its controllers back within the last.
 */
const AGAIN_MS_MIN = 10
const AGAIN_MS_MAX = 1000

/**
 * Starts a reconciler that takes for no fault, and does not log, what is none: a write that came too late (409: somebody else's was before
 * it; 404: the object has gone), a namespace on its way out, and an API server that is away, of which the informers tell.
 */
export function startController(options: {
  name: string
  log: Log
  concurrency?: number
  reconcile(key: string, signal: AbortSignal): Promise<Outcome | void>
}): Reconciler {
  const waits = new Map<string, number>()
  return startReconciler({
    ...options,
    concurrency: options.concurrency ?? 8,
    retryMaxMs: 30_000,
    reconcile: async (key, signal) => {
      try {
        const outcome = await options.reconcile(key, signal)
        waits.delete(key)
        return outcome
      } catch (error) {
        if (isNamespaceEnding(error)) return
        if (!isStatus(error, 404, 409) && !isUnreachable(error)) throw error
        const againAfterMs = waits.get(key) ?? AGAIN_MS_MIN
        waits.set(key, Math.min(AGAIN_MS_MAX, againAfterMs * 2))
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

/** System calls and undici name their failures with a code of letters; answers of the API server have a number. */
function isUnreachable(error: unknown): boolean {
  const code = (error as { code?: unknown }).code
  return typeof code === 'string' && /^(UND_ERR_|E[A-Z]+$)/.test(code)
}

function* keys<T extends KubernetesObject>(view: View<T>): Iterable<string> {
  for (const { metadata } of view.list()) yield metadata.namespace ? `${metadata.namespace}/${metadata.name}` : metadata.name
}
