import type { Socket } from 'node:net'
import type { Client } from '../serve/client.ts'
import { errorPage } from '../serve/error-page.ts'
import { ERRORS, type ErrorCode, reasonOf } from '../serve/errors.ts'
import type { Downstream, RequestSink } from '../serve/exchange.ts'
import { errorLine } from '../serve/headers.ts'
import type { Limits } from '../serve/limits.ts'
import type { Idler } from '../serve/shedder.ts'
import type { RouterSettings } from '../table/route.ts'
import { answerHead } from './answer.ts'
import { type BodyLength, BodyReader, type BodySink, UNTIL_CLOSE } from './body.ts'
import { HEAD_BROKEN, HEAD_INCOMPLETE, HeadBuffer } from './head-buffer.ts'
import type { HeadCache } from './head-cache.ts'
import { latin1 } from './latin1.ts'
import type { RequestHead } from './request-head.ts'
import type { Receiver } from './sockets.ts'
import { Stash } from './stash.ts'
import { passingTrailers } from './trailers.ts'
import type { Timed, Wheel } from './wheel.ts'
import { MessageWriter } from './writer.ts'

/** What a connection needs of the server that accepted it. */
export interface ConnectionHost {
  readonly limits: Limits
  readonly wheel: Wheel
  readonly heads: HeadCache
  settings(): RouterSettings
  /**
   * A request has come. It may be answered before this returns.
   *
   * @param body all of the request's body when it came together with the head and is short, else ''
   * @returns who wants the rest of the body; undefined: nobody
   */
  serve(head: RequestHead, body: string, downstream: Downstream): RequestSink | undefined
  /** What came was no request; the connection has answered it. `text`: what there was of its head. */
  refused(code: ErrorCode, text: string, client: Client, bytesSent: number): void
  /** The code of this connection failed; it was cut. */
  failed(error: unknown): void
  closed(connection: Connection): void
  /** Whether the server is going away: then each answer is the last of its connection. */
  readonly draining: boolean
}

// What is read next.
const HEAD = 0
const BODY = 1
/** The request is complete; what follows waits for the end of its answer. */
const ANSWER = 2
/** After a 101: bytes, whatever they mean. */
const RELAY = 3
/** Nothing more is served; what still comes is dropped. */
const LINGER = 4
const CLOSED = 5

/** A body up to this that came with its head goes on with it as one string, so that the request can be sent again. */
const INLINE_BODY_BYTES_MAX = 16 * 1024

/**
 * A client's HTTP/1.1 connection: requests are read one after the other, the next when the answer to the last is out, so answers are in order
 * and the work in flight is bounded. While an answer is under way what the client sends is kept up to a limit, then reading stops.
 *
 * A client may end its side after a request; it still gets the answer. An answer that cannot be completed cuts the connection with a reset.
 */
export class Connection implements Receiver, Downstream, Timed, Idler {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  readonly client: Client
  readonly #socket: Socket
  readonly #host: ConnectionHost
  readonly #writer: MessageWriter
  readonly #head = new HeadBuffer()
  readonly #body = new BodyReader()
  readonly #stash = new Stash()
  /** Without a sink a body is dropped. */
  readonly #requestBody: BodySink = { payload: (bytes, start, end) => this.#sink?.requestPayload(bytes, start, end) }
  #state = HEAD
  #served = false
  #request: RequestHead | undefined
  #sink: RequestSink | undefined
  #answerBegun = false
  #answerFinished = true
  #keepAlive = true
  /** The end of the connection is the end of the answer (to an HTTP/1.0 client). */
  #endsWithConnection = false
  #trailers = ''
  /** Whoever wants the body is not ready for it yet, or slow. */
  #bodyHeld = false
  #bodyBytesAtWindow = 0
  #processing = false
  #reading = true
  /** The client does not take what was sent. */
  #blocked = false
  #inputEnded = false
  #lingeredBytes = 0

