import { encodeHuffman, huffmanLength } from './huffman.ts'
import { DynamicTable, STATIC_NAMES, STATIC_TABLE } from './table.ts'

const STATIC_COUNT = STATIC_TABLE.length
const OVERHEAD_BYTES = 32
const STATUS_INDEX: ReadonlyMap<number, number> = new Map(
  STATIC_TABLE.flatMap((entry, index) => (entry.name === ':status' ? [[Number(entry.value), index + 1] as const] : [])),
)
const INDEX_OF_200 = STATUS_INDEX.get(200)
// Secrets: no table of ours or of a proxy behind us may keep them (RFC 7541 §7.1.3).
const NEVER_INDEXED = new Set(['cookie', 'set-cookie', 'authorization', 'proxy-authorization', 'proxy-authenticate', 'www-authenticate'])
// Another value with nearly every answer: in the table they would only drive out what repeats.
const VOLATILE = new Set([
  ...['content-length', 'etag', 'last-modified', 'location', 'content-range', 'age', 'expires', 'x-request-id', 'x-correlation-id'],
  ...['traceparent', 'tracestate', 'x-runtime', 'x-response-time', 'server-timing', 'content-disposition', 'link'],
])
const INDEXED_BYTES_MAX = 256
// A name whose values keep changing is treated as volatile after so many.
const VALUES_MAX = 8
const NAMES_MAX = 64

// Lines of ours that are another in each answer, and how their names are written.
const OWN_LINES = ['X-Request-Id: ', 'X-Correlation-Id: '].map(start => {
  const name = start.slice(0, -2).toLowerCase()
  return { start: octetsOf(start), literal: octetsOf(`\0${String.fromCharCode(name.length)}${name}`) }
})
const SLOTS = 256
// Lists of lines that come again as a whole, by their length.
const LISTS = 4
const LIST_CHARS_MAX = 768
const LIST_OCTETS_MAX = 128
// Under this a loop is quicker than a call into native code.
const LOOP_CHARS_MAX = 64
const CR = 13
const CAPITAL_X = 88

// The lines of one block as octets: to make them at once and then to look at single octets is quicker than to look at parts of a text.
let octets = Buffer.allocUnsafeSlow(16 * 1024)

interface Entry {
  /** As it came, without CRLF. */
  readonly line: Uint8Array
  readonly size: number
  /** How many were added before it. */
  readonly number: number
}

interface OwnLine {
  readonly start: Uint8Array
  /** A literal without indexing, up to where the length of its value stands. */
  readonly literal: Uint8Array
}

/** A list of lines, and what it is written as while the table stays as it is. */
interface List {
  readonly fields: string
  /** Of the table; -1: it is not known how the list is written. */
  readonly version: number
  readonly octets: Uint8Array
}

/** Writes header blocks of one connection, RFC 7541: lines that repeat become one octet, and lists of them that repeat are not looked at again. */
export class HpackEncoder {
  readonly #table = new DynamicTable<Entry>(4096)
  /**
   * Entries by a hash of their line, the last that came by each. No Map: it would intern every line that it is asked for, and those of
   * request ids never come again.
   */
  readonly #slots: (Entry | undefined)[] = new Array(SLOTS).fill(undefined)
  /** Another with each change of the table. */
  #version = 0
  readonly #lists: (List | undefined)[] = new Array(LISTS).fill(undefined)
  readonly #valuesOfName = new Map<string, number>()
  /** The last size that the peer set and the smallest since the last block: it must hear of both (RFC 7541 §4.2). */
  #pendingSize = -1
  #pendingLeast = -1
  #out: Buffer = Buffer.alloc(0)
  #at = 0

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; more than 4096 is not used. */
  set tableBytesMax(size: number) {
    const used = Math.min(4096, size)
    this.#pendingLeast = this.#pendingSize < 0 ? used : Math.min(this.#pendingLeast, used)
    this.#pendingSize = used
  }

