import { createWriteStream, existsSync, mkdirSync, openSync, renameSync, statSync, type WriteStream } from 'node:fs'
import { dirname } from 'node:path'
import type { Readable } from 'node:stream'

const BYTES_MAX = 10 * 1024 * 1024
const OLD_COUNT_MAX = 2

/**
 * A file that takes what a process prints; past 10 MiB it becomes `NAME.1`, and what was that becomes `NAME.2`. What a full disk does not
 * take is lost: apps must go on being served.
 */
export class RoleLog {
  readonly path: string
  readonly #bytesMax: number
  #stream: WriteStream
  #bytes: number

  constructor(path: string, bytesMax = BYTES_MAX) {
    this.path = path
    this.#bytesMax = bytesMax
    mkdirSync(dirname(path), { recursive: true })
    this.#bytes = existsSync(path) ? statSync(path).size : 0
    this.#stream = open(path)
  }

  /** Takes all that a stream gives; a slow disk slows the stream, not this process's memory. */
  take(source: Readable): void {
    source.on('data', (chunk: Buffer) => {
      if (this.write(chunk)) return
      source.pause()
      const stream = this.#stream
      const goOn = () => {
        stream.off('drain', goOn).off('close', goOn)
        source.resume()
      }
      stream.on('drain', goOn).on('close', goOn)
    })
  }

  /** @returns false when the caller should wait before it writes more */
  write(chunk: Buffer | string): boolean {
    try {
      if (this.#bytes > this.#bytesMax) this.#rotate()
      else if (this.#stream.destroyed) this.#stream = open(this.path)
    } catch {
      return true
    }
    this.#bytes += chunk.length
    return this.#stream.write(chunk)
  }

  async close(): Promise<void> {
    await new Promise<void>(resolve => this.#stream.end(resolve))
  }

  #rotate(): void {
    this.#stream.end()
    for (let number = OLD_COUNT_MAX; number >= 1; number--) {
      const from = number === 1 ? this.path : `${this.path}.${number - 1}`
      if (existsSync(from)) renameSync(from, `${this.path}.${number}`)
    }
    this.#bytes = 0
    this.#stream = open(this.path)
  }
}

/** Opened at once, so that a rename that follows finds the file. */
function open(path: string): WriteStream {
  return createWriteStream(path, { fd: openSync(path, 'a', 0o600) }).on('error', () => {})
}
