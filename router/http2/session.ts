import type { Socket } from 'node:net'
import type { ConnectionHost } from '../http1/connection.ts'
import type { Receiver } from '../http1/sockets.ts'
import type { Timed, Wheel } from '../http1/wheel.ts'
import type { Client } from '../serve/client.ts'
import { errorPage } from '../serve/error-page.ts'
import { ERRORS, type ErrorCode } from '../serve/errors.ts'
import { errorLine } from '../serve/headers.ts'
import { Calm, COST } from './calm.ts'
import { FrameReader } from './frame-reader.ts'
import {
  CODE,
  FLAG,
  FRAME,
  FRAME_BYTES_MAX,
  FRAME_HEAD,
  type Http2Code,
  PREFACE,
  read32,
  SETTING,
  WINDOW_DEFAULT,
  WINDOW_MAX,
} from './frames.ts'
import { HpackDecoder } from './hpack/decoder.ts'
import { HpackEncoder } from './hpack/encoder.ts'
import { Outbox } from './outbox.ts'
import { PeerSettings } from './peer-settings.ts'
import { MALFORMED, RequestFields, TrailerFields } from './request.ts'
import { pumpInTurn } from './share.ts'
import { Stream } from './stream.ts'
import type { Turn } from './turn.ts'

/** What a session needs of the server that accepted its connection. */
export interface SessionHost extends Omit<ConnectionHost, 'closed'> {
  readonly turn: Turn
  closed(session: Session): void
}

// What is read next.
const PREFACE_STATE = 0
const OPEN = 1
/** GOAWAY has been sent with an error, or all is done: what still comes is dropped. */
const ENDING = 2
const CLOSED = 3

/** Resets that are the client's fault. */
const BLAMED = new Set<Http2Code>([CODE.protocolError, CODE.flowControlError, CODE.streamClosed, CODE.enhanceYourCalm])
/** A block that has room in this is one frame, whatever the client's limit: it cannot be lower (RFC 9113 §6.5.2). */
const HEADERS_ROOM = FRAME_BYTES_MAX
/** A body up to this that came with its head goes on with it as one string, so that the request can be sent again. */
const INLINE_BODY_BYTES_MAX = 16 * 1024

/**
 * A client's HTTP/2 connection (RFC 9113): reads frames, keeps streams, windows and the limits that bound what a client can make us do, and
 * gathers what a turn of the loop brings for the client into one write.
 *
 * An error of one stream resets that stream; one of the connection is told by GOAWAY, and ends it.
 */
export class Session implements Receiver, Timed {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  readonly client: Client
  readonly wheel: Wheel
  readonly limits: ConnectionHost['limits']
  readonly peer = new PeerSettings()
  readonly #socket: Socket
  readonly #host: SessionHost
  readonly #outbox: Outbox
  readonly #decoder = new HpackDecoder()
  readonly #encoder = new HpackEncoder()
  readonly #reader = new FrameReader()
  readonly #fields: RequestFields
  readonly #calm: Calm
  readonly #streams = new Map<number, Stream>()
  /** Streams whose app waits for the client. */
  readonly #stalled = new Set<Stream>()
  /** Streams that got DATA in this turn. */
  #touched: Stream[] = []
  #state = PREFACE_STATE
  #prefaceRead = 0
  #settingsSeen = false
  #lastStream = 0
  /** Streams that we have reset: what the client had sent before it knew is dropped without a word. */
  readonly #resetByUs = new Set<number>()
  #sendWindow = WINDOW_DEFAULT
  #receiveWindow: number
  #consumed = 0
  /** The header block under way: its stream, flags and octets so far; 0: none. */
  #blockStream = 0
  #blockEnds = false
  #block: Buffer[] = []
  #blockBytes = 0
  #goingAway = false
  #blocked = false
  #listed = false
  #inputEnded = false

