/** At once: a responder that does not answer takes its place for ten seconds. */
const RUNNING_MAX = 16
const RUNNING_PER_OWNER_MAX = 2

/**
 * Does work of many owners, so much at once and two things of each at most: whatever one of them has waiting, the others have their turn.
 */
export class FairQueue<T> {
  readonly #work: (item: T) => Promise<void>
  /** In the order of their turns; none without items. */
  readonly #waiting = new Map<string, T[]>()
  readonly #running = new Map<string, number>()
  readonly #all = new Set<Promise<void>>()
  #isStopped = false

  /** @param work never rejects */
  constructor(work: (item: T) => Promise<void>) {
    this.#work = work
  }

  add(owner: string, item: T): void {
    const items = this.#waiting.get(owner)
    if (items) items.push(item)
    else this.#waiting.set(owner, [item])
    this.#start()
  }

  /** Begins nothing more. @returns when what runs has ended */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#waiting.clear()
    await Promise.all(this.#all)
  }

  #start(): void {
    if (this.#isStopped) return
    for (const [owner, items] of this.#waiting) {
      if (this.#all.size >= RUNNING_MAX) return
      const running = this.#running.get(owner) ?? 0
      if (running >= RUNNING_PER_OWNER_MAX) continue
      const item = items.shift() as T
      // To the end of the line, if there is more; the loop comes by there again.
      this.#waiting.delete(owner)
      if (items.length > 0) this.#waiting.set(owner, items)
      this.#running.set(owner, running + 1)
      const done = this.#work(item).finally(() => {
        this.#all.delete(done)
        const left = (this.#running.get(owner) ?? 1) - 1
        if (left > 0) this.#running.set(owner, left)
        else this.#running.delete(owner)
        this.#start()
      })
      this.#all.add(done)
    }
  }
}
