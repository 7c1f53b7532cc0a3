import type { Socket } from 'node:net'
import type { ErrorCode } from '../serve/errors.ts'
import type { Limits } from '../serve/limits.ts'
import type { UpstreamExchange } from '../serve/upstream-exchange.ts'
import type { Endpoint } from '../table/route.ts'
import { BodyReader, type BodySink, UNTIL_CLOSE } from './body.ts'
import type { EndpointState } from './endpoint-state.ts'
import { HEAD_INCOMPLETE, HEAD_TOO_LARGE, HeadBuffer } from './head-buffer.ts'
import type { Pool } from './pool.ts'
import type { ResponseHead } from './response-head.ts'
import { connectSocket, type Receiver } from './sockets.ts'
import { passingTrailers } from './trailers.ts'
import type { Timed, Wheel } from './wheel.ts'
import { MessageWriter } from './writer.ts'

/** What an app's connection tells the exchange that uses it. After `ended` or `failed` it tells nothing more. */
export interface UpstreamListener {
  /** A connection that was opened for this exchange is ready: send the request. */
  connected(): void
  /** A 1xx answer other than 101. */
  interim(head: ResponseHead): void
  answered(head: ResponseHead): void
  answerPayload(bytes: Buffer, start: number, end: number): void
  /** The whole body of an answer that came in one short piece, as latin1. Returns false to get it as bytes. */
  answerText(body: string): boolean
  /** The app changed the protocol; from here on the payload is bytes of a relay. Returns false to refuse. */
  upgraded(head: ResponseHead): boolean
  /** A turn of the loop is over. Returns false to pause the app until {@link UpstreamConnection.resume}. */
  answerFlush(): boolean
  /** Fields behind the answer's body, each line with its CRLF; `ended` follows. */
  trailers(fields: string): void
  /** Whether whoever asks has said that it takes trailers. */
  readonly takesTrailers: boolean
  /** The app has taken what was waiting. */
  appReady(): void
  /** The answer is complete; the connection is back in its pool, or gone. */
  ended(): void
  /** The app ended its side of a relay. */
  appEnded(): void
  /**
   * There is no answer, or no more of it.
   *
   * @param unprocessed whether the app has done nothing about the request for certain, so that it may be sent again whatever it is
   */
  failed(code: ErrorCode, unprocessed?: boolean): void
  /** The code of the exchange threw. */
  crashed(error: unknown): void
}

const CONNECTING = 0
const IDLE = 1
const WAITING = 2
const BODY = 3
const RELAY = 4
const CLOSED = 5

/** What an exchange grants its app. */
export interface UpstreamTimes {
  readonly connectTimeoutMs: number
  readonly idleTimeoutMs: number
  /** Before the first byte of an answer, where that is another time. */
  readonly firstByteTimeoutMs?: number
}

/**
 * A connection to one endpoint of an app: one exchange at a time. It goes back to the pool only when request and answer were both complete, the
 * app wishes to keep it, and not a byte more than the answer has come.
 */
export class UpstreamConnection implements UpstreamExchange, Receiver, Timed, BodySink {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  /** When it went to the pool, on the wheel's clock; and how long the app keeps an idle connection. */
  idleSince = 0
  idleMs = Number.POSITIVE_INFINITY
  /** True when it served an exchange before this one: then its end may be older than the request. */
  reused = false
  readonly writer: MessageWriter
  readonly #socket: Socket
  readonly #home: EndpointState
  readonly #pool: Pool
  readonly #wheel: Wheel
  readonly #limits: Limits
  readonly #head = new HeadBuffer()
  readonly #body = new BodyReader()
  #state = CONNECTING
  #listener: UpstreamListener | undefined
  #times: UpstreamTimes
  #method = ''
  #answer: ResponseHead | undefined
  #interims = 0
  #requestSent = false
  #paused = false
  /** Whether the time for a first byte has ended once before the request was out. */
  #late = false
  #inputEnded = false
  readonly #secure: boolean
  /** Whether the endpoint was reached, though TLS is not ready yet. */
  #reached = false