  constructor(socket: Socket, client: Client, host: SessionHost) {
    this.#socket = socket
    this.client = client
    this.#host = host
    this.wheel = host.wheel
    this.limits = host.limits
    this.#outbox = new Outbox(socket)
    this.#fields = new RequestFields(this.limits)
    this.#calm = new Calm(host.wheel.now)
    this.#receiveWindow = this.limits.connectionWindow
    socket.on('end', () => this.#guard(() => this.#ended()))
    socket.on('drain', () => this.#guard(() => this.#drained()))
    socket.on('error', () => {})
    socket.on('close', () => this.#guard(() => this.#closed()))
    this.#greet()
    host.wheel.arm(this, host.limits.firstByteMs)
  }

  /** Whether no request is under way. */
  get idle(): boolean {
    return this.#state === OPEN && this.#streams.size === 0 && this.#blockStream === 0
  }

  get blocked(): boolean {
    return this.#blocked
  }

  /** Since when it idles, on the wheel's clock; `Infinity` while it does not. Its deadline was set when it began to. */
  get idleSince(): number {
    if (!this.idle || this.#blocked || this.#goingAway || this.#reader.isInHead) return Number.POSITIVE_INFINITY
    return this.deadlineAt - this.#host.settings().defaultTimeoutMs
  }

  /** Makes room for others. */
  shed(): void {
    this.drain()
  }

  get streamCount(): number {
    return this.#streams.size
  }

  received(bytes: Buffer, at: number, end: number): void {
    try {
      let from = at
      if (this.#state === PREFACE_STATE) from = this.#readPreface(bytes, at, end)
      if (this.#state === OPEN) this.#reader.read(bytes, from, end, this)
      this.#endTurn()
    } catch (error) {
      this.#crash(error)
    }
  }

  /** Asks the client to open its next streams elsewhere, finishes those that run, and closes. */
  drain(): void {
    if (this.#goingAway || this.#state >= ENDING) return
    this.#goingAway = true
    this.#outbox.goAway(this.#lastStream, CODE.noError)
    this.#closeIfDone()
    this.turn()
  }

  /** Whether a stream of it is a relay of bytes by now. */
  get upgraded(): boolean {
    for (const stream of this.#streams.values()) if (stream.upgraded) return true
    return false
  }

  /** Ends the relays on both sides. */
  endUpgrade(): void {
    this.#guard(() => {
      for (const stream of [...this.#streams.values()]) stream.endUpgrade()
    })
  }

  destroy(): void {
    this.#state = CLOSED
    this.#socket.destroy()
  }

  expired(): void {
    this.#guard(() => {
      if (this.#state === PREFACE_STATE || this.#state >= ENDING || this.#blocked) {
        this.destroy()
        return
      }
      if (this.#blockStream !== 0 || this.#reader.isInHead) this.#fail(CODE.enhanceYourCalm, 'R44')
      else if (this.#streams.size === 0) this.drain()
      else this.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
    })
  }

  // What streams send

  /** Marks that something waits for the end of the turn. */
  turn(): void {
    if (this.#listed) return
    this.#listed = true
    this.#host.turn.add(this)
  }

  /** The turn of the loop is over: what all streams have gathered leaves in one write. */
  turnEnded(): void {
    this.#listed = false
    this.#guard(() => {
      this.#flush()
      this.#closeIfDone()
    })
  }

  sendHead(stream: Stream, status: number, fields: string, contentLength: number, ends: boolean): void {
    const room = HpackEncoder.room(fields)
    if (room <= HEADERS_ROOM) {
      const { memory, at } = this.#outbox.room(room)
      const size = this.#encoder.encode(memory, at, status, fields, contentLength) - at
      this.#outbox.add(size, FRAME.headers, FLAG.endHeaders | (ends ? FLAG.endStream : 0), stream.id)
      stream.framedBytes += size + FRAME_HEAD
      return
    }
    if (blockMemory.length < room) blockMemory = Buffer.allocUnsafeSlow(room)
    const size = this.#encoder.encode(blockMemory, 0, status, fields, contentLength)
    this.#outbox.headers(stream.id, blockMemory, size, Math.min(this.peer.frameBytesMax, FRAME_BYTES_MAX), ends)
    stream.framedBytes += size + FRAME_HEAD
  }

  /** Sends a body that is text (latin1) as one frame of DATA, where there is room for all of it. Returns whether there was. */
  sendText(stream: Stream, body: string): boolean {
    const { length } = body
    const most = Math.min(stream.sendWindow, this.#sendWindow, this.peer.frameBytesMax, FRAME_BYTES_MAX)
    if (length > most || length === 0 || this.#blocked) return false
    const frame = this.#outbox.frame(length, FRAME.data, 0, stream.id)
    frame.memory.write(body, frame.at, 'latin1')
    stream.sendWindow -= length
    this.#sendWindow -= length
    stream.framedBytes += length + FRAME_HEAD
    this.#calm.sentData()
    this.#noteBlocked()
    return true
  }

  /** Sends DATA as far as both windows and the socket let it. @returns up to where it was sent */
  sendData(stream: Stream, bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && !this.#blocked) {
      const length = Math.min(end - at, stream.sendWindow, this.#sendWindow, this.peer.frameBytesMax, FRAME_BYTES_MAX)
      if (length <= 0) break
      const frame = this.#outbox.frame(length, FRAME.data, 0, stream.id)
      bytes.copy(frame.memory, frame.at, at, at + length)
      at += length
      stream.sendWindow -= length
      this.#sendWindow -= length
      stream.framedBytes += length + FRAME_HEAD
      this.#calm.sentData()
      this.#noteBlocked()
    }
    return at
  }

  /** Ends our side of a stream: on its last frame where that has not left yet. */
  sendEnd(stream: number): void {
    this.#outbox.end(stream)
  }

  sendReset(stream: number, code: Http2Code): void {
    this.#outbox.reset(stream, code)
    this.#resetByUs.add(stream)
    if (this.#resetByUs.size > this.limits.resetStreamsKept) {
      const [oldest] = this.#resetByUs
      if (oldest !== undefined) this.#resetByUs.delete(oldest)
    }
    this.turn()
    // Resets that the client provokes are as cheap for it as its own (CVE-2025-8671).
    if (BLAMED.has(code)) this.#spend(COST.reset)
  }

  sendWindowUpdate(stream: number, bytes: number): void {
    this.#outbox.windowUpdate(stream, bytes)
    this.turn()
  }

  /** Bytes of DATA have gone on, or were dropped: the connection's window grows again. */
  grant(bytes: number): void {
    this.#consumed += bytes
    if (this.#consumed < this.limits.connectionWindow / 2) return
    this.#receiveWindow += this.#consumed
    this.sendWindowUpdate(0, this.#consumed)
    this.#consumed = 0
  }

  /** A stream's app waits until what is queued is out. */
  stall(stream: Stream): void {
    this.#stalled.add(stream)
  }

  left(stream: Stream, complete: boolean): void {
    this.#streams.delete(stream.id)
    this.#stalled.delete(stream)
    if (complete) this.#calm.completed()
    if (this.#streams.size === 0) {
      // Nobody is there any more, or does not read and has a nearer deadline for that.
      if (this.#state === OPEN && !this.#blocked) this.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
      if (this.#goingAway || this.#inputEnded) this.turn()
    }
  }

  // What the client sends; called by the reader with whole frames

  /** A frame's header has come: whether its length is allowed. */
  frameHead(length: number, type: number): boolean {
    if (this.#state !== OPEN) return false
    if (length > FRAME_BYTES_MAX) {
      this.#fail(CODE.frameSizeError)
      return false
    }
    if (!this.#settingsSeen && type !== FRAME.settings) {
      this.#fail(CODE.protocolError)
      return false
    }
    return true
  }

  /** Acts on one whole frame. @returns whether more may be read, and up to where this one went (a body inlined takes two) */
  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number, stop: number): number {
    if (this.#state !== OPEN) return -1
    if (this.#blockStream !== 0 && (type !== FRAME.continuation || id !== this.#blockStream)) return this.#fail(CODE.protocolError)
    switch (type) {
      case FRAME.data:
        return this.#data(flags, id, bytes, start, end)
      case FRAME.headers:
        return this.#headers(flags, id, bytes, start, end, stop)
      case FRAME.continuation:
        if (this.#blockStream === 0) return this.#fail(CODE.protocolError)
        if (start === end && !this.#spend(COST.emptyFragment)) return -1
        return this.#fragment(flags, bytes, start, end, end, end)
      case FRAME.priority:
        if (id === 0) return this.#fail(CODE.protocolError)
        if (end - start !== 5) return this.#fail(CODE.frameSizeError)
        // RFC 9113 §5.3.1: a stream cannot wait for itself; else priorities mean nothing here.
        if ((read32(bytes, start) & WINDOW_MAX) === id) return this.#fail(CODE.protocolError)
        return this.#spend(COST.priority) ? end : -1
      case FRAME.reset:
        return this.#reset(id, end - start) ? end : -1
      case FRAME.settings:
        return this.#settings(flags, id, bytes, start, end) ? end : -1
      case FRAME.ping:
        return this.#ping(flags, id, bytes, start, end) ? end : -1
      case FRAME.goAway:
        if (id !== 0) return this.#fail(CODE.protocolError)
        if (end - start < 8) return this.#fail(CODE.frameSizeError)
        // The client opens no more streams; those that run are answered.
        this.#goingAway = true
        this.turn()
        return end
      case FRAME.windowUpdate:
        return this.#windowUpdate(id, bytes, start, end) ? end : -1
      case FRAME.pushPromise:
        return this.#fail(CODE.protocolError)
      default:
        return this.#spend(COST.unknown) ? end : -1
    }
  }

  #readPreface(bytes: Buffer, at: number, end: number): number {
    let from = at
    while (from < end && this.#prefaceRead < PREFACE.length) {
      if (bytes[from++] !== PREFACE[this.#prefaceRead++]) {
        this.#fail(CODE.protocolError, 'R40')
        return end
      }
    }
    if (this.#prefaceRead === PREFACE.length) {
      this.#state = OPEN
      this.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
    }
    return from
  }

  /** Of a header list; what HTTP/1.1 allows a head unless the operator has said another. */
  get #listBytesMax(): number {
    const { http2HeadBytesMax, headBytesMax } = this.#host.settings()
    return http2HeadBytesMax ?? headBytesMax
  }

  #greet(): void {
    const { limits } = this
    this.#outbox.settings([
      [SETTING.maxConcurrentStreams, limits.streamsMax],
      [SETTING.initialWindowSize, limits.streamWindow],
      [SETTING.maxHeaderListSize, Math.min(WINDOW_MAX, this.#listBytesMax)],
      [SETTING.enableConnectProtocol, 1],
      [SETTING.noRfc7540Priorities, 1],
    ])
    this.sendWindowUpdate(0, limits.connectionWindow - WINDOW_DEFAULT)
  }

  #headers(flags: number, id: number, bytes: Buffer, start: number, end: number, stop: number): number {
    if (id === 0 || id % 2 === 0) return this.#fail(CODE.protocolError)
    let from = start
    let to = end
    if (flags & FLAG.padded) {
      to -= (bytes[from] as number) ?? 0
      from++
    }
    if (flags & FLAG.priority) {
      if (to - from >= 5 && (read32(bytes, from) & WINDOW_MAX) === id) return this.#fail(CODE.protocolError)
      from += 5
    }
    if (from > to || from > end)
      return this.#fail(
        end - start < (flags & FLAG.priority ? 5 : 0) + (flags & FLAG.padded ? 1 : 0) ? CODE.frameSizeError : CODE.protocolError,
      )
    const known = this.#streams.get(id)
    if (known === undefined && id <= this.#lastStream && !this.#resetByUs.has(id)) return this.#fail(CODE.streamClosed)
    if (known?.remoteEnded) return this.#fail(CODE.streamClosed)
    // A second block is the trailer, and with it the request must end.
    if (known !== undefined && (flags & FLAG.endStream) === 0) return this.#fail(CODE.protocolError)
    this.#blockStream = id
    this.#blockEnds = (flags & FLAG.endStream) !== 0
    this.#blockBytes = 0
    if ((flags & FLAG.endHeaders) === 0) this.wheel.arm(this, this.limits.headMs)
    return this.#fragment(flags, bytes, from, to, end, stop)
  }

  /** A piece of a header block; with its last the block is read. */
  #fragment(flags: number, bytes: Buffer, from: number, to: number, end: number, stop: number): number {
    const isWhole = (flags & FLAG.endHeaders) !== 0
    this.#blockBytes += to - from
    // Compressed it is never larger than what it stands for, so that nobody in good faith meets this.
    if (this.#blockBytes > this.#listBytesMax + FRAME_BYTES_MAX) return this.#fail(CODE.enhanceYourCalm, 'R41')
    if (!isWhole || this.#block.length > 0) this.#block.push(Buffer.from(bytes.subarray(from, to)))
    if (!isWhole) return end
    const gathered = this.#block.length > 0
    const block = gathered ? Buffer.concat(this.#block) : bytes
    const id = this.#blockStream
    this.#block = []
    this.#blockStream = 0
    const known = this.#streams.get(id)
    if (known !== undefined || id <= this.#lastStream)
      return this.#trailer(known, block, gathered ? 0 : from, gathered ? block.length : to) ? end : -1
    return this.#request(id, block, gathered ? 0 : from, gathered ? block.length : to, bytes, end, stop)
  }

  #trailer(stream: Stream | undefined, block: Buffer, from: number, to: number): boolean {
    const fields = new TrailerFields()
    if (!this.#decoder.decode(block, from, to, fields)) return this.#wrong(CODE.compressionError)
    if (stream === undefined) return true
    const code = fields.malformed || fields.size > this.limits.trailerBytesMax ? CODE.protocolError : stream.trailer()
    if (code !== CODE.noError) stream.reset(code)
    this.#touched.push(stream)
    return true
  }

  #request(id: number, block: Buffer, from: number, to: number, bytes: Buffer, end: number, stop: number): number {
    const host = this.#host
    const fields = this.#fields
    fields.begin(this.#listBytesMax, host.settings().http2FieldBytesMax)
    if (!this.#decoder.decode(block, from, to, fields)) return this.#fail(CODE.compressionError)
    if (fields.isBomb) return this.#fail(CODE.enhanceYourCalm, 'R41')
    this.#lastStream = id
    if (this.#streams.size >= this.limits.streamsMax || this.#goingAway) {
      this.sendReset(id, CODE.refusedStream)
      return this.#spend(COST.refused) ? end : -1
    }
    let ended = this.#blockEnds
    let after = end
    let body: string | undefined
    if (!ended) {
      after = this.#wholeBodyEnd(id, bytes, end, stop)
      if (after > end) {
        body = bytes.toString('latin1', end + FRAME_HEAD, after)
        ended = true
      }
    }
    const request = fields.read(ended, body)
    if (typeof request === 'string') {
      if (request === MALFORMED) this.sendReset(id, CODE.protocolError)
      else this.#refuse(id, request)
      // A body that stands in the same read is passed over with its stream.
      return end
    }
    if (body !== undefined) this.#takeInlined(body.length)
    const stream = new Stream(this, id, request.head, request.tunnel, ended)
    this.#streams.set(id, stream)
    stream.serve(host.serve(request.head, body ?? '', stream))
    return after
  }

  /** Where the DATA frame ends that is the whole body of a request and came with it; `end` when there is no such frame. */
  #wholeBodyEnd(id: number, bytes: Buffer, end: number, stop: number): number {
    if (stop - end < FRAME_HEAD || bytes[end + 3] !== FRAME.data || bytes[end + 4] !== FLAG.endStream) return end
    const length = ((bytes[end] as number) << 16) | ((bytes[end + 1] as number) << 8) | (bytes[end + 2] as number)
    const next = end + FRAME_HEAD + length
    const fits = length <= INLINE_BODY_BYTES_MAX && length <= this.#receiveWindow && next <= stop
    return fits && (read32(bytes, end + 5) & WINDOW_MAX) === id ? next : end
  }

  #takeInlined(bytes: number): void {
    this.#receiveWindow -= bytes
    this.grant(bytes)
  }

  /** Answers what was no request that could be served. */
  #refuse(id: number, code: ErrorCode): void {
    const page = errorPage(code, undefined)
    const fields = page.fields + errorLine(code, this.#host.settings())
    const before = this.#outbox.bytesWritten
    const body = Buffer.from(page.body, 'latin1')
    const stream = { id, framedBytes: 0, sendWindow: this.peer.initialWindow } as Stream
    this.sendHead(stream, ERRORS[code].status, fields, body.length, false)
    const sent = this.sendData(stream, body, 0, body.length)
    if (sent === body.length) this.sendEnd(id)
    else this.sendReset(id, CODE.internalError)
    if (!this.#blockEnds) this.sendReset(id, CODE.noError)
    this.#host.refused(code, '', this.client, this.#outbox.bytesWritten - before)
    this.turn()
  }

  #data(flags: number, id: number, bytes: Buffer, start: number, end: number): number {
    const size = end - start
    if (id === 0 || id > this.#lastStream) return this.#fail(CODE.protocolError)
    let from = start
    let to = end
    if (flags & FLAG.padded) {
      if (size < 1) return this.#fail(CODE.frameSizeError)
      to -= bytes[from++] as number
      if (from > to) return this.#fail(CODE.protocolError)
    }
    this.#receiveWindow -= size
    if (this.#receiveWindow < 0) return this.#fail(CODE.flowControlError)
    const ended = (flags & FLAG.endStream) !== 0
    if (size === 0 && !ended && !this.#spend(COST.emptyData)) return -1
    const stream = this.#streams.get(id)
    if (stream === undefined) {
      this.grant(size)
      return this.#resetByUs.has(id) ? end : this.#fail(CODE.streamClosed)
    }
    if (stream.remoteEnded) return this.#fail(CODE.streamClosed)
    stream.receiveWindow -= size
    if (stream.receiveWindow < 0) {
      this.grant(size)
      stream.reset(CODE.flowControlError)
      return end
    }
    // Padding is spent as soon as it is read.
    const padding = size - (to - from)
    if (padding > 0) {
      this.grant(padding)
      stream.receiveWindow += padding
      if (!ended) this.sendWindowUpdate(id, padding)
    }
    const code = stream.data(bytes, from, to, ended)
    if (code !== CODE.noError) {
      this.grant(to - from)
      stream.reset(code)
    } else this.#touched.push(stream)
    return end
  }

  #reset(id: number, length: number): boolean {
    if (length !== 4) return this.#wrong(CODE.frameSizeError)
    if (id === 0 || id > this.#lastStream) return this.#wrong(CODE.protocolError)
    this.#streams.get(id)?.lost('R47')
    return this.#spend(COST.reset)
  }

  #settings(flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (id !== 0) return this.#wrong(CODE.protocolError)
    if ((end - start) % 6 !== 0 || (flags & FLAG.ack && end > start)) return this.#wrong(CODE.frameSizeError)
    if (flags & FLAG.ack) return this.#settingsSeen || this.#wrong(CODE.protocolError)
    this.#settingsSeen = true
    if (!this.#spend(COST.settings)) return false
    const windowBefore = this.peer.initialWindow
    const tableBefore = this.peer.headerTableBytesMax
    const code = this.peer.read(bytes, start, end)
    if (code !== CODE.noError) return this.#wrong(code)
    if (this.peer.headerTableBytesMax !== tableBefore) this.#encoder.tableBytesMax = this.peer.headerTableBytesMax
    const change = this.peer.initialWindow - windowBefore
    if (change !== 0) {
      for (const stream of this.#streams.values()) {
        stream.sendWindow += change
        if (stream.sendWindow > WINDOW_MAX) return this.#wrong(CODE.flowControlError)
      }
      this.#pump()
    }
    this.#outbox.frame(0, FRAME.settings, FLAG.ack, 0)
    return true
  }

  #ping(flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (id !== 0) return this.#wrong(CODE.protocolError)
    if (end - start !== 8) return this.#wrong(CODE.frameSizeError)
    if (flags & FLAG.ack) return this.#spend(COST.unknown)
    this.#outbox.pong(bytes, start, end)
    return this.#spend(COST.ping)
  }

  #windowUpdate(id: number, bytes: Buffer, start: number, end: number): boolean {
    if (end - start !== 4) return this.#wrong(CODE.frameSizeError)
    const increment = read32(bytes, start) & WINDOW_MAX
    if (id === 0) {
      if (increment === 0) return this.#wrong(CODE.protocolError)
      this.#sendWindow += increment
      if (this.#sendWindow > WINDOW_MAX) return this.#wrong(CODE.flowControlError)
      this.#pump()
    } else {
      if (id > this.#lastStream) return this.#wrong(CODE.protocolError)
      const stream = this.#streams.get(id)
      if (stream !== undefined) {
        if (increment === 0) stream.reset(CODE.protocolError)
        else {
          stream.sendWindow += increment
          if (stream.sendWindow > WINDOW_MAX) stream.reset(CODE.flowControlError)
          else if (stream.hasQueue) this.#pump()
        }
      }
    }
    return this.#spend(COST.windowUpdate)
  }

  #spend(points: number): boolean {
    if (this.#calm.spend(points, this.wheel.now) && this.#outbox.waiting < this.limits.controlBytesMax) return true
    this.#fail(CODE.enhanceYourCalm)
    return false
  }

  /** Sends of what the streams have queued, each a share in turn, until windows or socket are full. */
  #pump(): void {
    pumpInTurn(this.#stalled, () => this.#blocked)
    if (this.#blocked) return
    for (const stream of [...this.#stalled]) {
      if (stream.hasQueue) continue
      this.#stalled.delete(stream)
      stream.ready()
    }
    this.turn()
  }

  /** A turn of reading is over: bodies go on to their apps. */
  #endTurn(): void {
    const touched = this.#touched
    if (touched.length > 0) {
      this.#touched = []
      for (const stream of touched) stream.endTurn()
    }
    if (this.#state === OPEN && this.#blockStream === 0 && this.#reader.isInHead && !this.#reader.headTimed) {
      this.#reader.headTimed = true
      this.wheel.arm(this, this.limits.headMs)
    } else if (this.#blockStream === 0 && !this.#reader.isInHead && !this.#blocked && this.#state === OPEN) {
      this.#reader.headTimed = false
      this.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
    }
    this.turn()
  }

  #flush(): void {
    this.#outbox.flush()
    this.#noteBlocked()
  }

  #noteBlocked(): void {
    if (this.#blocked || !this.#outbox.blocked) return
    this.#blocked = true
    this.wheel.arm(this, this.limits.sendStallMs)
  }

  #drained(): void {
    if (!this.#blocked) return
    this.#blocked = false
    if (this.#state >= ENDING) {
      this.wheel.arm(this, this.limits.lingerMs)
      return
    }
    this.wheel.arm(this, this.#host.settings().defaultTimeoutMs)
    this.#pump()
  }

  /** Ends the connection with an error. @returns -1, so that reading stops */
  #fail(code: Http2Code, refusal?: ErrorCode): -1 {
    if (this.#state >= ENDING) return -1
    this.#outbox.goAway(this.#lastStream, code)
    this.#state = ENDING
    for (const stream of [...this.#streams.values()]) stream.lost('R47')
    this.#host.refused(refusal ?? 'R40', '', this.client, 0)
    this.#flush()
    this.#socket.end()
    this.wheel.arm(this, this.limits.lingerMs)
    return -1
  }

  /** The same where the answer is yes or no. */
  #wrong(code: Http2Code): false {
    this.#fail(code)
    return false
  }

  #closeIfDone(): void {
    if (this.#state !== OPEN || this.#streams.size > 0 || !(this.#goingAway || this.#inputEnded)) return
    this.#state = ENDING
    this.#flush()
    this.#socket.end()
    this.wheel.arm(this, this.#blocked ? this.limits.sendStallMs : this.limits.lingerMs)
  }

  /** Over TLS a client has ended its side: it can take nothing but what is under way. */
  #ended(): void {
    this.#inputEnded = true
    for (const stream of [...this.#streams.values()]) if (!stream.remoteEnded) stream.lost('R47')
    if (this.#state === PREFACE_STATE) this.destroy()
    else this.turn()
  }

  #closed(): void {
    this.#state = CLOSED
    this.wheel.disarm(this)
    for (const stream of [...this.#streams.values()]) stream.lost('R47')
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
    this.#host.failed(error)
    this.destroy()
  }
}

// A block is written here before it is cut into frames.
let blockMemory = Buffer.allocUnsafeSlow(64 * 1024)
