import { CHUNKED } from '../http1/body.ts'
import type { EndpointState } from '../http1/endpoint-state.ts'
import type { Pool } from '../http1/pool.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import { Stash } from '../http1/stash.ts'
import type { UpstreamListener, UpstreamTimes } from '../http1/upstream.ts'
import type { Timed } from '../http1/wheel.ts'
import type { ErrorCode } from '../serve/errors.ts'
import type { UpstreamExchange } from '../serve/upstream-exchange.ts'
import type { Endpoint } from '../table/route.ts'
import type { ReceivingStream } from './frame-intake.ts'
import { CODE, type Http2Code } from './frames.ts'
import type { ResponseFields } from './response.ts'
import type { UpstreamHead } from './upstream-head.ts'
import { UpstreamRequest } from './upstream-request.ts'
import type { UpstreamSession } from './upstream-session.ts'
import { UpstreamSessions } from './upstream-sessions.ts'

/** There is no place for it on a session yet. */
const CONNECTING = 0
const READY = 1
const WAITING = 2
const BODY = 3
const RELAY = 4
const CLOSED = 5

/**
 * One exchange with an app that speaks HTTP/2: a stream of one of the sessions with its endpoint (RFC 9113 §5.1, §8).
 *
 * While its client is slow what the app goes on sending is kept here, never more than the stream's window; other streams of the session go on.
 */
export class UpstreamStream implements UpstreamExchange, Timed, ReceivingStream {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  /** 0 until it was opened. */
  id = 0
  /** Sessions that had no room for it after all. */
  moves = 0
  /** What the app lets us send; may be negative (RFC 9113 §6.9.2). */
  sendWindow = 0
  /** What we let the app send. */
  receiveWindow = 0
  readonly writer: UpstreamRequest
  readonly #pool: Pool
  readonly #home: EndpointState
  #session: UpstreamSession | undefined
  #listener: UpstreamListener | undefined
  #times: UpstreamTimes
  #state = CONNECTING
  #method = ''
  #accept: string | undefined
  #interims = 0
  /** Whether its session had served before: then the session's end may be older than the request. */
  #reused = false
  #left = -1
  #paused = false
  /** Whether the time for a first byte has ended once before the request was out. */
  #late = false
  readonly #kept = new Stash()
  #consumed = 0
  #remoteEnded = false
  #cancelled = false
  #trailers = ''

  private constructor(home: EndpointState, pool: Pool, listener: UpstreamListener, times: UpstreamTimes) {
    this.#home = home
    this.#pool = pool
    this.#listener = listener
    this.#times = times
    this.writer = new UpstreamRequest(this)
    pool.wheel.arm(this, times.connectTimeoutMs)
  }

  /** Finds a place on a session with an endpoint: `idle` where there is one already, else the listener hears `connected` or `failed`. */
  static open(endpoint: Endpoint, home: EndpointState, pool: Pool, listener: UpstreamListener, times: UpstreamTimes): UpstreamStream {
    const stream = new UpstreamStream(home, pool, listener, times)
    home.sessions ??= new UpstreamSessions(endpoint, home, pool)
    home.sessions.place(stream)
    return stream
  }

  get idle(): boolean {
    return this.#state === READY
  }

  get reused(): boolean {
    return this.#reused
  }

  /** Whether the final answer has begun. */
  get answered(): boolean {
    return this.#state === BODY || this.#state === RELAY
  }

  get isOver(): boolean {
    return this.#state === CLOSED
  }

  get remoteEnded(): boolean {
    return this.#remoteEnded
  }

  get cancelled(): boolean {
    return this.#cancelled
  }

  get hasQueue(): boolean {
    return this.writer.hasQueue
  }

  get takesTrailers(): boolean {
    return this.#listener?.takesTrailers === true
  }

  begin(listener: UpstreamListener, method: string, times: UpstreamTimes): void {
    this.#listener = listener
    this.#method = method
    this.#times = times
    this.#state = WAITING
    this.#pool.wheel.arm(this, this.#silenceMs)
  }

  requestSent(): void {
    // Whether all of it was sent is known by the stream's state.
  }

  touch(): void {
    this.deadlineAt = this.#pool.wheel.after(this.#silenceMs)
  }

  resume(): void {
    if (!this.#paused || this.#state === CLOSED) return
    this.#paused = false
    this.touch()
    this.#deliverKept()
  }

  end(): void {
    this.writer.end()
    this.#session?.turn()
  }

  expireWithin(ms: number): void {
    const { connectTimeoutMs, idleTimeoutMs, firstByteTimeoutMs = idleTimeoutMs } = this.#times
    this.#times = {
      connectTimeoutMs,
      idleTimeoutMs: Math.min(ms, idleTimeoutMs),
      firstByteTimeoutMs: Math.min(ms, firstByteTimeoutMs),
    }
    this.#pool.wheel.arm(this, this.#silenceMs)
  }

