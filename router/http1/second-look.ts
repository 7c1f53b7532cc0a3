/** Who waits for it. */
export interface Looker {
  /** Never throws. */
  looked(): void
}

/**
 * Calls those who ask for it once the loop has looked at every socket once more: the turn in which they ask ends the reads under way, the next
 * begins with a look of its own. All who ask in one turn share one call of the loop's.
 */
export class SecondLook {
  #asked: Looker[] = []
  #waiting: Looker[] = []
  #isTurning = false
  readonly #turn = () => {
    const due = this.#waiting
    this.#waiting = this.#asked
    this.#asked = []
    this.#isTurning = this.#waiting.length > 0
    if (this.#isTurning) setImmediate(this.#turn)
    for (const looker of due) looker.looked()
  }

  after(looker: Looker): void {
    this.#asked.push(looker)
    if (this.#isTurning) return
    this.#isTurning = true
    setImmediate(this.#turn)
  }
}
