/** Node fires a timer with a longer wait at once. */
const TIMER_MS_MAX = 2 ** 31 - 1

/** A point in time that can be brought forward; its signal fires when it has passed. */
export class Deadline {
  readonly #passed = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #at = Number.POSITIVE_INFINITY

  constructor(ms: number) {
    this.shorten(ms)
  }

  get signal(): AbortSignal {
    return this.#passed.signal
  }

  get leftMs(): number {
    return Math.max(0, this.#at - performance.now())
  }

  /** Brings it forward to so long from now; a later time changes nothing. */
  shorten(ms: number): void {
    const at = performance.now() + ms
    if (at >= this.#at) return
    clearTimeout(this.#timer)
    this.#at = at
    if (ms <= 0) this.#passed.abort()
    else this.#timer = setTimeout(() => this.#passed.abort(), Math.min(ms, TIMER_MS_MAX))
  }

  /** Resolves when it has passed, or the promise has settled. */
  async orUntil(promise: Promise<unknown>): Promise<void> {
    if (this.signal.aborted) return
    const passed = Promise.withResolvers<void>()
    const pass = () => passed.resolve()
    this.signal.addEventListener('abort', pass, { once: true })
    await Promise.race([promise, passed.promise])
    this.signal.removeEventListener('abort', pass)
  }

  clear(): void {
    clearTimeout(this.#timer)
  }
}
