/**
 * Gathers a burst of changes into few calls. A change after a quiet is passed on in the same turn of the event loop; what follows waits for a quiet
 * that is ten times as long as the last call took, so that calls take a tenth of the time at most: one edit is live at once, and a rollout
 * of a thousand pods does not make a thousand tables.
 */
export class Gather {
  readonly #flush: () => void
  readonly #options: { readonly quietMinMs: number; readonly quietMaxMs: number; readonly waitMaxMs: number }
  #timer: NodeJS.Timeout | undefined
  /** Of a change after a quiet. A timer, however short, would be a sleep and a wake-up of the process for every change. */
  #soon: NodeJS.Immediate | undefined
  #quietMs: number
  #firstAt = 0
  #calledAt = Number.NEGATIVE_INFINITY

  /** @param options.waitMaxMs no change waits longer than this, however many follow */
  constructor(flush: () => void, options: { quietMinMs?: number; quietMaxMs?: number; waitMaxMs?: number } = {}) {
    this.#flush = flush
    this.#options = { quietMinMs: 1, quietMaxMs: 20, waitMaxMs: 200, ...options }
    this.#quietMs = this.#options.quietMinMs
  }

  /** Something changed. */
  touch(): void {
    if (this.#soon !== undefined) return
    const now = performance.now()
    if (this.#timer === undefined) {
      if (now - this.#calledAt >= this.#quietMs) {
        this.#soon = setImmediate(() => this.now())
        return
      }
      this.#firstAt = now
    } else clearTimeout(this.#timer)
    const wait = Math.min(this.#quietMs, this.#firstAt + this.#options.waitMaxMs - now)
    this.#timer = setTimeout(() => this.now(), Math.max(wait, 0))
  }

  /** Flushes what waits, or does nothing. */
  now(): void {
    if (this.#timer === undefined && this.#soon === undefined) return
    this.stop()
    const began = performance.now()
    this.#flush()
    this.#calledAt = performance.now()
    const { quietMinMs, quietMaxMs } = this.#options
    this.#quietMs = Math.min(Math.max((this.#calledAt - began) * 10, quietMinMs), quietMaxMs)
  }

  /** Forgets what waits. */
  stop(): void {
    clearTimeout(this.#timer)
    clearImmediate(this.#soon)
    this.#timer = undefined
    this.#soon = undefined
  }
}
