/** Random numbers that are the same in every run of the same seed (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** A whole number from 0 to `limit` - 1. */
  below(limit: number): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * limit)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }

  /** True once in so many times. */
  once(times: number): boolean {
    return this.below(times) === 0
  }

  /** Where to cut so many bytes: positions in order, the last one the end. */
  cuts(length: number): number[] {
    const widest = this.pick([1, 3, 20, 200, length])
    const cuts: number[] = []
    for (let at = 0; at < length; ) cuts.push((at = Math.min(length, at + 1 + this.below(Math.max(1, widest)))))
    return cuts
  }
}
