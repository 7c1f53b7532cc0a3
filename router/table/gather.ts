/**
 * Gathers a burst of changes into one call. After a change it waits for a quiet that is ten times as long as the last call took, so that calls
 * take a tenth of the time at most: one edit is live in a millisecond, and a rollout of a thousand pods does not make a thousand tables.
 */
export class Gather {
  readonly #flush: () => void
  readonly #options: { readonly quietMinMs: number; readonly quietMaxMs: number; readonly waitMaxMs: number }
  #timer: NodeJS.Timeout | undefined
  #quietMs: number
  #firstAt = 0

  /** @param options.waitMaxMs no change waits longer than this, however many follow */
  constructor(flush: () => void, options: { quietMinMs?: number; quietMaxMs?: number; waitMaxMs?: number } = {}) {
    this.#flush = flush
    this.#options = { quietMinMs: 1, quietMaxMs: 20, waitMaxMs: 200, ...options }
    this.#quietMs = this.#options.quietMinMs
  }

  /** Something changed. */
  touch(): void {
    const now = performance.now()
    if (this.#timer === undefined) this.#firstAt = now
    else clearTimeout(this.#timer)
    const wait = Math.min(this.#quietMs, this.#firstAt + this.#options.waitMaxMs - now)
    this.#timer = setTimeout(() => this.now(), Math.max(wait, 0))
  }

  /** Flushes what waits, or does nothing. */
  now(): void {
    if (this.#timer === undefined) return
    this.stop()
    const began = performance.now()
    this.#flush()
    const { quietMinMs, quietMaxMs } = this.#options
    this.#quietMs = Math.min(Math.max((performance.now() - began) * 10, quietMinMs), quietMaxMs)
  }

  /** Forgets what waits. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
