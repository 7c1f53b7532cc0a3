import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Session, type ServerHttp2Stream, type ServerOptions } from 'node:http2'
import type { AddressInfo, Socket } from 'node:net'
import { startApp, type TestApp } from '../serve/testbed.ts'
import { type Endpoint, endpoint } from '../table/route.ts'
import { upstreamEndpoints } from '../table/upstream-tls.ts'
import { FrameReader } from './frame-reader.ts'
import { FLAG, FRAME, FRAME_HEAD, PREFACE, write32, writeFrameHead } from './frames.ts'
import { HpackDecoder } from './hpack/decoder.ts'

/** An app of HTTP/2 for tests, on Node's own server. */
export interface Http2App extends AsyncDisposable {
  readonly endpoint: Endpoint
  readonly server: Http2Server
  /** Sessions that are open now. */
  readonly sessions: Set<ServerHttp2Session>
  /** Sessions that were ever opened. */
  readonly opened: () => number
}

/** Starts an app that answers each stream by a script. */
export async function startHttp2App(
  script: (stream: ServerHttp2Stream, headers: Record<string, string>) => void,
  options: ServerOptions = {},
): Promise<Http2App> {
  const server = createServer(options)
  const sessions = new Set<ServerHttp2Session>()
  let opened = 0
  server.on('session', session => {
    opened++
    sessions.add(session)
    session.on('close', () => sessions.delete(session))
    session.on('error', () => {})
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    script(stream, headers as Record<string, string>)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: h2c(endpoint('127.0.0.1', (server.address() as AddressInfo).port)),
    server,
    sessions,
    opened: () => opened,
    async [Symbol.asyncDispose]() {
      for (const session of sessions) session.destroy()
      server.close()
    },
  }
}

/** The endpoint of an app that speaks HTTP/2. */
export function h2c(of: Endpoint): Endpoint {
  return upstreamEndpoints([of], { upstreamHttp2: true })[0] as Endpoint
}

/** A frame that the router sent to a raw app. */
export interface SentFrame {
  readonly type: number
  readonly flags: number
  readonly stream: number
  readonly payload: Buffer
  /** Of HEADERS: what the block says, by name. */
  readonly fields?: Readonly<Record<string, string>>
}

/** Starts an app that is a script over the frames of each connection. */
export async function startFrameApp(
  script: (frame: SentFrame, socket: Socket, connection: number) => void,
  first: (socket: Socket, connection: number) => void = socket => socket.write(frameOf(FRAME.settings, 0, 0)),
): Promise<TestApp & { readonly frames: SentFrame[] }> {
  const frames: SentFrame[] = []
  const app = await startApp((socket, connection) => {
    const reader = new FrameReader()
    const decoder = new HpackDecoder()
    let preface = 0
    first(socket, connection)
    socket.on('data', (chunk: Buffer) => {
      const skipped = Math.min(chunk.length, PREFACE.length - preface)
      preface += skipped
      reader.read(chunk, skipped, chunk.length, {
        frameHead: () => true,
        frame: (type, flags, stream, bytes, start, end) => {
          const fields: Record<string, string> = {}
          if (type === FRAME.headers) decoder.decode(bytes, start, end, { field: ({ name, value }) => (fields[name] = value) })
          const one = { type, flags, stream, payload: Buffer.from(bytes.subarray(start, end)), fields }
          frames.push(one)
          script(one, socket, connection)
          return end
        },
      })
    })
  })
  return Object.assign(app, { endpoint: h2c(app.endpoint), frames })
}

/** One frame's bytes. */
export function frameOf(type: number, flags: number, stream: number, payload: Uint8Array | string = ''): Buffer {
  const body = typeof payload === 'string' ? Buffer.from(payload, 'latin1') : Buffer.from(payload)
  const out = Buffer.alloc(FRAME_HEAD + body.length)
  writeFrameHead(out, 0, body.length, type, flags, stream)
  body.copy(out, FRAME_HEAD)
  return out
}

/** HEADERS of literals that no table keeps. */
export function headersOf(stream: number, fields: readonly (readonly [string, string])[], flags: number = FLAG.endHeaders): Buffer {
  const text = (value: string) => Buffer.concat([lengthOf(value.length), Buffer.from(value, 'latin1')])
  return frameOf(
    FRAME.headers,
    flags,
    stream,
    Buffer.concat(fields.flatMap(([name, value]) => [Buffer.from([0]), text(name), text(value)])),
  )
}

export const OK = [
  [':status', '200'],
  ['content-type', 'text/plain'],
] as const

export function numberOf(value: number): Buffer {
  const out = Buffer.alloc(4)
  write32(out, 0, value)
  return out
}

/** An integer with a prefix of seven bits, RFC 7541 §5.1. */
function lengthOf(value: number): Buffer {
  if (value < 127) return Buffer.from([value])
  const bytes = [127]
  let rest = value - 127
  for (; rest >= 128; rest = rest >> 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}
