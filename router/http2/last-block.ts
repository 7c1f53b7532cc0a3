/** A block up to this is worth a look: what repeats is mostly one octet a field. */
const OCTETS_MAX = 128

/** Where a block stands. */
export interface BlockPlace {
  readonly bytes: Uint8Array
  readonly start: number
  readonly end: number
}

/**
 * The last header block of a connection and what it meant. The same octets mean the same again while table and terms are what they were:
 * pollers and callers of an API send them, and to compare them costs a tenth of reading them.
 */
export class LastBlock<T> {
  #octets: Uint8Array | undefined
  #length = -1
  #version = -1
  #terms: unknown
  #meaning: T | undefined

  /**
   * @param version of the table as it is now
   * @param terms what else the meaning depends on, as one object
   */
  find({ bytes, start, end }: BlockPlace, version: number, terms: unknown): T | undefined {
    const length = end - start
    if (length !== this.#length || version !== this.#version || terms !== this.#terms) return undefined
    const known = this.#octets as Uint8Array
    for (let index = 0; index < length; index++) if (known[index] !== bytes[start + index]) return undefined
    return this.#meaning
  }

  /** @param version of the table, which the block has not changed */
  keep({ bytes, start, end }: BlockPlace, version: number, terms: unknown, meaning: T): void {
    const length = end - start
    if (length > OCTETS_MAX) return
    const octets = (this.#octets ??= new Uint8Array(OCTETS_MAX))
    for (let index = 0; index < length; index++) octets[index] = bytes[start + index] as number
    this.#length = length
    this.#version = version
    this.#terms = terms
    this.#meaning = meaning
  }
}
