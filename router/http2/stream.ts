import { type BodyLength, CHUNKED } from '../http1/body.ts'
import type { RequestHead } from '../http1/request-head.ts'
import { Stash } from '../http1/stash.ts'
import type { Timed } from '../http1/wheel.ts'
import type { Client } from '../serve/client.ts'
import { ERRORS, type ErrorCode } from '../serve/errors.ts'
import type { Downstream, RequestSink } from '../serve/exchange.ts'
import { Gathered } from '../serve/gathered.ts'
import type { ReceivingStream } from './frame-intake.ts'
import { CODE, type Http2Code } from './frames.ts'
import type { Waiting } from './sender.ts'
import type { Session } from './session.ts'

const UPGRADE_LINES = /^(?:connection|upgrade|sec-websocket-accept):[^\r]*\r\n/gim

/**
 * One request of an HTTP/2 connection and its answer, as an exchange sees them (RFC 9113 §5.1, §8).
 *
 * Each direction has a window: what the client grants bounds what is sent, and the rest waits here while the app is paused; what we grant
 * bounds what is kept of a body that its app is not ready for.
 */
export class Stream implements Downstream, Timed, ReceivingStream, Waiting {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  readonly id: number
  readonly head: RequestHead
  /** What the client lets us send, may be negative (RFC 9113 §6.9.2); and what we let it send. */
  sendWindow: number
  receiveWindow: number
  readonly #session: Session
  /** Bytes of frames that were sent for it. */
  #framedBytes = 0
  /** After an extended CONNECT: DATA are bytes of a relay, and the request itself has no body. */
  readonly #tunnel: boolean
  #sink: RequestSink | undefined
  // The client's way
  #remoteEnded: boolean
  /** Whether whoever takes the request has it to its end: what comes while he is not ready is kept here. */
  #delivered: boolean
  #bodyLeft: number
  #bodyBytes = 0
  #bodyBytesAtWindow = 0
  #requestTrailers = ''
  #held = true
  #kept: Stash | undefined
  /** Bytes taken from the window and not granted anew yet. */
  #consumed = 0
  // Our way
  #answerBegun = false
  #relaying = false
  /** Left of a stated length; -1: unknown. */
  #answerLeft = -1
  readonly #queue = new Gathered()
  #trailers = ''
  #finishing = false
  #localEnded = false
  /** Who waits for the last byte of a finished answer. */
  #onceOut: ((lost: ErrorCode | undefined) => void) | undefined
  #stalled = false
  /** Of what waits, taken in the time in which the client must take some. */
  #takenBytes = 0
  #over = false

  constructor(session: Session, id: number, head: RequestHead, tunnel: boolean, ended: boolean) {
    this.#session = session
    this.id = id
    this.head = head
    this.#tunnel = tunnel
    this.#remoteEnded = ended
    this.#delivered = ended && !tunnel
    this.#bodyLeft = head.length
    this.sendWindow = session.sender.peer.initialWindow
    this.receiveWindow = session.limits.streamWindow
  }

  get client(): Client {
    return this.#session.client
  }

  /** Whose answer is complete, or was cut, and whose request nobody waits for any more. */
  get over(): boolean {
    return this.#over
  }

  get remoteEnded(): boolean {
    return this.#remoteEnded
  }

  get requestComplete(): boolean {
    return this.#tunnel || this.#delivered
  }

  /** What waits for a window of the client counts as sent, as bytes that wait in a socket do. */
  get bytesSent(): number {
    return this.#framedBytes + this.#queue.bytes
  }

  /** Whether it is a relay of bytes by now. */
  get upgraded(): boolean {
    return this.#relaying && !this.#over
  }

