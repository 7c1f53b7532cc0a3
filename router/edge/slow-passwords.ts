import { Worker } from 'node:worker_threads'

interface Check {
  readonly password: Buffer
  readonly stored: string
  readonly done: (isRight: boolean | undefined) => void
}

/**
 * Compares passwords with slow hashes in one thread, started with the first. What waits is bounded, and apps take turns, so guesses at one
 * keep the users of another waiting for one guess at most.
 */
export class SlowPasswords {
  readonly #perAppMax: number
  /** By app; the one whose turn is next stands first. */
  readonly #waiting = new Map<string, Check[]>()
  #thread: Worker | undefined
  #current: Check | undefined

  constructor(perAppMax: number) {
    this.#perAppMax = perAppMax
  }

  /** @param done hears undefined when the thread failed @returns false when too many wait for this app */
  check(app: string, check: Check): boolean {
    const queue = this.#waiting.get(app) ?? []
    if (queue.length >= this.#perAppMax) return false
    queue.push(check)
    this.#waiting.set(app, queue)
    this.#next()
    return true
  }

  /** Ends the thread; what waited hears undefined. */
  async stop(): Promise<void> {
    const thread = this.#thread
    this.#lose()
    await thread?.terminate()
  }

  #next(): void {
    if (this.#current !== undefined) return
    for (const [app, queue] of this.#waiting) {
      const check = queue.shift() as Check
      this.#waiting.delete(app)
      if (queue.length > 0) this.#waiting.set(app, queue)
      this.#current = check
      this.#thread ??= this.#start()
      this.#thread.postMessage({ password: check.password, stored: check.stored })
      return
    }
  }

  #start(): Worker {
    const thread = new Worker(new URL('./password-thread.ts', import.meta.url), {
      execArgv: [],
      env: {},
      resourceLimits: { maxOldGenerationSizeMb: 64 },
    })
    // A process that has nothing else to do may end.
    thread.unref()
    thread.on('message', (isRight: boolean) => {
      const check = this.#current
      this.#current = undefined
      this.#next()
      check?.done(isRight)
    })
    const lost = () => this.#thread === thread && this.#lose()
    thread.on('error', lost)
    thread.on('exit', lost)
    return thread
  }

  #lose(): void {
    this.#thread = undefined
    const lost = [...(this.#current ? [this.#current] : []), ...[...this.#waiting.values()].flat()]
    this.#current = undefined
    this.#waiting.clear()
    for (const check of lost) check.done(undefined)
  }
}
