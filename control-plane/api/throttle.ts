import { LRUCache } from 'lru-cache'
import { Refusal } from '../domain/refusal.ts'

const WINDOW_MS = 60_000
// Beyond that the oldest are forgotten: who has so many names or addresses is not stopped by counting.
const KEYS_MAX = 10_000
// One name from many addresses at once: a guess that is spread out.
const SPREAD_FACTOR = 10

/** Counts wrong passwords for a minute, by name and address and by name alone. */
export class Throttle {
  readonly #failures = new LRUCache<string, number>({ max: KEYS_MAX, ttl: WINDOW_MS, noUpdateTTL: true })
  readonly #countMax: number

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  /** @throws {Refusal} 429 when there have been too many failures */
  check(username: string, address: string): void {
    const near = this.#failures.get(keyOf(username, address)) ?? 0
    const far = this.#failures.get(keyOf(username, '')) ?? 0
    if (near < this.#countMax && far < this.#countMax * SPREAD_FACTOR) return
    throw new Refusal(
      429,
      { detail: 'Too many failed attempts: wait a minute and try again' },
      { headers: { 'retry-after': String(WINDOW_MS / 1000) } },
    )
  }

  failed(username: string, address: string): void {
    for (const key of [keyOf(username, address), keyOf(username, '')]) this.#failures.set(key, (this.#failures.get(key) ?? 0) + 1)
  }

  succeeded(username: string, address: string): void {
    this.#failures.delete(keyOf(username, address))
  }
}

function keyOf(username: string, address: string): string {
  return `${username.slice(0, 200)}\n${address.slice(0, 64)}`
}