  /** The room that a block of so many characters of lines takes at most. */
  static room(charCount: number): number {
    // The shortest line, `a:` with its CRLF, has four characters and takes three octets more than it has of name and value at most.
    return charCount * 2 + 64
  }

  /**
   * Writes a block.
   *
   * @param status 0 for a trailer or a request
   * @param fields header lines, each with its CRLF; names in any case; those of a request begin with its pseudo-header fields
   * @param contentLength written as such; -1: none
   * @param own more lines, which are others in each block
   * @returns where the block ends
   */
  encode(out: Buffer, at: number, status: number, fields: string, contentLength: number, own = ''): number {
    this.#out = out
    this.#at = at
    if (this.#pendingSize >= 0) {
      for (const size of new Set([this.#pendingLeast, this.#pendingSize])) {
        this.#table.resize(size)
        this.#integer(size, 5, 0x20)
      }
      this.#pendingSize = -1
      this.#version++
    }
    if (status > 0) this.#status(status)
    if (fields !== '') this.#list(fields)
    if (own !== '') this.#lines(own)
    if (contentLength >= 0) this.#literal(0x00, 4, 28, '', String(contentLength), false)
    return this.#at
  }

  #list(fields: string): void {
    const slot = fields.length & (LISTS - 1)
    const known = this.#lists[slot]
    const version = this.#version
    const isKnown = known?.fields === fields
    if (isKnown && known.version === version) {
      const { octets: written } = known
      for (let index = 0; index < written.length; index++) this.#out[this.#at++] = written[index] as number
      return
    }
    const start = this.#at
    this.#lines(fields)
    if (fields.length > LIST_CHARS_MAX) return
    // What came once is not worth a copy.
    const isSettled = isKnown && this.#version === version && this.#at - start <= LIST_OCTETS_MAX
    this.#lists[slot] = isSettled
      ? { fields, version, octets: Uint8Array.from(this.#out.subarray(start, this.#at)) }
      : { fields, version: -1, octets: NO_OCTETS }
  }

  #lines(fields: string): void {
    const size = fields.length
    if (octets.length < size) octets = Buffer.allocUnsafeSlow(size * 2)
    octets.write(fields, 0, 'latin1')
    for (let from = 0; from < size; ) {
      const next = octets[from] === CAPITAL_X ? this.#ownLine(octets, from, size) : 0
      if (next > 0) {
        from = next
        continue
      }
      let end = from
      while (end < size && octets[end] !== CR) end++
      this.#line(from, end)
      from = end + 2
    }
  }

  /** Writes a line of ours in one go, from nothing but what this function holds. @returns where the next begins, 0 when it is none of ours */
  #ownLine(bytes: Buffer, from: number, size: number): number {
    const out = this.#out
    for (let kind = 0; kind < OWN_LINES.length; kind++) {
      const { start, literal } = OWN_LINES[kind] as OwnLine
      if (!isAt(start, bytes, from)) continue
      let to = this.#at
      for (let index = 0; index < literal.length; index++) out[to++] = literal[index] as number
      const valueAt = ++to
      let end = from + start.length
      for (let octet = bytes[end] as number; octet !== CR && end < size; octet = bytes[++end] as number) out[to++] = octet
      const length = to - valueAt
      // One that an app has sent itself may have blanks around its value (RFC 9113 §8.2.1 allows none), or be longer than one octet can say.
      if (length === 0 || length >= 0x7f || isBlank(out[valueAt] as number) || isBlank(out[to - 1] as number)) return 0
      out[valueAt - 1] = length
      this.#at = to
      return end + 2
    }
    return 0
  }

  #status(status: number): void {
    const index = status === 200 ? INDEX_OF_200 : STATUS_INDEX.get(status)
    if (index !== undefined) this.#out[this.#at++] = 0x80 | index
    else this.#literal(0x00, 4, 8, '', String(status), false)
  }

