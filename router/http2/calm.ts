/** What frames that bring us nothing cost a client, in points of its patience. */
export const COST = {
  reset: 10,
  ping: 5,
  settings: 20,
  priority: 1,
  windowUpdate: 1,
  emptyData: 5,
  emptyFragment: 20,
  refused: 10,
  unknown: 1,
} as const

const POINTS_MAX = 2_000
const POINTS_PER_SECOND = 200
/** What a frame of data that we could send, and an exchange that was completed, give back. */
const EARNED_BY_DATA = 2
const EARNED_BY_EXCHANGE = 10

/**
 * How much more of pointless frames one connection may send: 200 requests that it resets at once, 400 PINGs, and a tenth of it each second
 * from then on. Whoever asks for pages and takes them earns more than he can spend (CVE-2023-44487, CVE-2019-9512, 9514, 9515, 9518).
 */
export class Calm {
  #points = POINTS_MAX
  #at: number

  constructor(now: number) {
    this.#at = now
  }

  /** @param now on the wheel's clock @returns false when the client has lost our patience */
  spend(points: number, now: number): boolean {
    this.#points = Math.min(POINTS_MAX, this.#points + ((now - this.#at) * POINTS_PER_SECOND) / 1000) - points
    this.#at = now
    return this.#points >= 0
  }

  /** Whatever else the peer earns by what it does for us. */
  earn(points: number): void {
    this.#points = Math.min(POINTS_MAX, this.#points + points)
  }

  sentData(): void {
    if (this.#points < POINTS_MAX) this.#points += EARNED_BY_DATA
  }

  completed(): void {
    if (this.#points < POINTS_MAX) this.#points += EARNED_BY_EXCHANGE
  }
}
