const WINDOW_MS = 10_000
// An app with few requests may still be tried again: so many times in a window.
const RETRY_COUNT_MIN = 10

/** The share of an app's requests that may be sent a second time, unless the app says another. */
export const RETRY_PERCENT = 20

/**
 * Bounds the second attempts of one app in one worker by the requests it had of late, as Finagle and Envoy do: an app that fails as a whole
 * must not get twice its load for it. Time is looked at, and requests are counted, only when somebody wants to try again.
 */
export class RetryBudget {
  /** Requests of this window are all since the start without these. */
  #requestsBefore = 0
  #retries = 0
  #since = performance.now()

  /**
   * Takes a second attempt out of the budget.
   *
   * @param begun first attempts since the start
   * @param now milliseconds on the monotonic clock
   * @param percent of the requests; 0: never
   * @returns false when it is spent
   */
  take(begun: number, now: number, percent: number): boolean {
    if (percent <= 0) return false
    const elapsed = now - this.#since
    if (elapsed > WINDOW_MS) {
      // What was counted over a longer time counts as its average over a window, and half of it is remembered in the next.
      this.#requestsBefore = begun - ((begun - this.#requestsBefore) * WINDOW_MS) / elapsed / 2
      this.#retries *= WINDOW_MS / elapsed / 2
      this.#since = now
    }
    if (this.#retries >= RETRY_COUNT_MIN + ((begun - this.#requestsBefore) * percent) / 100) return false
    this.#retries++
    return true
  }
}
