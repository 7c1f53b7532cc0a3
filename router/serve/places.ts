import type { RouterSettings } from '../table/route.ts'
import { clientRange } from './client-range.ts'
import type { Limits } from './limits.ts'
import type { Shedder } from './shedder.ts'

/** The git port has places of its own, so that neither kind can take those of the other. */
export type PlaceKind = 'http' | 'git'

/** A connection's place among those of its worker, from its first moment to its last. */
export interface Place {
  readonly kind: PlaceKind
  /** Whose share it counts to; absent before a PROXY header has told. */
  client?: string
}

/** From this part of all places on, each newcomer costs the longest idle connection its own: those that close politely need a moment. */
const RESERVE_DIVISOR = 16

/**
 * Who may come in. When all places are taken the connection that has idled longest makes room; where all are at work the newcomer is
 * refused. No client may hold more than its share, unless it is a proxy whose word about others is believed.
 */
export class Places {
  readonly #limits: Limits
  readonly #settings: () => RouterSettings
  readonly #shedder: Shedder
  readonly #taken = { http: 0, git: 0 }
  readonly #byClient = { http: new Map<string, number>(), git: new Map<string, number>() }
  /** Idle connections that were closed to make room. */
  shedCount = 0

  constructor(limits: Limits, settings: () => RouterSettings, shedder: Shedder) {
    this.#limits = limits
    this.#settings = settings
    this.#shedder = shedder
  }

  /** How many are taken, of both kinds. */
  get taken(): number {
    return this.#taken.http + this.#taken.git
  }

  /** @param client the peer's address; absent: {@link claim} follows. @returns `undefined` for who may not come in */
  take(kind: PlaceKind, client?: string): Place | undefined {
    const place: Place = { kind }
    if (client !== undefined && !this.claim(place, client)) return undefined
    if (!this.#makeRoom(kind)) {
      this.#unclaim(place)
      return undefined
    }
    this.#taken[kind]++
    return place
  }

  /** Says whose a place is. @returns false when that client has its share already */
  claim(place: Place, address: string): boolean {
    const { kind } = place
    const client = clientRange(address)
    const count = this.#byClient[kind].get(client) ?? 0
    const { clientShare } = this.#limits
    const share = clientShare < 1 ? Math.ceil(this.#max(kind) * clientShare) : Number.POSITIVE_INFINITY
    if (count >= share && !this.#settings().trusted.check(address)) return false
    this.#byClient[kind].set(client, count + 1)
    place.client = client
    return true
  }

  /** Called once for each place that was taken. */
  free(place: Place): void {
    this.#taken[place.kind]--
    this.#unclaim(place)
  }

  #unclaim({ kind, client }: Place): void {
    if (client === undefined) return
    const count = this.#byClient[kind].get(client) ?? 0
    if (count > 1) this.#byClient[kind].set(client, count - 1)
    else this.#byClient[kind].delete(client)
  }

  #makeRoom(kind: PlaceKind): boolean {
    const max = this.#max(kind)
    const taken = this.#taken[kind]
    if (kind === 'git') return taken < max
    if (taken < max - Math.floor(max / RESERVE_DIVISOR)) return true
    const isFull = taken >= max
    if (!this.#shedder.shed(isFull)) return !isFull
    this.shedCount++
    return true
  }

  /** The operator's annotation may say less than the process allows, never more: that is bound by its open files. */
  #max(kind: PlaceKind): number {
    if (kind === 'git') return this.#limits.gitConnectionsMax
    return Math.min(this.#limits.connectionsMax, this.#settings().workerConnectionsMax ?? Number.POSITIVE_INFINITY)
  }
}
