import { unavailable } from '../domain/refusal.ts'

/** Why a running rollout was told to end. */
export type AbortReason = 'superseded' | 'stopping'

/** One change of what runs at a time, app by app. */
export class AppLocks {
  readonly #tails = new Map<string, Promise<void>>()
  readonly #running = new Map<string, AbortController>()
  readonly #stopping = new AbortController()

  /**
   * Runs the work after all that came before it.
   *
   * @throws {Refusal} 503 when the process ends before its turn
   * @param work gets a signal that fires when it shall make way (see {@link supersede}) or when the process ends
   */
  async run<T>(app: string, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const before = this.#tails.get(app)
    const done = Promise.withResolvers<void>()
    this.#tails.set(app, done.promise)
    try {
      await before
      if (this.#stopping.signal.aborted) throw unavailable('The platform is stopping: try again in a moment')
      const own = new AbortController()
      this.#running.set(app, own)
      return await work(AbortSignal.any([own.signal, this.#stopping.signal]))
    } finally {
      this.#running.delete(app)
      if (this.#tails.get(app) === done.promise) this.#tails.delete(app)
      done.resolve()
    }
  }

  /** Tells what runs now to make way. */
  supersede(app: string): void {
    this.#running.get(app)?.abort('superseded' satisfies AbortReason)
  }

  /** Tells everything to end, lets nothing new begin, and waits. */
  async stop(): Promise<void> {
    this.#stopping.abort('stopping' satisfies AbortReason)
    await Promise.allSettled(this.#tails.values())
  }
}
