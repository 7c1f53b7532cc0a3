import { randomBytes } from 'node:crypto'
import { changed, type HeadLimits, parseRequestHead, type RequestHead } from '../http1/request-head.ts'
import type { ErrorCode } from '../serve/errors.ts'
import type { FieldSink } from './hpack/decoder.ts'
import { FIELD_OVERHEAD_BYTES, type Field } from './hpack/table.ts'

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

// What the parser of heads takes for a target in origin form.
const ORIGIN_TARGET = /^\/[!"$-~]*$/
/** Octets of a header list that a connection may remember, as much as its table. */
const REMEMBERED_BYTES_MAX = 4096

/**
 * Gathers the fields of a connection's requests, one after the other, and reads them. After the checks that HTTP/2 asks for a request is written
 * as the HTTP/1.1 head that it stands for and read by the same parser as all others, so that both versions keep the same rules.
 *
 * Most requests of a connection differ from the last in nothing but their path, and such a one takes over what was read of the last.
 */
export class RequestFields implements FieldSink {
  #bytesMax = 0
  #fieldBytesMax = 0
  readonly #limits: HeadLimits
  readonly #entries: Field[] = []
  #size = 0
  #count = 0
  /** The fields of the last request without body, and what they said. */
  #knownEntries: Field[] = []
  #known: Http2Request | undefined
  #isKnown = false
  // What the entries of this one say.
  #lines = ''
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

  constructor(limits: HeadLimits) {
    this.#limits = limits
  }

  /**
   * Begins a request.
   *
   * @param bytesMax as RFC 9113 §6.5.2 counts them: name, value and 32 for each field
   * @param fieldBytesMax of name and value of one field
   */
  begin(bytesMax: number, fieldBytesMax = bytesMax): void {
    this.#bytesMax = bytesMax
    this.#fieldBytesMax = fieldBytesMax + FIELD_OVERHEAD_BYTES
    this.#size = 0
    this.#count = 0
    this.#isKnown = this.#known !== undefined
  }

  field(entry: Field): void {
    this.#size += entry.size
    // One that is too long makes its list too long.
    if (entry.size > this.#fieldBytesMax && this.#size <= this.#bytesMax) this.#size = this.#bytesMax + 1
    // The table follows the block to its end; the list need not.
    if (this.#size > this.#bytesMax) {
      this.#isKnown = false
      return
    }
    const index = this.#count++
    this.#entries[index] = entry
    if (!this.#isKnown) return
    const known = this.#knownEntries[index]
    if (known === entry) return
    this.#isKnown = known?.name === entry.name && (entry.kind === ':path' || known.value === entry.value)
  }

  #take(entry: Field): void {
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
  read(ended: boolean, body: string | undefined): Http2Request | ErrorCode | typeof MALFORMED {
    const isPlain = ended && body === undefined
    const again = isPlain && this.#isKnown && this.#count === this.#knownEntries.length ? this.#again() : undefined
    if (again !== undefined) return again
    const request = this.#readAll(ended, body)
    const isWorthIt = isPlain && typeof request !== 'string' && !request.tunnel && this.#size <= REMEMBERED_BYTES_MAX
    this.#known = isWorthIt ? request : undefined
    this.#knownEntries = isWorthIt ? this.#entries.slice(0, this.#count) : NO_ENTRIES
    // The list holds nothing longer than its request lasts.
    this.#entries.length = 0
    return request
  }

  /** The last request with the path of this one; undefined where the whole must be read. */
  #again(): Http2Request | undefined {
    const known = this.#known as Http2Request
    const pathAt = this.#entries.findIndex(entry => entry.kind === ':path')
    const target = (this.#entries[pathAt] as Field).value
    const { head } = known
    const isSame = target === head.target
    if (!isSame && (!ORIGIN_TARGET.test(target) || head.method.length + target.length + 10 > this.#limits.requestLineBytesMax))
      return undefined
    // Until the next request the list holds nothing but what is remembered.
    this.#entries[pathAt] = this.#knownEntries[pathAt] as Field
    if (isSame) return known
    const raw = `${head.method} ${target}${head.raw.slice(head.method.length + 1 + head.target.length)}`
    return { head: changed(head, { raw, target }), tunnel: false }
  }

  #readAll(ended: boolean, body: string | undefined): Http2Request | ErrorCode | typeof MALFORMED {
    if (this.#size > this.#bytesMax || this.#count > this.#limits.fieldCountMax + 5) return 'R41'
    this.#clear()
    for (let index = 0; index < this.#count; index++) this.#take(this.#entries[index] as Field)
    return this.#read(ended, body)
  }

  #clear(): void {
    this.#lines = ''
    this.#method = ''
    this.#scheme = ''
    this.#authority = undefined
    this.#path = ''
    this.#protocol = ''
    this.#host = undefined
    this.#cookie = ''
    this.#length = undefined
    this.#malformed = false
    this.#regular = false
  }

  #read(ended: boolean, body: string | undefined): Http2Request | ErrorCode | typeof MALFORMED {
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
    const head = parseRequestHead(text, this.#limits, '2.0')
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

const NO_ENTRIES: Field[] = []
