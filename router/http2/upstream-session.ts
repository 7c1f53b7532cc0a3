import type { Socket } from 'node:net'
import type { Pool } from '../http1/pool.ts'
import { connectSocket, type Receiver } from '../http1/sockets.ts'
import type { Timed } from '../http1/wheel.ts'
import type { ErrorCode } from '../serve/errors.ts'
import type { Endpoint } from '../table/route.ts'
import { Calm, COST } from './calm.ts'
import { FrameReader, type FrameSink } from './frame-reader.ts'
import { CODE, FLAG, FRAME, FRAME_BYTES_MAX, type Http2Code, PREFACE, read32, SETTING, WINDOW_DEFAULT, WINDOW_MAX } from './frames.ts'
import { HpackDecoder } from './hpack/decoder.ts'
import { HpackEncoder } from './hpack/encoder.ts'
import type { Http2Limits } from './limits.ts'
import { Outbox } from './outbox.ts'
import { PeerSettings } from './peer-settings.ts'
import { ResponseFields, TrailingFields } from './response.ts'
import { pumpInTurn } from './share.ts'
import { Turn, type TurnMember } from './turn.ts'
import type { UpstreamHead } from './upstream-head.ts'
import type { UpstreamRequest } from './upstream-request.ts'
import type { UpstreamSessions } from './upstream-sessions.ts'
import type { UpstreamStream } from './upstream-stream.ts'

/** The socket, or the app's SETTINGS, are still to come: no request is sent before. */
const CONNECTING = 0
const OPEN = 1
/** GOAWAY has been sent, or all is done: what still comes is dropped. */
const ENDING = 2
const CLOSED = 3

const STREAM_ID_MAX = 2 ** 31 - 1

/**
 * A connection to an endpoint that speaks HTTP/2 in the clear, known beforehand (RFC 9113 §3.3): many streams at once.
 *
 * An app is a tenant, as little trusted as a client: its frames, header lists and windows are bounded in the same way. An error of one stream
 * resets that stream; one of the connection fails the streams of this session only.
 */
export class UpstreamSession implements Receiver, Timed, FrameSink, TurnMember {
  deadlineAt = Number.POSITIVE_INFINITY
  wheelSlot = -1
  readonly peer = new PeerSettings()
  readonly streamWindow: number
  /** Whether an exchange was completed on it. */
  served = false
  readonly #socket: Socket
  readonly #sessions: UpstreamSessions
  readonly #pool: Pool
  readonly #limits: Http2Limits
  readonly #outbox: Outbox
  readonly #decoder = new HpackDecoder()
  readonly #encoder = new HpackEncoder()
  readonly #reader = new FrameReader()
  readonly #calm: Calm
  readonly #streams = new Map<number, UpstreamStream>()
  readonly #waiting = new Set<UpstreamStream>()
  /** Uploads that wait for the app. */
  readonly #stalled = new Set<UpstreamRequest>()
  /** Streams that got DATA in this turn. */
  #touched: UpstreamStream[] = []
  /** Streams that we have reset, with what is left of their windows: what the app had sent before it knew is dropped. */
  readonly #resetByUs = new Map<number, number>()
  #state = CONNECTING
  #settingsSeen = false
  #heard = false
  #nextId = 1
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
  #receivedAt: number