  #line(from: number, end: number): void {
    const slot = hashOf(from, end)
    const known = this.#slots[slot]
    if (
      known !== undefined &&
      known.line.length === end - from &&
      isAt(known.line, octets, from) &&
      known.number >= this.#table.added - this.#table.count
    ) {
      this.#integer(STATIC_COUNT + this.#table.added - known.number, 7, 0x80)
      return
    }
    const line = octets.toString('latin1', from, end)
    // A pseudo-header field has one before its name as well.
    const colon = line.indexOf(':', 1)
    const name = line.slice(0, colon).toLowerCase()
    const value = withoutBlanks(line, colon + 1)
    const index = STATIC_NAMES.get(name) ?? 0
    if (NEVER_INDEXED.has(name)) this.#literal(0x10, 4, index, name, value, false)
    else if (VOLATILE.has(name) || line.length > INDEXED_BYTES_MAX || this.#changes(name)) this.#literal(0x00, 4, index, name, value, false)
    else {
      this.#version++
      this.#literal(0x40, 6, index, name, value, true)
      const entry = { line: octetsOf(line), size: name.length + value.length + OVERHEAD_BYTES, number: this.#table.added }
      if (this.#table.add(entry)) this.#slots[slot] = entry
    }
  }

  /** Whether a name has had too many values; `date` changes each second and is worth it. */
  #changes(name: string): boolean {
    if (name === 'date') return false
    const count = this.#valuesOfName.get(name) ?? 0
    if (count === 0 && this.#valuesOfName.size >= NAMES_MAX) return true
    if (count >= VALUES_MAX) return true
    this.#valuesOfName.set(name, count + 1)
    return false
  }

  #literal(pattern: number, prefixBits: number, nameIndex: number, name: string, value: string, compress: boolean): void {
    this.#integer(nameIndex, prefixBits, pattern)
    if (nameIndex === 0) this.#string(name, compress)
    this.#string(value, compress)
  }

  #integer(value: number, prefixBits: number, pattern: number): void {
    const mask = (1 << prefixBits) - 1
    if (value < mask) {
      this.#out[this.#at++] = pattern | value
      return
    }
    this.#out[this.#at++] = pattern | mask
    let rest = value - mask
    while (rest >= 0x80) {
      this.#out[this.#at++] = (rest & 0x7f) | 0x80
      rest >>>= 7
    }
    this.#out[this.#at++] = rest
  }

  /** What is written once and indexed is worth compressing; what is written each time costs more time than it saves. */
  #string(text: string, compress: boolean): void {
    const length = compress ? huffmanLength(text) : text.length
    if (length < text.length) {
      this.#integer(length, 7, 0x80)
      this.#at = encodeHuffman(text, this.#out, this.#at)
    } else {
      this.#integer(text.length, 7, 0)
      if (text.length > LOOP_CHARS_MAX) this.#at += this.#out.write(text, this.#at, 'latin1')
      else for (let index = 0; index < text.length; index++) this.#out[this.#at++] = text.charCodeAt(index)
    }
  }
}

const NO_OCTETS = new Uint8Array(0)

/** Lines differ in their length and their last characters, if anywhere. */
function hashOf(from: number, end: number): number {
  let hash = end - from
  for (let at = Math.max(from, end - 12); at < end; at++) hash = (Math.imul(hash, 31) + (octets[at] as number)) | 0
  hash = Math.imul(hash, 31) + (octets[from] as number)
  return (hash ^ (hash >>> 8) ^ (hash >>> 16)) & (SLOTS - 1)
}

function isAt(wanted: Uint8Array, bytes: Buffer, from: number): boolean {
  for (let index = 0; index < wanted.length; index++) if (wanted[index] !== bytes[from + index]) return false
  return true
}

function octetsOf(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text, 'latin1'))
}

function withoutBlanks(line: string, from: number): string {
  let start = from
  let end = line.length
  while (start < end && isBlank(line.charCodeAt(start))) start++
  while (end > start && isBlank(line.charCodeAt(end - 1))) end--
  return line.slice(start, end)
}

function isBlank(code: number): boolean {
  return code === 32 || code === 9
}
