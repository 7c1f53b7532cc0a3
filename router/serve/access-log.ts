import { write } from 'node:fs'

// Lines are gathered and leave in one write a tenth of a second. When the reader of our output stands still, lines are dropped and counted
// rather than kept: the log must never hold up or fill up a router.
const FLUSH_MS = 100
const GATHERED_BYTES_MAX = 64 * 1024
const WAITING_BYTES_MAX = 8 * 1024 * 1024

/** Writes access lines in batches, without ever waiting. */
export class AccessLog {
  /** Lines that were dropped since the start. */
  dropped = 0
  readonly #fd: number
  readonly #timer: NodeJS.Timeout
  #gathered = ''
  #lines = 0
  #writing = false

  constructor(fd: number) {
    this.#fd = fd
    this.#timer = setInterval(() => this.#flush(), FLUSH_MS)
    this.#timer.unref()
  }

  /** @param line latin1, without its end */
  add(line: string): void {
    if (this.#gathered.length > WAITING_BYTES_MAX) {
      this.dropped++
      return
    }
    this.#gathered += `${line}\n`
    this.#lines++
    if (this.#gathered.length > GATHERED_BYTES_MAX) this.#flush()
  }

  /** Writes what is left. */
  async stop(): Promise<void> {
    clearInterval(this.#timer)
    const deadline = performance.now() + 1000
    while ((this.#writing || this.#gathered !== '') && performance.now() < deadline) {
      this.#flush()
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }

  #flush(): void {
    if (this.#writing || this.#gathered === '') return
    this.#writing = true
    const bytes = Buffer.from(this.#gathered, 'latin1')
    const lines = this.#lines
    this.#gathered = ''
    this.#lines = 0
    this.#write(bytes, 0, lines)
  }

  #write(bytes: Buffer, from: number, lines: number): void {
    // On a thread of libuv's pool, where a pipe that is full blocks nobody.
    write(this.#fd, bytes, from, bytes.length - from, null, (error, written) => {
      if (error !== null && error.code === 'EAGAIN') setTimeout(() => this.#write(bytes, from, lines), FLUSH_MS).unref()
      else if (error === null && from + written < bytes.length) this.#write(bytes, from + written, lines)
      else {
        if (error !== null) this.dropped += lines
        this.#writing = false
        if (this.#gathered.length > GATHERED_BYTES_MAX) this.#flush()
      }
    })
  }
}
