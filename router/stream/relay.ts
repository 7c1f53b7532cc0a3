import type { Socket } from 'node:net'
import { UNTIL_CLOSE } from '../http1/body.ts'
import type { EndpointState } from '../http1/endpoint-state.ts'
import type { Pool } from '../http1/pool.ts'
import { connectSocket, type Receiver } from '../http1/sockets.ts'
import type { Timed, Wheel } from '../http1/wheel.ts'
import { MessageWriter } from '../http1/writer.ts'
import { choose } from '../serve/balance.ts'
import { writeProxyHeader } from '../serve/proxy-header.ts'
import { type Endpoint, plainAddress, type Route } from '../table/route.ts'

const ATTEMPTS_MAX = 3

/** A client's address. */
export interface RelayPeer {
  readonly address: string
  readonly port: number
}

/** How a relay ended: `done` when both sides ended theirs, else what broke it. */
export type RelayEnd = 'done' | 'refused' | 'timeout' | 'idle' | 'reset'

/**
 * Joins a client's connection to an endpoint, byte for byte: git's SSH to the builder. Each side goes at the pace of the other, each end of
 * one side is passed on as an end (git sends its pack and then waits for the answer), a reset of one side resets the other. An endpoint
 * that does not take the connection leaves it to another.
 */
export class Relay implements Receiver, Timed {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  /** The endpoint of the last attempt. */
  endpoint: Endpoint | undefined
  readonly #client: Socket
  readonly #peer: RelayPeer
  readonly #route: Route
  readonly #pool: Pool
  readonly #wheel: Wheel
  #home: EndpointState | undefined
  #attempts = 0
  readonly #over: (end: RelayEnd, relay: Relay) => void
  readonly #toClient: MessageWriter
  #app: Socket | undefined
  #toApp: MessageWriter | undefined
  #early: Buffer | undefined
  #clientEnded = false
  #appEnded = false
  #finished = false

  /** @param peer who is at the other end of `client`, whatever stands between */
  constructor(client: Socket, peer: RelayPeer, route: Route, pool: Pool, over: (end: RelayEnd, relay: Relay) => void) {
    this.#client = client
    this.#peer = peer
    this.#route = route
    this.#pool = pool
    this.#wheel = pool.wheel
    this.#over = over
    this.#toClient = new MessageWriter(client)
    this.#toClient.begin('', UNTIL_CLOSE)
    client.setKeepAlive(true, 60_000)
    client.setNoDelay(true)
    client.on('end', () => this.#endOfClient())
    client.on('drain', () => this.#app?.resume())
    client.on('error', () => this.destroy('reset'))
    client.on('close', () => this.#closed())
  }

  /** Begins the first attempt; whoever calls it has kept the relay somewhere, as it may be over at once. */
  start(): void {
    this.#attempt('refused')
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
    if (this.#toApp === undefined) this.#attempt('timeout')
    else this.destroy('idle')
  }

  /** Cuts both sides. */
  destroy(end: RelayEnd): void {
    if (this.#finished) return
    this.#finished = true
    this.#wheel.disarm(this)
    this.#home?.end()
    if (end === 'done') {
      this.#client.destroy()
      this.#app?.destroy()
    } else {
      this.#client.resetAndDestroy()
      this.#app?.resetAndDestroy()
    }
    this.#over(end, this)
  }

  /**
   * Goes to an endpoint, or to another one: nothing of the client was sent yet.
   *
   * @param end how the attempt before this one ended
   */
  #attempt(end: 'refused' | 'timeout'): void {
    const { endpoints, policy } = this.#route
    const tried = this.endpoint
    if (this.#home !== undefined) {
      this.#pool.failed(this.#home, true)
      this.#home.end()
      this.#home = undefined
      this.#app?.destroy()
    }
    const endpoint = choose(endpoints, this.#pool, tried)
    if (endpoint === undefined || endpoint.key === tried?.key || ++this.#attempts > ATTEMPTS_MAX) {
      this.destroy(end)
      return
    }
    this.endpoint = endpoint
    this.#home = this.#pool.begin(endpoint)
    this.#wheel.arm(this, policy.connectTimeoutMs)
    connectSocket(endpoint, socket => {
      this.#watch(socket)
      return { received: (bytes, at, stop) => this.#answer(bytes, at, stop) }
    })
  }

  #watch(app: Socket): void {
    this.#app = app
    const isCurrent = () => this.#app === app && !this.#finished
    app.once('connect', () => {
      if (!isCurrent()) return
      this.#toApp = new MessageWriter(app)
      this.#toApp.begin('', UNTIL_CLOSE)
      if (this.#route.policy.proxyHeader === true) this.#sayWhoItIs()
      this.#wheel.arm(this, this.#route.policy.idleTimeoutMs)
      if (this.#home !== undefined) this.#pool.succeeded(this.#home)
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
    app.on('error', () => {
      if (!isCurrent()) return
      if (this.#toApp === undefined) this.#attempt('refused')
      else this.destroy('reset')
    })
    app.on('close', () => {
      if (isCurrent()) this.#closed()
    })
  }

  #sayWhoItIs(): void {
    const { localAddress = '', localPort = 0 } = this.#client
    const header = writeProxyHeader(this.#peer, { address: plainAddress(localAddress), port: localPort })
    this.#toApp?.payload(header, 0, header.length)
    this.#toApp?.flush()
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
    this.deadlineAt = this.#wheel.after(this.#route.policy.idleTimeoutMs)
  }
}