  private constructor(socket: Socket, sessions: UpstreamSessions, pool: Pool) {
    this.#socket = socket
    this.#sessions = sessions
    this.#pool = pool
    this.#limits = pool.limits
    this.streamWindow = pool.limits.upstreamStreamWindow
    this.#receiveWindow = pool.limits.upstreamConnectionWindow
    this.#outbox = new Outbox(socket)
    this.#receivedAt = pool.wheel.now
    this.#calm = new Calm(pool.wheel.now)
    socket.once('connect', () => this.#guard(() => this.#greet()))
    socket.on('drain', () => this.#guard(() => this.#drained()))
    socket.on('end', () => this.#guard(() => this.#lost()))
    socket.on('error', () => this.#guard(() => this.#lost()))
    socket.on('close', () => this.#guard(() => this.#lost()))
  }

  static open(endpoint: Endpoint, sessions: UpstreamSessions, pool: Pool): UpstreamSession {
    let session: UpstreamSession | undefined
    pool.counts.opened++
    connectSocket(endpoint, socket => {
      session = new UpstreamSession(socket, sessions, pool)
      return session
    })
    return session as unknown as UpstreamSession
  }

  get hasRoom(): boolean {
    if (this.#goingAway || this.#state > OPEN) return false
    if (this.#state === CONNECTING) return this.#waiting.size < this.#sessions.streamsMax
    return this.#streams.size < this.#streamsMax && this.#nextId < STREAM_ID_MAX
  }

  get isIdle(): boolean {
    return this.#state === OPEN && this.#streams.size === 0
  }

  get isClosed(): boolean {
    return this.#state > OPEN
  }

  get blocked(): boolean {
    return this.#blocked
  }

  /** Takes a stream: at once, or when the app has said its SETTINGS. */
  add(stream: UpstreamStream): void {
    if (this.#state === CONNECTING) {
      this.#waiting.add(stream)
      stream.wait(this)
      this.#sessions.update(this)
    } else {
      if (this.served) this.#pool.counts.reused++
      stream.take(this)
    }
  }

  /** Takes no more streams, and closes when those that run are over. */
  drain(): void {
    this.#goingAway = true
    this.#sessions.update(this)
    this.#closeIfDone()
  }

  /** Nothing was heard of it for so long: no stream is opened on what may be dead. */
  suspect(silentMs: number): void {
    if (this.#pool.wheel.now - this.#receivedAt >= silentMs - this.#pool.limits.tickMs) this.drain()
  }

  received(bytes: Buffer, at: number, end: number): void {
    try {
      this.#heard = true
      this.#receivedAt = this.#pool.wheel.now
      if (this.#state <= OPEN) this.#reader.read(bytes, at, end, this)
      this.#endTurn()
    } catch (error) {
      this.#crash(error)
    }
  }

  /** It has idled for as long as it may, or does not end. */
  expired(): void {
    this.#guard(() => {
      if (this.isIdle) this.drain()
      else if (this.#state === ENDING) this.#destroy()
    })
  }

  // What streams send

  /** Marks that something waits for the end of the turn. */
  turn(): void {
    if (this.#listed || this.#state === CLOSED) return
    this.#listed = true
    turn.add(this)
  }

  turnEnded(): void {
    this.#listed = false
    this.#guard(() => {
      this.#flush()
      this.#closeIfDone()
    })
  }

  /** Opens a stream: from here on it has an id. */
  open(stream: UpstreamStream, head: UpstreamHead, ends: boolean): void {
    const id = this.#nextId
    this.#nextId += 2
    if (this.#streams.size === 0) this.#pool.wheel.disarm(this)
    this.#streams.set(id, stream)
    stream.opened(id, head, this.peer.initialWindow, this.streamWindow)
    this.#sendHead(id, head.lines, ends)
    this.#sessions.update(this)
    this.turn()
  }

  /** Sends DATA as far as both windows and the socket let it. @returns up to where it was sent */
  sendData(request: UpstreamRequest, bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && !this.#blocked && this.#state === OPEN) {
      const length = Math.min(end - at, request.sendWindow, this.#sendWindow, this.peer.frameBytesMax, FRAME_BYTES_MAX)
      if (length <= 0) break
      const frame = this.#outbox.frame(length, FRAME.data, 0, request.stream.id)
      bytes.copy(frame.memory, frame.at, at, at + length)
      at += length
      request.sendWindow -= length
      this.#sendWindow -= length
      this.#calm.earn(EARNED_BY_DATA)
      this.#noteBlocked()
    }
    this.turn()
    return at
  }

  /** Ends our side of a stream: on its last frame where that has not left yet. */
  sendEnd(id: number): void {
    this.#outbox.end(id)
    this.turn()
  }

  sendReset(stream: UpstreamStream, code: Http2Code): void {
    if (this.#state !== OPEN) return
    this.#outbox.reset(stream.id, code)
    this.#resetByUs.set(stream.id, stream.receiveWindow)
    if (this.#resetByUs.size > this.#limits.resetStreamsKept) {
      const [oldest] = this.#resetByUs.keys()
      if (oldest !== undefined) this.#resetByUs.delete(oldest)
    }
    this.turn()
  }

  sendWindowUpdate(id: number, bytes: number): void {
    this.#outbox.windowUpdate(id, bytes)
    this.turn()
  }

  /** An upload waits until what is queued is out. */
  stall(request: UpstreamRequest): void {
    this.#stalled.add(request)
  }

  /** An exchange was completed. */
  completed(): void {
    this.served = true
    this.#calm.earn(EARNED_BY_EXCHANGE)
  }

  /** A stream is over, or waits no longer. */
  left(stream: UpstreamStream): void {
    this.#stalled.delete(stream.writer)
    if (this.#state === CONNECTING) {
      this.#waiting.delete(stream)
      if (this.#waiting.size === 0) this.#destroy()
      else this.#sessions.update(this)
      return
    }
    if (this.#streams.get(stream.id) === stream) this.#streams.delete(stream.id)
    if (this.#state !== OPEN) return
    this.#sessions.update(this)
    this.#restIfIdle()
  }

  // What the app sends; called by the reader with whole frames

  frameHead(length: number, type: number): boolean {
    if (this.#state > OPEN) return false
    if (length > FRAME_BYTES_MAX) return this.#wrong(CODE.frameSizeError)
    // An app of HTTP/1.1 answers the preface with an answer of its own.
    if (!this.#settingsSeen && type !== FRAME.settings) return this.#wrong(CODE.protocolError)
    return true
  }

  frame(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): number {
    if (this.#state > OPEN) return -1
    return this.#act(type, flags, id, bytes, start, end) && this.#state <= OPEN ? end : -1
  }

  /** @returns false when the connection has failed */
  #act(type: number, flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const size = end - start
    if (this.#blockStream !== 0 && (type !== FRAME.continuation || id !== this.#blockStream)) return this.#wrong(CODE.protocolError)
    switch (type) {
      case FRAME.data:
        return this.#data(flags, id, bytes, start, end)
      case FRAME.headers:
        return this.#headers(flags, id, bytes, start, end)
      case FRAME.continuation:
        if (this.#blockStream === 0) return this.#wrong(CODE.protocolError)
        return (size > 0 || this.#spend(COST.emptyFragment)) && this.#fragment(flags, bytes, start, end)
      case FRAME.priority:
        if (id === 0) return this.#wrong(CODE.protocolError)
        return size === 5 ? this.#spend(COST.priority) : this.#wrong(CODE.frameSizeError)
      case FRAME.reset:
        return this.#reset(id, bytes, start, end)
      case FRAME.settings:
        return this.#settings(flags, id, bytes, start, end)
      case FRAME.ping:
        return this.#ping(flags, id, bytes, start, end)
      case FRAME.goAway:
        return this.#goAway(id, bytes, start, end)
      case FRAME.windowUpdate:
        return this.#windowUpdate(id, bytes, start, end)
      case FRAME.pushPromise:
        // We have said that we take none.
        return this.#wrong(CODE.protocolError)
      default:
        return this.#spend(COST.unknown)
    }
  }

  get #streamsMax(): number {
    return Math.min(this.peer.streamsMax, this.#limits.upstreamStreamsMax)
  }

  #greet(): void {
    if (this.#state !== CONNECTING) return
    this.#socket.write(PREFACE)
    this.#outbox.settings([
      [SETTING.enablePush, 0],
      [SETTING.initialWindowSize, this.streamWindow],
      [SETTING.maxHeaderListSize, this.#pool.limits.responseHeadBytesMax],
      [SETTING.noRfc7540Priorities, 1],
    ])
    this.sendWindowUpdate(0, this.#limits.upstreamConnectionWindow - WINDOW_DEFAULT)
  }

  /** The app's SETTINGS are here: those that wait begin, as many as it takes. */
  #opened(): void {
    this.#state = OPEN
    this.#sessions.streamsMax = Math.max(1, this.#streamsMax)
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    const begin = waiting.slice(0, this.#streamsMax)
    for (const stream of begin) if (this.#state === OPEN) stream.take(this)
    // One that takes nothing is of no use to anybody.
    if (this.#streamsMax === 0) this.drain()
    else this.#sessions.update(this)
    for (const stream of waiting.slice(begin.length)) this.#sessions.move(stream)
    this.#restIfIdle()
  }

  #sendHead(id: number, lines: string, ends: boolean): void {
    const room = HpackEncoder.room(lines)
    if (blockMemory.length < room) blockMemory = Buffer.allocUnsafeSlow(room)
    const size = this.#encoder.encode(blockMemory, 0, 0, lines, -1)
    this.#outbox.headers(id, blockMemory, size, Math.min(this.peer.frameBytesMax, FRAME_BYTES_MAX), ends)
  }

  #headers(flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (id % 2 === 0 || id >= this.#nextId) return this.#wrong(CODE.protocolError)
    let from = start
    let to = end
    if (flags & FLAG.padded) to -= from < end ? (bytes[from++] as number) : 1
    if (flags & FLAG.priority) from += 5
    if (from > to) return this.#wrong(CODE.protocolError)
    this.#blockStream = id
    this.#blockEnds = (flags & FLAG.endStream) !== 0
    this.#blockBytes = 0
    return this.#fragment(flags, bytes, from, to)
  }

  /** A piece of a header block; with its last the block is read. */
  #fragment(flags: number, bytes: Buffer, from: number, to: number): boolean {
    const isWhole = (flags & FLAG.endHeaders) !== 0
    this.#blockBytes += to - from
    // Compressed it is never larger than what it stands for, so that nobody in good faith meets this.
    if (this.#blockBytes > this.#pool.limits.responseHeadBytesMax + FRAME_BYTES_MAX) return this.#wrong(CODE.enhanceYourCalm, 'R35')
    if (!isWhole || this.#block.length > 0) this.#block.push(Buffer.from(bytes.subarray(from, to)))
    if (!isWhole) return true
    const gathered = this.#block.length > 0
    const block = gathered ? Buffer.concat(this.#block) : bytes
    const id = this.#blockStream
    this.#block = []
    this.#blockStream = 0
    return this.#readBlock(id, block, gathered ? 0 : from, gathered ? block.length : to)
  }

  #readBlock(id: number, block: Buffer, from: number, to: number): boolean {
    const stream = this.#streams.get(id)
    if (stream?.answered === true) {
      const trailers = new TrailingFields(this.#limits.trailerBytesMax)
      if (!this.#decoder.decode(block, from, to, trailers)) return this.#wrong(CODE.compressionError)
      if (stream.remoteEnded) return this.#wrong(CODE.streamClosed)
      // A second block is the trailer, and with it the answer must end.
      if (!this.#blockEnds || trailers.isMalformed) stream.fail('R36', CODE.protocolError)
      else stream.trailers(trailers.lines)
      return true
    }
    const fields = new ResponseFields(this.#pool.limits.responseHeadBytesMax)
    if (!this.#decoder.decode(block, from, to, fields)) return this.#wrong(CODE.compressionError)
    if (fields.isBomb) return this.#wrong(CODE.enhanceYourCalm, 'R35')
    if (stream === undefined) return this.#resetByUs.has(id) || this.#spend(COST.refused)
    stream.head(fields, this.#blockEnds)
    this.#touched.push(stream)
    return true
  }

  #data(flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    const size = end - start
    if (id % 2 === 0 || id >= this.#nextId) return this.#wrong(CODE.protocolError)
    let from = start
    let to = end
    if (flags & FLAG.padded) {
      if (size < 1) return this.#wrong(CODE.frameSizeError)
      to -= bytes[from++] as number
      if (from > to) return this.#wrong(CODE.protocolError)
    }
    this.#receiveWindow -= size
    if (this.#receiveWindow < 0) return this.#wrong(CODE.flowControlError)
    // What is kept is bounded by the stream's own window: a slow client must not hold up the others of its app.
    this.#grant(size)
    const ended = (flags & FLAG.endStream) !== 0
    if (size === 0 && !ended && !this.#spend(COST.emptyData)) return false
    const stream = this.#streams.get(id)
    if (stream === undefined) return this.#late(id, size)
    if (stream.remoteEnded) return this.#wrong(CODE.streamClosed)
    stream.receiveWindow -= size
    if (stream.receiveWindow < 0) {
      stream.fail('R36', CODE.flowControlError)
      return true
    }
    if (size > to - from) stream.padding(size - (to - from))
    stream.data(bytes, from, to, ended)
    this.#touched.push(stream)
    return true
  }

  /** DATA of a stream that is over for us. */
  #late(id: number, size: number): boolean {
    const left = this.#resetByUs.get(id)
    if (left === undefined) return this.#spend(COST.refused)
    if (left < size) return this.#wrong(CODE.flowControlError)
    this.#resetByUs.set(id, left - size)
    return true
  }

  #grant(bytes: number): void {
    this.#consumed += bytes
    if (this.#consumed < this.#limits.upstreamConnectionWindow / 2) return
    this.#receiveWindow += this.#consumed
    this.sendWindowUpdate(0, this.#consumed)
    this.#consumed = 0
  }

  #reset(id: number, bytes: Buffer, start: number, end: number): boolean {
    if (end - start !== 4) return this.#wrong(CODE.frameSizeError)
    if (id % 2 === 0 || id >= this.#nextId) return this.#wrong(CODE.protocolError)
    const stream = this.#streams.get(id)
    // How many there are to reset is our own choice.
    if (stream === undefined) return this.#spend(COST.reset)
    stream.wasReset(read32(bytes, start))
    return true
  }

  #settings(flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (id !== 0) return this.#wrong(CODE.protocolError)
    if ((end - start) % 6 !== 0 || (flags & FLAG.ack && end > start)) return this.#wrong(CODE.frameSizeError)
    if (flags & FLAG.ack) return this.#settingsSeen ? this.#spend(COST.unknown) : this.#wrong(CODE.protocolError)
    if (!this.#spend(COST.settings)) return false
    const windowBefore = this.peer.initialWindow
    const tableBefore = this.peer.headerTableBytesMax
    const code = this.peer.read(bytes, start, end)
    if (code !== CODE.noError) return this.#wrong(code)
    if (this.peer.headerTableBytesMax !== tableBefore) this.#encoder.tableBytesMax = this.peer.headerTableBytesMax
    this.#outbox.frame(0, FRAME.settings, FLAG.ack, 0)
    const change = this.peer.initialWindow - windowBefore
    if (change !== 0) {
      for (const { writer } of this.#streams.values()) {
        writer.sendWindow += change
        if (writer.sendWindow > WINDOW_MAX) return this.#wrong(CODE.flowControlError)
      }
      this.#pump()
    }
    if (this.#settingsSeen) this.#sessions.update(this)
    else {
      this.#settingsSeen = true
      this.#opened()
    }
    return true
  }

  #ping(flags: number, id: number, bytes: Buffer, start: number, end: number): boolean {
    if (id !== 0) return this.#wrong(CODE.protocolError)
    if (end - start !== 8) return this.#wrong(CODE.frameSizeError)
    if (flags & FLAG.ack) return this.#spend(COST.unknown)
    this.#outbox.pong(bytes, start, end)
    return this.#spend(COST.ping)
  }

  /** The app takes no new streams; those above the last that it names it has not looked at (RFC 9113 §6.8). */
  #goAway(id: number, bytes: Buffer, start: number, end: number): boolean {
    if (id !== 0) return this.#wrong(CODE.protocolError)
    if (end - start < 8) return this.#wrong(CODE.frameSizeError)
    const last = read32(bytes, start) & WINDOW_MAX
    this.#goingAway = true
    this.#sessions.update(this)
    for (const stream of [...this.#streams.values()]) if (stream.id > last) stream.fail('R33', undefined, true)
    this.turn()
    return this.#spend(COST.unknown)
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
      if (id % 2 === 0 || id >= this.#nextId) return this.#wrong(CODE.protocolError)
      const stream = this.#streams.get(id)
      if (stream !== undefined) {
        stream.writer.sendWindow += increment
        if (increment === 0) stream.fail('R34', CODE.protocolError)
        else if (stream.writer.sendWindow > WINDOW_MAX) stream.fail('R34', CODE.flowControlError)
        else if (stream.writer.hasQueue) this.#pump()
      }
    }
    return this.#spend(COST.windowUpdate)
  }

  #spend(points: number): boolean {
    if (this.#calm.spend(points, this.#pool.wheel.now) && this.#outbox.waiting < this.#limits.controlBytesMax) return true
    return this.#wrong(CODE.enhanceYourCalm)
  }

  /** Sends of what the uploads have queued, each a share in turn, until windows or socket are full. */
  #pump(): void {
    pumpInTurn(this.#stalled, () => this.#blocked)
    if (this.#blocked) return
    for (const request of [...this.#stalled]) {
      if (request.hasQueue) continue
      this.#stalled.delete(request)
      request.stream.appReady()
    }
    this.turn()
  }

  /** A turn of reading is over: answers go on to their clients. */
  #endTurn(): void {
    const touched = this.#touched
    if (touched.length > 0) {
      this.#touched = []
      for (const stream of touched) stream.endTurn()
    }
    this.turn()
  }

  #flush(): void {
    this.#outbox.flush()
    this.#noteBlocked()
  }

  #noteBlocked(): void {
    if (!this.#blocked && this.#outbox.blocked) this.#blocked = true
  }

  #drained(): void {
    if (!this.#blocked) return
    this.#blocked = false
    if (this.#state === OPEN) this.#pump()
  }

  /** Serves nobody: rests for as long as a connection is kept, or closes. */
  #restIfIdle(): void {
    if (!this.isIdle) return
    if (this.#goingAway || this.#sessions.retired) this.drain()
    else this.#pool.wheel.arm(this, this.#pool.limits.idleUpstreamMs)
  }

  /** The app has broken the protocol. @returns false, so that reading stops */
  #wrong(code: Http2Code, told: ErrorCode = 'R34'): false {
    if (this.#state > OPEN) return false
    this.#outbox.goAway(0, code)
    this.#end()
    this.#failAll(told)
    return false
  }

  #closeIfDone(): void {
    if (this.#state !== OPEN || this.#streams.size > 0 || !this.#goingAway) return
    this.#outbox.goAway(0, CODE.noError)
    this.#end()
  }

  #end(): void {
    this.#state = ENDING
    this.#flush()
    this.#pool.wheel.arm(this, this.#pool.limits.lingerMs)
    this.#socket.destroySoon()
    this.#sessions.update(this)
  }

  /** The connection is gone, or the app has ended its side: nothing more comes. */
  #lost(): void {
    if (this.#state === CLOSED) return
    const told = this.#state !== CONNECTING ? 'R33' : this.#heard ? 'R34' : 'R30'
    this.#destroy()
    this.#failAll(told)
  }

  #failAll(told: ErrorCode): void {
    const streams = [...this.#waiting, ...this.#streams.values()]
    this.#waiting.clear()
    this.#streams.clear()
    for (const stream of streams) stream.lost(told)
  }

  #destroy(): void {
    this.#state = CLOSED
    this.#pool.wheel.disarm(this)
    this.#socket.destroy()
    this.#sessions.update(this)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#crash(error)
    }
  }

  /** A fault of ours costs the exchanges of this session, not the worker. */
  #crash(error: unknown): void {
    this.#destroy()
    const streams = [...this.#waiting, ...this.#streams.values()]
    this.#waiting.clear()
    this.#streams.clear()
    for (const stream of streams) stream.crash(error)
  }
}

// A BDP probe of gRPC is a PING, answered by a WINDOW_UPDATE or two, for each round trip that brings DATA.
const EARNED_BY_DATA = 8
const EARNED_BY_EXCHANGE = 20
/** One end of the turn for all sessions of the process. */
const turn = new Turn()
// A block is written here before it is cut into frames.
let blockMemory = Buffer.allocUnsafeSlow(64 * 1024)
