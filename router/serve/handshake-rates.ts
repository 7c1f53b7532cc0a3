import { RateLimiter } from '../edge/rate-limit.ts'
import type { Rate } from '../table/extensions/rate-limit.ts'
import type { Limits } from './limits.ts'

/** A burst of so many seconds' worth: all clients come back at once when a balancer or a phone's network does. */
const BURST_SECONDS = 5
/** Names whose rates are remembered; those that come often are not pushed out by ones that are made up. */
const NAMES_MAX = 10_000

/**
 * How many handshakes one client, and all for one name, may begin: they cost a server 0.4 ms of a core, and a client next to nothing. A
 * name's are the full ones alone, as who resumes a session has been let in before.
 */
export class HandshakeRates {
  readonly #clients: RateLimiter
  readonly #names = new RateLimiter(NAMES_MAX)
  readonly #ofClient: Rate
  readonly #ofName: Rate

  constructor(limits: Limits) {
    this.#clients = new RateLimiter(limits.rateClientsMax)
    this.#ofClient = rateOf(limits.clientHandshakesPerSecondMax)
    this.#ofName = rateOf(limits.nameHandshakesPerSecondMax)
  }

  mayClient(address: string, nowMs: number): boolean {
    return this.#clients.takeClient('', address, this.#ofClient, nowMs) === 0
  }

  mayName(name: string, nowMs: number): boolean {
    return this.#names.takeClient('', name.toLowerCase(), this.#ofName, nowMs) === 0
  }
}

function rateOf(perSecond: number): Rate {
  return { intervalMs: 1000 / perSecond, burst: perSecond * BURST_SECONDS }
}
