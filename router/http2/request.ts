import { randomBytes } from 'node:crypto'
import { type HeadLimits, parseRequestHead, type RequestHead } from '../http1/head.ts'
import type { ErrorCode } from '../serve/errors.ts'
import type { FieldSink } from './hpack/decoder.ts'
import type { Field } from './hpack/table.ts'

/** The stream is reset with PROTOCOL_ERROR, RFC 9113 §8.1.1. */
export const MALFORMED = 'malformed'

/** What a header list asks for. */
export interface Http2Request {
  readonly head: RequestHead
  /** An extended CONNECT (RFC 8441): the stream is a tunnel, no body follows. */
  readonly tunnel: boolean
}

// A list so much larger than allowed is an attack with indexed fields, not a long cookie.
const BOMB_FACTOR = 4
// What HTTP/1.1 says in its place (RFC 6455 §4.1); an app that answers it wrongly fails the upgrade at the client as ever.
const TUNNEL_LINES = 'connection: upgrade\r\nupgrade: websocket\r\n'

/**
 * Gathers the fields of a request and reads them as one request. After the checks that HTTP/2 asks for it is written as the HTTP/1.1 head
 * that it stands for and read by the same parser as all others, so that both versions keep the same rules.
 */
export class RequestFields implements FieldSink {
  readonly #bytesMax: number
  #lines = ''
  #size = 0
  #count = 0
  #method = ''
  #scheme = ''
  #authority: string | undefined
  #path = ''
  #protocol = ''
  #host: string | undefined
  #cookie = ''
  #length: string | undefined
  #malformed = false
  #regular = false

  /** @param bytesMax as RFC 9113 §6.5.2 counts them: name, value and 32 for each field */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax
  }

  field(entry: Field): void {
    this.#size += entry.size
    this.#count++
    // The table follows the block to its end; the text need not.
    if (this.#size > this.#bytesMax) return
    switch (entry.kind) {
      case 'regular':
        this.#lines += entry.line
        break
      case ':method':
        this.#method = this.#once(this.#method, entry.value)
        return
      case ':scheme':
        this.#scheme = this.#once(this.#scheme, entry.value)
        return
      case ':path':
        this.#path = this.#once(this.#path, entry.value)
        return
      case ':protocol':
        this.#protocol = this.#once(this.#protocol, entry.value)
        return
      case ':authority':
        this.#authority = this.#once(this.#authority ?? '', entry.value)
        return
      case 'host':
        if (this.#host !== undefined) this.#malformed = true
        this.#host = entry.value
        break
      case 'cookie':
        // RFC 9113 §8.2.3: crumbs are one cookie again for HTTP/1.1.
        this.#cookie = this.#cookie === '' ? entry.value : `${this.#cookie}; ${entry.value}`
        break
      case 'content-length':
        if (this.#length !== undefined) this.#malformed = true
        this.#length = entry.value
        break
      default:
        this.#malformed = true
        return
    }
    this.#regular = true
  }

  /** Whether the list is so large that only an attacker sends it. */
  get isBomb(): boolean {
    return this.#size > this.#bytesMax * BOMB_FACTOR
  }

  /**
   * @param ended whether the request has no body
   * @param body of a short request that is here whole already; undefined while it is to come
   */
  read(limits: HeadLimits, ended: boolean, body: string | undefined): Http2Request | ErrorCode | typeof MALFORMED {
    if (this.#size > this.#bytesMax || this.#count > limits.fieldCountMax + 5) return 'R41'
    if (this.#malformed || this.#method === '') return MALFORMED
    const host = this.#agreedHost()
    if (host === undefined) return MALFORMED
    const tunnel = this.#protocol !== ''
    if (this.#method === 'CONNECT' ? !tunnel : tunnel) return tunnel ? MALFORMED : 'R11'
    if (this.#scheme !== 'https' && this.#scheme !== 'http') return MALFORMED
    const first = this.#path.charCodeAt(0)
    if (first !== 47 && !(this.#path === '*' && this.#method === 'OPTIONS')) return MALFORMED
    if (tunnel && this.#protocol !== 'websocket') return 'R18'
    const framing = this.#framing(ended, body)
    if (framing === undefined) return MALFORMED
    const cookie = this.#cookie === '' ? '' : `cookie: ${this.#cookie}\r\n`
    const extra = tunnel ? `${TUNNEL_LINES}sec-websocket-key: ${randomBytes(16).toString('base64')}\r\n` : framing
    const lines = tunnel ? this.#lines.replace(/^sec-websocket-key:[^\r]*\r\n/gm, '') : this.#lines
    const text = `${tunnel ? 'GET' : this.#method} ${this.#path} HTTP/1.1\r\nhost: ${host}\r\n${lines}${cookie}${extra}\r\n`
    const head = parseRequestHead(text, limits, '2.0')
    return typeof head === 'string' ? head : { head, tunnel }
  }

  #once(before: string, value: string): string {
    if (before !== '' || value === '' || this.#regular) this.#malformed = true
    return value
  }

  /** RFC 9113 §8.3.1: Host may stand beside :authority only when both say the same. */
  #agreedHost(): string | undefined {
    if (this.#authority === undefined) return this.#host
    return this.#host === undefined || this.#host.toLowerCase() === this.#authority.toLowerCase() ? this.#authority : undefined
  }

  #framing(ended: boolean, body: string | undefined): string | undefined {
    const stated = this.#length
    if (stated !== undefined && !/^[0-9]{1,16}$/.test(stated)) return undefined
    if (body !== undefined) return stated === undefined || Number(stated) === body.length ? `content-length: ${body.length}\r\n` : undefined
    if (stated === undefined) return ended ? '' : 'transfer-encoding: chunked\r\n'
    return ended && Number(stated) > 0 ? undefined : `content-length: ${stated}\r\n`
  }
}

/** Fields of a trailer: checked, and dropped as on HTTP/1.1. */
export class TrailerFields implements FieldSink {
  malformed = false
  #size = 0

  field(entry: Field): void {
    this.#size += entry.size
    if (entry.kind !== 'regular' && entry.kind !== 'cookie') this.malformed = true
  }

  get size(): number {
    return this.#size
  }
}
