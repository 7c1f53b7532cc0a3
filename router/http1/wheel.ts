const SLOTS = 512

/** Something with a deadline. `deadlineAt` may be moved later freely (to {@link Wheel.after}); to set it, or to move it earlier, takes {@link Wheel.arm}. */
export interface Timed {
  deadlineAt: number
  /** Kept by the wheel; -1 while not armed. */
  wheelSlot: number
  /** Called when the deadline has passed, never early and at most two ticks late; the wheel has let go of it by then. */
  expired(): void
}

/**
 * All deadlines of a worker on one timer. An exchange moves its deadline with every byte, so moving must cost one assignment: an entry
 * stays in the slot of the time it was armed for, and only when that slot's turn comes is it seen whether the deadline has moved.
 */
export class Wheel {
  /** Milliseconds on the monotonic clock, at most one tick old. */
  now: number
  readonly #tickMs: number
  readonly #slots: Set<Timed>[] = Array.from({ length: SLOTS }, () => new Set())
  readonly #timer: NodeJS.Timeout
  readonly #clock: () => number
  readonly #onTick: Set<() => void> = new Set()
  #turn: number

  /** @param clock milliseconds that never go back */
  constructor(tickMs: number, clock: () => number = () => performance.now()) {
    this.#tickMs = tickMs
    this.#clock = clock
    this.now = clock()
    this.#turn = Math.floor(this.now / tickMs)
    this.#timer = setInterval(() => this.#tick(), tickMs)
    this.#timer.unref()
  }

  /** Calls `work` with every tick, for upkeep. */
  every(work: () => void): void {
    this.#onTick.add(work)
  }

  /** The deadline `ms` from now. A tick is added, as `now` may be a tick behind. */
  after(ms: number): number {
    return this.now + ms + this.#tickMs
  }

  /** Sets the deadline to `ms` from now. */
  arm(timed: Timed, ms: number): void {
    const at = this.after(ms)
    // The slot it stands in comes early enough: when it does, the entry moves on.
    if (timed.wheelSlot >= 0 && at >= timed.deadlineAt) {
      timed.deadlineAt = at
      return
    }
    this.disarm(timed)
    timed.deadlineAt = at
    this.#place(timed)
  }

  disarm(timed: Timed): void {
    timed.deadlineAt = Number.POSITIVE_INFINITY
    if (timed.wheelSlot < 0) return
    this.#slots[timed.wheelSlot]?.delete(timed)
    timed.wheelSlot = -1
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#onTick.clear()
    for (const slot of this.#slots) slot.clear()
  }

  #place(timed: Timed): void {
    // A deadline beyond the wheel's horizon waits in its last slot and is placed again from there.
    const turns = Math.min(SLOTS - 1, Math.max(1, Math.ceil(timed.deadlineAt / this.#tickMs) - this.#turn))
    timed.wheelSlot = (this.#turn + turns) % SLOTS
    this.#slots[timed.wheelSlot]?.add(timed)
  }

  #tick(): void {
    this.now = this.#clock()
    const last = Math.floor(this.now / this.#tickMs)
    // After a long stall every slot is looked at once, none twice.
    const first = Math.max(this.#turn + 1, last - SLOTS + 1)
    for (let turn = first; turn <= last; turn++) {
      this.#turn = turn
      const slot = this.#slots[turn % SLOTS] as Set<Timed>
      if (slot.size === 0) continue
      const due = [...slot]
      slot.clear()
      for (const timed of due) timed.wheelSlot = -1
      for (const timed of due) {
        // Armed again or disarmed by an entry before it.
        if (timed.wheelSlot >= 0 || timed.deadlineAt === Number.POSITIVE_INFINITY) continue
        if (timed.deadlineAt > this.now) this.#place(timed)
        else timed.expired()
      }
    }
    for (const work of this.#onTick) work()
  }
}
