import { CODE, FLAG, type Http2Code, read32, WINDOW_MAX } from './frames.ts'

/** Octets that a stream dependency and its weight take in HEADERS and PRIORITY, RFC 9113 §6.2. */
const PRIORITY_BYTES = 5
const NOTHING: Buffer = Buffer.alloc(0)

/**
 * The header block that a connection is receiving: HEADERS, and CONTINUATION until END_HEADERS (RFC 9113 §4.3). There is never more than one,
 * and nothing may come between its frames; one that came in one frame is read where it stands.
 */
export class HeaderBlock {
  /** The stream of the block under way; 0: there is none. */
  stream = 0
  /** Whether the stream ends with it. */
  ends = false
  /** Octets of it so far; compressed it is never larger than what it stands for. */
  size = 0
  /** Where the whole block stands, once there is no more to come; until {@link release}. */
  bytes = NOTHING
  start = 0
  end = 0
  #fragments: Buffer[] = []

  /** Takes the payload of HEADERS. @returns an error code for the connection; noError when all is well */
  begin(flags: number, stream: number, payload: Buffer, start: number, end: number): Http2Code {
    const overhead = (flags & FLAG.padded ? 1 : 0) + (flags & FLAG.priority ? PRIORITY_BYTES : 0)
    if (end - start < overhead) return CODE.frameSizeError
    const from = start + overhead
    const to = flags & FLAG.padded ? end - (payload[start] as number) : end
    if (from > to) return CODE.protocolError
    if (flags & FLAG.priority && dependsOn(payload, from - PRIORITY_BYTES) === stream) return CODE.protocolError
    this.stream = stream
    this.ends = (flags & FLAG.endStream) !== 0
    this.size = 0
    this.add(flags, payload, from, to)
    return CODE.noError
  }

  /** Takes the payload of CONTINUATION. */
  add(flags: number, payload: Buffer, start: number, end: number): void {
    const isWhole = (flags & FLAG.endHeaders) !== 0
    this.size += end - start
    if (!isWhole || this.#fragments.length > 0) this.#fragments.push(Buffer.from(payload.subarray(start, end)))
    if (!isWhole) return
    const gathered = this.#fragments.length > 0
    this.bytes = gathered ? Buffer.concat(this.#fragments) : payload
    this.start = gathered ? 0 : start
    this.end = gathered ? this.bytes.length : end
    this.stream = 0
    this.#fragments = []
  }

  /** Lets go of the memory of a block that was read. */
  release(): void {
    this.bytes = NOTHING
  }
}

/** The stream that a priority says to wait for. One cannot wait for itself; else priorities mean nothing any more (RFC 9113 §5.3.2). */
export function dependsOn(payload: Buffer, at: number): number {
  return read32(payload, at) & WINDOW_MAX
}
