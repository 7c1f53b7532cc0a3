import type { Wheel } from '../http1/wheel.ts'

/** A connection that may be asked for its place. */
export interface Idler {
  /** Since when it has had nothing to do, on the wheel's clock; `Infinity` while it has. */
  readonly idleSince: number
  /** Ends it so that its client notices: what still comes is taken and dropped. */
  shed(): void
  /** Ends it now. */
  destroy(): void
}

/** One look at all connections is good for so many newcomers. */
const BATCH = 256
/** A look that found nobody is not repeated for so long, so that a flood of newcomers costs no look each. */
const LOOK_AGAIN_MS = 100

/**
 * Finds the connections that have idled longest. Nothing is kept in order while there is room, so an idle connection costs nothing; a full
 * worker looks at all of them once for {@link BATCH} newcomers.
 */
export class Shedder {
  readonly #all: Iterable<Idler>
  readonly #wheel: Wheel
  readonly #idleMsMin: number
  /** The longest idle last. */
  #found: { idler: Idler; since: number }[] = []
  #nextLookAt = 0

  /** @param idleMsMin who has idled for less is not asked: it has just answered or connected, and is about to go on */
  constructor(all: Iterable<Idler>, wheel: Wheel, idleMsMin: number) {
    this.#all = all
    this.#wheel = wheel
    this.#idleMsMin = idleMsMin
  }

  /**
   * Closes the connection that has idled longest, if any has for long enough.
   *
   * @param atOnce so that its place is free now, rather than when its client has closed as well
   */
  shed(atOnce: boolean): boolean {
    const idler = this.#next() ?? (this.#look() ? this.#next() : undefined)
    if (idler === undefined) return false
    if (atOnce) idler.destroy()
    else idler.shed()
    return true
  }

  #next(): Idler | undefined {
    for (let found = this.#found.pop(); found !== undefined; found = this.#found.pop())
      // It may have gone on or closed since it was found.
      if (found.idler.idleSince === found.since) return found.idler
    return undefined
  }

  #look(): boolean {
    const { now } = this.#wheel
    if (now < this.#nextLookAt) return false
    const latest = now - this.#idleMsMin
    const times: number[] = []
    for (const { idleSince } of this.#all) if (idleSince <= latest) times.push(idleSince)
    const limit = Float64Array.from(times).sort()[Math.min(BATCH, times.length) - 1]
    if (limit === undefined) {
      this.#nextLookAt = now + LOOK_AGAIN_MS
      return false
    }
    for (const idler of this.#all) if (idler.idleSince <= limit) this.#found.push({ idler, since: idler.idleSince })
    this.#found.sort((a, b) => b.since - a.since)
    return true
  }
}
