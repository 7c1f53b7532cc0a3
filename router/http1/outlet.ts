import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type DirectListener, FULL, NOT_TRIED, WAITS, writeDirect } from './direct.ts'
import { DirectTls } from './direct-tls.ts'

/** Where one writer's bytes leave: past the queue of its socket where that can be, see {@link writeDirect} and {@link DirectTls}. */
export class Outlet implements DirectListener {
  /** Whether what is written is encrypted at once, so that nothing refers to where it was. */
  readonly secure: boolean
  readonly #socket: Socket
  readonly #tls: DirectTls | undefined
  /** A direct write is not done yet: at most one, what follows it waits in the socket's own queue. */
  #waiting = false

  /** @param socket of which nobody else has written anything, should it be one of TLS */
  constructor(socket: Socket) {
    this.#socket = socket
    this.secure = (socket as Partial<TLSSocket>).encrypted === true
    this.#tls = this.secure ? DirectTls.of(socket, this) : undefined
  }

  /**
   * @param data latin1 text, or bytes
   * @returns WRITTEN; FULL; WAITS: these bytes must stay as they are and get another place; NOT_TRIED: they must go to the socket's own `write`
   */
  write(data: string | Uint8Array): number {
    if (this.#waiting) return NOT_TRIED
    const outcome = this.secure ? (this.#tls?.write(data) ?? NOT_TRIED) : writeDirect(this.#socket, data, this)
    if (outcome === WAITS || outcome === FULL) this.#waiting = true
    return outcome
  }

  /** Whether bytes still wait for the peer. */
  get blocked(): boolean {
    return this.#waiting || this.#socket.writableLength > 0
  }

  /** Whether so many wait that no more should be brought before `drain`. */
  get full(): boolean {
    return this.#waiting || this.#socket.writableNeedDrain
  }

  directWritten(failed: boolean): void {
    this.#waiting = false
    // As the socket's own queue does when it is empty again; while that one is long it will speak itself.
    if (!failed && !this.#socket.writableNeedDrain) this.#socket.emit('drain')
  }
}
