import { mayTrail, TRAILER_COUNT_MAX } from '../http1/trailers.ts'
import type { FieldSink } from './hpack/decoder.ts'
import type { Field } from './hpack/table.ts'

/** Gathers the fields behind a body, of an answer or a request. */
export class TrailingFields implements FieldSink {
  /** Those that may pass on, each line with its CRLF. */
  lines = ''
  readonly #bytesMax: number
  readonly #ofRequest: boolean
  #size = 0
  #count = 0
  #malformed = false

  /** @param bytesMax as RFC 9113 §6.5.2 counts them: name, value and 32 for each field */
  constructor(bytesMax: number, ofRequest: boolean) {
    this.#bytesMax = bytesMax
    this.#ofRequest = ofRequest
  }

  field({ kind, line, name, size }: Field): void {
    this.#size += size
    this.#count++
    // The table follows the block to its end; the text need not.
    if (this.isMalformed) return
    // A pseudo-header field, a connection's own, Host or Content-Length.
    if (kind !== 'regular' && kind !== 'cookie') this.#malformed = true
    else if (mayTrail(name, this.#ofRequest)) this.lines += line
  }

  /** Whether its message must be cut. */
  get isMalformed(): boolean {
    return this.#malformed || this.#size > this.#bytesMax || this.#count > TRAILER_COUNT_MAX
  }
}
