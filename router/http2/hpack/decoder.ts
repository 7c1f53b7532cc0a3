import { decodeHuffman } from './huffman.ts'
import { DynamicTable, type Field, field, STATIC_TABLE } from './table.ts'

const STATIC_COUNT = STATIC_TABLE.length
const INTEGER_MAX = 2 ** 28

/** Takes the fields of one block, in order. */
export interface FieldSink {
  field(entry: Field): void
}

/** Reads header blocks of one connection, RFC 7541. Its table follows every block, also those whose message is refused. */
export class HpackDecoder {
  readonly #table: DynamicTable<Field>
  readonly #tableBytesMax: number
  #at = 0
  #end = 0
  #bytes: Buffer = Buffer.alloc(0)
  /** Another with each change of the table: while it is the same, the same octets mean the same. */
  version = 0

  /** @param tableBytesMax as told to the peer in SETTINGS_HEADER_TABLE_SIZE */
  constructor(tableBytesMax = 4096) {
    this.#tableBytesMax = tableBytesMax
    this.#table = new DynamicTable(tableBytesMax)
  }

  /** @returns false when the block cannot be read: a connection error of type COMPRESSION_ERROR */
  decode(bytes: Buffer, start: number, end: number, sink: FieldSink): boolean {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
    let begun = false
    while (this.#at < this.#end) {
      const byte = bytes[this.#at] as number
      if (byte >= 0x80) {
        const entry = this.#entry(this.#integer(7))
        if (entry === undefined) return false
        sink.field(entry)
      } else if (byte >= 0x40) {
        const entry = this.#literal(6)
        if (entry === undefined) return false
        this.#table.add(entry)
        this.version++
        sink.field(entry)
      } else if (byte >= 0x20) {
        // A change of the table's size stands at the beginning of a block (RFC 7541 §4.2).
        const size = this.#integer(5)
        if (begun || size < 0 || size > this.#tableBytesMax) return false
        this.#table.resize(size)
        this.version++
        continue
      } else {
        const entry = this.#literal(4)
        if (entry === undefined) return false
        sink.field(entry)
      }
      begun = true
    }
    return true
  }

  #entry(index: number): Field | undefined {
    if (index <= 0) return undefined
    return index <= STATIC_COUNT ? STATIC_TABLE[index - 1] : this.#table.at(index - STATIC_COUNT - 1)
  }

  #literal(prefixBits: number): Field | undefined {
    const index = this.#integer(prefixBits)
    if (index < 0) return undefined
    const name = index === 0 ? this.#string() : this.#entry(index)?.name
    if (name === undefined) return undefined
    const value = this.#string()
    return value === undefined ? undefined : field(name, value)
  }

  /** RFC 7541 §5.1; -1 when it is cut or larger than anything here. */
  #integer(prefixBits: number): number {
    const mask = (1 << prefixBits) - 1
    let value = (this.#bytes[this.#at++] as number) & mask
    if (value < mask) return value
    for (let shift = 0; shift <= 28; shift += 7) {
      if (this.#at >= this.#end) return -1
      const byte = this.#bytes[this.#at++] as number
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value <= INTEGER_MAX ? value : -1
    }
    return -1
  }

  #string(): string | undefined {
    if (this.#at >= this.#end) return undefined
    const isHuffman = (this.#bytes[this.#at] as number) >= 0x80
    const length = this.#integer(7)
    if (length < 0 || length > this.#end - this.#at) return undefined
    const start = this.#at
    this.#at += length
    return isHuffman ? decodeHuffman(this.#bytes, start, this.#at) : this.#bytes.toString('latin1', start, this.#at)
  }
}
