import type { Socket } from 'node:net'
import type { Calm } from './calm.ts'
import { CODE, FLAG, FRAME, FRAME_BYTES_MAX, type Http2Code, WINDOW_DEFAULT, WINDOW_MAX } from './frames.ts'
import { HpackEncoder } from './hpack/encoder.ts'
import { Outbox } from './outbox.ts'
import { PeerSettings } from './peer-settings.ts'
import { pumpInTurn, type Queued } from './share.ts'

/** A stream as DATA leaves on it. */
export interface SendingStream {
  readonly id: number
  /** What the peer lets us send; may be negative (RFC 9113 §6.9.2). */
  sendWindow: number
}

/** Something that waits until what it has queued is out. */
export interface Waiting extends Queued {
  ready(): void
}

/** Whose connection it is. */
export interface SenderOwner {
  /** Bytes wait in the socket: no more are brought until they are out. */
  heldUp(): void
  /** Something waits for the end of the turn. */
  turn(): void
}

/** A block that has room in this is one frame, whatever the peer's limit: it cannot be lower (RFC 9113 §6.5.2). */
const HEADERS_ROOM = FRAME_BYTES_MAX

/** The sending half of a connection: header blocks and DATA as far as windows and socket let them, all of one turn in one write. */
export class Sender {
  readonly peer = new PeerSettings()
  /** Takes frames that no window bounds. */
  readonly outbox: Outbox
  /** Whether bytes wait in the socket. */
  blocked = false
  readonly #owner: SenderOwner
  readonly #calm: Calm
  readonly #encoder = new HpackEncoder()
  /** What waits for the peer. */
  readonly #stalled = new Set<Waiting>()
  #window = WINDOW_DEFAULT

  constructor(socket: Socket, owner: SenderOwner, calm: Calm) {
    this.outbox = new Outbox(socket)
    this.#owner = owner
    this.#calm = calm
  }

  /** Bytes of frames written so far. */
  get bytesWritten(): number {
    return this.outbox.bytesWritten
  }

  /** Sends a header block; the parameters are those of {@link HpackEncoder.encode}. */
  head(stream: number, status: number, fields: string, contentLength: number, ends: boolean, own = ''): void {
    const room = HpackEncoder.room(fields.length + own.length)
    if (room <= HEADERS_ROOM) {
      const { memory, at } = this.outbox.room(room)
      const size = this.#encoder.encode(memory, at, status, fields, contentLength, own) - at
      this.outbox.add(size, FRAME.headers, FLAG.endHeaders | (ends ? FLAG.endStream : 0), stream)
      return
    }
    if (blockMemory.length < room) blockMemory = Buffer.allocUnsafeSlow(room)
    const size = this.#encoder.encode(blockMemory, 0, status, fields, contentLength, own)
    this.outbox.headers(stream, blockMemory, size, ends)
  }

  /** Sends a body that is text (latin1) as one frame of DATA, where there is room for all of it. Returns whether there was. */
  text(stream: SendingStream, body: string): boolean {
    const { length } = body
    if (length > this.#room(stream) || length === 0 || this.blocked) return false
    const frame = this.outbox.frame(length, FRAME.data, 0, stream.id)
    frame.memory.write(body, frame.at, 'latin1')
    this.#sent(stream, length)
    return true
  }

  /** Sends DATA as far as both windows and the socket let it. @returns up to where it was sent */
  data(stream: SendingStream, bytes: Buffer, start: number, end: number): number {
    let at = start
    while (at < end && !this.blocked) {
      const length = Math.min(end - at, this.#room(stream))
      if (length <= 0) break
      const frame = this.outbox.frame(length, FRAME.data, 0, stream.id)
      bytes.copy(frame.memory, frame.at, at, at + length)
      at += length
      this.#sent(stream, length)
    }
    return at
  }

  /** Something waits until what it has queued is out. */
  stall(waiting: Waiting): void {
    this.#stalled.add(waiting)
  }

  /** It waits no more. */
  unstall(waiting: Waiting): void {
    if (this.#stalled.size > 0) this.#stalled.delete(waiting)
  }

  /** Sends of what waits, each a share in turn, until windows or socket are full. */
  pump(): void {
    pumpInTurn(this.#stalled, () => this.blocked)
    if (this.blocked) return
    for (const waiting of [...this.#stalled]) {
      if (waiting.hasQueue) continue
      this.#stalled.delete(waiting)
      waiting.ready()
    }
    this.#owner.turn()
  }

  /** Hands what the turn has brought to the socket. */
  flush(): void {
    this.outbox.flush()
    this.#noteBlocked()
  }

  /** The socket takes more. Returns whether that was waited for. */
  drained(): boolean {
    const was = this.blocked
    this.blocked = false
    return was
  }

  /**
   * Takes the peer's SETTINGS, and acknowledges them.
   *
   * @param streams those that are open: their windows change as well (RFC 9113 §6.9.2)
   * @returns an error code for the connection; noError when all is well
   */
  configure(bytes: Buffer, start: number, end: number, streams: Iterable<SendingStream>): Http2Code {
    const { peer } = this
    const windowBefore = peer.initialWindow
    const code = peer.read(bytes, start, end, this.#encoder)
    if (code !== CODE.noError) return code
    this.outbox.frame(0, FRAME.settings, FLAG.ack, 0)
    const change = peer.initialWindow - windowBefore
    if (change === 0) return CODE.noError
    for (const stream of streams) {
      stream.sendWindow += change
      if (stream.sendWindow > WINDOW_MAX) return CODE.flowControlError
    }
    this.pump()
    return CODE.noError
  }

  /** The connection's own window grows. @returns an error code for the connection; noError when all is well */
  grow(increment: number): Http2Code {
    if (increment === 0) return CODE.protocolError
    this.#window += increment
    if (this.#window > WINDOW_MAX) return CODE.flowControlError
    this.pump()
    return CODE.noError
  }

  #room(stream: SendingStream): number {
    // A frame of a peer's size would hold up all others for as long.
    return Math.min(stream.sendWindow, this.#window, FRAME_BYTES_MAX)
  }

  #sent(stream: SendingStream, bytes: number): void {
    stream.sendWindow -= bytes
    this.#window -= bytes
    this.#calm.sentData()
    this.#noteBlocked()
  }

  #noteBlocked(): void {
    if (this.blocked || !this.outbox.blocked) return
    this.blocked = true
    this.#owner.heldUp()
  }
}

// A block is written here before it is cut into frames.
let blockMemory = Buffer.allocUnsafeSlow(64 * 1024)
