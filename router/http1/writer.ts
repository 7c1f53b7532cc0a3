import type { Socket } from 'node:net'
import { type BodyLength, type BodySink, CHUNKED } from './body.ts'
import { NOT_TRIED, WAITS, WRITTEN } from './direct.ts'
import { latin1 } from './latin1.ts'
import { Outlet } from './outlet.ts'

// Payload of one turn of the loop is gathered here, with room before it for a head and after it for the end of a chunk, so that a whole
// message leaves in one write. Shared by all connections: gathering never outlives the turn (see flush).
const HEAD_ROOM = 16 * 1024
const PAYLOAD_ROOM = 64 * 1024
const TAIL_ROOM = 16
// Up to this a message goes out as one latin1 string, which costs no buffer object and no replacement when the kernel is slow to take it.
const TEXT_BYTES_MAX = 4 * 1024
const LAST_CHUNK = '0\r\n'
const LAST_CHUNK_AND_END = '0\r\n\r\n'

let memory = Buffer.allocUnsafeSlow(HEAD_ROOM + PAYLOAD_ROOM + TAIL_ROOM)
let owner: MessageWriter | undefined
let gathered = 0

/**
 * Writes messages to one socket: head, payload in its framing, end. What one turn of the loop brings leaves in one write when the turn
 * ends in {@link flush}. Bytes given to it are copied before the call returns.
 */
export class MessageWriter implements BodySink {
  /** Bytes written since the socket was opened, those still gathered included. */
  bytesWritten = 0
  readonly #socket: Socket
  readonly #outlet: Outlet
  #text = ''
  #length: BodyLength = 0
  #left = 0
  /** Text that ends the message, to stand behind the gathered payload. */
  #tail = ''

  /** @param socket of which nobody else writes anything */
  constructor(socket: Socket) {
    this.#socket = socket
    this.#outlet = new Outlet(socket)
  }

  /** Begins a message. */
  begin(head: string, length: BodyLength): void {
    if (owner === this && gathered > 0) this.flush()
    this.#text += head
    this.bytesWritten += head.length
    this.#length = length
    this.#left = length > 0 ? length : 0
  }

  /** Adds a whole message, or an interim response. @param body as latin1 */
  text(text: string, body = ''): void {
    if (owner === this && gathered > 0) this.flush()
    this.bytesWritten += text.length + body.length
    if (body.length <= TEXT_BYTES_MAX || body.length > PAYLOAD_ROOM) {
      this.#text += text + body
      return
    }
    // Longer text would be copied once more to be made one piece with its head.
    this.#text += text
    if (owner !== this) owner?.flush()
    owner = this
    gathered = memory.write(body, HEAD_ROOM, 'latin1')
  }

  /** Adds payload that is text already, as the whole body of a message of stated length. */
  inline(body: string): void {
    const piece = body.slice(0, this.#left)
    this.#text += piece
    this.bytesWritten += piece.length
    this.#left -= piece.length
  }

  /** Adds payload; never more than the length that was stated, whatever the other side brings. */
  payload(bytes: Buffer, start: number, end: number): void {
    let at = start
    let stop = end
    if (this.#length >= 0) {
      stop = Math.min(end, start + this.#left)
      this.#left -= stop - start
    }
    if (owner !== this && at < stop) {
      owner?.flush()
      owner = this
    }
    this.bytesWritten += Math.max(0, stop - start)
    while (at < stop) {
      const room = PAYLOAD_ROOM - gathered
      if (room === 0) {
        this.flush()
        owner = this
        continue
      }
      const piece = Math.min(room, stop - at)
      bytes.copy(memory, HEAD_ROOM + gathered, at, at + piece)
      gathered += piece
      at += piece
    }
  }

  /**
   * Ends the message.
   *
   * @param trailers lines to stand behind a body in chunks; dropped behind any other
   * @returns false when bytes of a stated length are missing: then only cutting the connection is honest
   */
  finish(trailers = ''): boolean {
    if (this.#length === CHUNKED) {
      const last = trailers === '' ? LAST_CHUNK_AND_END : `${LAST_CHUNK}${trailers}\r\n`
      this.bytesWritten += last.length
      const isGathered = owner === this && gathered > 0
      // Trailers have no room behind the payload.
      if (isGathered && trailers === '') this.#tail = last
      if (isGathered) this.flush()
      if (!isGathered || trailers !== '') this.#text += last
    }
    const whole = this.#left === 0
    this.#length = 0
    this.#left = 0
    return whole
  }

  /** Whether enough was gathered that a long turn should hand it over before it goes on. */
  get full(): boolean {
    return this.#text.length > HEAD_ROOM
  }

  /** Whether bytes still wait for the peer. */
  get blocked(): boolean {
    return this.#outlet.blocked
  }

  /** Hands what was gathered to the socket. Returns false while the peer is slow: wait for `drain` before bringing more. */
  flush(): boolean {
    const size = owner === this ? gathered : 0
    const text = this.#text
    this.#text = ''
    if (owner === this) {
      owner = undefined
      gathered = 0
    }
    if (size === 0 && text === '') return !this.#outlet.full
    // Nobody is there any more; whoever brings bytes learns it from the socket's `close`.
    if (!this.#socket.writable) return true
    if (size === 0) return this.#send(text)
    const head = this.#length === CHUNKED ? `${text}${size.toString(16)}\r\n` : text
    const tail = this.#length === CHUNKED ? `\r\n${this.#tail}` : ''
    this.bytesWritten += head.length - text.length + tail.length - this.#tail.length
    this.#tail = ''
    if (!this.#outlet.secure && head.length + size <= TEXT_BYTES_MAX) {
      return this.#send(head + latin1(memory, HEAD_ROOM, HEAD_ROOM + size) + tail)
    }
    return this.#write(head, size, tail)
  }

  #write(head: string, size: number, tail: string): boolean {
    let start = HEAD_ROOM
    if (head.length > HEAD_ROOM) this.#send(head)
    else start -= memory.write(head, HEAD_ROOM - head.length, 'latin1')
    memory.write(tail, HEAD_ROOM + size, 'latin1')
    const message = memory.subarray(start, HEAD_ROOM + size + tail.length)
    const outcome = this.#outlet.write(message)
    // Behind bytes that wait it will wait as well: so that it holds no more than its own size.
    if (outcome === NOT_TRIED) return this.#socket.write(Buffer.from(message))
    // What the kernel has not taken yet refers to this memory: it stays theirs, and the next turn gets another.
    if (outcome === WAITS) memory = Buffer.allocUnsafeSlow(memory.length)
    return outcome === WRITTEN
  }

  #send(message: string): boolean {
    const outcome = this.#outlet.write(message)
    return outcome === NOT_TRIED ? this.#socket.write(message, 'latin1') : outcome === WRITTEN
  }
}
