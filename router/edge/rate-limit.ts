import { clientRange } from '../serve/client-range.ts'
import type { AppLoad } from '../table/app-load.ts'
import type { Rate } from '../table/extensions/rate-limit.ts'
import { Generations } from './generations.ts'

// Times of float arithmetic: a request that comes exactly in its time must pass.
const TOLERANCE_MS = 1e-3

/**
 * Token buckets, each kept as the one moment at which it is full again (the generic cell rate algorithm): a request costs one interval, and
 * may come while no more than a burst of them is owed. What is refused costs nothing, so a client that slows down gets in again.
 *
 * Buckets of clients are bounded in number. One who asks more often than others keep his, so a flood of addresses does not set him free.
 */
export class RateLimiter {
  readonly #clients: Generations<number>

  constructor(clientsMax: number) {
    this.#clients = new Generations(Math.ceil(clientsMax / 2))
  }

  get size(): number {
    return this.#clients.size
  }

  /** @param app its key @returns 0, or after how many milliseconds the client may come again */
  takeClient(app: string, address: string, { intervalMs, burst }: Rate, nowMs: number): number {
    const key = `${app} ${clientRange(address)}`
    const fullAt = Math.max(this.#clients.get(key) ?? 0, nowMs)
    const waitMs = fullAt - nowMs - intervalMs * (burst - 1)
    if (waitMs > TOLERANCE_MS) return waitMs
    this.#clients.set(key, fullAt + intervalMs)
    return 0
  }

  /** @param workers among whom the app's rate is divided @returns as {@link takeClient} */
  takeApp(load: AppLoad, rate: Rate, workers: number, nowMs: number): number {
    const intervalMs = rate.intervalMs * workers
    const fullAt = Math.max(load.bucketFullAt, nowMs)
    const waitMs = fullAt - nowMs - intervalMs * (Math.ceil(rate.burst / workers) - 1)
    if (waitMs > TOLERANCE_MS) return waitMs
    load.bucketFullAt = fullAt + intervalMs
    return 0
  }
}
