import { errorPage } from '../serve/error-page.ts'
import { ERRORS, type ErrorCode } from '../serve/errors.ts'
import { errorLine } from '../serve/headers.ts'
import { type Calm, COST } from './calm.ts'
import { FrameIntake } from './frame-intake.ts'
import { CODE, FLAG, FRAME, FRAME_HEAD, type Http2Code, read32, WINDOW_MAX } from './frames.ts'
import { LastBlock } from './last-block.ts'
import { type Http2Request, MALFORMED, RequestFields } from './request.ts'
import type { Session, SessionHost } from './session.ts'
import { Stream } from './stream.ts'
import { TrailingFields } from './trailing-fields.ts'

/** A body up to this that came with its head goes on with it as one string, so that the request can be sent again. */
const INLINE_BODY_BYTES_MAX = 16 * 1024

const LEFT_OUT_MAX = 16

/** What a client sends, RFC 9113: requests. */
export class ClientFrames extends FrameIntake<Stream> {
  /** The highest stream that the client has opened. */
  lastStream = 0
  protected readonly tooLarge = 'R41'
  readonly #session: Session
  readonly #host: SessionHost
  readonly #fields: RequestFields
  /** Of a request without body; the terms are the settings by which it was read. */
  readonly #last = new LastBlock<Http2Request>()
  /** Numbers that the client has passed over, the latest: streams that never were. Nobody does that in good faith. */
  readonly #leftOut: { readonly from: number; readonly to: number }[] = []

  constructor(session: Session, host: SessionHost, calm: Calm) {
    super(session, calm, { ...host.limits, grantsAtOnce: false })
    this.#session = session
    this.#host = host
    this.#fields = new RequestFields(host.limits)
  }

  /** Of a header list; what HTTP/1.1 allows a head unless the operator has said another. */
  get listBytesMax(): number {
    const { http2HeadBytesMax, headBytesMax } = this.#host.settings()
    return http2HeadBytesMax ?? headBytesMax
  }

  protected get now(): number {
    return this.#host.wheel.now
  }

  protected isIdle(id: number): boolean {
    return id > this.lastStream || id % 2 === 0
  }

  protected headersFault(id: number): Http2Code {
    if (id % 2 === 0) return CODE.protocolError
    if (id > this.lastStream) return CODE.noError
    const known = this.streams.get(id)
    if (known !== undefined) return known.remoteEnded ? CODE.streamClosed : CODE.noError
    if (this.resets.has(id)) return CODE.noError
    // RFC 9113 §5.1.1: the numbers of new streams grow; one that was left out cannot be used any more.
    return this.#leftOut.some(({ from, to }) => from <= id && id <= to) ? CODE.protocolError : CODE.streamClosed
  }

  protected readBlock(id: number, bytes: Buffer, end: number, stop: number): boolean {
    return id > this.lastStream ? this.#request(id, bytes, end, stop) : this.#trailer(this.streams.get(id))
  }

  /** RFC 9113 §5.1: the client has ended it itself. */
  protected lateData(): boolean {
    return this.wrong(CODE.streamClosed)
  }

  protected wasReset(stream: Stream | undefined): boolean {
    stream?.lost('R47')
    return this.spend(COST.reset)
  }

  /** The client opens no more streams; those that run are answered. */
  protected goAway(): void {
    this.#session.finishUp()
  }

  protected configured(): void {
    // Windows are all that a client's settings change here.
  }

  #trailer(stream: Stream | undefined): boolean {
    const { block } = this
    const fields = new TrailingFields(this.#host.limits.trailerBytesMax, true)
    if (!this.decoder.decode(block.bytes, block.start, block.end, fields)) return this.wrong(CODE.compressionError)
    if (stream === undefined) return true
    // A second block is the trailer, and with it the request must end.
    if (fields.isMalformed || !block.ends) stream.broken(CODE.protocolError)
    else stream.requestTrailers(fields.lines)
    this.touch(stream)
    return true
  }

