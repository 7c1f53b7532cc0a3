import Fastify, { type FastifyError, type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify'
import { KubernetesError } from '../kernel/kubernetes/api.ts'
import type { Log } from '../kernel/log.ts'
import { isFields } from './domain/fields.ts'
import { Refusal } from './domain/refusal.ts'
import type { ControlPlaneMetrics } from './metrics.ts'

/** What the API calls itself. Clients compare it as text and break on anything else: it never changes. */
const API_VERSION = '2.3'
const PLATFORM_VERSION = '2.3.0'

/** On every answer, whatever its status; both families, since each kind of client looks for its own. */
const HEADERS: Readonly<Record<string, string>> = {
  DEIS_API_VERSION: API_VERSION,
  DEIS_PLATFORM_VERSION: PLATFORM_VERSION,
  DRYCC_API_VERSION: API_VERSION,
  DRYCC_PLATFORM_VERSION: PLATFORM_VERSION,
  'Access-Control-Allow-Origin': '*',
  'Access-Control-Allow-Methods': 'GET, POST, PUT, PATCH, DELETE, OPTIONS',
  'Access-Control-Allow-Headers': 'content-type, accept, origin, Authorization, Host',
  'Access-Control-Expose-Headers': 'DEIS_API_VERSION, DEIS_PLATFORM_VERSION, DRYCC_API_VERSION, DRYCC_PLATFORM_VERSION',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
}

// A config may hold 1 MB of values, which JSON's escapes can swell.
const BODY_BYTES_MAX = 4 * 1024 * 1024

const CLOSE_TIMEOUT_MS = 2_000

/** Makes the HTTP server of the API, without its routes: parsing, headers, and the one place where errors become statuses. */
export function buildServer(options: { log: Log; metrics: ControlPlaneMetrics }): FastifyInstance {
  const { log, metrics } = options
  const server = Fastify({
    bodyLimit: BODY_BYTES_MAX,
    routerOptions: { ignoreTrailingSlash: true, ignoreDuplicateSlashes: true, maxParamLength: 1024 },
    // Answers come when a rollout has settled, so only the receipt of a request has a deadline.
    requestTimeout: 60_000,
    keepAliveTimeout: 75_000,
    forceCloseConnections: 'idle',
    return503OnClosing: false,
    // Answered by our own handlers, with our own headers, whether the client says for whom it takes us or not.
    http: { requireHostHeader: false },
    // These never reach a hook.
    frameworkErrors: (error, _, reply) => {
      identify(reply)
      sendError(error, reply, log)
    },
    clientErrorHandler: (error, socket) => {
      if (!socket.writable) return void socket.destroy()
      const head = Object.entries(HEADERS).map(([name, value]) => `${name}: ${value}\r\n`)
      const body = JSON.stringify({ detail: 'Bad request' })
      const status = 'code' in error && error.code === 'HPE_HEADER_OVERFLOW' ? '431 Request Header Fields Too Large' : '400 Bad Request'
      socket.end(
        `HTTP/1.1 ${status}\r\n${head.join('')}content-type: application/json\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
      )
    },
  })
  server.addHook('onRequest', async (_, reply) => identify(reply))
  // An expectation that we do not know (RFC 9110 §10.1.1 lets us pass it over) would be refused by Node, in its own words.
  server.server.on('checkExpectation', (request, response) => server.server.emit('request', request, response))
  server.addHook('onResponse', async (request, reply) => {
    const route = request.routeOptions.url ?? 'none'
    metrics.requests.observe({ method: request.method, route, code: `${Math.floor(reply.statusCode / 100)}xx` }, reply.elapsedTime / 1000)
  })
  server.setErrorHandler((error: FastifyError, _, reply) => sendError(error, reply, log))
  server.setNotFoundHandler((_, reply) => reply.status(404).send({ detail: 'Not found.' }))
  parseBodies(server)
  return server
}

/** Puts on an answer what every answer carries. */
function identify(reply: FastifyReply): void {
  for (const [name, value] of Object.entries(HEADERS)) reply.raw.setHeader(name, value)
}

/** Answers what is under way, for a moment; who follows a log, or reads slowly, is cut off then. */
export async function closeServer(server: FastifyInstance): Promise<void> {
  const closed = server.close()
  const timer = setInterval(() => server.server.closeIdleConnections(), 20)
  const deadline = setTimeout(() => server.server.closeAllConnections(), CLOSE_TIMEOUT_MS)
  await closed
  clearInterval(timer)
  clearTimeout(deadline)
}

/** Turns whatever a handler threw into an answer. */
function sendError(error: unknown, reply: FastifyReply, log: Log): FastifyReply {
  const refusal = error instanceof Refusal ? error : refusalOf(error, log)
  for (const [name, value] of Object.entries(refusal.headers)) reply.header(name, value)
  return reply.status(refusal.status).type('application/json; charset=utf-8').send(JSON.stringify(refusal.body))
}

function refusalOf(error: unknown, log: Log): Refusal {
  if (error instanceof KubernetesError) {
    // 404: what was written to has gone meanwhile; 409: others wrote all the time. Everything else is between us and Kubernetes.
    if (error.code === 404) return new Refusal(404, { detail: 'Not found.' })
    if (error.code === 409) return new Refusal(409, { detail: 'The object is being changed by somebody else, try again' })
    log.error('Kubernetes refused', { code: error.code, reason: error.reason, error })
    return new Refusal(503, { detail: `Kubernetes: ${error.message}` })
  }
  const { statusCode = 500, message = '' } = (error ?? {}) as Partial<FastifyError>
  if (statusCode < 500) return new Refusal(statusCode, { detail: message.slice(0, 200) })
  if (isUnreachable(error)) {
    log.warn('Kubernetes not reached', { error })
    return new Refusal(503, { detail: 'Kubernetes is not reachable, try again in a moment' }, { headers: { 'retry-after': '5' } })
  }
  log.error('request failed', { error })
  return new Refusal(500, { detail: 'Server Error' })
}

function isUnreachable(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  return /^(ECONN|EPIPE|ETIMEDOUT|EHOST|ENET|EAI_|UND_ERR)/.test(code)
}

/** JSON and both kinds of forms, all as one flat object; nothing at all is an empty one, since clients announce JSON and send no byte. */
function parseBodies(server: FastifyInstance): void {
  server.removeAllContentTypeParsers()
  server.addContentTypeParser('application/json', { parseAs: 'string' }, (_, text, done) => {
    if (!String(text).trim()) return done(null, {})
    try {
      const value: unknown = JSON.parse(String(text))
      if (!isFields(value)) throw new SyntaxError('the body must be a JSON object')
      done(null, value)
    } catch (error) {
      done(new Refusal(400, { detail: `JSON parse error - ${(error as Error).message.slice(0, 200)}` }))
    }
  })
  server.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_, text, done) => {
    done(null, Object.fromEntries(new URLSearchParams(String(text))))
  })
  server.addContentTypeParser('multipart/form-data', { parseAs: 'buffer' }, async (request: FastifyRequest, bytes: Buffer) => {
    if (bytes.length === 0) return {}
    try {
      const form = await new Response(bytes, { headers: { 'content-type': request.headers['content-type'] ?? '' } }).formData()
      const texts = [...form].map(async ([name, value]) => [name, typeof value === 'string' ? value : await value.text()] as const)
      return Object.fromEntries(await Promise.all(texts))
    } catch {
      throw new Refusal(400, { detail: 'Multipart form parse error' })
    }
  })
  server.addContentTypeParser('*', { parseAs: 'string' }, (request, text, done) => {
    const type = String(request.headers['content-type'] ?? '').slice(0, 80)
    if (text) done(new Refusal(415, { detail: `Unsupported media type "${type}" in request.` }))
    else done(null, {})
  })
}
