const BLOCK_BYTES_MIN = 256
const BLOCK_BYTES_MAX = 64 * 1024

/**
 * Bytes in few blocks, however small the pieces in which they come: a buffer for each piece would cost a hundred times the byte that a
 * client may send as one. What it allocates is twice what it was given, and 256 bytes, at most.
 */
export class Gathered {
  #blocks: Buffer[] = []
  #bytes = 0
  /** In the last block. */
  #used = 0

  get bytes(): number {
    return this.#bytes
  }

  /** Takes a copy. */
  add(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      let block = this.#blocks.at(-1)
      if (block === undefined || this.#used === block.length) {
        block = Buffer.allocUnsafeSlow(Math.min(BLOCK_BYTES_MAX, Math.max(BLOCK_BYTES_MIN, this.#bytes, end - at)))
        this.#blocks.push(block)
        this.#used = 0
      }
      const count = bytes.copy(block, this.#used, at, end)
      this.#used += count
      this.#bytes += count
      at += count
    }
  }

  /** Gives everything away, in order. */
  take(): Buffer[] {
    const blocks = this.#blocks
    const last = blocks.at(-1)
    if (last !== undefined) blocks[blocks.length - 1] = last.subarray(0, this.#used)
    this.#blocks = []
    this.#bytes = 0
    return blocks
  }
}
