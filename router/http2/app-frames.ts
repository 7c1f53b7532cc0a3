import type { Pool } from '../http1/pool.ts'
import { type Calm, COST } from './calm.ts'
import { FrameIntake } from './frame-intake.ts'
import { CODE, type Http2Code } from './frames.ts'
import { ResponseFields } from './response.ts'
import { TrailingFields } from './trailing-fields.ts'
import type { UpstreamSession } from './upstream-session.ts'
import type { UpstreamStream } from './upstream-stream.ts'

/** What an app sends, RFC 9113: answers. An app is a tenant, as little trusted as a client. */
export class AppFrames extends FrameIntake<UpstreamStream> {
  /** The stream that is opened next. */
  nextId = 1
  protected readonly tooLarge = 'R35'
  readonly #session: UpstreamSession
  readonly #pool: Pool

  constructor(session: UpstreamSession, pool: Pool, calm: Calm) {
    const { upstreamConnectionWindow, resetStreamsKept, controlBytesMax } = pool.limits
    // What is kept is bounded by each stream's own window: a slow client must not hold up the others of its app.
    super(session, calm, { connectionWindow: upstreamConnectionWindow, grantsAtOnce: true, resetStreamsKept, controlBytesMax })
    this.#session = session
    this.#pool = pool
  }

  protected get now(): number {
    return this.#pool.wheel.now
  }

  protected get listBytesMax(): number {
    return this.#pool.limits.responseHeadBytesMax
  }

  protected isIdle(id: number): boolean {
    return id % 2 === 0 || id >= this.nextId
  }

  protected headersFault(id: number): Http2Code {
    return this.isIdle(id) ? CODE.protocolError : CODE.noError
  }

  protected readBlock(id: number): boolean {
    const { block } = this
    const stream = this.streams.get(id)
    if (stream?.answered === true) {
      const trailers = new TrailingFields(this.#pool.limits.trailerBytesMax, false)
      if (!this.decoder.decode(block.bytes, block.start, block.end, trailers)) return this.wrong(CODE.compressionError)
      if (stream.remoteEnded) return this.wrong(CODE.streamClosed)
      // A second block is the trailer, and with it the answer must end.
      if (!block.ends || trailers.isMalformed) stream.fail('R36', CODE.protocolError)
      else stream.trailers(trailers.lines)
      return true
    }
    const fields = new ResponseFields(this.listBytesMax)
    if (!this.decoder.decode(block.bytes, block.start, block.end, fields)) return this.wrong(CODE.compressionError)
    if (fields.isBomb) return this.wrong(CODE.enhanceYourCalm, this.tooLarge)
    if (stream === undefined) return this.resets.has(id) || this.spend(COST.refused)
    stream.head(fields, block.ends)
    this.touch(stream)
    return true
  }

  /** The app may have sent it before it knew that we had reset the stream, so long ago that we have forgotten it. */
  protected lateData(): boolean {
    return this.spend(COST.refused)
  }

  protected wasReset(stream: UpstreamStream | undefined, code: number): boolean {
    // How many there are to reset is our own choice.
    if (stream === undefined) return this.spend(COST.reset)
    stream.wasReset(code)
    return true
  }

  /** The app takes no new streams; those above the last that it names it has not looked at (RFC 9113 §6.8). */
  protected goAway(last: number): void {
    this.#session.finishUp()
    for (const stream of [...this.streams.values()]) if (stream.id > last) stream.fail('R33', undefined, true)
  }

  protected configured(first: boolean): void {
    this.#session.configured(first)
  }
}
