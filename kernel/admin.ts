import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Log } from './log.ts'
import { METRICS_TYPE, type Metrics } from './metrics.ts'

/** What an admin page answers; `body` that is no text is sent as JSON. */
export interface AdminReply {
  readonly status?: number
  readonly type?: string
  readonly body: unknown
}

export interface AdminOptions {
  readonly port: number
  readonly host: string
  readonly log: Log
  readonly metrics?: Metrics
  /** Why the role is not ready; empty when it is. */
  readonly ready: () => readonly string[]
  /** What is to be said beside "ready", a line each: for whoever looks, not for who decides. */
  readonly notes?: () => readonly string[]
  /** Further pages by their path; one of these names goes before the page that every role has. */
  readonly routes?: Readonly<Record<string, (url: URL, accept: string) => AdminReply | Promise<AdminReply>>>
}

/**
 * The port of a role for its operator: `/healthz` (the process answers), `/readyz` (it may be given work; 503 with the reasons otherwise),
 * `/metrics`, and the pages of the role. GET and HEAD only; meant for the inside of a cluster.
 */
export async function startAdmin(options: AdminOptions): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = createServer({ requestTimeout: 10_000, headersTimeout: 5_000, maxHeaderSize: 8192 }, (request, response) => {
    answer(options, request).then(
      reply => send(request, response, reply),
      error => {
        options.log.error('admin page failed', { path: request.url, error })
        send(request, response, { status: 500, body: 'Internal error\n' })
      },
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(options.port, options.host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      const closed = new Promise(resolve => server.close(resolve))
      server.closeAllConnections()
      await closed
    },
  }
}

async function answer(options: AdminOptions, request: IncomingMessage): Promise<AdminReply> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return { status: 405, body: 'Method not allowed\n' }
  const url = URL.parse(request.url ?? '/', 'http://admin')
  if (!url) return { status: 400, body: 'Bad request\n' }
  const path = url.pathname.replace(/(?<=.)\/$/, '')
  const page = options.routes?.[path]
  if (page) return page(url, request.headers.accept ?? '')
  if (path === '/healthz') return { body: 'ok\n' }
  if (path === '/readyz') {
    const reasons = options.ready()
    return reasons.length === 0
      ? { body: ['ok', ...(options.notes?.() ?? []), ''].join('\n') }
      : { status: 503, body: `${reasons.join('\n')}\n` }
  }
  if (path === '/metrics' && options.metrics) return { type: METRICS_TYPE, body: await options.metrics.text() }
  return { status: 404, body: 'Not found\n' }
}

function send(request: IncomingMessage, response: ServerResponse, reply: AdminReply): void {
  const isText = typeof reply.body === 'string'
  const body = isText ? (reply.body as string) : `${JSON.stringify(reply.body)}\n`
  response.writeHead(reply.status ?? 200, {
    'content-type': reply.type ?? (isText ? 'text/plain; charset=utf-8' : 'application/json'),
    'content-length': Buffer.byteLength(body),
    'cache-control': 'no-store',
  })
  response.end(request.method === 'HEAD' ? undefined : body)
}
