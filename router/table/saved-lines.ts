import { createHash } from 'node:crypto'
import { Seal } from './seal.ts'
import type { TableDelta } from './spec.ts'

/** A later router that keeps other values calls its format otherwise, and does without this file. */
const FORMAT = 4
/** Routes a line: a line is made at one go, and what else the process does waits for a millisecond meanwhile. */
const LINE_ENTRIES = 250
/** Many lines are written at once, as each writing is a way to another thread and back. */
const PIECE_LENGTH = 128 * 1024

type Entries = readonly (readonly [key: string, value: unknown])[]
type Lists = Pick<TableDelta, 'routes' | 'hosts' | 'certificates'>

/**
 * The lines of one file: a whole table, and later any number of changes. A table is a line without its lists, and lines with some of their
 * entries each; a change is a line. Both end with a line that has a hash of all that stands before, so that what was cut is not taken for whole.
 *
 * Without a key it leaves out certificates, their keys and passwords; with one every line but the first is encrypted.
 */
export class TableLines {
  readonly #seal: Seal | undefined
  readonly #hash = createHash('sha256')

  /** @param key 32 bytes */
  constructor(key?: Uint8Array) {
    this.#seal = key && new Seal(key)
  }

  /** The beginning of the file. */
  *whole(table: TableDelta): Generator<string, void> {
    const { routes, hosts, certificates, ...rest } = this.#allowed(table)
    if (this.#seal) yield `${JSON.stringify({ format: FORMAT, salt: this.#seal.salt })}\n`
    yield this.#line({ format: FORMAT, table: rest })
    for (const part of partsOf(routes)) yield this.#line({ routes: part })
    for (const part of partsOf(hosts)) yield this.#line({ hosts: part })
    for (const part of partsOf(certificates)) yield this.#line({ certificates: part })
    yield this.#end()
  }

  /** What is to be written behind all before, in pieces. */
  *changes(deltas: readonly TableDelta[]): Generator<string, void> {
    let piece = ''
    for (const change of deltas) {
      piece += this.#line({ change: this.#allowed(change) })
      if (piece.length < PIECE_LENGTH) continue
      yield piece
      piece = ''
    }
    yield piece + this.#end()
  }

  #allowed(delta: TableDelta): TableDelta {
    if (this.#seal) return delta
    const { credentials: _credentials, defaultCertificate: _certificate, ...rest } = delta
    return { ...rest, certificates: [], ...(delta.whole && { credentials: [], defaultCertificate: null }) }
  }

  #line(value: unknown): string {
    const text = JSON.stringify(value)
    this.#hash.update(`${text}\n`)
    return this.#close(text)
  }

  #end(): string {
    return this.#close(JSON.stringify({ sha256: this.#hash.copy().digest('hex') }))
  }

  #close(text: string): string {
    return `${this.#seal ? this.#seal.close(text) : text}\n`
  }
}

/** What a file holds. */
export interface SavedLines {
  readonly table: TableDelta
  /** Why changes at its end could not be read: they are not in the table. */
  readonly cut?: Error
}

/**
 * Reads the text of such a file. Of changes at its end that were cut or damaged those before count.
 *
 * @throws {Error} when it is no such file, without a whole table, or not to be decrypted
 */
export function readTableLines(text: string, key: Uint8Array | undefined): SavedLines {
  const reading = new Reading()
  try {
    for (const line of plainLines(text.split('\n').filter(Boolean), key)) reading.take(line)
    reading.end()
  } catch (error) {
    if (reading.table) return { table: reading.table.delta(), cut: error as Error }
    throw error
  }
  return { table: reading.table!.delta() }
}

function* plainLines(lines: readonly string[], key: Uint8Array | undefined): Generator<string, void> {
  const { format, salt } = JSON.parse(lines[0] ?? '') as { format: number; salt?: string }
  if (format !== FORMAT) throw new Error(`Cannot read format ${format} of the saved table`)
  if (salt === undefined) return yield* lines
  if (key === undefined) throw new Error('Cannot decrypt the saved table: ROUTER_STATE_KEY is not set')
  const seal = new Seal(key, salt)
  for (const line of lines.slice(1)) yield seal.open(line)
}

/** One pass over the lines: what stands before a right hash counts. */
class Reading {
  readonly #hash = createHash('sha256')
  #head: Omit<TableDelta, keyof Lists> | undefined
  #parts: Partial<Lists>[] = []
  #changes: TableDelta[] = []
  #isOpen = true
  table: Tables | undefined

  take(line: string): void {
    const part = JSON.parse(line) as Partial<Lists> & { table?: TableDelta; change?: TableDelta; sha256?: string }
    if (part.sha256 !== undefined) {
      if (part.sha256 !== this.#hash.copy().digest('hex')) throw new Error('The saved table was changed or damaged')
      this.#note()
      return
    }
    this.#isOpen = true
    this.#hash.update(`${line}\n`)
    if (part.table) this.#head = part.table
    else if (part.change) this.#changes.push(part.change)
    else this.#parts.push(part)
  }

  end(): void {
    if (this.#isOpen) throw new SyntaxError('The file ends before the table does')
  }

  #note(): void {
    this.#isOpen = false
    if (!this.table) this.table = new Tables(this.#head!, this.#parts)
    for (const change of this.#changes) this.table.apply(change)
    this.#changes = []
  }
}

/** A table to which changes come. */
class Tables {
  readonly #lists: Record<string, Map<string, unknown>>
  #rest: Omit<TableDelta, keyof Lists | 'pages' | 'credentials' | 'endpoints'>

  constructor({ pages, credentials, ...rest }: Omit<TableDelta, keyof Lists>, parts: readonly Partial<Lists>[]) {
    const all = (name: keyof Lists) => new Map(parts.flatMap(part => (part[name] ?? []) as Entries))
    this.#rest = rest
    this.#lists = {
      ...{ routes: all('routes'), hosts: all('hosts'), certificates: all('certificates') },
      ...(pages && { pages: new Map(pages as Entries) }),
      ...(credentials && { credentials: new Map(credentials as Entries) }),
    }
  }

  apply({ whole: _whole, routes, hosts, certificates, pages, credentials, endpoints, ...rest }: TableDelta): void {
    this.#rest = { ...this.#rest, ...rest }
    const standing = this.#lists['routes']!
    for (const [key, moved] of endpoints ?? []) {
      const route = standing.get(key)
      if (route) standing.set(key, { ...route, endpoints: moved })
    }
    for (const [name, entries] of Object.entries({ routes, hosts, certificates, pages, credentials })) {
      if (!entries) continue
      const list = (this.#lists[name] ??= new Map())
      for (const [key, value] of entries) {
        if (value === null) list.delete(key)
        else list.set(key, value)
      }
    }
  }

  delta(): TableDelta {
    return { ...this.#rest, ...Object.fromEntries(Object.entries(this.#lists).map(([name, list]) => [name, [...list]])) } as TableDelta
  }
}

function* partsOf<T>(entries: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < entries.length; from += LINE_ENTRIES) yield entries.slice(from, from + LINE_ENTRIES)
}
