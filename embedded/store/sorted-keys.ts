/** A set of strings in byte order, for lists and their pages. */
export class SortedKeys {
  readonly #keys: string[] = []

  add(key: string): void {
    const at = this.#find(key)
    if (this.#keys[at] !== key) this.#keys.splice(at, 0, key)
  }

  delete(key: string): void {
    const at = this.#find(key)
    if (this.#keys[at] === key) this.#keys.splice(at, 1)
  }

  /** A copy of the keys that start with `prefix` and come after `after`. */
  range(prefix: string, after: string): string[] {
    if (!prefix && !after) return this.#keys.slice()
    let from = this.#find(prefix)
    if (after >= prefix) {
      from = this.#find(after)
      if (this.#keys[from] === after) from++
    }
    let to = from
    if (!prefix) to = this.#keys.length
    else while (this.#keys[to]?.startsWith(prefix)) to++
    return this.#keys.slice(from, to)
  }

  /** Where the key stands or would stand. */
  #find(key: string): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#keys[middle]! < key) low = middle + 1
      else high = middle
    }
    return low
  }
}