  constructor(socket: Socket, client: Client, host: ConnectionHost) {
    this.#socket = socket
    this.client = client
    this.#host = host
    this.#writer = new MessageWriter(socket)
    socket.on('end', () => this.#guard(() => this.#ended()))
    socket.on('drain', () => this.#guard(() => this.#drained()))
    // A reset is followed by `close`, where all is done.
    socket.on('error', () => {})
    socket.on('close', () => this.#guard(() => this.#closed()))
    host.wheel.arm(this, host.limits.firstByteMs)
  }

  get bytesSent(): number {
    return this.#writer.bytesWritten
  }

  get lags(): boolean {
    return false
  }

  onceOut(): void {
    // What is finished is with the socket.
  }

  get requestComplete(): boolean {
    return this.#state !== BODY
  }

  /** True between two requests. */
  get idle(): boolean {
    return this.#state === HEAD && !this.#head.begun && this.#stash.size === 0
  }

  /** Since when it idles, on the wheel's clock; `Infinity` while it does not. */
  get idleSince(): number {
    if (!this.idle || this.#blocked) return Number.POSITIVE_INFINITY
    // Its deadline was set when it began to idle.
    return this.deadlineAt - (this.#served ? this.#host.settings().defaultTimeoutMs : this.#host.limits.firstByteMs)
  }

  /** Whether it is a relay of bytes by now. */
  get upgraded(): boolean {
    return this.#state === RELAY
  }

  received(bytes: Buffer, at: number, end: number): void {
    if (this.#stash.size > 0 || this.#processing) {
      this.#keep(bytes, at, end)
      return
    }
    try {
      this.#processing = true
      const stop = this.#process(bytes, at, end)
      this.#processing = false
      if (stop < end) this.#keep(bytes, stop, end)
      this.#endTurn()
    } catch (error) {
      this.#crash(error)
    }
  }

  /** Serves nothing more: closes now when idle, else after the answer. */
  drain(): void {
    // Who has just connected is about to ask: one second for that.
    if (this.idle && !this.#served) this.#host.wheel.arm(this, 1000)
    else if (this.idle) this.#close()
    else if (this.#state !== RELAY) this.#keepAlive = false
  }

  /** Makes room for others: closes politely, if it still idles. */
  shed(): void {
    if (this.idle) this.#close()
  }

  /** Ends a relay on both sides. */
  endUpgrade(): void {
    if (this.#state !== RELAY) return
    const sink = this.#sink
    this.#sink = undefined
    sink?.requestLost('R47', false)
    this.#close()
  }

  destroy(): void {
    this.#state = CLOSED
    this.#socket.destroy()
  }

  // What the app's side says

  inform(status: number, reason: string, fields: string): void {
    if (this.#request?.minor !== 1 || this.#answerBegun) return
    this.#writer.text(`HTTP/1.1 ${status} ${reason}\r\n${fields}\r\n`)
    this.flush()
    // The body was waiting for this: the time in which it must come begins now.
    if (status === 100 && this.#state === BODY) {
      this.#bodyBytesAtWindow = this.#body.bytesRead
      this.#host.wheel.arm(this, this.#host.limits.bodyWindowMs)
    }
  }

  respond(status: number, reason: string, fields: string, length: BodyLength, statedLength: number, own = ''): void {
    const request = this.#request as RequestHead
    this.#answerBegun = true
    if (this.#host.draining || (this.#state === BODY && !this.#drainable)) this.#keepAlive = false
    const head = answerHead(request, status, reason, fields + own, length, statedLength, this.#keepAlive)
    if (head.length === UNTIL_CLOSE) {
      this.#keepAlive = false
      this.#endsWithConnection = true
    }
    this.#writer.begin(head.text, head.length)
  }

  /** Payload of the answer, or of the relay. */
  payload(bytes: Buffer, start: number, end: number): void {
    this.#writer.payload(bytes, start, end)
  }

  text(body: string): void {
    this.#writer.inline(body)
  }

  trailers(fields: string): void {
    if (this.#request?.takesTrailers === true) this.#trailers = fields
  }

  finish(): boolean {
    this.#sink = undefined
    const trailers = this.#trailers
    this.#trailers = ''
    if (!this.#writer.finish(trailers)) {
      this.cut()
      return false
    }
    this.#answerFinished = true
    // Answers of one turn leave together.
    if (!this.#processing || this.#writer.full) this.flush()
    return true
  }

  cut(): void {
    this.#sink = undefined
    if (this.#endsWithConnection) {
      // Nothing but a reset tells such an answer from a whole one.
      this.#state = CLOSED
      this.#reset()
    } else this.#close()
  }

  flush(): boolean {
    const accepted = this.#writer.flush()
    if (!accepted && !this.#blocked) {
      this.#blocked = true
      this.#host.wheel.arm(this, this.#host.limits.sendStallMs)
    }
    return accepted
  }

  settle(): void {
    if (this.#state === BODY) {
      // The answer came first. The rest of a short body is dropped, so that the connection lives on; a long one ends it.
      if (!this.#keepAlive) this.#close()
      else this.readBody()
      return
    }
    if (this.#state !== ANSWER) return
    if (!this.#keepAlive) {
      this.#close()
      return
    }
    this.#state = HEAD
    this.#request = undefined
    if (this.#blocked) return
    this.#host.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
    if (this.#stash.size > 0 || this.#inputEnded) this.#resume()
  }

  readBody(): void {
    this.#bodyHeld = false
    this.#bodyBytesAtWindow = this.#body.bytesRead
    if (this.#state === BODY) this.#host.wheel.arm(this, this.#host.limits.bodyWindowMs)
    this.#resume()
  }

  resumeBody(): void {
    this.#bodyHeld = false
    this.#resume()
  }

  upgrade(fields: string): void {
    this.#answerBegun = true
    this.#writer.begin(`HTTP/1.1 101 Switching Protocols\r\n${fields}\r\n`, UNTIL_CLOSE)
    this.flush()
    this.#state = RELAY
    this.#resume()
  }

  end(): void {
    this.flush()
    this.#socket.end()
  }

  expired(): void {
    this.#guard(() => this.#expire())
  }

  // What the client sends

  /** Reads on from `at`; returns where it had to stop, `end` when all is done with. */
  #process(bytes: Buffer, from: number, end: number): number {
    let at = from
    while (at < end) {
      switch (this.#state) {
        case HEAD:
          if (this.#blocked) return at
          at = this.#readHead(bytes, at, end)
          break
        case BODY:
          if (this.#bodyHeld) return at
          at = this.#readBody(bytes, at, end)
          break
        case ANSWER:
          return at
        case RELAY:
          if (this.#bodyHeld) return at
          this.#sink?.requestPayload(bytes, at, end)
          return end
        case LINGER:
          this.#lingeredBytes += end - at
          if (this.#lingeredBytes > this.#host.limits.lingerBytesMax) this.destroy()
          return end
        default:
          return end
      }
    }
    return at
  }

  #readHead(bytes: Buffer, at: number, end: number): number {
    const host = this.#host
    const begun = this.#head.begun
    const next = this.#head.take(bytes, at, end, host.settings().headBytesMax)
    if (next === HEAD_INCOMPLETE) {
      if (!begun) host.wheel.arm(this, host.limits.headMs)
      return end
    }
    if (next < 0) {
      this.#refuse(next === HEAD_BROKEN ? 'R40' : this.#head.firstLineEnded ? 'R41' : 'R42', '')
      return end
    }
    const text = this.#head.text()
    const rest = this.#head.rest()
    const head = host.heads.request(text)
    if (typeof head === 'string') {
      this.#refuse(head, text)
      return end
    }
    this.#served = true
    this.#request = head
    this.#keepAlive = head.keepAlive && !host.draining
    this.#answerBegun = false
    this.#answerFinished = false
    this.#bodyHeld = false
    let body = ''
    let after = next
    if (head.length === 0) this.#state = ANSWER
    else if (head.length > 0 && head.length <= end - next && head.length <= INLINE_BODY_BYTES_MAX) {
      after = next + head.length
      body = rest.length === head.length ? rest : latin1(bytes, next, after)
      this.#state = ANSWER
    } else {
      this.#state = BODY
      this.#bodyHeld = true
      this.#body.start(head.length)
      this.#bodyBytesAtWindow = 0
      host.wheel.arm(this, host.limits.bodyWindowMs)
    }
    const sink = host.serve(head, body, this)
    if (!this.#answerFinished) this.#sink = sink
    return after
  }

  #readBody(bytes: Buffer, at: number, end: number): number {
    const next = this.#body.read(bytes, at, end, this.#requestBody)
    // The sink may have answered (a body too large) and ended the connection meanwhile.
    if (this.#state !== BODY) return next < 0 ? end : next
    if (next < 0) {
      this.#loseRequest('R40')
      return end
    }
    if (!this.#body.done) return next
    this.#state = ANSWER
    // A client that does not read keeps the deadline that it has for that.
    this.#host.wheel.arm(this, this.#blocked ? this.#host.limits.sendStallMs : this.#host.settings().defaultTimeoutMs)
    this.#sink?.requestCompleted(passingTrailers(this.#body.trailers, true))
    if (this.#answerFinished) this.settle()
    return next
  }

  /** A turn of the loop is over: what it gathered goes out both ways. */
  #endTurn(): void {
    if (this.#state === CLOSED) return
    this.flush()
    const sink = this.#sink
    // Who has answered meanwhile wants no body any more: what comes of it is dropped.
    if (sink !== undefined && (this.#state !== BODY || !this.#bodyHeld) && !sink.requestFlush() && this.#sink === sink)
      this.#bodyHeld = true
    this.#readOrPause()
    if (this.#inputEnded && this.#stash.size === 0 && this.#state === HEAD) this.#close()
  }

  /** Bytes that cannot be served yet; at most one read more than the limit. */
  #keep(bytes: Buffer, at: number, end: number): void {
    if (this.#state === LINGER || this.#state === CLOSED || at === end) return
    this.#stash.add(bytes, at, end)
    this.#readOrPause()
  }

  /** Goes on with what was kept. */
  #resume(): void {
    if (this.#processing) return
    this.#processing = true
    this.#stash.use((bytes, at, end) => this.#process(bytes, at, end))
    this.#processing = false
    if (this.#inputEnded && this.#state !== HEAD) this.#ended()
    this.#endTurn()
  }

  #readOrPause(): void {
    const kept = this.#stash.size
    const wanted = kept < this.#host.limits.stashBytesMax && !(this.#bodyHeld && kept > 0)
    if (wanted === this.#reading) return
    this.#reading = wanted
    if (wanted) this.#socket.resume()
    else this.#socket.pause()
  }

  /** What remains of a body of known, small size may be read and dropped; with Expect nobody knows whether it will come. */
  get #drainable(): boolean {
    const { length, expectsContinue } = this.#request as RequestHead
    return length >= 0 && length - this.#body.bytesRead <= this.#host.limits.drainBodyBytesMax && !expectsContinue
  }

  /** Answers something that was no request, and closes. */
  #refuse(code: ErrorCode, text: string): void {
    const start = text === '' ? this.#head.start : text
    this.#head.clear()
    const before = this.#writer.bytesWritten
    const page = errorPage(code, undefined)
    const fields = page.fields + errorLine(code, this.#host.settings())
    const status = ERRORS[code].status
    this.#writer.text(
      `HTTP/1.1 ${status} ${reasonOf(status)}\r\n${fields}Content-Length: ${page.body.length}\r\nConnection: close\r\n\r\n${page.body}`,
    )
    this.flush()
    this.#host.refused(code, start, this.client, this.#writer.bytesWritten - before)
    this.#close()
  }

  /** The request cannot be completed any more. */
  #loseRequest(code: ErrorCode): void {
    this.#keepAlive = false
    const sink = this.#sink
    this.#sink = undefined
    const answerable = !this.#answerBegun && ERRORS[code].status !== 0
    if (sink !== undefined) sink.requestLost(code, answerable)
    if (!answerable && this.#state !== CLOSED && this.#state !== LINGER) this.cut()
  }

  #ended(): void {
    this.#inputEnded = true
    // Requests that wait behind this one say nothing of whether the client is still there.
    if (this.#stash.size > 0 && this.#state !== ANSWER) return
    switch (this.#state) {
      case HEAD:
        this.#close()
        break
      case BODY:
        // Held back: what comes next decides.
        if (!this.#bodyHeld) this.#loseRequest('R47')
        break
      case ANSWER:
      case RELAY:
        this.#sink?.clientEnded()
        break
      default:
    }
  }

  #drained(): void {
    if (!this.#blocked) return
    this.#blocked = false
    this.#host.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
    this.#sink?.clientReady()
    if (this.#state === HEAD) this.#resume()
  }

  /** Ends our side; what still comes is dropped until the client has closed as well. */
  #close(): void {
    if (this.#state === LINGER || this.#state === CLOSED) return
    this.#state = LINGER
    this.#stash.clear()
    this.#bodyHeld = false
    this.flush()
    this.#host.wheel.arm(this, this.#host.limits.lingerMs)
    this.#socket.end()
    this.#readOrPause()
  }

  #expire(): void {
    const { wheel, limits } = this.#host
    switch (this.#state) {
      case HEAD:
        if (this.#blocked) this.destroy()
        // An empty line behind the last body is all that some clients have to say.
        else if (this.#head.begun && !this.#head.onlyEmptyLine) this.#refuse('R44', '')
        else if (this.#served) this.#close()
        else this.destroy()
        break
      case BODY: {
        const brought = this.#body.bytesRead - this.#bodyBytesAtWindow
        this.#bodyBytesAtWindow = this.#body.bytesRead
        wheel.arm(this, limits.bodyWindowMs)
        if (this.#bodyHeld || !this.#reading || brought >= (limits.bodyBytesPerSecondMin * limits.bodyWindowMs) / 1000) break
        this.#loseRequest('R44')
        break
      }
      case LINGER:
        // A client that still takes the answer, however slowly, gets it: lingering begins when it is out.
        if (this.#blocked && this.#writer.blocked) {
          this.#blocked = false
          wheel.arm(this, limits.sendStallMs)
        } else this.destroy()
        break
      case CLOSED:
        break
      default:
        if (!this.#blocked) wheel.arm(this, this.#host.settings().defaultTimeoutMs)
        else {
          const sink = this.#sink
          this.#sink = undefined
          sink?.requestLost('R49', false)
          this.#reset()
        }
    }
  }

  #closed(): void {
    this.#state = CLOSED
    this.#host.wheel.disarm(this)
    const sink = this.#sink
    this.#sink = undefined
    sink?.requestLost('R47', false)
    this.#host.closed(this)
  }

  /** A fault of ours costs this connection, not the worker. */
  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#crash(error)
    }
  }

  #crash(error: unknown): void {
    this.#processing = false
    this.#host.failed(error)
    this.#state = CLOSED
    this.#reset()
  }

  /** TLS has its own way to tell: a connection without close_notify was cut. */
  #reset(): void {
    if (this.client.secure) this.#socket.destroy()
    else this.#socket.resetAndDestroy()
  }
}
