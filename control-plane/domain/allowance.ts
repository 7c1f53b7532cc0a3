import { LRUCache } from 'lru-cache'

/** Of a kind of work: how many a second in the long run, and how many at once. */
export interface Pace {
  readonly perSecond: number
  readonly burst: number
}

const NAMES_MAX = 10_000

/** How often each of many may do something, as a bucket of tokens for each; those that have not come for long are forgotten. */
export class Allowance {
  readonly #pace: Pace
  readonly #buckets = new LRUCache<string, { tokens: number; atMs: number }>({ max: NAMES_MAX })

  constructor(pace: Pace) {
    this.#pace = pace
  }

  /** Takes one. @returns false when there is none left */
  take(name: string, nowMs: number): boolean {
    const { perSecond, burst } = this.#pace
    const bucket = this.#buckets.get(name) ?? { tokens: burst, atMs: nowMs }
    const tokens = Math.min(burst, bucket.tokens + (Math.max(nowMs - bucket.atMs, 0) / 1000) * perSecond)
    const isAllowed = tokens >= 1
    this.#buckets.set(name, { tokens: isAllowed ? tokens - 1 : tokens, atMs: nowMs })
    return isAllowed
  }
}
