import type { Readable } from 'node:stream'

/** How long V8 stopped a process to collect, by its own account (`--trace-gc`), in milliseconds. */
export interface Pauses {
  /** The longest of the young generation, and of the whole heap. */
  readonly young: number
  readonly whole: number
}

const LINE = /^\[\d+:.*?\] +\d+ ms: (Scavenge|.*Mark-Compact).*? MB, (?:pooled: [\d.]+ MB, )?([\d.]+) \//

/** Reads what processes print that run with `--trace-gc`; those that they start print to the same place. */
export class PauseReader {
  #young = 0
  #whole = 0
  #rest = ''

  constructor(output: Readable) {
    output.setEncoding('latin1').on('data', (text: string) => {
      const lines = `${this.#rest}${text}`.split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) this.#read(line)
    })
  }

  /** The longest since it was last asked. */
  take(): Pauses {
    const pauses = { young: this.#young, whole: this.#whole }
    this.#young = this.#whole = 0
    return pauses
  }

  #read(line: string): void {
    const [, kind, ms] = LINE.exec(line) ?? []
    if (kind === 'Scavenge') this.#young = Math.max(this.#young, Number(ms))
    else if (kind !== undefined) this.#whole = Math.max(this.#whole, Number(ms))
  }
}
