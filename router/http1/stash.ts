/** Room made beyond what is kept. */
const SPARE_BYTES_MAX = 16 * 1024

/** Bytes that came before their time: of the next requests while an answer is under way, of a body before its app is ready. */
export class Stash {
  #bytes: Buffer | undefined
  #at = 0
  #end = 0

  /** How many bytes are kept. */
  get size(): number {
    return this.#end - this.#at
  }

  /** Adds a copy of what lies from `at` to `end`. Room grows by more than is needed, as bytes that come one by one would else be copied for each. */
  add(bytes: Buffer, at: number, end: number): void {
    const kept = this.size
    const size = kept + end - at
    let room = this.#bytes
    if (room === undefined || this.#end + end - at > room.length) {
      const grown = Buffer.allocUnsafe(room === undefined ? size : size + Math.min(Math.max(size, 1024), SPARE_BYTES_MAX))
      room?.copy(grown, 0, this.#at, this.#end)
      this.#bytes = room = grown
      this.#at = 0
      this.#end = kept
    }
    bytes.copy(room, this.#end, at, end)
    this.#end += end - at
  }

  /** Gives what is kept to `work`, which returns how far it came; the rest stays. */
  use(work: (bytes: Buffer, at: number, end: number) => number): void {
    const bytes = this.#bytes
    if (bytes === undefined) return
    const end = this.#end
    const at = work(bytes, this.#at, end)
    // The connection has been closed meanwhile, and its bytes forgotten.
    if (this.#bytes === undefined) return
    this.#at = at
    if (at >= end) this.clear()
  }

  clear(): void {
    this.#bytes = undefined
    this.#at = 0
    this.#end = 0
  }
}
