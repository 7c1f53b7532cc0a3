import { TRAILER_COUNT_MAX } from './trailers.ts'

/** How the end of a body is found: so many bytes, or {@link CHUNKED}, or {@link UNTIL_CLOSE}. */
export type BodyLength = number
export const CHUNKED = -1
export const UNTIL_CLOSE = -2

/** Takes payload as it is read; the bytes are valid only during the call. */
export interface BodySink {
  payload(bytes: Buffer, start: number, end: number): void
}

// A chunk's size line may carry extensions, which nobody uses: 1 KiB of them a line, 16 KiB a message (CVE-2024-22019, CVE-2023-39326).
const EXTENSION_BYTES_MAX = 1024
const EXTENSIONS_BYTES_MAX = 16 * 1024
const TRAILER_BYTES_MAX = 8 * 1024
// 16 hex digits hold any size; leading zeros beyond that are an attack.
const SIZE_DIGITS_MAX = 16
// What frames or routes a message comes too late in a trailer (RFC 9110 §6.5.1): who sends it there means harm.
const FORBIDDEN_TRAILER = /^(?:content-length|transfer-encoding|host):/im

const SIZE = 0
const EXTENSION = 1
const SIZE_LF = 2
const DATA = 3
const DATA_CR = 4
const DATA_LF = 5
const TRAILER = 6

const CR = 13
const LF = 10
const SEMICOLON = 59

// Names and values are tokens or quoted strings, without blanks around them (RFC 9112 §7.1.1).
const EXTENSIONS =
  /^(?:;[!#$%&'*+\-.^_`|~0-9A-Za-z]+(?:=(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+|"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t -~\x80-\xff])*"))?)+$/
const TRAILER_SECTION = /^(?:[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*\r\n)*\r\n$/

/**
 * Reads one body out of a stream of bytes: gives its payload to a sink and stops exactly at its end (RFC 9112 §6, §7.1).
 *
 * Strict: sizes are hexadecimal digits only, lines end in CRLF only, sizes stay below 2^53. Extensions are checked, bounded and dropped,
 * trailers checked, bounded and kept. One reader serves all messages of a connection: `start` begins the next.
 */
export class BodyReader {
  /** True when the last byte of the body was read; never so for {@link UNTIL_CLOSE}. */
  done = true
  /** Payload bytes of this body so far. */
  bytesRead = 0
  /** The lines behind the last chunk, each with its CRLF; '' before it and where there are none. */
  trailers = ''
  #length: BodyLength = 0
  #left = 0
  #state = SIZE
  #digits = 0
  #extension = ''
  #extensionBytes = 0
  #trailer = ''

  start(length: BodyLength): void {
    this.#length = length
    this.#left = length > 0 ? length : 0
    this.done = length === 0
    this.bytesRead = 0
    this.trailers = ''
    if (length !== CHUNKED) return
    this.#state = SIZE
    this.#digits = 0
    this.#extensionBytes = 0
    this.#trailer = ''
  }

  /**
   * Reads what lies in `bytes` from `at` to `end`.
   *
   * @returns where the body (or what there was) ended; -1 when the framing is broken, after which no byte of the connection means anything
   */
  read(bytes: Buffer, at: number, end: number, sink: BodySink): number {
    if (this.done) return at
    if (this.#length === CHUNKED) return this.#readChunks(bytes, at, end, sink)
    const stop = this.#length === UNTIL_CLOSE ? end : Math.min(end, at + this.#left)
    if (stop > at) {
      this.bytesRead += stop - at
      if (this.#length !== UNTIL_CLOSE && (this.#left -= stop - at) === 0) this.done = true
      sink.payload(bytes, at, stop)
    }
    return stop
  }

  #readChunks(bytes: Buffer, from: number, end: number, sink: BodySink): number {
    let at = from
    while (at < end) {
      if (this.#state === DATA) {
        const stop = Math.min(end, at + this.#left)
        this.bytesRead += stop - at
        this.#left -= stop - at
        if (this.#left === 0) this.#state = DATA_CR
        sink.payload(bytes, at, stop)
        at = stop
        continue
      }
      if (this.#state === TRAILER) return this.#readTrailer(bytes, at, end)
      if (!this.#readFraming(bytes[at] as number)) return -1
      at++
    }
    return at
  }

  /** One byte of a size line or of the line end after data; false when it must not stand there. */
  #readFraming(byte: number): boolean {
    switch (this.#state) {
      case SIZE: {
        const digit = hexDigit(byte)
        if (digit >= 0) {
          this.#left = this.#left * 16 + digit
          return ++this.#digits <= SIZE_DIGITS_MAX && this.#left <= Number.MAX_SAFE_INTEGER
        }
        if (this.#digits === 0) return false
        if (byte === CR) this.#state = SIZE_LF
        else if (byte === SEMICOLON) {
          this.#state = EXTENSION
          this.#extension = ';'
        } else return false
        return true
      }
      case EXTENSION:
        if (byte === CR) {
          this.#state = SIZE_LF
          return EXTENSIONS.test(this.#extension)
        }
        this.#extension += String.fromCharCode(byte)
        return this.#extension.length <= EXTENSION_BYTES_MAX && ++this.#extensionBytes <= EXTENSIONS_BYTES_MAX && byte !== LF
      case SIZE_LF:
        this.#state = this.#left === 0 ? TRAILER : DATA
        this.#digits = 0
        this.#extension = ''
        return byte === LF
      case DATA_CR:
        this.#state = DATA_LF
        return byte === CR
      default:
        this.#state = SIZE
        return byte === LF
    }
  }

  /** The section after the last chunk, up to its empty line. */
  #readTrailer(bytes: Buffer, at: number, end: number): number {
    if (this.#trailer === '' && end - at >= 2 && bytes[at] === CR && bytes[at + 1] === LF) {
      this.done = true
      return at + 2
    }
    const before = this.#trailer.length
    const stop = Math.min(end, at + TRAILER_BYTES_MAX + 1 - before)
    this.#trailer += bytes.toString('latin1', at, stop)
    const lastLine = this.#trailer.startsWith('\r\n') ? -2 : this.#trailer.indexOf('\r\n\r\n', Math.max(0, before - 3))
    if (lastLine === -1) return this.#trailer.length > TRAILER_BYTES_MAX ? -1 : stop
    const section = this.#trailer.slice(0, lastLine + 4)
    if (!TRAILER_SECTION.test(section) || FORBIDDEN_TRAILER.test(section) || hasMoreLines(section, TRAILER_COUNT_MAX)) return -1
    this.trailers = section.slice(0, -2)
    this.#trailer = ''
    this.done = true
    return at + lastLine + 4 - before
  }
}

function hasMoreLines(section: string, countMax: number): boolean {
  let count = -1
  for (let at = section.indexOf('\n'); at >= 0; at = section.indexOf('\n', at + 1)) count++
  return count > countMax
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48
  const letter = byte | 32
  return letter >= 97 && letter <= 102 ? letter - 87 : -1
}
