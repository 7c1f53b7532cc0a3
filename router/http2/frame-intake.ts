import type { ErrorCode } from '../serve/errors.ts'
import { type Calm, COST } from './calm.ts'
import { frameFault } from './frame-form.ts'
import { FrameReader, type FrameSink } from './frame-reader.ts'
import { CODE, FLAG, FRAME, FRAME_BYTES_MAX, type Http2Code, read32, WINDOW_MAX } from './frames.ts'
import { HeaderBlock } from './header-block.ts'
import { HpackDecoder } from './hpack/decoder.ts'
import { ReceiveWindow } from './receive-window.ts'
import { ResetStreams } from './reset-streams.ts'
import type { Sender, SendingStream } from './sender.ts'

/** A stream as frames find it. */
export interface ReceivingStream extends SendingStream {
  readonly remoteEnded: boolean
  /** What we let the peer send. */
  receiveWindow: number
  readonly hasQueue: boolean
  /** Payload of a DATA frame; its windows have been taken already. */
  data(bytes: Buffer, start: number, end: number, ended: boolean): void
  /** Octets of padding, which count as taken. */
  padding(bytes: number): void
  /** The peer has broken the protocol on this stream only. */
  broken(code: Http2Code): void
  /** The end of a turn of reading in which something came for it. */
  endTurn(): void
}

/** Whose connection it is. */
export interface IntakeOwner {
  /** Whether frames are acted on. */
  readonly isOpen: boolean
  readonly sender: Sender
  /** Ends the connection with an error; what is told of it is the owner's own choice unless named. */
  fail(code: Http2Code, told?: ErrorCode): void
  turn(): void
  /** The peer has acknowledged a PING. */
  acknowledged(): void
}

/** What one side of a connection grants the other. */
export interface IntakeLimits {
  readonly connectionWindow: number
  /** Whether the connection's window grows as soon as DATA are here, or as they go on. */
  readonly grantsAtOnce: boolean
  readonly resetStreamsKept: number
  /** Octets of frames that may wait for a peer that does not read. */
  readonly controlBytesMax: number
}

/**
 * The receiving half of a connection: acts on frames as RFC 9113 asks of both sides alike. What a header block, a reset or a GOAWAY means is
 * said by the side that extends it.
 */
export abstract class FrameIntake<S extends ReceivingStream> implements FrameSink {
  readonly streams = new Map<number, S>()
  readonly resets: ResetStreams
  readonly reader = new FrameReader()
  protected readonly block = new HeaderBlock()
  protected readonly decoder = new HpackDecoder()
  protected readonly window: ReceiveWindow
  /** Where reading goes on after the frame that is acted on. */
  protected next = 0
  /** Whether the peer's preface is complete: its first frame is SETTINGS (§3.4). */
  #settingsSeen = false
  readonly #owner: IntakeOwner
  readonly #sender: Sender
  readonly #calm: Calm
  readonly #limits: IntakeLimits
  /** Streams for which something came in this turn. */
  #touched: S[] = []

  constructor(owner: IntakeOwner, calm: Calm, limits: IntakeLimits) {
    this.#owner = owner
    this.#sender = owner.sender
    this.#calm = calm
    this.#limits = limits
    this.window = new ReceiveWindow(limits.connectionWindow)
    this.resets = new ResetStreams(limits.resetStreamsKept)
  }

  /** Whether a header block, or what may become one, has begun and is not whole. */
  get isInHead(): boolean {
    return this.block.stream !== 0 || this.reader.isInHead
  }

  /** Whether a header block has begun and is not whole. */
  get isInBlock(): boolean {
    return this.block.stream !== 0
  }

  read(bytes: Buffer, from: number, end: number): void {
    this.reader.read(bytes, from, end, this)
  }

  /** A turn of reading is over: what came goes on. */
  endTurn(): void {
    const touched = this.#touched
    if (touched.length === 0) return
    this.#touched = []
    for (const stream of touched) stream.endTurn()
  }

