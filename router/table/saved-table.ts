import { mkdir, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../kernel/log.ts'
import type { TableDelta } from './spec.ts'

/** A later router that keeps other values calls its format otherwise, and does without this file. */
const FORMAT = 1
/** A rollout changes the table many times; the file need not follow each. */
const SAVE_AFTER_MS = 5000

/**
 * The last table on disk, so that a router which starts while the API server is away serves what it last knew. Certificates and keys are
 * left out: they are Secrets, and a disk is not where those belong. Until they can be read again names show the self-signed certificate.
 */
export class SavedTable {
  readonly #directory: string
  readonly #log: Log
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #whole: (() => TableDelta) | undefined

  constructor(directory: string, log: Log) {
    this.#directory = directory
    this.#log = log
  }

  /** @returns `undefined` where there is none that can be used */
  async read(): Promise<TableDelta | undefined> {
    try {
      const { format, table } = JSON.parse(await readFile(join(this.#directory, 'table.json'), 'utf8'))
      return format === FORMAT ? table : undefined
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn('saved table cannot be read', { error: (error as Error).message })
      return undefined
    }
  }

  /** Saves soon. @param whole asked when it is time */
  save(whole: () => TableDelta): void {
    this.#whole = whole
    this.#timer ??= setTimeout(() => this.#write(), SAVE_AFTER_MS)
  }

  /** Writes what waits. */
  async stop(): Promise<void> {
    if (this.#timer) this.#write()
    await this.#writing
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const text = JSON.stringify({ format: FORMAT, table: { ...this.#whole!(), certificates: [], defaultCertificate: null } })
    this.#writing = this.#writing.then(async () => {
      try {
        await mkdir(this.#directory, { recursive: true, mode: 0o700 })
        const path = join(this.#directory, 'table.json')
        await writeFile(`${path}.new`, text, { mode: 0o600 })
        await rename(`${path}.new`, path)
      } catch (error) {
        this.#log.warn('table cannot be saved', { error: (error as Error).message })
      }
    })
  }
}
