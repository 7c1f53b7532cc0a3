import { randomBytes } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'

/** What a start that was cut short may leave, and what an empty volume has. */
const OWN_BEFORE_LOCK = new Set(['.writable', 'lost+found'])

/** What keeps a copy from starting; its message is one line for the person who started it. */
export class HomeError extends Error {
  override readonly name = 'HomeError'
}

/** The folder of one copy of the platform, held by this process until it ends, however it ends. */
export class Home {
  readonly path: string
  readonly #lock: DatabaseSync

  private constructor(path: string, lock: DatabaseSync) {
    this.path = path
    this.#lock = lock
  }

  /**
   * Makes the folder (mode 0700) where it is missing and takes it for this process.
   *
   * @throws {HomeError} when it cannot be written, another copy runs on it, or it is in use for something else
   */
  static open(path: string): Home {
    if (isForeign(path)) throw new HomeError(`${path} holds other files: choose a new or empty folder with --home`)
    try {
      mkdirSync(path, { recursive: true, mode: 0o700 })
      chmodSync(path, 0o700)
      writeFileSync(join(path, '.writable'), '')
    } catch (error) {
      throw new HomeError(`Cannot write to ${path}: ${(error as Error).message.replace(/,.*/, '')}. Choose another folder with --home`)
    }
    // A lock of SQLite's ends with its process, even with kill -9, so there is never a stale one to judge.
    const lock = new DatabaseSync(join(path, 'lock'), { timeout: 0 })
    try {
      lock.exec('PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE')
    } catch {
      lock.close()
      throw new HomeError(`Another copy runs on ${path}${processOf(path)}: stop it, or choose another folder with --home`)
    }
    return new Home(path, lock)
  }

  /** A path inside; its folder is made. */
  folder(...names: string[]): string {
    const path = join(this.path, ...names)
    mkdirSync(path, { recursive: true, mode: 0o700 })
    return path
  }

  /** The content of a file with mode 0600, made by `create` the first time; written whole or not at all. */
  keep(name: string, create: () => string): string {
    const path = join(this.path, name)
    if (existsSync(path)) return readFileSync(path, 'utf8')
    const text = create()
    this.write(name, text)
    return text
  }

  /** A random secret of 32 bytes in hex, made once. @returns the path of its file, for settings that end in `_FILE` */
  secretFile(name: string): string {
    this.keep(name, () => randomBytes(32).toString('hex'))
    return join(this.path, name)
  }

  /** Replaces a file (mode 0600) in one step. */
  write(name: string, text: string): void {
    const path = join(this.path, name)
    writeFileSync(`${path}.part`, text, { mode: 0o600 })
    renameSync(`${path}.part`, path)
  }

  read(name: string): string | undefined {
    const path = join(this.path, name)
    return existsSync(path) ? readFileSync(path, 'utf8') : undefined
  }

  remove(name: string): void {
    rmSync(join(this.path, name), { force: true })
  }

  close(): void {
    this.#lock.close()
  }
}

/** True for a folder with files that are not ours: a slip such as `--home ~` must neither litter it nor change who may enter it. */
function isForeign(path: string): boolean {
  try {
    return !existsSync(join(path, 'lock')) && readdirSync(path).some(name => !OWN_BEFORE_LOCK.has(name))
  } catch {
    return false
  }
}

/** Whom to stop when its terminal is long closed. */
function processOf(path: string): string {
  try {
    return ` (process ${Number(readFileSync(join(path, 'running'), 'utf8'))})`
  } catch {
    return ''
  }
}