  /** Bytes of DATA have gone on, or were dropped: the connection's window grows again. */
  grant(bytes: number): void {
    const increment = this.window.release(bytes)
    if (increment === 0) return
    this.#sender.outbox.windowUpdate(0, increment)
    this.#owner.turn()
  }

  /** @returns false when the peer has lost our patience, or does not read; then the connection has failed */
  spend(points: number): boolean {
    const isCalm = this.#calm.spend(points, this.now) && this.#sender.outbox.waiting < this.#limits.controlBytesMax
    return isCalm || this.wrong(CODE.enhanceYourCalm)
  }

  frameHead(length: number, type: number): boolean {
    if (!this.#owner.isOpen) return false
    if (length > FRAME_BYTES_MAX) return this.wrong(CODE.frameSizeError)
    // A peer of HTTP/1.1 sends something else altogether.
    return this.#settingsSeen || type === FRAME.settings || this.wrong(CODE.protocolError)
  }

  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number, stop: number): number {
    if (!this.#owner.isOpen) return -1
    this.next = end
    return this.#act(type, flags, id, bytes, start, end, stop) && this.#owner.isOpen ? this.next : -1
  }

  /** On the wheel's clock. */
  protected abstract get now(): number
  /** Octets of a header list. */
  protected abstract get listBytesMax(): number
  /** What is told of a header block that is larger. */
  protected abstract readonly tooLarge: ErrorCode
  /** Whether a stream was never opened, by either side. */
  protected abstract isIdle(id: number): boolean
  /** Whether a header block may come for a stream. @returns noError when it may */
  protected abstract headersFault(id: number): Http2Code
  /** Acts on the block that is whole now. @param stop where the bytes end that are here after its frame */
  protected abstract readBlock(id: number, bytes: Buffer, end: number, stop: number): boolean
  /** DATA came for a stream that is over, and not by our reset. */
  protected abstract lateData(): boolean
  protected abstract wasReset(stream: S | undefined, code: number): boolean
  /** @param last the highest stream that the peer has acted on, or will */
  protected abstract goAway(last: number): void
  /** SETTINGS were taken. */
  protected abstract configured(first: boolean): void

  /** Something came for a stream that its turn's end must follow. */
  protected touch(stream: S): void {
    this.#touched.push(stream)
  }

  /** Ends the connection with an error. @returns false, so that reading stops */
  protected wrong(code: Http2Code, told?: ErrorCode): false {
    this.#owner.fail(code, told)
    return false
  }

  /** @returns false when the connection has failed */
  #act(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number, stop: number): boolean {
    const { block } = this
    if (block.stream !== 0 && (type !== FRAME.continuation || id !== block.stream)) return this.wrong(CODE.protocolError)
    const fault = frameFault(type, flags, id, bytes, start, end)
    if (fault !== CODE.noError) return this.wrong(fault)
    switch (type) {
      case FRAME.data:
        return this.#data(flags, id, bytes, start, end)
      case FRAME.headers:
        return this.#headers(flags, id, bytes, start, end, stop)
      case FRAME.continuation:
        if (block.stream === 0) return this.wrong(CODE.protocolError)
        if (start === end && !this.spend(COST.emptyFragment)) return false
        block.add(flags, bytes, start, end)
        return this.#fragment(id, bytes, end, stop)
      case FRAME.reset:
        return this.isIdle(id) ? this.wrong(CODE.protocolError) : this.wasReset(this.streams.get(id), read32(bytes, start))
      case FRAME.settings:
        return this.#settings(flags, bytes, start, end)
      case FRAME.ping:
        if (flags & FLAG.ack) {
          this.#owner.acknowledged()
          return this.spend(COST.unknown)
        }
        this.#sender.outbox.pong(bytes, start, end)
        this.#owner.turn()
        return this.spend(COST.ping)
      case FRAME.goAway:
        this.goAway(read32(bytes, start) & WINDOW_MAX)
        return this.spend(COST.unknown)
      case FRAME.windowUpdate:
        return this.#windowUpdate(id, read32(bytes, start) & WINDOW_MAX)
      case FRAME.priority:
        return this.spend(COST.priority)
      default:
        return this.spend(COST.unknown)
    }
  }

