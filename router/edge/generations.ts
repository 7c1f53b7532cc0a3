/**
 * A map of bounded size that forgets what was not used for longest, roughly: two generations, of which the older goes when the younger is
 * full. What is used now and then moves to the younger one and stays, whatever else streams through. All in constant time, no timer.
 */
export class Generations<V> {
  readonly #countMax: number
  #young = new Map<string, V>()
  #old = new Map<string, V>()

  /** @param countMax of one generation; twice as much is kept at most */
  constructor(countMax: number) {
    this.#countMax = countMax
  }

  get size(): number {
    return this.#young.size + this.#old.size
  }

  get(key: string): V | undefined {
    const value = this.#young.get(key)
    if (value !== undefined) return value
    const older = this.#old.get(key)
    if (older === undefined) return undefined
    this.#old.delete(key)
    this.set(key, older)
    return older
  }

  set(key: string, value: V): void {
    this.#young.set(key, value)
    if (this.#young.size < this.#countMax) return
    this.#old = this.#young
    this.#young = new Map()
  }
}
