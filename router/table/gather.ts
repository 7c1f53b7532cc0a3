/**
 * Gathers a burst of changes into one call: soon after a change that comes alone, after a short quiet when more follow, and never later than
 * a bound after the first. So one edit is live in milliseconds, and a rollout of a thousand pods does not make a thousand tables.
 */
export class Gather {
  readonly #flush: () => void
  readonly #options: { readonly soonMs: number; readonly quietMs: number; readonly maxMs: number }
  #timer: NodeJS.Timeout | undefined
  #firstAt = 0
  #flushedAt = Number.NEGATIVE_INFINITY

  constructor(flush: () => void, options: { soonMs?: number; quietMs?: number; maxMs?: number } = {}) {
    this.#flush = flush
    this.#options = { soonMs: 1, quietMs: 20, maxMs: 200, ...options }
  }

  /** Something changed. */
  touch(): void {
    const { soonMs, quietMs, maxMs } = this.#options
    const now = performance.now()
    const isAlone = this.#timer === undefined && now - this.#flushedAt > maxMs
    if (this.#timer === undefined) this.#firstAt = now
    else clearTimeout(this.#timer)
    const wait = Math.min(isAlone ? soonMs : quietMs, this.#firstAt + maxMs - now)
    this.#timer = setTimeout(() => this.now(), Math.max(wait, 0))
  }

  /** Flushes what waits, or does nothing. */
  now(): void {
    if (this.#timer === undefined) return
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#flushedAt = performance.now()
    this.#flush()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
  }
}
