import type { EndpointState } from '../http1/endpoint-state.ts'
import type { Pool } from '../http1/pool.ts'
import type { Endpoint } from '../table/route.ts'
import { UpstreamSession } from './upstream-session.ts'
import type { UpstreamStream } from './upstream-stream.ts'

// An app that takes fewer streams than it says each time would have a request go from connection to connection.
const MOVES_MAX = 3

/**
 * The sessions of one worker with one endpoint: a stream goes to the oldest that has room, so that the others can grow idle and go; a
 * connection is opened where none has.
 */
export class UpstreamSessions {
  /** How many streams the app takes on a session, as it last said. */
  streamsMax: number
  readonly #endpoint: Endpoint
  readonly #home: EndpointState
  readonly #pool: Pool
  readonly #all = new Set<UpstreamSession>()
  readonly #withRoom = new Set<UpstreamSession>()

  constructor(endpoint: Endpoint, home: EndpointState, pool: Pool) {
    this.#endpoint = endpoint
    this.#home = home
    this.#pool = pool
    this.streamsMax = pool.limits.upstreamStreamsMax
  }

  /** Sessions that serve nobody now. */
  get idle(): number {
    let count = 0
    for (const session of this.#all) if (session.isIdle) count++
    return count
  }

  /** Whether a session is to be closed as soon as it serves nobody. */
  get retired(): boolean {
    return this.#home.retired
  }

  /** Gives a stream to a session with room, now or as soon as it is open. */
  place(stream: UpstreamStream): void {
    const [session] = this.#withRoom
    if (session !== undefined) {
      session.add(stream)
      return
    }
    const opened = UpstreamSession.open(this.#endpoint, this, this.#pool)
    this.#all.add(opened)
    opened.add(stream)
    this.update(opened)
  }

  /** A session that waited for the app has no room for a stream after all. */
  move(stream: UpstreamStream): void {
    if (stream.isOver) return
    if (++stream.moves > MOVES_MAX) stream.fail('R30')
    else this.place(stream)
  }

  /** What a session has room for, or whether it is open, has changed. */
  update(session: UpstreamSession): void {
    if (session.hasRoom) this.#withRoom.add(session)
    else this.#withRoom.delete(session)
    if (session.isClosed) this.#all.delete(session)
  }

  /** Takes no stream on the sessions that there are; they close when they serve nobody. */
  drain(): void {
    for (const session of [...this.#all]) session.drain()
  }
}
