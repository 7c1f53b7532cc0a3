import { setTimeout as wait } from 'node:timers/promises'

/** Growing waits between tries, each shortened at random so that many clients do not come back in step. */
export class Backoff {
  readonly #minMs: number
  readonly #maxMs: number
  readonly #factor: number
  readonly #jitter: number
  readonly #random: () => number
  #nextMs: number

  /**
   * @param options.factor what each wait is multiplied with; 2 by default
   * @param options.jitter the share of a wait that is left to chance, 0 to 1; 0.5 by default
   */
  constructor(options: { minMs: number; maxMs: number; factor?: number; jitter?: number; random?: () => number }) {
    this.#minMs = options.minMs
    this.#maxMs = options.maxMs
    this.#factor = options.factor ?? 2
    this.#jitter = options.jitter ?? 0.5
    this.#random = options.random ?? Math.random
    this.#nextMs = options.minMs
  }

  /** How long to wait before the next try, in milliseconds. */
  next(): number {
    const full = this.#nextMs
    this.#nextMs = Math.min(this.#maxMs, full * this.#factor)
    return full * (1 - this.#jitter * this.#random())
  }

  /** After a success: the next failure waits the least again. */
  reset(): void {
    this.#nextMs = this.#minMs
  }
}

/** Waits; resolves early, without an error, when the signal fires. */
export async function delay(ms: number, signal?: AbortSignal): Promise<void> {
  await wait(ms, undefined, signal ? { signal } : {}).catch(() => {})
}
