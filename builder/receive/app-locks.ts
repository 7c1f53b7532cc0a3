/** One push per app at a time. Held in memory: a builder has one replica, and a restart ends the pushes with their locks. */
export class AppLocks {
  readonly #held = new Set<string>()

  isHeld(app: string): boolean {
    return this.#held.has(app)
  }

  /** @returns what gives the lock back (once; more calls do nothing), or `undefined` while another push has it */
  tryAcquire(app: string): (() => void) | undefined {
    if (this.#held.has(app)) return undefined
    this.#held.add(app)
    let held = true
    return () => {
      if (held) this.#held.delete(app)
      held = false
    }
  }

  get count(): number {
    return this.#held.size
  }
}