  destroy(): void {
    this.#leave(CODE.cancel)
  }

  expired(): void {
    if (this.#state === CLOSED) return
    // A slow client is no silence of the app.
    if (this.#paused) {
      this.#pool.wheel.arm(this, this.#times.idleTimeoutMs)
      return
    }
    if (this.#state === CONNECTING) this.fail('R31')
    else if (this.#state === WAITING && this.writer.hasQueue && !this.#late) {
      // The time for a first byte begins when the last of the request is out.
      this.#late = true
      this.#pool.wheel.arm(this, this.#times.idleTimeoutMs)
    } else {
      this.#session?.suspect(this.#silenceMs)
      this.fail('R32', CODE.cancel)
    }
  }

  // What its session says

  /** It waits for this session to be ready. */
  wait(session: UpstreamSession): void {
    this.#session = session
  }

  /** There is room: the listener may begin, where it is not the one that asks. */
  take(session: UpstreamSession): void {
    if (this.#state === CLOSED) return
    const waited = this.#session !== undefined
    this.#session = session
    this.#reused = session.served
    this.#state = READY
    this.writer.on(session)
    if (!waited) return
    try {
      this.#listener?.connected()
    } catch (error) {
      this.crash(error)
    }
  }

  /** It was opened. */
  opened(id: number, head: UpstreamHead, sendWindow: number, receiveWindow: number): void {
    this.id = id
    this.#accept = head.accept
    this.sendWindow = sendWindow
    this.receiveWindow = receiveWindow
  }

  /** The head of an answer, or of an interim one. @returns the code with which the stream must be reset */
  head(fields: ResponseFields, ended: boolean): Http2Code {
    const head = fields.read(this.#method, ended)
    if (typeof head === 'string') {
      this.fail(head, CODE.protocolError)
      return CODE.noError
    }
    try {
      this.#readHead(head, ended)
    } catch (error) {
      this.crash(error)
    }
    return CODE.noError
  }

  data(bytes: Buffer, start: number, end: number, ended: boolean): void {
    if (!this.answered) {
      this.fail('R34', CODE.protocolError)
      return
    }
    if (this.#left >= 0) {
      this.#left -= end - start
      // RFC 9113 §8.1.1: Content-Length is the sum of the DATA frames.
      if (this.#left < 0 || (ended && this.#left !== 0)) {
        this.fail('R36', CODE.protocolError)
        return
      }
    }
    this.touch()
    if (ended) this.#remoteEnded = true
    try {
      if (this.#paused) {
        if (end > start) this.#kept.add(bytes, start, end)
        return
      }
      this.#deliver(bytes, start, end)
      if (ended) this.#complete()
    } catch (error) {
      this.crash(error)
    }
  }

  /** The answer has ended with fields behind its body. */
  trailers(lines: string): void {
    this.#trailers = lines
    this.data(EMPTY, 0, 0, true)
  }

  padding(bytes: number): void {
    this.#grant(bytes)
  }

  broken(code: Http2Code): void {
    this.fail('R34', code)
  }

  endTurn(): void {
    if (!this.answered || this.#paused) return
    try {
      if (this.#listener?.answerFlush() === false && this.answered) this.#paused = true
    } catch (error) {
      this.crash(error)
    }
  }

  /** Our side is complete: a relay that both sides have ended is over. */
  requestEnded(): void {
    if (this.#late && this.#state === WAITING) this.#pool.wheel.arm(this, this.#silenceMs)
    if (this.#state === RELAY && this.#remoteEnded && this.#kept.size === 0) setImmediate(() => this.fail('R36'))
  }

  /** The app takes more. */
  appReady(): void {
    try {
      this.#listener?.appReady()
    } catch (error) {
      this.crash(error)
    }
  }

  /** The app has reset the stream. */
  wasReset(code: number): void {
    // All of the answer is here: what the app does not want is the rest of the request.
    if (this.#remoteEnded) return
    this.#reused = false
    this.#cancelled = code === CODE.cancel
    if (code === CODE.refusedStream) this.fail('R33', undefined, true)
    else this.fail(code === CODE.http11Required ? 'R34' : 'R33')
  }

  /** The session is gone; an answer that is here whole goes on to its client. */
  lost(code: ErrorCode, unprocessed = false): void {
    if (this.#remoteEnded && this.#state === BODY) {
      this.#session = undefined
      this.writer.drop()
    } else this.fail(code, undefined, unprocessed)
  }

  /**
   * There is no answer, or no more of it.
   *
   * @param reset tells the app, with this code
   * @param unprocessed whether the app has done nothing about it for certain (RFC 9113 §8.7)
   */
  fail(code: ErrorCode, reset?: Http2Code, unprocessed = false): void {
    if (this.#state === CLOSED) return
    const said = this.answered ? 'R36' : code
    const listener = this.#listener
    this.#leave(reset)
    try {
      listener?.failed(said, unprocessed)
    } catch (error) {
      listener?.crashed(error)
    }
  }

  /** The code of the exchange threw. */
  crash(error: unknown): void {
    const listener = this.#listener
    this.#leave(CODE.internalError)
    listener?.crashed(error)
  }

  get #silenceMs(): number {
    const { connectTimeoutMs, idleTimeoutMs, firstByteTimeoutMs } = this.#times
    if (this.#state === CONNECTING) return Math.min(connectTimeoutMs, idleTimeoutMs)
    return firstByteTimeoutMs !== undefined && this.#state === WAITING ? firstByteTimeoutMs : idleTimeoutMs
  }

  #readHead(head: ResponseHead, ended: boolean): void {
    const listener = this.#listener as UpstreamListener
    if (head.status < 200) {
      if (++this.#interims > this.#pool.limits.interimCountMax) this.fail('R34', CODE.protocolError)
      else listener.interim(head)
      return
    }
    const isTunnel = this.#accept !== undefined && head.status < 300
    this.#state = isTunnel ? RELAY : BODY
    this.#left = isTunnel || head.length === CHUNKED ? -1 : Math.max(0, head.length)
    this.#remoteEnded = ended
    // The wheel must be told of a deadline that moves closer.
    this.#pool.wheel.arm(this, this.#times.idleTimeoutMs)
    this.#pool.succeeded(this.#home)
    if (isTunnel) {
      const fields = `${head.fields}Sec-WebSocket-Accept: ${this.#accept}\r\n`
      const upgrade = { ...head, status: 101, reason: 'Switching Protocols', fields, length: CHUNKED, upgrade: 'websocket' }
      if (!listener.upgraded(upgrade)) this.fail('R37', CODE.cancel)
      else if (ended) listener.appEnded()
      return
    }
    listener.answered(head)
    if (ended && this.#state === BODY) this.#complete()
  }

  #deliver(bytes: Buffer, start: number, end: number): void {
    if (start === end) return
    this.#listener?.answerPayload(bytes, start, end)
    this.#grant(end - start)
  }

  #deliverKept(): void {
    try {
      this.#kept.use((bytes, at, end) => {
        this.#deliver(bytes, at, end)
        return end
      })
      if (this.#remoteEnded) this.#complete()
      else this.endTurn()
    } catch (error) {
      this.crash(error)
    }
    this.#session?.turn()
  }

  /** Grants anew what has gone on, in steps of half a window. */
  #grant(bytes: number): void {
    const session = this.#session
    if (session === undefined || this.#remoteEnded || this.#state === CLOSED) return
    this.#consumed += bytes
    if (this.#consumed < session.streamWindow / 2) return
    this.receiveWindow += this.#consumed
    session.sendWindowUpdate(this.id, this.#consumed)
    this.#consumed = 0
  }

  /** The app's side is complete. */
  #complete(): void {
    const listener = this.#listener
    if (this.#state === RELAY) {
      listener?.answerFlush()
      listener?.appEnded()
      if (this.writer.ended) this.fail('R36')
      return
    }
    if (this.#state !== BODY) return
    if (this.#trailers !== '') listener?.trailers(this.#trailers)
    this.#session?.completed()
    // Nobody reads the rest of a request that was answered already.
    this.#leave(CODE.cancel)
    listener?.ended()
  }

  /** @param reset tells the app where its stream is still open on either side */
  #leave(reset: Http2Code | undefined): void {
    if (this.#state === CLOSED) return
    this.#state = CLOSED
    this.#pool.wheel.disarm(this)
    this.#kept.clear()
    const isOpen = this.id !== 0 && !(this.#remoteEnded && this.writer.ended)
    this.writer.drop()
    const session = this.#session
    if (session === undefined) return
    if (reset !== undefined && isOpen) session.sendReset(this, reset)
    session.left(this)
  }
}

const EMPTY = Buffer.alloc(0)
