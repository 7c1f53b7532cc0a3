/** What the peer may still send on a connection, all streams together (RFC 9113 §6.9); it grows again in steps of half of it. */
export class ReceiveWindow {
  readonly #size: number
  #left: number
  #consumed = 0

  /** @param size as it was told to the peer */
  constructor(size: number) {
    this.#size = size
    this.#left = size
  }

  get left(): number {
    return this.#left
  }

  /** @returns false when the peer has sent more than it may: FLOW_CONTROL_ERROR */
  take(bytes: number): boolean {
    this.#left -= bytes
    return this.#left >= 0
  }

  /** Bytes have gone on, or were dropped. @returns by how much the peer is to be told now that its window grows; 0: not yet */
  release(bytes: number): number {
    this.#consumed += bytes
    const consumed = this.#consumed
    if (consumed < this.#size / 2) return 0
    this.#left += consumed
    this.#consumed = 0
    return consumed
  }
}
