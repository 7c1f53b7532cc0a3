import { createHash } from 'node:crypto'
import { mkdir, open, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../kernel/log.ts'
import { Seal } from './seal.ts'
import type { TableDelta } from './spec.ts'

/** A later router that keeps other values calls its format otherwise, and does without this file. */
const FORMAT = 4
/** A rollout changes the table many times; the file need not follow each. */
const SAVE_AFTER_MS = 5000
/** A large table is written the less often: writing takes a hundredth of the time at most. */
const REST_FACTOR = 100
/** Routes a line: a line is made at one go, and what else the process does waits for a millisecond meanwhile. */
const LINE_ENTRIES = 250

/**
 * The last table on disk, so that a router which starts while the API server is away serves what it last knew. Without a key certificates,
 * their keys and passwords are left out: they are Secrets, and a disk is not where those belong. Until they can be read again names show the
 * self-signed certificate, and apps that ask for a password let nobody in. With a key the whole file is encrypted, and all of it stands there.
 *
 * The file is lines of JSON: the table without its lists, some of their entries a line, and a last line that says so, with a hash of all
 * before. It is written beside the one before, brought to the disk, and then takes its place: a crash at any moment leaves one of the two.
 */
export class SavedTable {
  readonly #directory: string
  readonly #log: Log
  readonly #key: Uint8Array | undefined
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #afterMs = SAVE_AFTER_MS
  #whole: (() => TableDelta) | undefined

  /** @param key 32 bytes */
  constructor(directory: string, log: Log, key?: Uint8Array) {
    this.#directory = directory
    this.#key = key
    this.#log = log
  }

  /** @returns `undefined` where there is none that can be used */
  async read(): Promise<TableDelta | undefined> {
    try {
      return fromLines((await readFile(join(this.#directory, 'table.json'), 'utf8')).split('\n'), this.#key)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn('saved table cannot be read', { error: (error as Error).message })
      return undefined
    }
  }

  /** Saves soon. @param whole asked when it is time */
  save(whole: () => TableDelta): void {
    this.#whole = whole
    this.#timer ??= setTimeout(() => this.#write(), this.#afterMs)
  }

  /** Writes what waits. */
  async stop(): Promise<void> {
    if (this.#timer) this.#write()
    await this.#writing
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const whole = this.#whole!()
    const lines = this.#key
      ? sealedLines(whole, new Seal(this.#key))
      : toLines({ ...whole, certificates: [], credentials: [], defaultCertificate: null })
    this.#writing = this.#writing.then(async () => {
      const began = performance.now()
      try {
        await mkdir(this.#directory, { recursive: true, mode: 0o700 })
        const path = join(this.#directory, 'table.json')
        await writeFile(`${path}.new`, lines, { mode: 0o600, flush: true })
        await rename(`${path}.new`, path)
        await sync(this.#directory)
      } catch (error) {
        this.#log.warn('table cannot be saved', { error: (error as Error).message })
      }
      this.#afterMs = Math.max(SAVE_AFTER_MS, (performance.now() - began) * REST_FACTOR)
    })
  }
}

/** A rename is on the disk when its folder is. */
async function sync(directory: string): Promise<void> {
  const folder = await open(directory)
  await folder.sync().finally(() => folder.close())
}

function* toLines({ routes, hosts, certificates, ...rest }: TableDelta): Generator<string> {
  const hash = createHash('sha256')
  const line = (value: unknown) => {
    const text = `${JSON.stringify(value)}\n`
    hash.update(text)
    return text
  }
  yield line({ format: FORMAT, table: rest })
  for (const part of partsOf(routes)) yield line({ routes: part })
  for (const part of partsOf(hosts)) yield line({ hosts: part })
  for (const part of partsOf(certificates)) yield line({ certificates: part })
  yield `${JSON.stringify({ sha256: hash.digest('hex') })}\n`
}

function* sealedLines(table: TableDelta, seal: Seal): Generator<string> {
  yield `${JSON.stringify({ format: FORMAT, salt: seal.salt })}\n`
  for (const line of toLines(table)) yield `${seal.close(line.trimEnd())}\n`
}

/** @throws {Error} when it is no such file, a part of one, or not to be decrypted */
function fromLines([first = '', ...rest]: readonly string[], key: Uint8Array | undefined): TableDelta | undefined {
  const { format, salt } = JSON.parse(first) as { format: number; salt?: string }
  if (format !== FORMAT) throw new Error(`Cannot read format ${format} of the saved table`)
  if (salt === undefined) return fromPlain([first, ...rest])
  if (key === undefined) throw new Error('Cannot decrypt the saved table: ROUTER_STATE_KEY is not set')
  const seal = new Seal(key, salt)
  return fromPlain(rest.filter(Boolean).map(line => seal.open(line)))
}

function fromPlain([first = '', ...lines]: readonly string[]): TableDelta {
  const { table } = JSON.parse(first) as { table: Omit<TableDelta, 'routes' | 'hosts' | 'certificates'> }
  const hash = createHash('sha256').update(`${first}\n`)
  const routes: TableDelta['routes'][number][] = []
  const hosts: TableDelta['hosts'][number][] = []
  const certificates: TableDelta['certificates'][number][] = []
  for (const line of lines) {
    const part = JSON.parse(line) as Partial<TableDelta> & { sha256?: string }
    if (part.sha256 !== undefined) {
      if (part.sha256 !== hash.digest('hex')) throw new Error('The saved table was changed or damaged')
      return { ...table, routes, hosts, certificates }
    }
    hash.update(`${line}\n`)
    routes.push(...(part.routes ?? []))
    hosts.push(...(part.hosts ?? []))
    certificates.push(...(part.certificates ?? []))
  }
  throw new SyntaxError('The file ends before the table does')
}

function* partsOf<T>(entries: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < entries.length; from += LINE_ENTRIES) yield entries.slice(from, from + LINE_ENTRIES)
}
