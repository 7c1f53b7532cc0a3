/** A decoded header field. What it means for a request is looked up when the field is made, so that an indexed one costs nothing more. */
export interface Field {
  readonly name: string
  readonly value: string
  /** As a line of an HTTP/1.1 head, with its CRLF; '' for one that a request does not pass on as it stands. */
  readonly line: string
  /** Octets it takes of a table or a header list (RFC 7541 §4.1). */
  readonly size: number
  readonly kind: FieldKind
}

/** How a request treats a field. */
export type FieldKind =
  | 'regular'
  /** Not allowed in HTTP/2 at all: a malformed message (RFC 9113 §8.2). */
  | 'malformed'
  | ':method'
  | ':scheme'
  | ':authority'
  | ':path'
  | ':protocol'
  | 'host'
  | 'cookie'
  | 'content-length'

/** What RFC 7541 §4.1 counts for an entry beside its name and value. */
export const FIELD_OVERHEAD_BYTES = 32
const NAME = /^[!#$%&'*+\-.^_`|~0-9a-z]+$/
// RFC 9113 §8.2.1 forbids NUL, CR, LF and blanks at the ends; other controls would be refused by the HTTP/1.1 head that goes on.
const VALUE = /^(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?$/
const OWN_KINDS = new Set(['host', 'cookie', 'content-length'])
const PSEUDO = new Set([':method', ':scheme', ':authority', ':path', ':protocol'])
const CONNECTION_SPECIFIC = new Set(['connection', 'proxy-connection', 'keep-alive', 'transfer-encoding', 'upgrade'])

/** Makes a field of a request out of its name and value (latin1). */
export function field(name: string, value: string): Field {
  const kind = kindOf(name, value)
  return {
    name,
    value,
    line: kind === 'regular' ? `${name}: ${value}\r\n` : '',
    size: name.length + value.length + FIELD_OVERHEAD_BYTES,
    kind,
  }
}

function kindOf(name: string, value: string): FieldKind {
  if (!VALUE.test(value)) return 'malformed'
  if (name.charCodeAt(0) === 58) return PSEUDO.has(name) ? (name as FieldKind) : 'malformed'
  if (!NAME.test(name) || CONNECTION_SPECIFIC.has(name) || (name === 'te' && value !== 'trailers')) return 'malformed'
  return OWN_KINDS.has(name) ? (name as FieldKind) : 'regular'
}

/** The static table, RFC 7541 appendix A; its first entry has index 1. */
export const STATIC_TABLE: readonly Field[] = [
  [':authority'],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  [':status', '200'],
  [':status', '204'],
  [':status', '206'],
  [':status', '304'],
  [':status', '400'],
  [':status', '404'],
  [':status', '500'],
  ['accept-charset'],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language'],
  ['accept-ranges'],
  ['accept'],
  ['access-control-allow-origin'],
  ['age'],
  ['allow'],
  ['authorization'],
  ['cache-control'],
  ['content-disposition'],
  ['content-encoding'],
  ['content-language'],
  ['content-length'],
  ['content-location'],
  ['content-range'],
  ['content-type'],
  ['cookie'],
  ['date'],
  ['etag'],
  ['expect'],
  ['expires'],
  ['from'],
  ['host'],
  ['if-match'],
  ['if-modified-since'],
  ['if-none-match'],
  ['if-range'],
  ['if-unmodified-since'],
  ['last-modified'],
  ['link'],
  ['location'],
  ['max-forwards'],
  ['proxy-authenticate'],
  ['proxy-authorization'],
  ['range'],
  ['referer'],
  ['refresh'],
  ['retry-after'],
  ['server'],
  ['set-cookie'],
  ['strict-transport-security'],
  ['transfer-encoding'],
  ['user-agent'],
  ['vary'],
  ['via'],
  ['www-authenticate'],
].map(([name = '', value = '']) => field(name, value))

/** Index of the first static entry of a name. */
export const STATIC_NAMES: ReadonlyMap<string, number> = new Map(
  STATIC_TABLE.map((entry, index) => [entry.name, index + 1] as const).reverse(),
)

/** The dynamic table of one direction, RFC 7541 §2.3.2: newest first, bounded by octets. */
export class DynamicTable<T extends { readonly size: number }> {
  /** Entries that were ever added: the next one's number. */
  added = 0
  size = 0
  sizeMax: number
  readonly #onEvict: ((entry: T) => void) | undefined
  // The oldest first, from #first on; shortened now and then rather than shifted at each eviction.
  #entries: T[] = []
  #first = 0

  constructor(sizeMax: number, onEvict?: (entry: T) => void) {
    this.sizeMax = sizeMax
    this.#onEvict = onEvict
  }

  get count(): number {
    return this.#entries.length - this.#first
  }

  /** @param index 0 for the newest */
  at(index: number): T | undefined {
    return index < this.count ? this.#entries[this.#entries.length - 1 - index] : undefined
  }

  /** Adds an entry; one that is larger than the table empties it (RFC 7541 §4.4). Returns whether it stands in the table now. */
  add(entry: T): boolean {
    this.#evictTo(this.sizeMax - entry.size)
    if (entry.size > this.sizeMax) return false
    this.#entries.push(entry)
    this.size += entry.size
    this.added++
    return true
  }

  resize(sizeMax: number): void {
    this.sizeMax = sizeMax
    this.#evictTo(sizeMax)
  }

  #evictTo(size: number): void {
    while (this.size > size && this.count > 0) {
      const entry = this.#entries[this.#first++] as T
      this.size -= entry.size
      this.#onEvict?.(entry)
    }
    if (this.#first > 64 && this.#first * 2 > this.#entries.length) {
      this.#entries = this.#entries.slice(this.#first)
      this.#first = 0
    }
  }
}
