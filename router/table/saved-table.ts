import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../kernel/log.ts'
import type { TableDelta } from './spec.ts'

/** A later router that keeps other values calls its format otherwise, and does without this file. */
const FORMAT = 2
/** A rollout changes the table many times; the file need not follow each. */
const SAVE_AFTER_MS = 5000
/** A large table is written the less often: writing takes a hundredth of the time at most. */
const REST_FACTOR = 100
/** Routes a line: a line is made at one go, and what else the process does waits for a millisecond meanwhile. */
const LINE_ENTRIES = 250

/**
 * The last table on disk, so that a router which starts while the API server is away serves what it last knew. Certificates, keys
 * and passwords are left out: they are Secrets, and a disk is not where those belong. Until they can be read again names show the self-signed
 * certificate, and apps that ask for a password let nobody in.
 *
 * The file is lines of JSON: the table without its routes and hosts, some of these a line, and a last line that says so.
 */
export class SavedTable {
  readonly #directory: string
  readonly #log: Log
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #afterMs = SAVE_AFTER_MS
  #whole: (() => TableDelta) | undefined

  constructor(directory: string, log: Log) {
    this.#directory = directory
    this.#log = log
  }

  /** @returns `undefined` where there is none that can be used */
  async read(): Promise<TableDelta | undefined> {
    try {
      return fromLines((await readFile(join(this.#directory, 'table.json'), 'utf8')).split('\n'))
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
    const table = { ...this.#whole!(), certificates: [], credentials: [], defaultCertificate: null }
    this.#writing = this.#writing.then(async () => {
      const began = performance.now()
      try {
        await mkdir(this.#directory, { recursive: true, mode: 0o700 })
        const path = join(this.#directory, 'table.json')
        await writeFile(`${path}.new`, toLines(table), { mode: 0o600 })
        await rename(`${path}.new`, path)
      } catch (error) {
        this.#log.warn('table cannot be saved', { error: (error as Error).message })
      }
      this.#afterMs = Math.max(SAVE_AFTER_MS, (performance.now() - began) * REST_FACTOR)
    })
  }
}

function* toLines({ routes, hosts, ...rest }: TableDelta): Generator<string> {
  yield `${JSON.stringify({ format: FORMAT, table: rest })}\n`
  for (const part of partsOf(routes)) yield `${JSON.stringify({ routes: part })}\n`
  for (const part of partsOf(hosts)) yield `${JSON.stringify({ hosts: part })}\n`
  yield '{"isWhole":true}\n'
}

/** @throws {SyntaxError} when it is no such file, or a part of one */
function fromLines([first = '', ...lines]: readonly string[]): TableDelta | undefined {
  const { format, table } = JSON.parse(first) as { format: number; table: Omit<TableDelta, 'routes' | 'hosts'> }
  if (format !== FORMAT) return undefined
  const routes: TableDelta['routes'][number][] = []
  const hosts: TableDelta['hosts'][number][] = []
  for (const line of lines) {
    const part = JSON.parse(line) as Partial<TableDelta> & { isWhole?: true }
    if (part.isWhole) return { ...table, routes, hosts }
    routes.push(...(part.routes ?? []))
    hosts.push(...(part.hosts ?? []))
  }
  throw new SyntaxError('The file ends before the table does')
}

function* partsOf<T>(entries: readonly T[]): Generator<readonly T[]> {
  for (let from = 0; from < entries.length; from += LINE_ENTRIES) yield entries.slice(from, from + LINE_ENTRIES)
}
