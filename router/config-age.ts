import type { Log } from '../kernel/log.ts'

/** A watch that lives is heard of each 90 s at least: by a change, a bookmark, or its renewal. */
const LOST_AFTER_MS = 120_000
const LOOK_MS = 5_000

/**
 * Says that the API server is away: once in the log when it goes and when it is back, and beside "ready" for as long. A router without it is
 * ready all the same, and serves the last table for as long as it takes; but whoever deploys must be able to see why nothing changes.
 */
export class ConfigAge {
  readonly #ageMs: () => number
  readonly #log: Log
  readonly #lostAfterMs: number
  readonly #timer: NodeJS.Timeout
  #isLost = false

  /** @param ageMs since the API server was last heard of */
  constructor(ageMs: () => number, log: Log, { lostAfterMs = LOST_AFTER_MS, lookMs = LOOK_MS } = {}) {
    this.#ageMs = ageMs
    this.#log = log
    this.#lostAfterMs = lostAfterMs
    this.#timer = setInterval(() => this.#look(), lookMs)
    this.#timer.unref()
  }

  /** What `/readyz` says beside "ok". */
  notes(): readonly string[] {
    const ageMs = this.#ageMs()
    return ageMs > this.#lostAfterMs ? [`API server not heard of for ${Math.round(ageMs / 1000)} s: routes stay as they were`] : []
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #look(): void {
    const ageMs = this.#ageMs()
    const isLost = ageMs > this.#lostAfterMs
    if (isLost === this.#isLost) return
    this.#isLost = isLost
    if (isLost) this.#log.warn('API server not heard of, routes stay as they were', { ageSeconds: Math.round(ageMs / 1000) })
    else this.#log.info('API server heard of again')
  }
}
