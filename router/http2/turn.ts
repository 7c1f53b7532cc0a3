/** Something with bytes to send when the turn of the loop is over. */
export interface TurnMember {
  turnEnded(): void
}

/** The end of a turn of the loop for all sessions of a worker, on one immediate: after all sockets were read, before the loop waits again. */
export class Turn {
  #members: TurnMember[] = []
  #planned = false
  readonly #run = () => {
    this.#planned = false
    const members = this.#members
    this.#members = []
    for (const member of members) member.turnEnded()
  }

  add(member: TurnMember): void {
    this.#members.push(member)
    if (this.#planned) return
    this.#planned = true
    setImmediate(this.#run)
  }
}
