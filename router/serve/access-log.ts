import { closeSync, constants, fstatSync, openSync, write } from 'node:fs'
import { type FileHandle, open, stat } from 'node:fs/promises'
import type { Log } from '../../kernel/log.ts'

// Lines are gathered and leave in one write a tenth of a second. When the reader of our output stands still, lines are dropped and counted
// rather than kept: the log must never hold up or fill up a router.
const FLUSH_MS = 100
const GATHERED_BYTES_MAX = 64 * 1024
const WAITING_BYTES_MAX = 8 * 1024 * 1024
// How often a file is looked at: whether somebody has moved it away.
const LOOK_MS = 1000

/** Where access lines go: a descriptor that is open already, or a file by its path. */
export type AccessLogTarget = { readonly fd: number } | { readonly path: string }

/**
 * Writes access lines in batches, without ever waiting. A file is appended to, so several workers may share it, and opened anew when it was
 * moved away or {@link AccessLog.reopen} says so.
 */
export class AccessLog {
  /** Lines that were dropped since the start. */
  dropped = 0
  readonly #log: Log
  readonly #path: string | undefined
  readonly #timers: NodeJS.Timeout[] = []
  /** A descriptor of our own for a pipe of somebody else's. */
  readonly #pipe: number | undefined
  #fd: number | undefined
  #file: FileHandle | undefined
  #gathered = ''
  #lines = 0
  /** Batches that wait for the one under way, oldest first. */
  #waiting: Batch[] = []
  #waitingBytes = 0
  #writing = false
  #opening: Promise<void> | undefined
  #failing = false
  #retryMs = 1
  /** After half a line went out. */
  #broken = false

  constructor(target: AccessLogTarget, log: Log) {
    this.#log = log
    this.#timers.push(setInterval(() => this.#flush(), FLUSH_MS))
    if ('fd' in target) {
      this.#pipe = openWithoutWaiting(target.fd)
      this.#fd = this.#pipe ?? target.fd
    } else {
      this.#path = target.path
      this.#opening = this.#open()
      this.#timers.push(setInterval(() => void this.#look(), LOOK_MS))
    }
    for (const timer of this.#timers) timer.unref()
  }

  /** @param line latin1, without its end */
  add(line: string): void {
    if (this.#waitingBytes > WAITING_BYTES_MAX) {
      this.dropped++
      return
    }
    this.#gathered += `${line}\n`
    this.#lines++
    if (this.#gathered.length > GATHERED_BYTES_MAX) this.#flush()
  }

  /** Opens the file of the path anew: after a rename, the next line goes to a new file. While that fails, the old one is kept. */
  reopen(): Promise<void> {
    this.#flush()
    this.#opening ??= this.#open()
    return this.#opening
  }

  /** Writes what is left, for a second at most. */
  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    const deadline = performance.now() + 1000
    await this.#opening
    while ((this.#writing || this.#gathered !== '' || this.#waiting.length > 0) && performance.now() < deadline) {
      this.#flush()
      await new Promise(resolve => setTimeout(resolve, 5))
    }
    await this.#file?.close().catch(() => {})
    if (this.#pipe !== undefined && !this.#writing) closeSync(this.#pipe)
  }

  #flush(): void {
    if (this.#gathered !== '') {
      const bytes = Buffer.from(this.#gathered, 'latin1')
      this.#waiting.push({ bytes, lines: this.#lines })
      this.#waitingBytes += bytes.length
      this.#gathered = ''
      this.#lines = 0
    }
    this.#next()
  }

  #next(): void {
    if (this.#writing || this.#opening !== undefined) return
    const batch = this.#waiting.shift()
    if (batch === undefined) return
    this.#writing = true
    if (this.#broken) {
      batch.bytes = Buffer.concat([Buffer.from('\n'), batch.bytes])
      this.#waitingBytes++
    }
    this.#write(batch, 0)
  }

  #write(batch: Batch, from: number): void {
    if (this.#fd === undefined) {
      this.#done(batch, from, new Error('The file could not be opened'))
      return
    }
    // On a thread of libuv's pool, where a slow disk blocks nobody.
    write(this.#fd, batch.bytes, from, batch.bytes.length - from, null, (error, written) => {
      if (error !== null && error.code === 'EAGAIN') {
        setTimeout(() => this.#write(batch, from), this.#retryMs).unref()
        this.#retryMs = Math.min(FLUSH_MS, this.#retryMs * 2)
        return
      }
      this.#retryMs = 1
      if (error === null && from + written < batch.bytes.length) this.#write(batch, from + written)
      else this.#done(batch, error === null ? batch.bytes.length : from, error)
    })
  }

  #done({ bytes, lines }: Batch, written: number, error: Error | null): void {
    this.#writing = false
    this.#waitingBytes -= bytes.length
    if (error !== null) this.dropped += Math.max(1, lines - newlines(bytes, written))
    this.#broken = error !== null && (written === 0 ? this.#broken : bytes[written - 1] !== 0x0a)
    if (error !== null && !this.#failing) this.#log.error('access log cannot be written, lines are dropped', { error })
    if (error === null && this.#failing) this.#log.info('access log is written again', { dropped: this.dropped })
    this.#failing = error !== null
    this.#next()
  }

  /** Never while a write is under way, whose descriptor must stay. */
  async #open(): Promise<void> {
    if (this.#path === undefined) {
      this.#opening = undefined
      return
    }
    try {
      const file = await open(this.#path, 'a', 0o640)
      while (this.#writing) await new Promise(resolve => setTimeout(resolve, 1))
      await this.#file?.close().catch(() => {})
      this.#file = file
      this.#fd = file.fd
      this.#broken = false
    } catch (error) {
      this.#log.error('access log cannot be opened', { path: this.#path, error: (error as Error).message, keptOld: this.#fd !== undefined })
    } finally {
      this.#opening = undefined
      this.#next()
    }
  }

  async #look(): Promise<void> {
    const [there, ours] = await Promise.all([stat(this.#path as string).catch(() => undefined), this.#file?.stat().catch(() => undefined)])
    if (there === undefined || ours === undefined || there.ino !== ours.ino || there.dev !== ours.dev) await this.reopen()
  }
}

interface Batch {
  bytes: Buffer
  readonly lines: number
}

/** How many lines of a batch went out whole. */
function newlines(bytes: Buffer, end: number): number {
  let count = 0
  for (let at = bytes.indexOf(10); at >= 0 && at < end; at = bytes.indexOf(10, at + 1)) count++
  return count
}

/**
 * A pipe that is full would hold a thread of the pool that compression needs too; opened anew, without changing it for those who share it, it
 * says EAGAIN instead.
 *
 * @returns `undefined` for what is no pipe, or cannot be opened so: then it is used as it is
 */
function openWithoutWaiting(fd: number): number | undefined {
  try {
    if (fstatSync(fd).isFIFO()) return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK)
  } catch {
    // Not Linux, or a pipe without a reader.
  }
  return undefined
}