  #request(id: number, bytes: Buffer, end: number, stop: number): boolean {
    const { block } = this
    const host = this.#host
    const session = this.#session
    const settings = host.settings()
    const { version } = this.decoder
    const again = block.ends ? this.#last.find(block, version, settings) : undefined
    if (again === undefined && !this.#decode(settings.http2FieldBytesMax)) return false
    if (id - this.lastStream > 2) this.#leaveOut(this.lastStream + 1, id - 1)
    this.lastStream = id
    if (this.streams.size >= host.limits.streamsMax || session.goingAway) {
      session.sendReset(id, CODE.refusedStream)
      return this.spend(COST.refused)
    }
    let { ends } = block
    let body: string | undefined
    if (!ends) {
      const after = this.#wholeBodyEnd(id, bytes, end, stop)
      if (after > end) {
        body = bytes.toString('latin1', end + FRAME_HEAD, after)
        ends = true
      }
    }
    const request = again ?? this.#fields.read(ends, body)
    if (typeof request === 'string') {
      if (request === MALFORMED) session.sendReset(id, CODE.protocolError)
      else this.#refuse(id, request, block.ends)
      // A body that stands in the same read is passed over with its stream.
      return true
    }
    if (body !== undefined) {
      this.window.take(body.length)
      this.grant(body.length)
      this.next = end + FRAME_HEAD + body.length
    }
    if (again === undefined && block.ends && !request.tunnel && this.decoder.version === version)
      this.#last.keep(block, version, settings, request)
    const stream = new Stream(session, id, request.head, request.tunnel, ends)
    this.streams.set(id, stream)
    stream.serve(host.serve(request.head, body ?? '', stream))
    return true
  }

  #decode(fieldBytesMax: number | undefined): boolean {
    const { block } = this
    const fields = this.#fields
    fields.begin(this.listBytesMax, fieldBytesMax)
    if (!this.decoder.decode(block.bytes, block.start, block.end, fields)) return this.wrong(CODE.compressionError)
    return !fields.isBomb || this.wrong(CODE.enhanceYourCalm, this.tooLarge)
  }

  /** Where the DATA frame ends that is the whole body of a request and came with it; `end` when there is no such frame. */
  #wholeBodyEnd(id: number, bytes: Buffer, end: number, stop: number): number {
    if (stop - end < FRAME_HEAD || bytes[end + 3] !== FRAME.data || bytes[end + 4] !== FLAG.endStream) return end
    const length = ((bytes[end] as number) << 16) | ((bytes[end + 1] as number) << 8) | (bytes[end + 2] as number)
    const next = end + FRAME_HEAD + length
    const fits = length <= INLINE_BODY_BYTES_MAX && length <= this.window.left && next <= stop
    return fits && (read32(bytes, end + 5) & WINDOW_MAX) === id ? next : end
  }

  #leaveOut(from: number, to: number): void {
    this.#leftOut.push({ from, to })
    if (this.#leftOut.length > LEFT_OUT_MAX) this.#leftOut.shift()
  }

  /** Answers what was no request that could be served. */
  #refuse(id: number, code: ErrorCode, ended: boolean): void {
    const session = this.#session
    const { sender } = session
    const page = errorPage(code, undefined)
    const before = sender.bytesWritten
    const body = Buffer.from(page.body, 'latin1')
    sender.head(id, ERRORS[code].status, page.fields + errorLine(code, this.#host.settings()), body.length, false)
    const sent = sender.data({ id, sendWindow: sender.peer.initialWindow }, body, 0, body.length)
    if (sent === body.length) sender.outbox.end(id)
    else session.sendReset(id, CODE.internalError)
    if (!ended) session.sendReset(id, CODE.noError)
    this.#host.refused(code, '', session.client, sender.bytesWritten - before)
    session.turn()
  }
}
