/** Bytes that came before their time: of the next requests while an answer is under way, of a body before its app is ready. */
export class Stash {
  #bytes: Buffer | undefined
  #at = 0

  /** How many bytes are kept. */
  get size(): number {
    return this.#bytes === undefined ? 0 : this.#bytes.length - this.#at
  }

  /** Adds a copy of what lies from `at` to `end`. */
  add(bytes: Buffer, at: number, end: number): void {
    const kept = this.size
    const grown = Buffer.allocUnsafe(kept + end - at)
    this.#bytes?.copy(grown, 0, this.#at)
    bytes.copy(grown, kept, at, end)
    this.#bytes = grown
    this.#at = 0
  }

  /** Gives what is kept to `work`, which returns how far it came; the rest stays. */
  use(work: (bytes: Buffer, at: number, end: number) => number): void {
    const bytes = this.#bytes
    if (bytes === undefined) return
    this.#at = work(bytes, this.#at, bytes.length)
    if (this.#at >= bytes.length) this.clear()
  }

  clear(): void {
    this.#bytes = undefined
    this.#at = 0
  }
}
