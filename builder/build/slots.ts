/** Lets so many builds run at once; the others wait in the order in which they came. */
export class Slots {
  readonly #countMax: number
  readonly #waiting: (() => void)[] = []
  #running = 0

  constructor(countMax: number) {
    this.#countMax = countMax
  }

  get running(): number {
    return this.#running
  }

  get waiting(): number {
    return this.#waiting.length
  }

  /**
   * Runs a piece of work when there is room.
   *
   * @param onWait told once, with how many are before, when there is none
   * @throws the signal's reason when it fires before the work has begun
   */
  async run<T>(work: () => Promise<T>, signal: AbortSignal, onWait: (ahead: number) => void): Promise<T> {
    signal.throwIfAborted()
    if (this.#running >= this.#countMax) {
      onWait(this.#waiting.length)
      await this.#turn(signal)
    } else {
      this.#running++
    }
    try {
      return await work()
    } finally {
      // The place goes from hand to hand, so that nobody who comes now can be before those who wait.
      const next = this.#waiting.shift()
      if (next) next()
      else this.#running--
    }
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(start), 1)
        reject(signal.reason)
      }
      const start = () => {
        signal.removeEventListener('abort', onAbort)
        resolve()
      }
      this.#waiting.push(start)
      signal.addEventListener('abort', onAbort, { once: true })
    })
  }
}