  #headers(flags: number, id: number, bytes: Buffer, start: number, end: number, stop: number): boolean {
    const fault = this.headersFault(id)
    if (fault !== CODE.noError) return this.wrong(fault)
    const code = this.block.begin(flags, id, bytes, start, end)
    return code === CODE.noError ? this.#fragment(id, bytes, end, stop) : this.wrong(code)
  }

  /** A piece of a header block has come; with its last the block is read. */
  #fragment(id: number, bytes: Buffer, end: number, stop: number): boolean {
    const { block } = this
    // Compressed it is never larger than what it stands for, so that nobody in good faith meets this.
    if (block.size > this.listBytesMax + FRAME_BYTES_MAX) return this.wrong(CODE.enhanceYourCalm, this.tooLarge)
    if (block.stream !== 0) return true
    this.reader.headTimed = false
    const went = this.readBlock(id, bytes, end, stop)
    block.release()
    return went
  }

  #data(flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const size = end - start
    const isPadded = (flags & FLAG.padded) !== 0
    const from = isPadded ? start + 1 : start
    const to = isPadded ? end - (bytes[start] as number) : end
    if (from > to || this.isIdle(id)) return this.wrong(CODE.protocolError)
    if (!this.window.take(size)) return this.wrong(CODE.flowControlError)
    if (this.#limits.grantsAtOnce) this.grant(size)
    const ended = (flags & FLAG.endStream) !== 0
    if (size === 0 && !ended && !this.spend(COST.emptyData)) return false
    const stream = this.streams.get(id)
    if (stream === undefined) {
      this.#dropped(size)
      if (!this.resets.has(id)) return this.lateData()
      // Where the connection's window bounds nothing the stream's still does.
      return !this.#limits.grantsAtOnce || this.resets.take(id, size) || this.wrong(CODE.flowControlError)
    }
    if (stream.remoteEnded) return this.wrong(CODE.streamClosed)
    stream.receiveWindow -= size
    if (stream.receiveWindow < 0) {
      this.#dropped(size)
      stream.broken(CODE.flowControlError)
      return true
    }
    if (isPadded) stream.padding(size - (to - from))
    stream.data(bytes, from, to, ended)
    this.touch(stream)
    return true
  }

  #dropped(bytes: number): void {
    if (!this.#limits.grantsAtOnce) this.grant(bytes)
  }

  #settings(flags: number, bytes: Buffer, start: number, end: number): boolean {
    const first = !this.#settingsSeen
    if (flags & FLAG.ack) return first ? this.wrong(CODE.protocolError) : this.spend(COST.unknown)
    if (!this.spend(COST.settings)) return false
    const code = this.#sender.configure(bytes, start, end, this.streams.values())
    if (code !== CODE.noError) return this.wrong(code)
    this.#settingsSeen = true
    this.#owner.turn()
    this.configured(first)
    return true
  }

  #windowUpdate(id: number, increment: number): boolean {
    if (id === 0) {
      const code = this.#sender.grow(increment)
      if (code !== CODE.noError) return this.wrong(code)
      return this.spend(COST.windowUpdate)
    }
    if (this.isIdle(id)) return this.wrong(CODE.protocolError)
    const stream = this.streams.get(id)
    if (stream !== undefined) {
      stream.sendWindow += increment
      if (increment === 0) stream.broken(CODE.protocolError)
      else if (stream.sendWindow > WINDOW_MAX) stream.broken(CODE.flowControlError)
      else if (stream.hasQueue) this.#sender.pump()
    }
    return this.spend(COST.windowUpdate)
  }
}
