import type { Socket } from 'node:net'
import { TLSSocket, type TLSSocketOptions } from 'node:tls'
import type { Timed, Wheel } from '../http1/wheel.ts'
import type { Peer } from './listener.ts'

/** What handshakes need of the server. */
export interface HandshakeHost {
  readonly wheel: Wheel
  readonly handshakesMax: number
  readonly handshakeMs: number
  /** A handshake of this age may be ended for a newcomer where all are taken. */
  readonly giveWayMs: number
  /** A connection was turned away before it was served. */
  turnedAway(): void
}

/** A connection in its TLS handshake. */
interface Handshake extends Timed {
  /** Below the TLS socket. */
  readonly carrier: Socket
  readonly peer: Peer
  readonly beganAt: number
}

/**
 * The TLS handshakes under way, of bounded number and time. It makes the TLS sockets itself, where `tls.Server` would hide whose they are, give
 * each a timer, and ask a callback what protocols there are.
 */
export class Handshakes {
  /** The oldest first. */
  readonly #underWay = new Map<Socket, Handshake>()
  readonly #host: HandshakeHost
  readonly #begin: (socket: TLSSocket, peer: Peer) => void
  readonly #secured: (this: TLSSocket) => void
  readonly #failed: (this: TLSSocket) => void

  /** @param secured takes a socket whose handshake is complete */
  constructor(host: HandshakeHost, secured: (socket: TLSSocket, peer: Peer) => void) {
    this.#host = host
    this.#begin = secured
    const handshakes = this
    // One function for all: who it is called for is its `this`.
    this.#secured = function () {
      handshakes.#succeed(this)
    }
    this.#failed = function () {
      handshakes.#fail(this)
    }
  }

  /**
   * Begins a handshake, where there is room for another; where there is none the connection ends.
   *
   * @param options those of a server, which does not negotiate anew: it is not counted how often
   */
  begin(carrier: Socket, peer: Peer, options: TLSSocketOptions): void {
    const { wheel, handshakesMax, handshakeMs, giveWayMs } = this.#host
    if (this.#underWay.size >= handshakesMax) {
      const [oldest] = this.#underWay
      // An honest client needs far less; one that stalls gives way.
      if (oldest === undefined || wheel.now - oldest[1].beganAt <= giveWayMs) {
        this.#host.turnedAway()
        carrier.destroy()
        return
      }
      this.#fail(oldest[0])
    }
    const socket = new TLSSocket(carrier, options)
    strip(socket)
    const handshake = {
      carrier,
      peer,
      beganAt: wheel.now,
      deadlineAt: Number.POSITIVE_INFINITY,
      wheelSlot: -1,
      expired: () => this.#fail(socket),
    }
    this.#underWay.set(socket, handshake)
    wheel.arm(handshake, handshakeMs)
    socket.once('secure', this.#secured)
    socket.on('close', this.#failed)
    // Node's own word for what goes wrong with TLS, before and after the handshake; `error` follows, and none of it is mended.
    socket.on('_tlsError', this.#failed)
  }

  /** What a TLS socket runs over, while its handshake is under way. */
  carrierOf(socket: Socket): Socket | undefined {
    return this.#underWay.get(socket)?.carrier
  }

  /** Ends all that are under way. */
  cut(): void {
    for (const socket of this.#underWay.keys()) this.#fail(socket)
  }

  #succeed(socket: TLSSocket): void {
    const handshake = this.#underWay.get(socket)
    if (handshake === undefined) return
    this.#underWay.delete(socket)
    this.#host.wheel.disarm(handshake)
    release(socket)
    this.#begin(socket, handshake.peer)
  }

  #fail(socket: Socket): void {
    const handshake = this.#underWay.get(socket)
    if (handshake !== undefined) {
      this.#underWay.delete(socket)
      this.#host.wheel.disarm(handshake)
      this.#host.turnedAway()
    }
    socket.destroy()
  }
}

/** Takes away what nobody needs and each connection pays for: an event for each listener that is added, and the counting of renegotiations. */
function strip(socket: TLSSocket): void {
  // Node waits for a listener of `keylog`.
  socket.removeAllListeners('newListener')
  const { _handle: handle } = socket as unknown as { _handle: { onhandshakestart?: unknown } | null }
  if (handle?.onhandshakestart !== undefined) handle.onhandshakestart = undefined
}

/** As `tls.Server` does before it hands a socket over; where this Node has no such thing its sockets need none. */
function release(socket: TLSSocket): void {
  const inner = socket as unknown as { _releaseControl?: () => void; secureConnecting: boolean }
  inner._releaseControl?.()
  inner.secureConnecting = false
}
