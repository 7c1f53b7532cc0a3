/** It is not DER, or not what was looked for. */
export class NotPlain extends Error {}

/** Of the values that certificates and keys are made of. */
export const TAG = {
  BOOLEAN: 0x01,
  INTEGER: 0x02,
  BIT_STRING: 0x03,
  OCTET_STRING: 0x04,
  OID: 0x06,
  UTC_TIME: 0x17,
  GENERALIZED_TIME: 0x18,
  SEQUENCE: 0x30,
} as const

/**
 * Goes through DER value by value, without an object for each as `der.ts` has: for thousands of certificates at once. Every method throws
 * {@link NotPlain} where the next value has another tag, or is cut.
 */
export class DerCursor {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number
  /** Where the content of the value ends that was opened last. */
  #contentEnd = 0

  private constructor(bytes: Buffer, at: number, end: number) {
    this.#bytes = bytes
    this.#at = at
    this.#end = end
  }

  /** Before the first of several values. */
  static over(bytes: Buffer): DerCursor {
    return new DerCursor(bytes, 0, bytes.length)
  }

  /** Inside the one sequence that bytes are. */
  static whole(bytes: Buffer): DerCursor {
    const cursor = DerCursor.over(bytes)
    const inside = cursor.inside(TAG.SEQUENCE)
    cursor.end()
    return inside
  }

  /** Of the next value; -1 at the end. */
  get tag(): number {
    return this.#at < this.#end ? this.#bytes[this.#at]! : -1
  }

  get isAtEnd(): boolean {
    return this.#at === this.#end
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#end) throw new NotPlain()
  }

  /** Goes behind the next value, and returns one for its content. */
  inside(tag: number): DerCursor {
    const start = this.#open(tag)
    this.#at = this.#contentEnd
    return new DerCursor(this.#bytes, start, this.#contentEnd)
  }

  skip(tag: number): void {
    this.#open(tag)
    this.#at = this.#contentEnd
  }

  /** The next value with tag and length. */
  take(tag: number): Buffer {
    const from = this.#at
    this.skip(tag)
    return this.#bytes.subarray(from, this.#at)
  }

  /** All that is left. */
  rest(): Buffer {
    const from = this.#at
    this.#at = this.#end
    return this.#bytes.subarray(from, this.#end)
  }

  /** The content of the next value, in hexadecimal. */
  hex(tag: number): string {
    const start = this.#open(tag)
    this.#at = this.#contentEnd
    return this.#bytes.toString('hex', start, this.#at)
  }

  /** The next value, an object identifier, in hexadecimal: numbers of seven bits an octet, the last of each below 0x80 (X.690 §8.19). */
  identifier(): string {
    const start = this.#open(TAG.OID)
    this.#at = this.#contentEnd
    for (let at = start, isFirst = true; at < this.#at; at++) {
      if (isFirst && this.#bytes[at] === 0x80) throw new NotPlain()
      isFirst = this.#bytes[at]! < 0x80
    }
    if (start === this.#at || this.#bytes[this.#at - 1]! >= 0x80) throw new NotPlain()
    return this.#bytes.toString('hex', start, this.#at)
  }

  /** The next value, a number above 0, with tag and length. */
  positive(): Buffer {
    const from = this.#at
    const start = this.#open(TAG.INTEGER)
    const [first, second] = [this.#bytes[start]!, this.#bytes[start + 1]!]
    this.#at = this.#contentEnd
    const isShortest = first !== 0 || (this.#at - start > 1 && second >= 0x80)
    if (this.#at === start || first >= 0x80 || !isShortest) throw new NotPlain()
    return this.#bytes.subarray(from, this.#at)
  }

  /** The next value is true; false, which is the default of all that is looked for here, is not written in DER. */
  yes(): void {
    const start = this.#open(TAG.BOOLEAN)
    this.#at = this.#contentEnd
    if (this.#at - start !== 1 || this.#bytes[start] !== 0xff) throw new NotPlain()
  }

  /** The bits of the next value. @param areFew whether they may leave some of their last octet unused */
  bits(areFew = false): DerCursor {
    const start = this.#open(TAG.BIT_STRING)
    const unused = this.#bytes[start]!
    this.#at = this.#contentEnd
    if (start === this.#at || unused > (areFew ? 7 : 0)) throw new NotPlain()
    // Those that are unused are 0 in DER (X.690 §11.2.1).
    if (unused > 0 && (start + 1 === this.#at || (this.#bytes[this.#at - 1]! & (2 ** unused - 1)) !== 0)) throw new NotPlain()
    return new DerCursor(this.#bytes, start + 1, this.#at)
  }

  /** The next value, a time, in milliseconds since the epoch (RFC 5280 §4.1.2.5). */
  time(): number {
    const tag = this.tag
    const start = this.#open(tag)
    this.#at = this.#contentEnd
    const text = this.#bytes.toString('latin1', start, this.#at)
    const digits = tag === TAG.UTC_TIME ? (text < '5' ? '20' : '19') + text : text
    if ((tag !== TAG.UTC_TIME && tag !== TAG.GENERALIZED_TIME) || !/^\d{14}Z$/.test(digits)) throw new NotPlain()
    const part = (from: number, to: number) => Number(digits.slice(from, to))
    const [month, day, hour, minute, second] = [part(4, 6), part(6, 8), part(8, 10), part(10, 12), part(12, 14)] as const
    const ms = Date.UTC(part(0, 4), month - 1, day, hour, minute, second)
    // A 30th of February would be another day.
    if (new Date(ms).toISOString().replace(/[-:T]/g, '').slice(0, 14) !== digits.slice(0, 14)) throw new NotPlain()
    return ms
  }

  /** Lengths are definite, as short as they can be, and below 16 MB. @returns where the content begins */
  #open(tag: number): number {
    const bytes = this.#bytes
    if (this.#at + 2 > this.#end || bytes[this.#at] !== tag) throw new NotPlain()
    let start = this.#at + 2
    let length = bytes[this.#at + 1]!
    if (length >= 0x80) {
      const size = length & 0x7f
      if (size === 0 || size > 3 || start + size > this.#end) throw new NotPlain()
      length = bytes.readUIntBE(start, size)
      if (length < 0x80 || length < 2 ** (8 * (size - 1))) throw new NotPlain()
      start += size
    }
    if (start + length > this.#end) throw new NotPlain()
    this.#contentEnd = start + length
    return start
  }
}
