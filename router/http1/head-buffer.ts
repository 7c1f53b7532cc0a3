import { latin1 } from './latin1.ts'

/** What {@link HeadBuffer.take} says when there is no position to go on from. */
export const HEAD_INCOMPLETE = -1
export const HEAD_TOO_LARGE = -2
export const HEAD_BROKEN = -3

const HEAD_END = Buffer.from('\r\n\r\n', 'latin1')
const LF = 10
const CR = 13

/**
 * Gathers a head that arrives in pieces. The usual head comes in one piece and is read in place; the work for any other is linear in its
 * bytes, however small the pieces are.
 */
export class HeadBuffer {
  #text = ''
  #rest = ''
  #bytes: Buffer | undefined
  #length = 0

  /** True while part of a head is here. */
  get begun(): boolean {
    return this.#length > 0
  }

  /**
   * Takes bytes from `at` to `end`.
   *
   * @param bytesMax longest head
   * @returns the position behind the head, which `text` then gives; or why there is none: incomplete, too large, or broken (a line end
   * without CR, a first byte that starts no head), so that a peer that speaks another protocol need not time out
   */
  take(bytes: Buffer, at: number, end: number, bytesMax: number): number {
    if (this.#length > 0) return this.#append(bytes, at, end, bytesMax)
    if (end - at <= 4096) {
      const text = latin1(bytes, at, end)
      const index = text.indexOf('\r\n\r\n')
      if (index < 0) return this.#append(bytes, at, end, bytesMax)
      if (index + 4 > bytesMax) return this.#append(bytes, at, end, bytesMax)
      if (at + index + 4 === end) this.#text = text
      else {
        this.#text = text.slice(0, index + 4)
        this.#rest = text.slice(index + 4)
      }
      return at + index + 4
    }
    const index = bytes.subarray(at, end).indexOf(HEAD_END)
    if (index < 0 || index + 4 > bytesMax) return this.#append(bytes, at, end, bytesMax)
    this.#text = latin1(bytes, at, at + index + 4)
    return at + index + 4
  }

  /** The head that {@link take} found, up to and including its empty line, as latin1. Given once, so that idle connections hold none. */
  text(): string {
    const text = this.#text
    this.#text = ''
    return text
  }

  /** What came behind the head, where it was short enough to become text along with it, else ''. Given once. */
  rest(): string {
    const rest = this.#rest
    this.#rest = ''
    return rest
  }

  /** Forgets a head that will not be finished. */
  clear(): void {
    this.#bytes = undefined
    this.#length = 0
  }

  /** How an unfinished head begins, for the log. */
  get start(): string {
    return this.#bytes?.toString('latin1', 0, Math.min(this.#length, 256)) ?? ''
  }

  /** Whether the request line, or the head behind it, was what grew too large. */
  get firstLineEnded(): boolean {
    return this.#bytes?.subarray(2, this.#length).includes(LF) ?? false
  }

  /** Whether nothing but an empty line is here. */
  get onlyEmptyLine(): boolean {
    return this.#length <= 2 && this.#bytes?.[0] === CR
  }

  #append(bytes: Buffer, at: number, end: number, bytesMax: number): number {
    const before = this.#length
    const length = before + Math.min(end - at, bytesMax + 1 - before)
    if (this.#bytes === undefined || this.#bytes.length < length) {
      const grown = Buffer.allocUnsafe(Math.min(bytesMax + 1, Math.max(512, length * 2)))
      this.#bytes?.copy(grown, 0, 0, before)
      this.#bytes = grown
    }
    const gathered = this.#bytes
    bytes.copy(gathered, before, at, at + length - before)
    this.#length = length
    const first = gathered[0] as number
    if (first <= 32 ? first !== CR : first >= 127) return HEAD_BROKEN
    const index = gathered.subarray(0, length).indexOf(HEAD_END, Math.max(0, before - 3))
    const checked = index < 0 ? length : index
    for (let lf = gathered.indexOf(LF, before); lf >= 0 && lf < checked; lf = gathered.indexOf(LF, lf + 1)) {
      if (lf === 0 || gathered[lf - 1] !== CR) return HEAD_BROKEN
    }
    if (index < 0) return length > bytesMax ? HEAD_TOO_LARGE : HEAD_INCOMPLETE
    if (index + 4 > bytesMax) return HEAD_TOO_LARGE
    this.#text = latin1(gathered, 0, index + 4)
    this.clear()
    return at + index + 4 - before
  }
}