  private constructor(socket: Socket, secure: boolean, home: EndpointState, pool: Pool, listener: UpstreamListener, times: UpstreamTimes) {
    this.#socket = socket
    this.#home = home
    this.#pool = pool
    this.#wheel = pool.wheel
    this.#limits = pool.limits
    this.#listener = listener
    this.#times = times
    this.#secure = secure
    this.writer = new MessageWriter(socket)
    socket.once(secure ? 'secureConnect' : 'connect', () => this.#guard(() => this.#connected()))
    if (secure) {
      socket.once('connect', () => {
        this.#reached = true
      })
    }
    socket.on('end', () => this.#guard(() => this.#ended()))
    socket.on('drain', () => this.#guard(() => this.#drained()))
    socket.on('error', () => this.#guard(() => this.#lost()))
    socket.on('close', () => this.#guard(() => this.#lost()))
    this.#wheel.arm(this, times.connectTimeoutMs)
  }

  /** Opens a connection for an exchange, which hears `connected` or `failed`. */
  static open(endpoint: Endpoint, home: EndpointState, pool: Pool, listener: UpstreamListener, times: UpstreamTimes): UpstreamConnection {
    let connection: UpstreamConnection | undefined
    pool.counts.opened++
    connectSocket(endpoint, socket => {
      connection = new UpstreamConnection(socket, endpoint.tls !== undefined, home, pool, listener, times)
      return connection
    })
    return connection as unknown as UpstreamConnection
  }

  /** Begins an exchange on a ready connection; the caller then writes the request. */
  begin(listener: UpstreamListener, method: string, times: UpstreamTimes): void {
    this.#listener = listener
    this.#method = method
    this.#times = times
    this.#state = WAITING
    this.#answer = undefined
    this.#interims = 0
    this.#requestSent = false
    this.#late = false
    this.#wheel.arm(this, times.firstByteTimeoutMs ?? times.idleTimeoutMs)
  }

  /** True while it is open and serves nobody. */
  get idle(): boolean {
    return this.#state === IDLE
  }

  get cancelled(): boolean {
    // HTTP/1.1 has no word for it.
    return false
  }

  /** The request was written to its end. */
  requestSent(): void {
    this.#requestSent = true
  }

  /** Bytes went to the app: its time to answer begins anew. */
  touch(): void {
    this.deadlineAt = this.#wheel.after(this.#silenceMs)
  }

  resume(): void {
    if (!this.#paused) return
    this.#paused = false
    this.touch()
    this.#socket.resume()
  }

  /** Ends our side of a relay. */
  end(): void {
    this.writer.flush()
    this.#socket.end()
  }

  /** Shortens the silence that the app is granted. */
  expireWithin(ms: number): void {
    const { connectTimeoutMs, idleTimeoutMs, firstByteTimeoutMs = idleTimeoutMs } = this.#times
    this.#times = {
      connectTimeoutMs,
      idleTimeoutMs: Math.min(ms, idleTimeoutMs),
      firstByteTimeoutMs: Math.min(ms, firstByteTimeoutMs),
    }
    this.#wheel.arm(this, this.#silenceMs)
  }

  /** Closes at once; the listener hears nothing of it. */
  destroy(): void {
    if (this.#state === CLOSED) return
    if (this.#state === IDLE) this.#pool.drop(this.#home, this)
    this.#state = CLOSED
    this.#listener = undefined
    this.#wheel.disarm(this)
    this.#socket.destroy()
  }

  received(bytes: Buffer, from: number, end: number): void {
    try {
      this.#read(bytes, from, end)
    } catch (error) {
      this.#crash(error)
    }
  }

  payload(bytes: Buffer, start: number, end: number): void {
    this.#listener?.answerPayload(bytes, start, end)
  }

  expired(): void {
    this.#guard(() => {
      if (this.#state === CONNECTING) this.#fail('R31')
      else if (this.#state === IDLE || this.#state === CLOSED) return
      // A slow client is no silence of the app.
      else if (this.#paused) this.#wheel.arm(this, this.#times.idleTimeoutMs)
      else if (this.#isSendingOn) this.#wheel.arm(this, this.#times.idleTimeoutMs)
      else this.#fail(this.#state === WAITING ? 'R32' : 'R36')
    })
  }

  /** How long the app may be silent now. */
  get #silenceMs(): number {
    const { idleTimeoutMs, firstByteTimeoutMs } = this.#times
    return firstByteTimeoutMs !== undefined && this.#state === WAITING ? firstByteTimeoutMs : idleTimeoutMs
  }

  /** Whether the time for a first byte is over while the app still reads the request: then that has not begun. Asked once a request. */
  get #isSendingOn(): boolean {
    if (this.#state !== WAITING || this.#times.firstByteTimeoutMs === undefined || this.#late || !this.writer.blocked) return false
    this.#late = true
    return true
  }

  /** What waited is with the app: its time to answer begins. */
  #drained(): void {
    if (this.#state === WAITING) this.#wheel.arm(this, this.#silenceMs)
    this.#listener?.appReady()
  }

  #connected(): void {
    if (this.#state !== CONNECTING) return
    this.#listener?.connected()
  }

  #read(bytes: Buffer, from: number, end: number): void {
    let at = from
    while (at < end && this.#state === WAITING) {
      const begun = this.#head.begun
      const next = this.#head.take(bytes, at, end, this.#limits.responseHeadBytesMax)
      if (next === HEAD_INCOMPLETE) {
        // From the first byte to the last of a head it is one wait, however small the pieces.
        if (!begun) this.touch()
        return
      }
      if (next < 0) {
        this.#fail(next === HEAD_TOO_LARGE ? 'R35' : 'R34')
        return
      }
      at = next
      const head = this.#pool.heads.answer(this.#head.text(), this.#method)
      const rest = this.#head.rest()
      if (head === undefined) this.#fail('R34')
      else {
        this.#readAnswer(head)
        if (rest !== '' && head.length === rest.length && this.#takesText(rest)) {
          this.#complete(true)
          return
        }
      }
    }
    if (this.#state === BODY || this.#state === RELAY) this.#readBody(bytes, at, end)
    // Bytes that nobody asked for: whose answer would they be?
    else if (at < end && this.#state !== CLOSED) this.#fail('R34')
  }

  #readAnswer(head: ResponseHead): void {
    const listener = this.#listener as UpstreamListener
    if (head.status === 101) {
      this.#state = RELAY
      if (this.#times.firstByteTimeoutMs !== undefined) this.#wheel.arm(this, this.#times.idleTimeoutMs)
      if (!listener.upgraded(head)) this.#fail('R37')
      return
    }
    if (head.status < 200) {
      if (++this.#interims > this.#limits.interimCountMax) this.#fail('R34')
      else listener.interim(head)
      return
    }
    this.#answer = head
    this.#state = BODY
    // The wheel must be told of a deadline that moves closer.
    if (this.#times.firstByteTimeoutMs !== undefined) this.#wheel.arm(this, this.#times.idleTimeoutMs)
    this.#body.start(head.length)
    this.#pool.succeeded(this.#home)
    listener.answered(head)
  }

  #takesText(body: string): boolean {
    return this.#state === BODY && this.#listener?.answerText(body) === true
  }

  #readBody(bytes: Buffer, from: number, end: number): void {
    const listener = this.#listener as UpstreamListener
    this.touch()
    if (this.#state === RELAY) {
      if (from < end) listener.answerPayload(bytes, from, end)
    } else {
      const stop = this.#body.read(bytes, from, end, this)
      if (this.#listener !== listener) return
      if (stop < 0) {
        this.#fail('R36')
        return
      }
      if (this.#body.done) {
        if (this.#body.trailers !== '') listener.trailers(passingTrailers(this.#body.trailers, false))
        this.#complete(stop === end)
        return
      }
    }
    if (!listener.answerFlush() && this.#listener === listener) {
      this.#paused = true
      this.#socket.pause()
    }
  }

  /** The answer is whole. @param clean whether nothing came behind it */
  #complete(clean: boolean): void {
    const listener = this.#listener
    const answer = this.#answer as ResponseHead
    this.#listener = undefined
    this.#answer = undefined
    const kept = clean && answer.keepAlive && this.#requestSent && answer.length !== UNTIL_CLOSE && !this.#inputEnded
    if (kept && this.#mayStay(answer)) {
      this.#state = IDLE
      this.reused = true
    } else this.destroy()
    listener?.ended()
  }

  #mayStay(answer: ResponseHead): boolean {
    // One second less than the app grants: what it closes while our request is on the way is lost.
    if (answer.keepAliveMs > 0) this.idleMs = Math.max(0, answer.keepAliveMs - 1000)
    return this.idleMs > 0 && !this.writer.blocked && this.#pool.keep(this.#home, this)
  }

  #ended(): void {
    this.#inputEnded = true
    switch (this.#state) {
      case RELAY:
        this.#listener?.appEnded()
        break
      case BODY:
        // For an answer of unknown length this is its regular end (RFC 9112 §6.3); for any other it was cut. Over TLS nobody tells us whether
        // the app has ended it (close_notify) or somebody on the way, so it is none (RFC 9112 §9.8).
        if (this.#answer?.length === UNTIL_CLOSE && !this.#secure) this.#complete(true)
        else this.#fail('R36')
        break
      default:
        this.#lost()
    }
  }

  /** The connection has closed or is broken. */
  #lost(): void {
    switch (this.#state) {
      case CLOSED:
        break
      case IDLE:
        this.destroy()
        break
      case CONNECTING:
        this.#fail(this.#reached ? 'R38' : 'R30')
        break
      case WAITING:
        this.#fail('R33')
        break
      default:
        this.#fail('R36')
    }
  }

  #fail(code: ErrorCode): void {
    const listener = this.#listener
    this.destroy()
    listener?.failed(code)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#crash(error)
    }
  }

  #crash(error: unknown): void {
    const listener = this.#listener
    this.destroy()
    listener?.crashed(error)
  }
}
