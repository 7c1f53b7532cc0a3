import type { TLSSocket } from 'node:tls'
import { CERTIFIABLE_NAME, WANTED_MS_MAX } from '../../kernel/contract.ts'
import type { Table } from '../table/table.ts'

export interface NamesOnDemandOptions {
  /** How long a handshake waits for its certificate. */
  readonly waitMs: number
  /** How many wait at once; more go on without. */
  readonly waitingMax: number
  /** Tells that a certificate is wanted. */
  want(name: string): void
}

/** Names that were asked for are remembered for a while; so many of them. */
const ASKED_MAX = 10_000

/**
 * Handshakes of a worker that wait for a certificate which is being had because of them. A name is asked for once a minute however many clients
 * come, a handshake goes on when its certificate is there, when there will be none, or when its time is over, and nobody waits where a name has
 * failed within that minute.
 */
export class NamesOnDemand {
  readonly #options: NamesOnDemandOptions
  readonly #waiting = new Map<string, { readonly timer: NodeJS.Timeout; readonly goOns: Set<() => void> }>()
  /** In the order of their times. */
  readonly #asked = new Map<string, number>()
  #count = 0

  constructor(options: NamesOnDemandOptions) {
    this.#options = options
  }

  /** How many wait. */
  get count(): number {
    return this.#count
  }

  /** @param goOn called later when this returns true, and never when it returns false; the socket may have closed by then */
  holds(name: string, table: Table, socket: TLSSocket | undefined, goOn: () => void): boolean {
    if (table.mayAskFor === undefined && this.#waiting.size === 0) return false
    const isKnown = this.#waiting.has(name)
    if (!isKnown && (!CERTIFIABLE_NAME.test(name) || !table.mayAskFor?.(name) || !this.#isDue(name))) return false
    if (!isKnown) this.#options.want(name)
    if (this.#count >= this.#options.waitingMax) return false
    const standing = this.#waiting.get(name)
    const goOns = standing?.goOns ?? new Set()
    if (!standing) this.#waiting.set(name, { timer: setTimeout(() => this.#end(name), this.#options.waitMs), goOns })
    goOns.add(goOn)
    this.#count++
    socket?.once('close', () => goOns.delete(goOn) && this.#count--)
    return true
  }

  /** Lets those go on whose certificate a table brings. */
  look(table: Table): void {
    for (const name of this.#waiting.keys()) if (table.isCertified(name)) this.#end(name)
  }

  /** Lets those go on for whom there will be none. */
  deny(names: readonly string[]): void {
    for (const name of names) this.#end(name)
  }

  /** Lets all go on. */
  stop(): void {
    this.deny([...this.#waiting.keys()])
  }

  #isDue(name: string): boolean {
    const now = performance.now()
    for (const [asked, at] of this.#asked) {
      if (now - at < WANTED_MS_MAX && this.#asked.size < ASKED_MAX) break
      this.#asked.delete(asked)
    }
    if (this.#asked.has(name)) return false
    this.#asked.set(name, now)
    return true
  }

  #end(name: string): void {
    const found = this.#waiting.get(name)
    if (!found) return
    this.#waiting.delete(name)
    clearTimeout(found.timer)
    this.#count -= found.goOns.size
    const goOns = [...found.goOns]
    found.goOns.clear()
    for (const goOn of goOns) goOn()
  }
}
