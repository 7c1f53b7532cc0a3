import { STATUS_CODES } from 'node:http'
import { parseResponseHead, type ResponseHead } from '../http1/response-head.ts'
import type { FieldSink } from './hpack/decoder.ts'
import type { Field } from './hpack/table.ts'

const STATUS = /^[1-5][0-9]{2}$/
const GRPC = /^content-type:[\t ]*application\/grpc/im
// A list so much larger than allowed is an attack with indexed fields, not a long cookie.
const BOMB_FACTOR = 4

/**
 * Gathers the fields of an app's answer and reads them as one answer. After the checks that HTTP/2 asks for it is written as the HTTP/1.1
 * head that it stands for and read by the same parser as all others, so that both versions keep the same rules.
 */
export class ResponseFields implements FieldSink {
  readonly #bytesMax: number
  #size = 0
  #status = ''
  #lines = ''
  #hasLength = false
  #malformed = false

  /** @param bytesMax as RFC 9113 §6.5.2 counts them: name, value and 32 for each field */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  field(entry: Field): void {
    this.#size += entry.size
    // The table follows the block to its end; the text need not.
    if (this.#size > this.#bytesMax) return
    if (entry.name === ':status') {
      if (this.#status !== '' || this.#lines !== '' || !STATUS.test(entry.value)) this.#malformed = true
      this.#status = entry.value
    } else if (entry.kind === 'malformed' || entry.name.charCodeAt(0) === 58) this.#malformed = true
    else {
      if (entry.kind === 'content-length') this.#hasLength = true
      this.#lines += lineOf(entry)
    }
  }

  /** Whether the list is so large that only an attacker sends it. */
  get isBomb(): boolean {
    return this.#size > this.#bytesMax * BOMB_FACTOR
  }

  /**
   * @param method of the request
   * @param ended whether no body and no trailer follows
   * @returns the head, its length 0 where nothing follows; R35 when it is too large, R34 when it means nothing
   */
  read(method: string, ended: boolean): ResponseHead | 'R34' | 'R35' {
    if (this.#size > this.#bytesMax) return 'R35'
    // RFC 9113 §8.6: there is no 101, and an interim answer is never the last.
    if (this.#malformed || this.#status === '' || this.#status === '101' || (ended && this.#status.charCodeAt(0) === 49)) return 'R34'
    const framing = this.#hasLength || ended ? '' : 'transfer-encoding: chunked\r\n'
    const head = parseResponseHead(`HTTP/1.1 ${this.#status} ${STATUS_CODES[this.#status] ?? ''}\r\n${this.#lines}${framing}\r\n`, method)
    if (head === undefined) return 'R34'
    if (!ended) return head
    if (head.length > 0) return 'R34'
    const isBodyless = method === 'HEAD' || head.status === 204 || head.status === 304
    // Trailers only (gRPC): END_STREAM says it all.
    return { ...head, length: 0, statedLength: isBodyless || GRPC.test(head.fields) ? head.statedLength : 0 }
  }
}

/** Of those that a request does not pass on as they stand as well. */
function lineOf({ line, name, value }: Field): string {
  return line === '' ? `${name}: ${value}\r\n` : line
}
