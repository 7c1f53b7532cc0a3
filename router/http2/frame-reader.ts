import { FRAME, FRAME_HEAD, WINDOW_MAX } from './frames.ts'

/** Acts on frames as they become whole. */
export interface FrameSink {
  /** Whether a frame of such a length may come here. */
  frameHead(length: number, type: number): boolean
  /**
   * Acts on one whole frame.
   *
   * @param stop where the bytes end that are here after the frame
   * @returns where to read on, -1 to stop reading for good
   */
  frame(type: number, flags: number, stream: number, bytes: Buffer, start: number, end: number, stop: number): number
}

/** Cuts a connection's bytes into frames (RFC 9113 §4.1); one that is not whole yet is kept, never more than its own size. */
export class FrameReader {
  /** Whether the deadline of the head under way was set; whoever reads keeps it. */
  headTimed = false
  readonly #headBytes = Buffer.alloc(FRAME_HEAD)
  #headRead = 0
  #rest: Buffer | undefined
  #restRead = 0

  /** Whether a frame of a header block, or what may become one, has begun and is not whole. */
  get isInHead(): boolean {
    if (this.#rest !== undefined) return this.#headBytes[3] === FRAME.headers || this.#headBytes[3] === FRAME.continuation
    return this.#headRead > 0
  }

  read(bytes: Buffer, from: number, end: number, sink: FrameSink): void {
    let at = from
    while (at < end) {
      if (this.#rest !== undefined || this.#headRead > 0 || end - at < FRAME_HEAD) {
        at = this.#gather(bytes, at, end, sink)
        if (at < 0) return
        continue
      }
      const length = lengthOf(bytes, at)
      if (!sink.frameHead(length, bytes[at + 3] as number)) return
      const start = at + FRAME_HEAD
      if (length > end - start) {
        bytes.copy(this.#headBytes, 0, at, start)
        this.#headRead = FRAME_HEAD
        this.#begin(length)
        at = start
        continue
      }
      at = sink.frame(bytes[at + 3] as number, bytes[at + 4] as number, streamOf(bytes, at), bytes, start, start + length, end)
      if (at < 0) return
    }
  }

  /** Takes what is missing of a frame that came in pieces. @returns where it ended, -1 when reading stops */
  #gather(bytes: Buffer, from: number, end: number, sink: FrameSink): number {
    let at = from
    if (this.#rest === undefined) {
      const taken = Math.min(FRAME_HEAD - this.#headRead, end - at)
      bytes.copy(this.#headBytes, this.#headRead, at, at + taken)
      this.#headRead += taken
      at += taken
      if (this.#headRead < FRAME_HEAD) return at
      const length = lengthOf(this.#headBytes, 0)
      if (!sink.frameHead(length, this.#headBytes[3] as number)) return -1
      this.#begin(length)
    }
    const rest = this.#rest as unknown as Buffer
    const taken = Math.min(rest.length - this.#restRead, end - at)
    bytes.copy(rest, this.#restRead, at, at + taken)
    this.#restRead += taken
    at += taken
    if (this.#restRead < rest.length) return at
    this.#rest = undefined
    this.#headRead = 0
    const head = this.#headBytes
    const went = sink.frame(head[3] as number, head[4] as number, streamOf(head, 0), rest, 0, rest.length, rest.length)
    return went < 0 ? -1 : at
  }

  #begin(length: number): void {
    this.#rest = Buffer.allocUnsafe(length)
    this.#restRead = 0
  }
}

function lengthOf(bytes: Buffer, at: number): number {
  return ((bytes[at] as number) << 16) | ((bytes[at + 1] as number) << 8) | (bytes[at + 2] as number)
}

/** The reserved bit is ignored (RFC 9113 §4.1). */
function streamOf(bytes: Buffer, at: number): number {
  return (
    (((bytes[at + 5] as number) << 24) | ((bytes[at + 6] as number) << 16) | ((bytes[at + 7] as number) << 8) | (bytes[at + 8] as number)) &
    WINDOW_MAX
  )
}
