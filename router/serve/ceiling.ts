import type { Timed } from '../http1/wheel.ts'

/** The most that a whole exchange may take, for an app that asks for such a limit. */
export class Ceiling implements Timed {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  readonly expired: () => void

  /** @param expired called once, unless the wheel is told to disarm it before */
  constructor(expired: () => void) {
    this.expired = expired
  }
}
