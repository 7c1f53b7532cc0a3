import { createHash, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { delay } from '../../kernel/backoff.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import type { Log } from '../../kernel/log.ts'
import type { LogQuery } from './log-reader.ts'
import { normaliseTime } from './log-records.ts'

/** An answer that is no success; the message is what a person reads. */
export class ServerError extends Error {
  override readonly name = 'ServerError'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const DRAIN_MS = 500

export interface ServerOptions {
  /** 0 takes any free one. */
  readonly port: number
  /** What the API server has to show as a bearer token. */
  readonly token: string
  readonly log: Log
  /** Opens a container's log. @throws {ServerError} 404 or 400 when there is none */
  readonly openLog: (
    pod: { namespace: string; name: string; container: string },
    query: LogQuery & { previous: boolean },
    signal: AbortSignal,
  ) => AsyncIterable<Buffer>
}

/**
 * Serves on loopback what the API server passes on to a node: `GET /containerLogs/NAMESPACE/POD/CONTAINER` with the query of `kubectl logs`, and
 * `/healthz`. Plain HTTP: it does not leave the machine.
 */
export async function startServer(options: ServerOptions): Promise<Running & { port: number }> {
  const expected = digest(`Bearer ${options.token}`)
  const stopping = new AbortController()
  const server = createServer((request, response) => {
    handle(request, response).catch(error => {
      const known = error instanceof ServerError
      if (!known && !stopping.signal.aborted && !response.destroyed) options.log.warn('request failed', { url: request.url, error })
      if (response.headersSent) return response.destroy()
      response.writeHead(known ? error.status : 500, { 'content-type': 'text/plain' }).end(known ? error.message : 'internal error')
    })
  })

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://kubelet')
    if (url.pathname === '/healthz') return void response.end('ok')
    if (!timingSafeEqual(digest(request.headers.authorization ?? ''), expected)) throw new ServerError(401, 'Unauthorized')
    const [, route, namespace, name, container, ...rest] = url.pathname.split('/').map(decode)
    if (route !== 'containerLogs' || !namespace || !name || !container || rest.length > 0) throw new ServerError(404, 'page not found')
    if (request.method !== 'GET') throw new ServerError(405, 'method not allowed')
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    const signal = AbortSignal.any([gone.signal, stopping.signal])
    const lines = options.openLog({ namespace, name, container }, readQuery(url.searchParams), signal)
    // Sent before the first line, so that a follower knows that it follows.
    response.writeHead(200, { 'content-type': 'text/plain; charset=utf-8' })
    response.flushHeaders()
    await pipeline(Readable.from(lines, { objectMode: false, highWaterMark: 64 * 1024 }), response).catch(error => {
      // The reader has gone, which is how most followers end.
      if (!signal.aborted) throw error
    })
  }

  server.listen(options.port, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    stop: async () => {
      const closed = new Promise<void>(resolve => server.close(() => resolve()))
      server.closeIdleConnections()
      // Who follows the log of a container that has just ended is on its last lines.
      await Promise.race([closed, delay(DRAIN_MS)])
      stopping.abort()
      server.closeAllConnections()
      await closed
    },
  }
}

/** @throws {ServerError} 400 for a value that is none */
function readQuery(query: URLSearchParams): LogQuery & { previous: boolean } {
  const number = (name: string, min: number) => {
    const text = query.get(name)
    if (text === null || text === '') return undefined
    if (!/^\d+$/.test(text) || Number(text) < min) throw new ServerError(400, `${name} must be a whole number of at least ${min}`)
    return Number(text)
  }
  const flag = (name: string) => /^(true|1|t)$/i.test(query.get(name) ?? '')
  const tailLines = number('tailLines', 0)
  const limitBytes = number('limitBytes', 1)
  const sinceSeconds = number('sinceSeconds', 1)
  const sinceTime = query.get('sinceTime')
  let since: string | undefined
  try {
    if (sinceTime) since = normaliseTime(sinceTime)
    else if (sinceSeconds !== undefined) since = normaliseTime(new Date(Date.now() - sinceSeconds * 1000).toISOString())
  } catch (error) {
    throw new ServerError(400, (error as Error).message)
  }
  return {
    follow: flag('follow'),
    timestamps: flag('timestamps'),
    previous: flag('previous'),
    ...(tailLines === undefined ? {} : { tailLines }),
    ...(limitBytes === undefined ? {} : { limitBytes }),
    ...(since === undefined ? {} : { since }),
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    throw new ServerError(400, 'malformed path')
  }
}

/** Digests have one length, which a comparison in constant time needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
