import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, readdirSync, readSync, renameSync, rmSync, writeSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import type { OutputStream } from './container-process.ts'
import { encodeRecords, LogClock } from './log-records.ts'

/** How large a file of a log may grow, and how many files of one log are kept, the current one included. */
export interface LogLimits {
  readonly fileBytesMax: number
  readonly filesMax: number
}

export const LOG_LIMITS: LogLimits = { fileBytesMax: 10 * 1024 ** 2, filesMax: 5 }

/**
 * The log of one run of a container while it is written: `PATH` is the current file, `PATH.1`, `PATH.2` … are the full ones, the highest
 * number the newest. Every write is a whole record and done before the call returns.
 */
export class LogFile {
  readonly path: string
  readonly #limits: LogLimits
  readonly #clock = new LogClock()
  readonly #waiting = new Set<() => void>()
  #fd: number
  #size: number
  #segment: number
  #isClosed = false

  /** Opens the log, or goes on with it after a crash: a torn last record is cut off. */
  constructor(path: string, limits: LogLimits = LOG_LIMITS) {
    this.path = path
    this.#limits = limits
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    this.#fd = openSync(path, 'a+', 0o600)
    this.#size = cutTornRecord(this.#fd)
    this.#segment = (listSegments(path).at(-1) ?? 0) + 1
  }

  /** The number that the current file will have once it is full. */
  get segment(): number {
    return this.#segment
  }

  get isClosed(): boolean {
    return this.#isClosed
  }

  /** @throws the system's error when the disk is full; then nothing of these bytes is in the log */
  append(stream: OutputStream, bytes: Buffer): void {
    if (this.#isClosed) return
    const records = encodeRecords(stream, bytes, this.#clock)
    if (this.#size > 0 && this.#size + records.length > this.#limits.fileBytesMax) this.#rotate()
    this.#write(records)
    this.#wake()
  }

  /** No more will come; readers that follow end when they have read everything. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    closeSync(this.#fd)
    this.#wake()
  }

  /** Resolves at the next change: more records, another file, the end. */
  async changed(signal: AbortSignal): Promise<void> {
    if (this.#isClosed || signal.aborted) return
    await new Promise<void>(resolve => {
      const done = () => {
        this.#waiting.delete(done)
        signal.removeEventListener('abort', done)
        resolve()
      }
      this.#waiting.add(done)
      signal.addEventListener('abort', done)
    })
  }

  #write(records: Buffer): void {
    let written = 0
    try {
      while (written < records.length) written += writeSync(this.#fd, records, written)
      this.#size += written
    } catch (error) {
      // A torn record would take the next one with it.
      if (written > 0) ftruncateSync(this.#fd, this.#size)
      throw error
    }
  }

  #rotate(): void {
    renameSync(this.path, segmentPath(this.path, this.#segment))
    closeSync(this.#fd)
    this.#fd = openSync(this.path, 'a+', 0o600)
    this.#size = 0
    this.#segment++
    const full = listSegments(this.path)
    for (const old of full.slice(0, Math.max(0, full.length - this.#limits.filesMax + 1)))
      rmSync(segmentPath(this.path, old), { force: true })
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake()
  }
}

/** The numbers of a log's full files, oldest first. */
export function listSegments(path: string): number[] {
  const prefix = `${basename(path)}.`
  return readFolder(dirname(path))
    .filter(name => name.startsWith(prefix) && /^\d+$/.test(name.slice(prefix.length)))
    .map(name => Number(name.slice(prefix.length)))
    .sort((a, b) => a - b)
}

export function segmentPath(path: string, segment: number): string {
  return join(dirname(path), `${basename(path)}.${segment}`)
}

function readFolder(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return []
    throw error
  }
}

/** @returns the size of what is left */
function cutTornRecord(fd: number): number {
  const { size } = fstatSync(fd)
  const block = Buffer.alloc(64 * 1024)
  for (let end = size; end > 0; ) {
    const from = Math.max(0, end - block.length)
    const read = readSync(fd, block, 0, end - from, from)
    const newline = block.subarray(0, read).lastIndexOf(0x0a)
    if (newline >= 0) {
      if (from + newline + 1 < size) ftruncateSync(fd, from + newline + 1)
      return from + newline + 1
    }
    end = from
  }
  if (size > 0) ftruncateSync(fd, 0)
  return 0
}
