/**
 * Streams that we have reset, with what was left of their windows: what the peer had sent before it knew is dropped without a word. Of so many
 * at the most, the latest.
 */
export class ResetStreams {
  readonly #left = new Map<number, number>()
  readonly #countMax: number

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  add(stream: number, receiveWindow: number): void {
    this.#left.set(stream, receiveWindow)
    if (this.#left.size <= this.#countMax) return
    const [oldest] = this.#left.keys()
    if (oldest !== undefined) this.#left.delete(oldest)
  }

  has(stream: number): boolean {
    return this.#left.has(stream)
  }

  /** DATA of such a stream came. @returns false when it is more than its window held */
  take(stream: number, bytes: number): boolean {
    const left = (this.#left.get(stream) ?? 0) - bytes
    if (left < 0) return false
    this.#left.set(stream, left)
    return true
  }
}
