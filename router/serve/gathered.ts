const BLOCK_BYTES_MIN = 256
const BLOCK_BYTES_MAX = 64 * 1024
// 8 MB: with 32 a hundred streams still left a tenth of the time to the collector.
const FREE_MAX = 128
/** Blocks of the largest size that were offered to their end: where answers wait for their clients they come and go with each turn. */
const free: Buffer[] = []

/**
 * Bytes that wait in few blocks, however small the pieces in which they come: a buffer for each piece would cost a hundred times the byte
 * that a peer may send as one. What it allocates is twice what it was given, and 256 bytes, at most.
 */
export class Gathered {
  #blocks: Buffer[] = []
  #bytes = 0
  /** Where what waits begins in the first block, and ends in the last. */
  #from = 0
  #used = 0

  get bytes(): number {
    return this.#bytes
  }

  /** Takes a copy. */
  add(bytes: Buffer, start: number, end: number): void {
    for (let at = start; at < end; ) {
      let block = this.#blocks.at(-1)
      if (block === undefined || this.#used === block.length) {
        block = blockOf(Math.max(BLOCK_BYTES_MIN, this.#bytes, end - at))
        this.#blocks.push(block)
        this.#used = 0
      }
      const count = bytes.copy(block, this.#used, at, end)
      this.#used += count
      this.#bytes += count
      at += count
    }
  }

  /**
   * Offers what waits, piece by piece in order, and forgets what is taken; that is good only until `take` returns.
   *
   * @param bytesMax to be offered in all
   * @param take returns up to where it took, and is not asked again once that is not all
   * @returns how much was taken
   */
  offer(bytesMax: number, take: (bytes: Buffer, start: number, end: number) => number): number {
    let taken = 0
    while (this.#bytes > 0 && taken < bytesMax) {
      const first = this.#blocks[0] as Buffer
      const from = this.#from
      const end = Math.min(this.#blocks.length === 1 ? this.#used : first.length, from + bytesMax - taken)
      const to = take(first, from, end)
      // Whoever takes may find that nobody is there any more, and everything was given away.
      if (this.#blocks[0] !== first) break
      this.#drop(first, to)
      taken += to - from
      if (to < end) break
    }
    return taken
  }

  /** Gives everything away, in order. */
  take(): Buffer[] {
    const blocks = this.#blocks
    const last = blocks.length - 1
    if (last >= 0) blocks[last] = (blocks[last] as Buffer).subarray(0, this.#used)
    if (last >= 0 && this.#from > 0) blocks[0] = (blocks[0] as Buffer).subarray(this.#from)
    this.#blocks = []
    this.#from = 0
    this.#bytes = 0
    return blocks
  }

  #drop(first: Buffer, to: number): void {
    this.#bytes -= to - this.#from
    this.#from = to
    if (this.#bytes > 0 && to < first.length) return
    // The last one too: more would not fit into what is left of it.
    this.#blocks.shift()
    this.#from = 0
    if (first.length === BLOCK_BYTES_MAX && free.length < FREE_MAX) free.push(first)
  }
}

function blockOf(wanted: number): Buffer {
  if (wanted <= BLOCK_BYTES_MAX / 2) return Buffer.allocUnsafeSlow(wanted)
  return free.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES_MAX)
}
