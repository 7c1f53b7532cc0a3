import { constants } from 'node:fs'
import { mkdir, open, readFile, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Log } from '../../kernel/log.ts'
import { readTableLines, TableLines } from './saved-lines.ts'
import type { TableDelta } from './spec.ts'

/** A rollout changes the table many times; the file need not follow each. */
const SAVE_AFTER_MS = 5000
/** A large table is written as a whole the less often: that takes a hundredth of the time at most. */
const REST_FACTOR = 100
/** Entries that a file takes at its end before it is written anew: so many, or as many as it began with. */
const ROOM_MIN = 1000

/**
 * The last table on disk, so that a router which starts while the API server is away serves what it last knew. Without a key certificates,
 * their keys and passwords are left out: they are Secrets, and a disk is not where those belong. Until they can be read again names show the
 * self-signed certificate, and apps that ask for a password let nobody in. With a key the whole file is encrypted, and all of it stands there.
 *
 * The table as a whole is written beside the file before, brought to the disk, and then takes its place: a crash at any moment leaves one of
 * the two. What changes from then on is written at its end, so that a change costs its own size, and a crash at most the last few seconds.
 */
export class SavedTable {
  readonly #directory: string
  readonly #log: Log
  readonly #key: Uint8Array | undefined
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  #afterMs = SAVE_AFTER_MS
  #whole: (() => TableDelta) | undefined
  /** The file that this process has written. */
  #file: { readonly lines: TableLines; readonly inode: number } | undefined
  /** How many entries it still takes. */
  #room = 0
  /** What the file does not have yet; absent: more than it takes. */
  #changes: TableDelta[] | undefined

  /** @param key 32 bytes */
  constructor(directory: string, log: Log, key?: Uint8Array) {
    this.#directory = directory
    this.#key = key
    this.#log = log
  }

  /** @returns `undefined` where there is none that can be used */
  async read(): Promise<TableDelta | undefined> {
    try {
      const { table, cut } = readTableLines(await readFile(this.#path, 'utf8'), this.#key)
      if (cut) this.#log.warn('last changes of the saved table cannot be read, using what stands before', { error: cut.message })
      return table
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT')
        this.#log.warn('saved table cannot be read', { error: (error as Error).message })
      return undefined
    }
  }

  /**
   * Saves soon.
   *
   * @param whole asked when the table is to be written as a whole
   * @param change what has changed since the last call; absent: anything
   */
  save(whole: () => TableDelta, change?: TableDelta): void {
    this.#whole = whole
    this.#room -= change ? sizeOf(change) : this.#room
    if (change && this.#room > 0) this.#changes?.push(change)
    else this.#changes = undefined
    this.#timer ??= setTimeout(() => this.#write(), this.#afterMs)
  }

  /** Saves at once, as a whole. */
  write(whole: () => TableDelta): void {
    this.save(whole)
    this.#write()
  }

  /** Writes what waits. */
  async stop(): Promise<void> {
    if (this.#timer) this.#write()
    await this.#writing
  }

  get #path(): string {
    return join(this.#directory, 'table.json')
  }

  #write(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#writing = this.#writing.then(async () => {
      const began = performance.now()
      let isWhole = true
      try {
        isWhole = await this.#bringUp()
      } catch (error) {
        // It may have half a line at its end.
        this.#file = undefined
        this.#log.warn('table cannot be saved', { error: (error as Error).message })
      }
      this.#afterMs = Math.max(SAVE_AFTER_MS, isWhole ? (performance.now() - began) * REST_FACTOR : 0)
    })
  }

  /** @returns whether all of it had to be written */
  async #bringUp(): Promise<boolean> {
    // Whoever else writes there, or takes the file away, has the place.
    const isOurs = this.#file && (await stat(this.#path).catch(() => undefined))?.ino === this.#file.inode
    const changes = this.#changes
    // What comes while this is written is for the next time.
    this.#changes = []
    if (isOurs && changes) {
      await this.#append(this.#file!.lines, changes)
      return false
    }
    await this.#replace(this.#whole!())
    return true
  }

  async #replace(whole: TableDelta): Promise<void> {
    const lines = new TableLines(this.#key)
    this.#room = Math.max(ROOM_MIN, sizeOf(whole))
    await mkdir(this.#directory, { recursive: true, mode: 0o700 })
    const file = await open(`${this.#path}.new`, 'w', 0o600)
    try {
      await file.writeFile(lines.whole(whole))
      await file.sync()
      const { ino } = await file.stat()
      await rename(`${this.#path}.new`, this.#path)
      this.#file = { lines, inode: ino }
    } finally {
      await file.close()
    }
    await sync(this.#directory)
  }

  async #append(lines: TableLines, changes: readonly TableDelta[]): Promise<void> {
    const file = await open(this.#path, constants.O_WRONLY | constants.O_APPEND)
    try {
      for (const piece of lines.changes(changes)) await file.appendFile(piece)
      await file.sync()
    } finally {
      await file.close()
    }
  }
}

function sizeOf({ routes, hosts, certificates, endpoints = [] }: TableDelta): number {
  return routes.length + hosts.length + certificates.length + endpoints.length + 1
}

/** A rename is on the disk when its folder is. */
async function sync(directory: string): Promise<void> {
  const folder = await open(directory)
  await folder.sync().finally(() => folder.close())
}
