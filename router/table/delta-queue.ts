import type { TableDelta } from './spec.ts'

/**
 * Passes changes of the table on in their order, one a turn of the event loop, so that requests are served between the parts of a large one. A
 * change that finds nothing before it is passed on at once. What comes before {@link open} waits for it.
 */
export class DeltaQueue {
  #apply: ((delta: TableDelta) => void) | undefined
  #waiting: TableDelta[] = []
  #turn: NodeJS.Immediate | undefined

  add(...deltas: readonly TableDelta[]): void {
    this.#waiting.push(...deltas)
    if (this.#apply && this.#turn === undefined) this.#next(this.#apply)
  }

  /** @param apply takes each from here on */
  open(apply: (delta: TableDelta) => void): void {
    this.#apply = apply
    this.#next(apply)
  }

  /** Forgets what waits. */
  stop(): void {
    clearImmediate(this.#turn)
    this.#apply = undefined
    this.#waiting = []
  }

  #next(apply: (delta: TableDelta) => void): void {
    const delta = this.#waiting.shift()
    if (delta) apply(delta)
    this.#turn = this.#waiting.length > 0 ? setImmediate(() => this.#next(apply)) : undefined
  }
}
