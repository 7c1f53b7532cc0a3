import type { Socket } from 'node:net'
import type { Receiver } from '../http1/sockets.ts'
import type { Timed, Wheel } from '../http1/wheel.ts'
import { type ProxyHeader, readProxyHeader } from './proxy-protocol.ts'

/**
 * Reads the PROXY header in front of a connection, then hands over to whoever serves it. What is no header, or does not come in time, closes
 * the connection: nothing of it is forwarded.
 */
export class Preface implements Receiver, Timed {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  readonly #socket: Socket
  readonly #wheel: Wheel
  readonly #serve: (header: ProxyHeader | false) => Receiver | undefined
  #bytes = Buffer.alloc(0)
  #server: Receiver | undefined
  /** Nobody serves it: it closes. */
  #over = false

  /** @param serve given the header, or false for what is none; returns nobody when it has turned the connection away */
  constructor(socket: Socket, wheel: Wheel, withinMs: number, serve: (header: ProxyHeader | false) => Receiver | undefined) {
    this.#socket = socket
    this.#wheel = wheel
    this.#serve = serve
    socket.on('error', () => {})
    socket.on('end', () => this.#server ?? socket.destroy())
    socket.on('close', () => wheel.disarm(this))
    wheel.arm(this, withinMs)
  }

  received(bytes: Buffer, at: number, end: number): void {
    if (this.#server !== undefined) {
      this.#server.received(bytes, at, end)
      return
    }
    if (this.#over) return
    this.#bytes = Buffer.concat([this.#bytes, bytes.subarray(at, end)])
    const header = readProxyHeader(this.#bytes)
    if (header === undefined) return
    this.#wheel.disarm(this)
    if (header === false) {
      this.#over = true
      this.#serve(false)
      return
    }
    const rest = this.#bytes.subarray(header.bytes)
    this.#bytes = Buffer.alloc(0)
    this.#server = this.#serve(header)
    this.#over = this.#server === undefined
    if (rest.length > 0) this.#server?.received(rest, 0, rest.length)
  }

  expired(): void {
    this.#socket.destroy()
  }
}
