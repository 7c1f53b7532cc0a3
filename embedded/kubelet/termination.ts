import type { ContainerProcess } from './container-process.ts'
import { Deadline } from './deadline.ts'

/** Ends a container's processes: preStop hook, TERM, and KILL when the grace period is over. */
export class Termination {
  /** Resolves when nothing of the container runs any more. */
  readonly done: Promise<void>
  readonly #process: ContainerProcess
  readonly #graceMinMs: number
  #deadline: Deadline

  /**
   * @param options.graceMinMs what is left for TERM after a hook that used up the grace period
   * @param options.preStop the hook; it does not throw
   */
  constructor(
    process: ContainerProcess,
    options: { graceMs: number; graceMinMs: number; preStop?: (signal: AbortSignal) => Promise<void> },
  ) {
    this.#process = process
    this.#graceMinMs = options.graceMinMs
    this.#deadline = new Deadline(options.graceMs)
    this.done = this.#run(options.preStop)
  }

  /** Shortens what is left of the grace period. */
  hasten(graceMs: number): void {
    this.#deadline.shorten(graceMs)
  }

  async #run(preStop: ((signal: AbortSignal) => Promise<void>) | undefined): Promise<void> {
    const { exited } = this.#process
    if (preStop && this.#deadline.leftMs > 0) {
      const ended = new AbortController()
      void exited.then(() => ended.abort())
      await preStop(AbortSignal.any([this.#deadline.signal, ended.signal]))
      const leftMs = Math.max(this.#graceMinMs, this.#deadline.leftMs)
      this.#deadline.clear()
      this.#deadline = new Deadline(leftMs)
    }
    if (this.#deadline.leftMs > 0) this.#process.signal('SIGTERM')
    await this.#deadline.orUntil(exited)
    this.#deadline.clear()
    this.#process.kill()
    await exited
  }
}
