import { Backoff } from '../backoff.ts'
import type { Log } from '../log.ts'

/** What a reconciliation asks for: nothing, or to be run again after a while. */
export type Outcome = undefined | { readonly againAfterMs: number }

export interface ReconcilerOptions {
  readonly name: string
  readonly log: Log
  /** Reads the whole desired state of the key and makes it so; safe to run twice. A throw leads to another try. */
  reconcile(key: string, signal: AbortSignal): Promise<Outcome | void>
  /** Keys in work at once; never one key twice. 4 by default. */
  readonly concurrency?: number
  readonly retryMinMs?: number
  readonly retryMaxMs?: number
}

/**
 * A queue of keys, each in it once however often it is asked for, worked on by a bounded number of workers and tried again with growing
 * waits after a failure.
 *
 * @see https://pkg.go.dev/sigs.k8s.io/controller-runtime/pkg/reconcile
 */
export class Reconciler {
  readonly #options: ReconcilerOptions
  readonly #log: Log
  readonly #queue = new Set<string>()
  readonly #active = new Map<string, Promise<void>>()
  readonly #dirty = new Set<string>()
  readonly #timers = new Map<string, NodeJS.Timeout>()
  readonly #backoffs = new Map<string, Backoff>()
  readonly #stop = new AbortController()
  #onIdle: (() => void)[] = []

  constructor(options: ReconcilerOptions) {
    this.#options = options
    this.#log = options.log.child({ reconciler: options.name })
  }

  /** Asks for a key soon; while it is in work it is run once more afterwards. */
  enqueue(key: string): void {
    if (this.#stop.signal.aborted) return
    clearTimeout(this.#timers.get(key))
    this.#timers.delete(key)
    if (this.#active.has(key)) this.#dirty.add(key)
    else this.#queue.add(key)
    // Later in the same turn, so that a burst of changes to one key is one run.
    queueMicrotask(() => this.#fill())
  }

  /** Asks for a key after a while, unless it is asked for sooner. */
  enqueueAfter(key: string, ms: number): void {
    if (this.#stop.signal.aborted || this.#queue.has(key)) return
    clearTimeout(this.#timers.get(key))
    this.#timers.set(
      key,
      setTimeout(() => this.enqueue(key), ms),
    )
  }

  /** Resolves when nothing waits and nothing is in work; keys that wait for a time do not count. */
  async idle(): Promise<void> {
    if (this.#queue.size === 0 && this.#active.size === 0) return
    await new Promise<void>(resolve => this.#onIdle.push(resolve))
  }

  /** Starts nothing more, tells running reconciliations through their signal, and waits for them. */
  async stop(): Promise<void> {
    this.#stop.abort()
    for (const timer of this.#timers.values()) clearTimeout(timer)
    this.#timers.clear()
    this.#queue.clear()
    await Promise.all(this.#active.values())
    this.#fill()
  }

  #fill(): void {
    for (const key of this.#queue) {
      if (this.#active.size >= (this.#options.concurrency ?? 4) || this.#stop.signal.aborted) break
      this.#queue.delete(key)
      this.#active.set(key, this.#work(key))
    }
    if (this.#queue.size > 0 || this.#active.size > 0) return
    for (const resolve of this.#onIdle.splice(0)) resolve()
  }

  async #work(key: string): Promise<void> {
    // Callers of enqueue() must not find their key already in work before they have returned.
    await Promise.resolve()
    try {
      const outcome = await this.#options.reconcile(key, this.#stop.signal)
      this.#backoffs.delete(key)
      if (outcome) this.#later(key, outcome.againAfterMs)
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#retry(key, error)
    }
    this.#active.delete(key)
    if (this.#dirty.delete(key) && !this.#stop.signal.aborted) this.enqueue(key)
    this.#fill()
  }

  #retry(key: string, error: unknown): void {
    let backoff = this.#backoffs.get(key)
    if (!backoff) {
      backoff = new Backoff({ minMs: this.#options.retryMinMs ?? 20, maxMs: this.#options.retryMaxMs ?? 60_000 })
      this.#backoffs.set(key, backoff)
    }
    const againAfterMs = backoff.next()
    this.#log.warn('reconcile failed', { key, error, againAfterMs: Math.round(againAfterMs) })
    this.#later(key, againAfterMs)
  }

  #later(key: string, ms: number): void {
    if (!this.#dirty.has(key)) this.enqueueAfter(key, ms)
  }
}

/** Starts a {@link Reconciler}; it works on what is enqueued until it is stopped. */
export function startReconciler(options: ReconcilerOptions): Reconciler {
  return new Reconciler(options)
}
