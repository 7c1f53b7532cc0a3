import type { Socket } from 'node:net'
import { NOT_TRIED, WAITS } from '../http1/direct.ts'
import { Outlet } from '../http1/outlet.ts'
import { FLAG, FRAME, FRAME_BYTES_MAX, FRAME_HEAD, type Http2Code, PREFACE, write32, writeFrameHead } from './frames.ts'

const ROOM = 64 * 1024
const FREE_MAX = 32
/** Memory that sessions gather a turn's frames in; handed back when the turn is over. */
const free: Buffer[] = []
const NOTHING = Buffer.alloc(0)
/** What waits in the socket is a copy up to this, and else the memory itself, which comes back when it is out. */
const COPIED_BYTES_MAX = 16 * 1024

/**
 * Gathers the frames of one turn of the loop, so that they leave in one write: one TLS record and one system call for the answers of many
 * streams.
 */
export class Outbox {
  /** Bytes of frames written so far. */
  bytesWritten = 0
  readonly #socket: Socket
  readonly #outlet: Outlet
  #memory: Buffer = NOTHING
  #used = 0
  #lastFrame = -1
  #lastStream = -1

  constructor(socket: Socket) {
    this.#socket = socket
    this.#outlet = new Outlet(socket)
  }

  get isEmpty(): boolean {
    return this.#used === 0
  }

  /** Whether bytes wait for the client, so that no more should be brought. */
  get blocked(): boolean {
    return this.#outlet.full
  }

  /** Bytes that wait in the socket. */
  get waiting(): number {
    return this.#socket.writableLength
  }

  /** Begins a frame of a payload of this length, which the caller writes to the memory that comes back, from `at` on. */
  frame(length: number, type: number, flags: number, stream: number): { memory: Buffer; at: number } {
    this.room(length)
    this.add(length, type, flags, stream)
    return place
  }

  /** Room for the payload of one frame, which the caller writes from `at` on and then makes a frame with {@link add}. */
  room(length: number): { memory: Buffer; at: number } {
    const size = FRAME_HEAD + length
    if (this.#used + size > ROOM) this.flush()
    if (this.#memory === NOTHING) this.#memory = free.pop() ?? Buffer.allocUnsafeSlow(ROOM)
    place.memory = size > ROOM ? this.#grow(size) : this.#memory
    place.at = this.#used + FRAME_HEAD
    return place
  }

  /** Makes a frame of a payload that was written where {@link room} said. */
  add(length: number, type: number, flags: number, stream: number): void {
    this.#lastFrame = this.#used
    this.#lastStream = stream
    writeFrameHead(this.#memory, this.#used, length, type, flags, stream)
    this.#used += FRAME_HEAD + length
    this.bytesWritten += FRAME_HEAD + length
  }

  /** Sets END_STREAM on the last frame of a stream when that is still here and may carry it. Returns whether it was so. */
  endLast(stream: number): boolean {
    if (this.#lastStream !== stream || this.#lastFrame < 0) return false
    const type = this.#memory[this.#lastFrame + 3]
    if (type !== FRAME.data && type !== FRAME.headers) return false
    this.#memory[this.#lastFrame + 4] = (this.#memory[this.#lastFrame + 4] as number) | FLAG.endStream
    return true
  }

  /** What we say first to an app (RFC 9113 §3.4). */
  preface(): void {
    const { memory } = this.room(PREFACE.length)
    PREFACE.copy(memory, this.#used)
    this.#used += PREFACE.length
  }

  /** SETTINGS of ours, RFC 9113 §6.5. */
  settings(pairs: readonly (readonly [setting: number, value: number])[]): void {
    const { memory, at } = this.frame(pairs.length * 6, FRAME.settings, 0, 0)
    for (const [index, [setting, value]] of pairs.entries()) {
      memory[at + index * 6] = 0
      memory[at + index * 6 + 1] = setting
      write32(memory, at + index * 6 + 2, value)
    }
  }

  windowUpdate(stream: number, bytes: number): void {
    const { memory, at } = this.frame(4, FRAME.windowUpdate, 0, stream)
    write32(memory, at, bytes)
  }

  reset(stream: number, code: Http2Code): void {
    const { memory, at } = this.frame(4, FRAME.reset, 0, stream)
    write32(memory, at, code)
  }

  /** @param last the highest stream that was or may be acted on */
  goAway(last: number, code: Http2Code): void {
    const { memory, at } = this.frame(8, FRAME.goAway, 0, 0)
    write32(memory, write32(memory, at, last), code)
  }

  /** Asks for an acknowledgement. */
  ping(): void {
    const { memory, at } = this.frame(8, FRAME.ping, 0, 0)
    memory.fill(0, at, at + 8)
  }

  /** Answers a PING with its own payload. */
  pong(bytes: Buffer, start: number, end: number): void {
    const { memory, at } = this.frame(8, FRAME.ping, FLAG.ack, 0)
    bytes.copy(memory, at, start, end)
  }

  /** A header block as HEADERS, and CONTINUATION where one frame does not hold it; every peer takes frames of this size. */
  headers(stream: number, block: Buffer, size: number, ends: boolean): void {
    for (let start = 0; start === 0 || start < size; start += FRAME_BYTES_MAX) {
      const length = Math.min(FRAME_BYTES_MAX, size - start)
      const flags = (start + length === size ? FLAG.endHeaders : 0) | (ends && start === 0 ? FLAG.endStream : 0)
      const { memory, at } = this.frame(length, start === 0 ? FRAME.headers : FRAME.continuation, flags, stream)
      block.copy(memory, at, start, start + length)
    }
  }

  /** Ends our side of a stream: on its last frame where that has not left yet. */
  end(stream: number): void {
    if (!this.endLast(stream)) this.frame(0, FRAME.data, FLAG.endStream, stream)
  }

  /** Hands what was gathered to the socket. */
  flush(): void {
    const memory = this.#memory
    const size = this.#used
    this.#memory = NOTHING
    this.#used = 0
    this.#lastFrame = -1
    this.#lastStream = -1
    if (size > 0 && this.#socket.writable) {
      const bytes = memory.subarray(0, size)
      const outcome = this.#outlet.write(bytes)
      // What the kernel has yet to read stays as it is.
      if (outcome === WAITS) return
      if (outcome === NOT_TRIED && size > COPIED_BYTES_MAX) {
        this.#socket.write(bytes, error => error == null && giveBack(memory))
        return
      }
      // A copy of the size it needs: the memory is somebody else's with the next turn.
      if (outcome === NOT_TRIED) this.#socket.write(Buffer.from(bytes))
    }
    giveBack(memory)
  }

  #grow(size: number): Buffer {
    this.#memory = Buffer.allocUnsafeSlow(size)
    return this.#memory
  }
}

function giveBack(memory: Buffer): void {
  if (memory.length === ROOM && free.length < FREE_MAX) free.push(memory)
}

// One for all, so that a frame costs no object; read before the next frame is begun.
const place: { memory: Buffer; at: number } = { memory: NOTHING, at: 0 }
