import { AppLocks } from '../deploy/app-locks.ts'
import { orderableAt } from '../domain/automatic.ts'
import type { Records } from '../records.ts'
import { Postponed } from './failures.ts'

/** How many first certificates the apps of one owner may order within a week. */
export class OwnerQuota {
  readonly #records: Records
  readonly #ordersMax: number
  readonly #orderings = new AppLocks()

  constructor(records: Records, ordersMax: number) {
    this.#records = records
    this.#ordersMax = ordersMax
  }

  /** @throws {Postponed} when an owner has ordered as many as he may */
  check(owner: string): void {
    const nowMs = Date.now()
    const atMs = orderableAt(this.#records.automatics.list(), owner, this.#ordersMax, nowMs)
    if (atMs <= nowMs) return
    const when = new Date(atMs).toISOString()
    const many = `The apps of ${owner} have ordered ${this.#ordersMax} new certificates within a week, as many as one owner may`
    throw new Postponed(`${many}; the next is possible at ${when}`, atMs - nowMs)
  }

  /** Checks and notes an order, those of one owner one after the other: each counts for the next. @throws {Postponed} */
  async take(owner: string, note: () => Promise<void>): Promise<void> {
    await this.#orderings.run(owner, async () => {
      this.check(owner)
      await note()
    })
  }
}
