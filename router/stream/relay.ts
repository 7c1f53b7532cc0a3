import type { Socket } from 'node:net'
import { UNTIL_CLOSE } from '../http1/body.ts'
import { connectSocket, type Receiver } from '../http1/sockets.ts'
import type { Timed, Wheel } from '../http1/wheel.ts'
import { MessageWriter } from '../http1/writer.ts'
import type { Endpoint } from '../table/route.ts'

/** What a relay is granted. */
export interface RelayTimes {
  readonly connectTimeoutMs: number
  /** Longest silence in both directions together. */
  readonly idleTimeoutMs: number
}

/** How a relay ended: `done` when both sides ended theirs, else what broke it. */
export type RelayEnd = 'done' | 'refused' | 'timeout' | 'idle' | 'reset'

/**
 * Joins a client's connection to an endpoint, byte for byte: git's SSH to the builder. Each side goes at the pace of the other, each end of
 * one side is passed on as an end (git sends its pack and then waits for the answer), a reset of one side resets the other.
 */
export class Relay implements Receiver, Timed {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  readonly #client: Socket
  readonly #wheel: Wheel
  readonly #times: RelayTimes
  readonly #over: (end: RelayEnd, relay: Relay) => void
  readonly #toClient: MessageWriter
  #app: Socket | undefined
  #toApp: MessageWriter | undefined
  #early: Buffer | undefined
  #clientEnded = false
  #appEnded = false
  #finished = false

  constructor(client: Socket, to: Endpoint, wheel: Wheel, times: RelayTimes, over: (end: RelayEnd, relay: Relay) => void) {
    this.#client = client
    this.#wheel = wheel
    this.#times = times
    this.#over = over
    this.#toClient = new MessageWriter(client, false)
    this.#toClient.begin('', UNTIL_CLOSE)
    client.setKeepAlive(true, 60_000)
    client.setNoDelay(true)
    client.on('end', () => this.#endOfClient())
    client.on('drain', () => this.#app?.resume())
    client.on('error', () => this.destroy('reset'))
    client.on('close', () => this.#closed())
    wheel.arm(this, times.connectTimeoutMs)
    connectSocket(to, socket => {
      this.#watch(socket)
      return { received: (bytes, at, end) => this.#answer(bytes, at, end) }
    })
  }

  /** Bytes of the client. */
  received(bytes: Buffer, at: number, end: number): void {
    if (this.#toApp === undefined) {
      this.#early = Buffer.concat([this.#early ?? Buffer.alloc(0), bytes.subarray(at, end)])
      this.#client.pause()
      return
    }
    this.#moved()
    this.#toApp.payload(bytes, at, end)
    if (!this.#toApp.flush()) this.#client.pause()
  }

  expired(): void {
    this.destroy(this.#toApp === undefined ? 'timeout' : 'idle')
  }

  /** Cuts both sides. */
  destroy(end: RelayEnd): void {
    if (this.#finished) return
    this.#finished = true
    this.#wheel.disarm(this)
    if (end === 'done') {
      this.#client.destroy()
      this.#app?.destroy()
    } else {
      this.#client.resetAndDestroy()
      this.#app?.resetAndDestroy()
    }
    this.#over(end, this)
  }

  #watch(app: Socket): void {
    this.#app = app
    app.once('connect', () => {
      this.#toApp = new MessageWriter(app, false)
      this.#toApp.begin('', UNTIL_CLOSE)
      this.#wheel.arm(this, this.#times.idleTimeoutMs)
      const early = this.#early
      this.#early = undefined
      if (early !== undefined) this.received(early, 0, early.length)
      this.#client.resume()
      if (this.#clientEnded) app.end()
    })
    app.on('end', () => {
      this.#appEnded = true
      this.#client.end()
    })
    app.on('drain', () => this.#client.resume())
    app.on('error', () => this.destroy(this.#toApp === undefined ? 'refused' : 'reset'))
    app.on('close', () => this.#closed())
  }

  #answer(bytes: Buffer, at: number, end: number): void {
    this.#moved()
    this.#toClient.payload(bytes, at, end)
    if (!this.#toClient.flush()) this.#app?.pause()
  }

  #endOfClient(): void {
    this.#clientEnded = true
    if (this.#toApp !== undefined) this.#app?.end()
  }

  /** One side is closed for good; when both ended before, that is the regular end. */
  #closed(): void {
    if (this.#finished) return
    if (!this.#clientEnded || !this.#appEnded) this.destroy('reset')
    // The other side may still have bytes to take.
    else if (this.#client.destroyed && this.#app?.destroyed !== false) this.destroy('done')
  }

  #moved(): void {
    this.deadlineAt = this.#wheel.after(this.#times.idleTimeoutMs)
  }
}