  /** Takes whom the exchange names for the body. */
  serve(sink: RequestSink | undefined): void {
    if (!this.#finishing && !this.#over) this.#sink = sink
    if (!this.#remoteEnded && !this.#over) this.#session.wheel.arm(this, this.#session.limits.bodyWindowMs)
  }

  // What the app's side says

  inform(status: number, _reason: string, fields: string): void {
    if (this.#answerBegun || this.#over) return
    this.#sendHead(status, fields, -1, false)
    this.#session.turn()
  }

  respond(status: number, _reason: string, fields: string, length: BodyLength, statedLength: number, own = ''): void {
    if (this.#over) return
    this.#answerBegun = true
    const isBodyless = this.head.method === 'HEAD' || status === 204 || status === 304
    this.#answerLeft = isBodyless ? 0 : length >= 0 ? length : -1
    // That nothing follows is said by END_STREAM: an answer of trailers only (gRPC) states no length.
    const stated = isBodyless ? (status === 204 ? -1 : statedLength) : length > 0 ? length : length === 0 ? statedLength : -1
    this.#sendHead(status, fields, stated, false, own)
  }

  payload(bytes: Buffer, start: number, end: number): void {
    if (this.#over || this.#finishing) return
    let at = start
    let stop = end
    if (this.#answerLeft >= 0) {
      stop = Math.min(end, start + this.#answerLeft)
      this.#answerLeft -= stop - start
    }
    if (this.#queue.bytes === 0) at = this.#sendData(bytes, at, stop)
    if (at === stop) return
    this.#queue.add(bytes, at, stop)
    this.#stall()
  }

  text(body: string): void {
    // The usual: the whole of a short answer.
    if (!this.#over && !this.#finishing && this.#answerLeft === body.length && this.#queue.bytes === 0 && this.#sendText(body)) {
      this.#answerLeft = 0
      return
    }
    const bytes = Buffer.from(body, 'latin1')
    this.payload(bytes, 0, bytes.length)
  }

  trailers(fields: string): void {
    if (this.head.method !== 'HEAD') this.#trailers = fields
  }

  finish(): boolean {
    this.#sink = undefined
    if (this.#over) return true
    if (this.#answerLeft > 0) {
      this.cut()
      return false
    }
    this.#finishing = true
    if (this.#queue.bytes === 0) this.#endLocal()
    this.#session.turn()
    return true
  }

  get lags(): boolean {
    return this.#queue.bytes > 0
  }

  onceOut(done: (lost: ErrorCode | undefined) => void): void {
    this.#onceOut = done
  }

  settle(): void {
    // Nothing waits for this stream: others go their way beside it.
  }

  cut(cancelled = false): void {
    this.broken(this.#relaying ? CODE.connectError : cancelled ? CODE.cancel : CODE.internalError)
  }

  flush(): boolean {
    this.#session.turn()
    if (this.#over || (this.#queue.bytes === 0 && !this.#session.blocked)) return true
    this.#stall()
    return false
  }

  readBody(): void {
    this.#bodyBytesAtWindow = this.#bodyBytes
    this.resumeBody()
  }

  resumeBody(): void {
    // What comes before the app has changed the protocol waits for that.
    if (!this.#held || (this.#tunnel && !this.#relaying)) return
    this.#held = false
    this.#deliverKept()
  }

  upgrade(fields: string): void {
    this.#answerBegun = true
    this.#relaying = true
    this.#sendHead(200, fields.replace(UPGRADE_LINES, ''), -1, false)
    this.#session.turn()
    this.#session.wheel.disarm(this)
    this.resumeBody()
  }

  end(): void {
    this.#finishing = true
    if (this.#queue.bytes === 0) this.#endLocal()
    this.#session.turn()
  }

  /** Ends a relay on both sides. */
  endUpgrade(): void {
    if (!this.upgraded) return
    const sink = this.#sink
    this.#sink = undefined
    sink?.requestLost('R47', false)
    // From here on it ends as any answer does before its request.
    this.#relaying = false
    this.end()
  }

  // What the client sends

  data(bytes: Buffer, start: number, end: number, ended: boolean): void {
    if (!this.#tunnel && this.head.length !== CHUNKED) {
      this.#bodyLeft -= end - start
      // RFC 9113 §8.1.1: Content-Length is the sum of the DATA frames.
      if (this.#bodyLeft < 0 || (ended && this.#bodyLeft !== 0)) {
        this.#session.grant(end - start)
        this.broken(CODE.protocolError)
        return
      }
    }
    this.#bodyBytes += end - start
    if (ended) this.#remoteEnded = true
    if (this.#held && this.#sink !== undefined) {
      if (end > start) {
        this.#kept ??= new Stash()
        this.#kept.add(bytes, start, end)
      }
      return
    }
    this.#deliver(bytes, start, end)
    if (ended && this.#kept === undefined) this.#remoteComplete()
  }

  padding(bytes: number): void {
    this.#grant(bytes)
  }

  /** The request has ended with fields behind its body. */
  requestTrailers(lines: string): void {
    this.#requestTrailers = lines
    this.data(EMPTY, 0, 0, true)
  }

  /** The end of a turn in which DATA came. */
  endTurn(): void {
    const sink = this.#sink
    if (sink === undefined || this.#held || this.#over) return
    if (!sink.requestFlush()) this.#held = true
  }

  /** The client has reset the stream, or is gone. */
  lost(code: ErrorCode): void {
    const sink = this.#sink
    this.#sink = undefined
    this.#leave(code)
    sink?.requestLost(code, false)
  }

  /** Ends the stream with an error, whosever it is; the exchange hears of it where it goes on. */
  broken(code: Http2Code): void {
    if (this.#over) return
    this.#session.sendReset(this.id, code)
    const sink = this.#sink
    const told = code === CODE.protocolError || code === CODE.flowControlError ? 'R40' : 'R47'
    this.#sink = undefined
    this.#leave(told)
    sink?.requestLost(told, false)
  }

  // Back-pressure

  get hasQueue(): boolean {
    return this.#queue.bytes > 0
  }

  /** Sends of what waits, as far as the windows let it. Returns whether something was sent. */
  pump(bytesMax: number): boolean {
    const sent = this.#queue.offer(bytesMax, (bytes, start, end) => this.#sendData(bytes, start, end))
    this.#takenBytes += sent
    if (this.#queue.bytes === 0 && this.#finishing) this.#endLocal()
    return sent > 0
  }

  /** All that waited is out: the app may go on. */
  ready(): void {
    this.#stalled = false
    this.#rearm()
    this.#sink?.clientReady()
  }

  expired(): void {
    const { limits, wheel } = this.#session
    if (this.#over) return
    if (this.#queue.bytes > 0) {
      const taken = this.#takenBytes
      this.#takenBytes = 0
      if (taken >= (limits.bodyBytesPerSecondMin * limits.sendStallMs) / 1000) {
        wheel.arm(this, limits.sendStallMs)
        return
      }
      // A client that takes next to nothing of this answer, or grants no window for it.
      this.#session.sendReset(this.id, CODE.enhanceYourCalm)
      this.lost('R49')
      this.#session.turn()
      return
    }
    if (this.#remoteEnded || this.#relaying) return
    const brought = this.#bodyBytes - this.#bodyBytesAtWindow
    this.#bodyBytesAtWindow = this.#bodyBytes
    if (this.#held || brought >= (limits.bodyBytesPerSecondMin * limits.bodyWindowMs) / 1000) {
      wheel.arm(this, limits.bodyWindowMs)
      return
    }
    this.#giveUp('R44')
  }

  /** The request cannot be completed any more: says so where an answer is still possible. */
  #giveUp(code: ErrorCode): void {
    const sink = this.#sink
    const answerable = !this.#answerBegun && ERRORS[code].status !== 0
    if (sink !== undefined && answerable) sink.requestLost(code, true)
    else this.broken(CODE.cancel)
  }

  #rearm(): void {
    if (!this.#remoteEnded && !this.#relaying && !this.#over) this.#session.wheel.arm(this, this.#session.limits.bodyWindowMs)
    else this.#session.wheel.disarm(this)
  }

  #sendHead(status: number, fields: string, contentLength: number, ends: boolean, own = ''): void {
    const { sender } = this.#session
    const before = sender.bytesWritten
    sender.head(this.id, status, fields, contentLength, ends, own)
    this.#framedBytes += sender.bytesWritten - before
  }

  #sendData(bytes: Buffer, start: number, end: number): number {
    const { sender } = this.#session
    const before = sender.bytesWritten
    const at = sender.data(this, bytes, start, end)
    this.#framedBytes += sender.bytesWritten - before
    return at
  }

  #sendText(body: string): boolean {
    const { sender } = this.#session
    const before = sender.bytesWritten
    const isOut = sender.text(this, body)
    this.#framedBytes += sender.bytesWritten - before
    return isOut
  }

  #stall(): void {
    if (this.#stalled) return
    this.#stalled = true
    this.#takenBytes = 0
    this.#session.sender.stall(this)
    this.#session.wheel.arm(this, this.#session.limits.sendStallMs)
  }

  #deliver(bytes: Buffer, start: number, end: number): void {
    if (start < end) {
      this.#sink?.requestPayload(bytes, start, end)
      this.#grant(end - start)
    }
  }

  #deliverKept(): void {
    const kept = this.#kept
    this.#kept = undefined
    kept?.use((bytes, at, end) => {
      this.#deliver(bytes, at, end)
      return end
    })
    if (this.#remoteEnded) this.#remoteComplete()
    this.endTurn()
    this.#session.turn()
  }

  #remoteComplete(): void {
    if (this.#delivered) return
    this.#delivered = true
    const sink = this.#sink
    if (this.#tunnel) sink?.clientEnded()
    else sink?.requestCompleted(this.#requestTrailers)
    if (!this.#stalled) this.#rearm()
    if (this.#localEnded) this.#leave()
  }

  /** Grants anew what has gone on, in steps of half a window. */
  #grant(bytes: number): void {
    this.#session.grant(bytes)
    this.#consumed += bytes
    if (this.#remoteEnded || this.#over || this.#consumed < this.#session.limits.streamWindow / 2) return
    this.receiveWindow += this.#consumed
    this.#session.sendWindowUpdate(this.id, this.#consumed)
    this.#consumed = 0
  }

  /** Our side is complete: the stream is over, or the client is told that nobody reads the rest of its body. */
  #endLocal(): void {
    if (this.#localEnded || this.#over) return
    this.#localEnded = true
    if (this.#trailers === '') this.#session.sender.outbox.end(this.id)
    else this.#sendHead(0, this.#trailers, -1, true)
    this.#tellOut(undefined)
    if (this.#relaying && !this.#remoteEnded) return
    // RFC 9113 §8.1: a whole answer before the end of the request.
    if (!this.#remoteEnded) this.#session.sendReset(this.id, CODE.noError)
    this.#leave()
  }

  #tellOut(lost: ErrorCode | undefined): void {
    const done = this.#onceOut
    this.#onceOut = undefined
    done?.(lost)
  }

  /** @param lost why an answer that was finished did not leave */
  #leave(lost: ErrorCode = 'R47'): void {
    if (this.#over) return
    this.#over = true
    this.#session.wheel.disarm(this)
    // What was kept will never go on; its window is the connection's, and others need it.
    if (this.#kept !== undefined) this.#session.grant(this.#kept.size)
    this.#kept = undefined
    this.#queue.take()
    this.#session.left(this, this.#localEnded && this.#remoteEnded)
    this.#tellOut(lost)
  }
}

const EMPTY = Buffer.alloc(0)
