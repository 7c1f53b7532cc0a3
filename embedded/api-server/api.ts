import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Log } from '../../kernel/log.ts'
import type { ObjectStore } from '../store/object-store.ts'
import { isAuthentic } from './authenticate.ts'
import { discover, VERSION } from './discovery.ts'
import { parseTarget, readBody } from './http-request.ts'
import { openApi } from './openapi.ts'
import { parseJson } from './parse-body.ts'
import { handleResource } from './resource.ts'
import { answerReview } from './reviews.ts'
import type { Json } from './schema/decode.ts'
import { sendBody, sendJson, sendText } from './send.ts'
import { ApiError, notImplemented, type Status } from './status.ts'

export interface ApiOptions {
  readonly log: Log
  readonly token: string
  readonly kubeletToken: string | undefined
  readonly watchMax: number
  readonly bookmarkMs: number
  readonly bufferBytesMax: number
}

/** What the handlers of one request share. */
export interface Exchange {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly url: URL
  readonly store: ObjectStore
  readonly api: Api
  /** Notes a warning for the answer's header. */
  readonly warn: (text: string) => void
}

/** Paths that tell nothing and so are open to all. */
const OPEN = /^\/(healthz|livez|readyz)(\/|$)|^\/version\/?$/

/** Answers every request: who asks, what for, and the one place where errors become statuses. */
export class Api {
  readonly store: ObjectStore
  readonly options: ApiOptions
  /** Fires when the server stops: long answers end. */
  readonly #stopping = new AbortController()
  watchCount = 0

  constructor(store: ObjectStore, options: ApiOptions) {
    this.store = store
    this.options = options
  }

  get stopping(): AbortSignal {
    return this.#stopping.signal
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const warnings: string[] = []
    // A response without a listener for its errors ends the process when its client goes at the wrong moment.
    response.on('error', error => this.options.log.debug('answer not delivered', { path: request.url, error }))
    try {
      response.setHeader('audit-id', crypto.randomUUID())
      const url = readUrl(request)
      if (!OPEN.test(url.pathname) && !isAuthentic(request, this.options.token)) {
        throw new ApiError(401, 'Unauthorized', 'Unauthorized')
      }
      const warn = (text: string) => {
        if (warnings.length < WARNINGS_MAX && !warnings.includes(text)) warnings.push(text)
        response.setHeader('warning', warnings.map(warningHeader))
      }
      await this.#route({ request, response, url, store: this.store, api: this, warn })
    } catch (error) {
      this.#fail(request, response, error)
    }
  }

  /** exec, attach and port-forward come as upgrades. */
  refuseUpgrade(request: IncomingMessage, socket: Duplex): void {
    const { status } = isAuthentic(request, this.options.token)
      ? notImplemented('exec, attach and port-forward')
      : new ApiError(401, 'Unauthorized', 'Unauthorized')
    const body = JSON.stringify(status)
    socket.on('error', () => {})
    socket.end(
      `HTTP/1.1 ${status.code} ${status.reason}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`,
    )
  }

  stop(): void {
    this.#stopping.abort()
  }

  async #route(exchange: Exchange): Promise<void> {
    const { url, request, response } = exchange
    const path = url.pathname.replace(/\/+$/, '') || '/'
    if (path === '/version') return sendJson(response, 200, JSON.stringify(VERSION, undefined, 2))
    if (/^\/(healthz|livez|readyz)(\/.*)?$/.test(path)) return sendText(response, 200, url.searchParams.has('verbose') ? VERBOSE : 'ok')
    if (path === '/') return sendJson(response, 200, JSON.stringify({ paths: PATHS }))
    if (path.startsWith('/openapi/')) {
      const answer = openApi(path, request.headers)
      if (answer) {
        for (const [name, value] of Object.entries(answer.headers)) response.setHeader(name, value)
        return sendBody(response, 200, answer.body)
      }
    }
    const isAggregated =
      /as=APIGroupDiscoveryList/.test(request.headers.accept ?? '') && /v=v2[;,\s]|v=v2$/.test(request.headers.accept ?? '')
    const found = discover(path, isAggregated, request.headers.host ?? '')
    if (found) {
      if (request.method !== 'GET')
        throw new ApiError(405, 'MethodNotAllowed', 'the server does not allow this method on the requested resource', {})
      const isList = path === '/api' || path === '/apis'
      const type = isAggregated && isList ? 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList' : 'application/json'
      response.setHeader('vary', 'Accept')
      return sendJson(response, 200, JSON.stringify(found), type)
    }
    if (request.method === 'POST' && /^\/apis\/auth/.test(path)) {
      const body = await readBody(request)
      // What is asked does not matter to the answer, so a question in protobuf need not be read.
      const isJson = /json/.test(request.headers['content-type'] ?? '')
      const review = answerReview(path, isJson ? (parseJson(body.toString()).value as Json) : {})
      if (review) return sendJson(response, 201, JSON.stringify(review))
    }
    const target = parseTarget(path)
    if (!target) return sendText(response, 404, '404 page not found\n')
    await handleResource(exchange, target)
  }

  #fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    if (response.headersSent) {
      response.destroy()
      return
    }
    const known = error instanceof ApiError
    // A client that goes in the middle of its request is no fault of ours.
    if (!known && !request.destroyed) this.options.log.error('request failed', { method: request.method, path: request.url, error })
    const status: Status & { code: number } = known ? error.status : internalError(error)
    if (status.code === 429 || status.code === 504) response.setHeader('retry-after', '1')
    if (status.code === 413) response.setHeader('connection', 'close')
    sendJson(response, status.code, JSON.stringify(status))
  }
}

const WARNINGS_MAX = 20
const PATHS = ['/api', '/api/v1', '/apis', '/healthz', '/livez', '/openapi/v2', '/openapi/v3', '/readyz', '/version']
const VERBOSE = '[+]ping ok\n[+]store ok\nreadyz check passed\n'

function readUrl(request: IncomingMessage): URL {
  try {
    return new URL(request.url ?? '/', 'https://localhost')
  } catch {
    throw new ApiError(400, 'BadRequest', 'the URL of the request cannot be read')
  }
}

function warningHeader(text: string): string {
  // Header values are latin1 and one line (RFC 9110 §5.5), the text is quoted (RFC 7234 §5.5).
  const safe = text.replace(/[^\x20-\x7e]/g, '?').replace(/["\\]/g, '\\$&')
  return `299 - "${safe}"`
}

function internalError(error: unknown): Status & { code: number } {
  const message = `Internal error occurred: ${error instanceof Error ? error.message : String(error)}`
  return new ApiError(500, 'InternalError', message, { causes: [{ message: String(error) }] }).status
}
