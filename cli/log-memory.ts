import type { LogLine } from './log-line.ts'

/**
 * Remembers which lines were shown, so that a stream that was cut can be taken up again: the platform is asked for more lines than were
 * missed, and of those the shown ones are left out. Two lines that are alike in everything count as two.
 */
export class LogMemory {
  readonly #countMax: number
  readonly #shown: string[] = []
  #repeated = new Map<string, number>()
  #first: string | undefined
  #hasBeenCut = false

  /** @param countMax how many lines are remembered; at least as many as will be asked for again */
  constructor(countMax: number) {
    this.#countMax = countMax
  }

  /** The stream was cut: what comes now begins with lines that may have been shown. */
  resume(): void {
    this.#hasBeenCut = true
    this.#repeated = new Map()
    for (const key of this.#shown) this.#repeated.set(key, (this.#repeated.get(key) ?? 0) + 1)
  }

  /** True for a line that has to be shown; it counts as shown then. */
  isNew(line: LogLine): boolean {
    const key = [line.ts, line.source, line.pod, line.text].join('\0')
    const count = this.#repeated.get(key) ?? 0
    if (count > 0) {
      this.#repeated.set(key, count - 1)
      return false
    }
    // What is older than the first line was not wanted the first time either.
    if (this.#hasBeenCut && this.#first !== undefined && line.ts < this.#first) return false
    this.#first ??= line.ts
    this.#shown.push(key)
    // Cut in blocks: moving the whole list for each line would cost its square.
    if (this.#shown.length > this.#countMax * 2) this.#shown.splice(0, this.#shown.length - this.#countMax)
    return true
  }
}
