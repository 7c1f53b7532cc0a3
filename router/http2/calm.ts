/** What frames that bring us nothing cost a peer, in points of its patience. */
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

/** What a frame of data that we could send, and an exchange that was completed, give back. */
export interface Earnings {
  readonly byData: number
  readonly byExchange: number
}

export const CLIENT_EARNS: Earnings = { byData: 2, byExchange: 10 }
// A BDP probe of gRPC is a PING, answered by a WINDOW_UPDATE or two, for each round trip that brings DATA.
export const APP_EARNS: Earnings = { byData: 8, byExchange: 20 }

const POINTS_MAX = 2_000
const POINTS_PER_SECOND = 200

/**
 * How much more of pointless frames one connection may send: 200 requests that it resets at once, 400 PINGs, and a tenth of it each second
 * from then on. Whoever asks for pages and takes them earns more than he can spend (CVE-2023-44487, CVE-2019-9512, 9514, 9515, 9518).
 */
export class Calm {
  readonly #earnings: Earnings
  #points = POINTS_MAX
  #at: number

  constructor(now: number, earnings: Earnings) {
    this.#at = now
    this.#earnings = earnings
  }

  /** @param now on the wheel's clock @returns false when the peer has lost our patience */
  spend(points: number, now: number): boolean {
    this.#points = Math.min(POINTS_MAX, this.#points + ((now - this.#at) * POINTS_PER_SECOND) / 1000) - points
    this.#at = now
    return this.#points >= 0
  }

  sentData(): void {
    if (this.#points < POINTS_MAX) this.#points += this.#earnings.byData
  }

  completed(): void {
    if (this.#points < POINTS_MAX) this.#points += this.#earnings.byExchange
  }
}
