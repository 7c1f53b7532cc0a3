import { connect, type TLSSocket } from 'node:tls'
import { FLAG, FRAME, FRAME_HEAD, PREFACE, read32, writeFrameHead } from '../../router/http2/frames.ts'
import { HpackDecoder } from '../../router/http2/hpack/decoder.ts'

/** A frame as it came. */
export interface RawFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
  /** Of HEADERS: what the block says, by name. */
  readonly fields?: Readonly<Record<string, string>>
}

/** One frame's bytes. */
export function frame(type: number, flags: number, stream: number, payload: Uint8Array | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : Buffer.from(payload)
  const out = Buffer.alloc(FRAME_HEAD + body.length)
  writeFrameHead(out, 0, body.length, type, flags, stream)
  body.copy(out, FRAME_HEAD)
  return out
}

export const uint32 = (value: number) => Buffer.from([value >>> 24, value >> 16, value >> 8, value].map(byte => byte & 255))

/** A header block of literals that no table keeps. */
export function block(fields: readonly (readonly [string, string])[]): Buffer {
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)]))
}

/** A string of RFC 7541 §5.2, plain. */
export function text(value: string): Buffer {
  const bytes = Buffer.from(value, 'latin1')
  return Buffer.concat([integer(bytes.length, 7, 0), bytes])
}

/** An integer of RFC 7541 §5.1. */
export function integer(value: number, prefixBits: number, pattern: number): Buffer {
  const mask = 2 ** prefixBits - 1
  if (value < mask) return Buffer.from([pattern | value])
  const bytes = [pattern | mask]
  let rest = value - mask
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  return Buffer.from([...bytes, rest])
}

export const GET = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':path', '/'],
  [':authority', 'shop.test'],
] as const
export const POST = [[':method', 'POST'], ...GET.slice(1)] as const

export const settings = (...pairs: (readonly [number, number])[]) =>
  frame(FRAME.settings, 0, 0, Buffer.concat(pairs.map(([id, value]) => Buffer.concat([Buffer.from([0, id]), uint32(value)]))))
export const headers = (stream: number, fields: readonly (readonly [string, string])[], flags: number = FLAG.endHeaders | FLAG.endStream) =>
  frame(FRAME.headers, flags, stream, block(fields))
export const data = (stream: number, payload: Uint8Array | string, ended = false) =>
  frame(FRAME.data, ended ? FLAG.endStream : 0, stream, payload)
export const windowUpdate = (stream: number, increment: number) => frame(FRAME.windowUpdate, 0, stream, uint32(increment))
export const reset = (stream: number, code = 8) => frame(FRAME.reset, 0, stream, uint32(code))
export const ping = (flags = 0) => frame(FRAME.ping, flags, 0, '12345678')

/** A client that sends raw frames and keeps those that come back. */
export class RawHttp2 {
  readonly frames: RawFrame[] = []
  readonly socket: TLSSocket
  closed = false
  /** Whether it answers a PING, as every client does. */
  answersPings = true
  readonly #decoder = new HpackDecoder()
  readonly #waiting = new Set<() => void>()
  #rest = Buffer.alloc(0)
  #block: { frame: RawFrame; parts: Buffer[] } | undefined

  constructor(port: number, first: Uint8Array | null = Buffer.concat([PREFACE, settings()])) {
    this.socket = connect({ port, host: '127.0.0.1', servername: 'shop.test', rejectUnauthorized: false, ALPNProtocols: ['h2'] })
    this.socket.on('data', (chunk: Buffer) => this.#read(chunk))
    this.socket.on('error', () => {})
    this.socket.on('close', () => this.#close())
    this.socket.on('end', () => this.#close())
    if (first !== null) this.send(first)
  }

  send(...bytes: Uint8Array[]): this {
    this.socket.write(Buffer.concat(bytes))
    return this
  }

  /** The first frame that is so, now or later; undefined when the connection closes before. */
  async wait(wanted: (frame: RawFrame) => boolean): Promise<RawFrame | undefined> {
    for (;;) {
      const found = this.frames.find(wanted)
      if (found !== undefined || this.closed) return found
      await new Promise<void>(resolve => this.#waiting.add(resolve))
    }
  }

  async until(condition: () => boolean): Promise<void> {
    while (!condition() && !this.closed) await new Promise<void>(resolve => this.#waiting.add(resolve))
  }

  headersOf(stream: number): Promise<RawFrame | undefined> {
    return this.wait(frame => frame.stream === stream && frame.type === FRAME.headers && frame.fields !== undefined)
  }

  /** All DATA of a stream so far. */
  body(stream: number): string {
    return Buffer.concat(this.frames.flatMap(one => (one.stream === stream && one.type === FRAME.data ? [one.payload] : []))).toString(
      'latin1',
    )
  }

  /** Resolves when a stream's answer is complete. */
  async ended(stream: number): Promise<RawFrame | undefined> {
    return this.wait(
      one => one.stream === stream && (one.type === FRAME.data || one.type === FRAME.headers) && (one.flags & FLAG.endStream) !== 0,
    )
  }

  destroy(): void {
    this.socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.#rest = Buffer.concat([this.#rest, chunk])
    while (this.#rest.length >= FRAME_HEAD) {
      const length = this.#rest.readUIntBE(0, 3)
      if (this.#rest.length < FRAME_HEAD + length) break
      const one = {
        type: this.#rest[3] as number,
        flags: this.#rest[4] as number,
        stream: read32(this.#rest, 5),
        payload: Buffer.from(this.#rest.subarray(FRAME_HEAD, FRAME_HEAD + length)),
      }
      this.#rest = this.#rest.subarray(FRAME_HEAD + length)
      this.frames.push(this.#withFields(one))
      if (one.type === FRAME.ping && one.flags === 0 && this.answersPings && this.socket.writable)
        this.send(frame(FRAME.ping, FLAG.ack, 0, one.payload))
    }
    this.#wake()
  }

  #withFields(one: RawFrame): RawFrame {
    if (one.type === FRAME.headers) this.#block = { frame: one, parts: [] }
    const under = this.#block
    if (under === undefined || (one.type !== FRAME.headers && one.type !== FRAME.continuation)) return one
    under.parts.push(one.payload)
    if ((one.flags & FLAG.endHeaders) === 0) return one
    this.#block = undefined
    const bytes = Buffer.concat(under.parts)
    const fields: Record<string, string> = {}
    const ok = this.#decoder.decode(bytes, 0, bytes.length, { field: ({ name, value }) => (fields[name] = value) })
    if (!ok) throw new Error('The router sent a header block that cannot be read')
    return { ...one, type: FRAME.headers, flags: under.frame.flags | one.flags, fields }
  }

  #close(): void {
    this.closed = true
    this.#wake()
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}
