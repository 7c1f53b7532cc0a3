import { performance } from 'node:perf_hooks'
import { withoutCors } from '../edge/cors.ts'
import { CHUNKED, UNTIL_CLOSE } from '../http1/body.ts'
import type { EndpointState } from '../http1/endpoint-state.ts'
import type { ResponseHead } from '../http1/response-head.ts'
import type { Looker } from '../http1/second-look.ts'
import { UpstreamConnection, type UpstreamListener } from '../http1/upstream.ts'
import { UpstreamStream } from '../http2/upstream-stream.ts'
import { RETRY_PERCENT } from '../table/retry-budget.ts'
import type { Endpoint, Route } from '../table/route.ts'
import { choose } from './balance.ts'
import { Ceiling } from './ceiling.ts'
import { isWorthCompressing, planCompression } from './compression.ts'
import { conclude } from './conclude.ts'
import { type Encoded, Encoder } from './encoder.ts'
import { ERRORS, type ErrorCode, errorReply } from './errors.ts'
import type { Exchange, RequestSink } from './exchange.ts'
import { answerLines, requestText, withoutOwnHsts } from './headers.ts'
import type { Phases } from './phases.ts'
import { reply } from './reply.ts'
import { steer, stickyLine } from './steer.ts'
import type { RequestWriter, UpstreamExchange } from './upstream-exchange.ts'

const ATTEMPTS_MAX = 3
// A request that cannot be sent twice takes only a connection that was used a moment ago: the longer it was idle, the likelier its app is
// closing it right now.
const FRESH_MS = 1000
// A WebSocket whose one side is gone has nothing more to say to the other (RFC 6455 §7.1.1); any other protocol may go on one way.
const HALF_WEBSOCKET_MS = 1000
/** No byte of the request has left: another endpoint may do better. */
const UNREACHED: ReadonlySet<ErrorCode> = new Set(['R25', 'R30', 'R31', 'R38'])

const NO_PIECES: readonly Buffer[] = []

/**
 * Brings a request to one of its app's endpoints and the answer back, unbuffered, each side at the pace of the other.
 *
 * While nothing of an answer has come, another endpoint or a new connection is tried: again when nothing was sent, and once when what was
 * sent means the same twice (RFC 9110 §9.2.2) and is still here whole. A POST that was sent is never sent again.
 */
export class Forward implements RequestSink, UpstreamListener, Encoded, Looker {
  readonly #exchange: Exchange
  readonly #route: Route
  readonly #phases: Phases
  /** The head, and the body where it came with it: what a second attempt sends again. */
  readonly #text: string
  readonly #body: string
  /** Whether (the rest of) the body comes in pieces. */
  #streams: boolean
  #pieces: readonly Buffer[]
  #requestTrailers: string
  #upstream: UpstreamExchange | undefined
  #home: EndpointState | undefined
  #ceiling: Ceiling | undefined
  #sent = false
  #repeated = false
  #bodyBytes = 0
  #continued = false
  #clientEnded = false
  #answered = false
  #relaying = false
  #encoder: Encoder | undefined
  #trailers = ''
  #over = false

  /**
   * @param pieces of a body what was gathered of it: all, or that which goes on coming begins with these
   * @param trailers behind a body that was gathered whole
   */
  constructor(exchange: Exchange, body: string, phases: Phases, pieces: readonly Buffer[] = NO_PIECES, trailers = '') {
    this.#exchange = exchange
    this.#route = exchange.route as Route
    this.#phases = phases
    this.#text = requestText(exchange)
    this.#body = body
    this.#streams = !exchange.downstream.requestComplete
    this.#pieces = pieces
    for (const piece of pieces) this.#bodyBytes += piece.length
    this.#requestTrailers = trailers
  }

  /** Whether an endpoint has what there is of the request, or is getting it. */
  get isSending(): boolean {
    return this.#sent
  }

  /** Begins the first attempt. */
  start(): void {
    try {
      const { policy } = this.#route
      if (policy.requestTimeoutMs !== undefined) {
        this.#ceiling = new Ceiling(() => this.#fail('R39'))
        this.#phases.pool.wheel.arm(this.#ceiling, policy.requestTimeoutMs)
      }
      this.#attempt(undefined)
    } catch (error) {
      this.crashed(error)
    }
  }

  #attempt(tried: Endpoint | undefined): void {
    const exchange = this.#exchange
    const { pool } = this.#phases
    const { endpoints, steering } = this.#route
    const endpoint = steering === undefined ? choose(endpoints, pool, tried) : steer(steering, exchange, pool, tried)
    if (endpoint === undefined) {
      this.#fail('R20')
      return
    }
    exchange.attempts++
    exchange.endpoint = endpoint
    // The first attempt begins with the exchange: one look at the clock serves for both.
    exchange.upstreamAt = exchange.attempts > 1 ? performance.now() : exchange.startedAt
    this.#sent = false
    const home = pool.begin(endpoint)
    this.#home = home
    if (endpoint.http2 !== undefined) {
      const stream = UpstreamStream.open(endpoint, home, pool, this, this.#route.policy)
      this.#upstream = stream
      if (stream.idle) this.connected()
      return
    }
    const kept = exchange.attempts > 1 ? undefined : pool.take(home, this.#repeatable ? Number.POSITIVE_INFINITY : FRESH_MS)
    if (kept === undefined) this.#upstream = UpstreamConnection.open(endpoint, home, pool, this, this.#route.policy)
    else {
      this.#upstream = kept
      if (this.#repeatable) this.connected()
      // What cannot be sent twice waits: an end that has arrived and was not read yet closes the connection now, rather than swallow the request.
      else pool.looks.after(this)
    }
  }

  looked(): void {
    const kept = this.#upstream
    if (this.#over || kept === undefined) return
    try {
      if (kept.idle) this.connected()
      else {
        const { pool } = this.#phases
        this.#upstream = UpstreamConnection.open(
          this.#exchange.endpoint as Endpoint,
          this.#home as EndpointState,
          pool,
          this,
          this.#route.policy,
        )
      }
    } catch (error) {
      this.crashed(error)
    }
  }

  connected(): void {
    const upstream = this.#upstream as UpstreamExchange
    const { head, downstream } = this.#exchange
    if (!upstream.reused) this.#exchange.connectMs = performance.now() - this.#exchange.upstreamAt
    upstream.begin(this, head.method, this.#route.policy)
    this.#sent = true
    if (this.#clientEnded) upstream.expireWithin(this.#phases.limits.halfClosedMs)
    if (this.#streams) {
      upstream.writer.begin(this.#text, head.length)
      if (this.#pieces.length > 0) this.#sendPieces()
      downstream.readBody()
    } else {
      if (this.#pieces.length > 0 || head.length === CHUNKED) this.#writeGathered(upstream.writer)
      else upstream.writer.text(this.#text, this.#body)
      upstream.requestSent()
      upstream.writer.flush()
    }
  }

  /** What was gathered goes out; from here on it is the socket's to hold. */
  #sendPieces(): void {
    for (const piece of this.#pieces) this.#upstream?.writer.payload(piece, 0, piece.length)
    this.#dropPieces()
  }

  /** A whole body of some size, which stays here for a second attempt. */
  #writeGathered(writer: RequestWriter): void {
    writer.begin(this.#text, this.#exchange.head.length)
    for (const piece of this.#pieces) writer.payload(piece, 0, piece.length)
    writer.finish(this.#requestTrailers)
  }

  #dropPieces(): void {
    this.#pieces = NO_PIECES
    this.#phases.buffered.held -= this.#exchange.heldBytes
    this.#exchange.heldBytes = 0
  }

  // The request's way

  requestPayload(bytes: Buffer, start: number, end: number): void {
    if (this.#over) return
    if (!this.#relaying) {
      this.#bodyBytes += end - start
      const { bodyBytesMax } = this.#route.policy
      // Of a chunked body nobody knows before.
      if (bodyBytesMax > 0 && this.#bodyBytes > bodyBytesMax) {
        this.#fail('R43')
        return
      }
    }
    if (this.#sent) this.#upstream?.writer.payload(bytes, start, end)
    // Another endpoint is being asked: what the turn brings meanwhile is kept, and the rest held back.
    else this.#pieces = [...this.#pieces, Buffer.from(bytes.subarray(start, end))]
  }

  requestFlush(): boolean {
    const upstream = this.#upstream
    if (this.#over || !(this.#streams || this.#relaying)) return true
    if (upstream === undefined || !this.#sent) return false
    upstream.touch()
    return upstream.writer.flush()
  }

  requestCompleted(trailers: string): void {
    if (this.#over) return
    if (!this.#sent) {
      this.#streams = false
      this.#requestTrailers = trailers
      return
    }
    this.#upstream?.writer.finish(trailers)
    this.#upstream?.requestSent()
  }

  requestLost(code: ErrorCode, answerable: boolean): void {
    if (this.#over && this.#encoder === undefined) return
    if (answerable) this.#fail(code)
    else this.#finish(code)
  }

  clientReady(): void {
    if (this.#encoder === undefined) this.#upstream?.resume()
    else this.#encoder.clientReady()
  }

  clientEnded(): void {
    if (this.#over) return
    if (this.#relaying) {
      this.#upstream?.end()
      if (this.#isWebSocket) this.#upstream?.expireWithin(HALF_WEBSOCKET_MS)
      return
    }
    this.#clientEnded = true
    if (this.#sent) this.#upstream?.expireWithin(this.#phases.limits.halfClosedMs)
  }

  // The answer's way

  interim(head: ResponseHead): void {
    // Whoever did not ask for 100 must not get it; twice is once too often.
    if (head.status === 100 && (!this.#exchange.head.expectsContinue || this.#continued)) return
    if (head.status === 100) this.#continued = true
    this.#exchange.downstream.inform(head.status, head.reason, head.fields)
  }

  answered(head: ResponseHead): void {
    const exchange = this.#exchange
    this.#answered = true
    if (this.#pieces.length > 0) this.#dropPieces()
    exchange.upstreamAnsweredAt = performance.now()
    exchange.status = head.status
    let fields = this.#route.policy.edge?.cors === undefined ? head.fields : withoutCors(head.fields)
    if (this.#route.policy.hsts !== undefined) fields = withoutOwnHsts(fields, exchange)
    if (this.#route.steering !== undefined) fields += stickyLine(this.#route.steering, exchange)
    const isVaried =
      isWorthCompressing(head, this.#route.policy.compression, exchange.table.settings.gzip) && this.#respondVaried(head, fields)
    if (!isVaried) this.#respond(head, fields, answerLines(exchange))
    exchange.headBytes = exchange.bytesSent
  }

  /** Begins an answer that depends on Accept-Encoding. Returns false for any other. */
  #respondVaried(head: ResponseHead, ownFields: string): boolean {
    const exchange = this.#exchange
    const { downstream, table } = exchange
    const { encoders, limits } = this.#phases
    const isBusy = encoders.running >= limits.encodersMax
    const plan = planCompression(exchange.head, head.status, ownFields, this.#route.policy.compression, table.settings.gzip, isBusy)
    if (plan === undefined) return false
    const own = answerLines(exchange)
    const fields = plan.fields + own
    exchange.sentFields = fields
    if (plan.coding === undefined) this.#respond(head, plan.fields, own)
    // The length that GET would state is not known before it is made.
    else if (exchange.head.method === 'HEAD') downstream.respond(head.status, head.reason, fields, 0, -1)
    else this.#encoder = new Encoder(plan.coding, table.settings.gzip.level, head, fields, downstream, this, encoders)
    return true
  }

  /** Begins an answer as the app has made it. @param own the lines of this answer alone */
  #respond(head: ResponseHead, fields: string, own: string): void {
    const exchange = this.#exchange
    const { head: request, downstream } = exchange
    const lines = head.trailer !== '' && (request.takesTrailers || request.version === '2.0') ? own + head.trailer : own
    exchange.sentFields = fields + lines
    downstream.respond(head.status, head.reason, fields, head.length, head.statedLength, lines)
  }

  upgraded(head: ResponseHead): boolean {
    const exchange = this.#exchange
    const asked = exchange.head.upgrade.toLowerCase().split(', ')
    if (!exchange.downstream.requestComplete || head.upgrade === '' || !asked.includes(head.upgrade.toLowerCase())) return false
    this.#answered = true
    this.#relaying = true
    this.#endCeiling()
    exchange.upstreamAnsweredAt = performance.now()
    exchange.status = 101
    this.#upstream?.writer.begin('', UNTIL_CLOSE)
    const sticky = this.#route.steering === undefined ? '' : stickyLine(this.#route.steering, exchange)
    exchange.downstream.upgrade(`${head.fields}${sticky}${answerLines(exchange)}Connection: upgrade\r\nUpgrade: ${head.upgrade}\r\n`)
    return true
  }

  answerPayload(bytes: Buffer, start: number, end: number): void {
    if (this.#encoder === undefined) this.#exchange.downstream.payload(bytes, start, end)
    else this.#encoder.payload(bytes, start, end)
  }

  answerText(body: string): boolean {
    const exchange = this.#exchange
    if (this.#encoder !== undefined) return false
    exchange.downstream.text(body)
    // It came with its head: one look at the clock serves for both.
    exchange.endedAt = exchange.upstreamAnsweredAt
    return true
  }

  answerFlush(): boolean {
    return this.#encoder === undefined ? this.#exchange.downstream.flush() : this.#encoder.flush()
  }

  get takesTrailers(): boolean {
    return this.#exchange.head.takesTrailers
  }

  trailers(fields: string): void {
    // They may speak of the bytes as they were before they were compressed.
    if (this.#encoder === undefined) this.#trailers = fields
  }

  encoderBegun(): void {
    this.#exchange.headBytes = this.#exchange.bytesSent
  }

  encoderReady(): void {
    this.#upstream?.resume()
  }

  encoderFailed(error: unknown): void {
    this.#phases.crashed(error)
    this.#finish('R50')
    this.#exchange.downstream.cut()
  }

  appReady(): void {
    if (!this.#over) this.#exchange.downstream.resumeBody()
  }

  appEnded(): void {
    this.#exchange.downstream.end()
    if (this.#isWebSocket) this.#upstream?.expireWithin(HALF_WEBSOCKET_MS)
  }

  ended(): void {
    // It is in its pool already, maybe at work for somebody else.
    this.#upstream = undefined
    this.#release()
    if (this.#encoder === undefined) this.encoderDone()
    else this.#encoder.end()
  }

  /** The last byte of the answer is with the downstream. */
  encoderDone(): void {
    const exchange = this.#exchange
    this.#encoder = undefined
    if (this.#trailers !== '') exchange.downstream.trailers(this.#trailers)
    const whole = exchange.downstream.finish()
    if (whole) conclude(exchange, this.#phases)
    else {
      exchange.code = 'R36'
      this.#phases.record(exchange)
    }
  }

  failed(code: ErrorCode, unprocessed = false): void {
    const exchange = this.#exchange
    const reused = this.#upstream?.reused === true
    // The end of a kept connection says nothing of the endpoint; nor does an answer that is no HTTP, or one that ends too early.
    const isDown = UNREACHED.has(code)
    if (this.#home !== undefined && (isDown || code === 'R32' || (code === 'R33' && !reused && !unprocessed)))
      this.#phases.pool.failed(this.#home, isDown)
    if (this.#mayRepeat(code, reused, unprocessed) && this.#mayAfford()) {
      this.#leave()
      this.#attempt(exchange.endpoint)
      return
    }
    this.#fail(code)
  }

  crashed(error: unknown): void {
    this.#phases.crashed(error)
    if (!this.#over) this.#fail('R50')
  }

  #mayRepeat(code: ErrorCode, reused: boolean, unprocessed: boolean): boolean {
    if (this.#over || this.#answered || this.#exchange.attempts >= ATTEMPTS_MAX) return false
    // Of a body that comes in pieces nothing may have gone: it is here no more.
    if (unprocessed) return !this.#streams || (this.#bodyBytes === 0 && !this.#exchange.downstream.requestComplete)
    const { endpoints, steering } = this.#route
    const others = endpoints.length + (steering?.canary?.endpoints.length ?? 0) > 1
    if (UNREACHED.has(code)) return others
    if (code !== 'R33' || !this.#repeatable || this.#repeated || !(reused || others)) return false
    this.#repeated = true
    return true
  }

  /** Whether the app's budget has one more attempt. */
  #mayAfford(): boolean {
    const { load, policy } = this.#route
    const { pool } = this.#phases
    if (load.retries.take(load.begun, pool.wheel.now, policy.retryPercent ?? RETRY_PERCENT)) return true
    pool.counts.retriesRefused++
    return false
  }

  /** Whether the request may be sent twice. */
  get #repeatable(): boolean {
    return !this.#streams && isIdempotent(this.#exchange.head.method)
  }

  /** Ends the exchange with an error: as a page while nothing of an answer has gone out, else by cutting it. */
  #fail(code: ErrorCode): void {
    const exchange = this.#exchange
    if (this.#over) return
    if (this.#answered || ERRORS[code].status === 0) {
      const cancelled = this.#upstream?.cancelled
      this.#finish(code)
      exchange.downstream.cut(cancelled)
      return
    }
    this.#release()
    reply(exchange, errorReply(code), this.#phases)
  }

  /** Ends the exchange without a word to the client. */
  #finish(code: ErrorCode): void {
    const exchange = this.#exchange
    this.#release()
    this.#encoder?.destroy()
    this.#encoder = undefined
    // A relay ends when somebody closes it; that is no fault.
    if (!this.#relaying) exchange.code = code
    if (exchange.status === 0) exchange.status = 499
    this.#phases.record(exchange)
  }

  #release(): void {
    this.#over = true
    this.#endCeiling()
    this.#leave()
  }

  #endCeiling(): void {
    if (this.#ceiling !== undefined) this.#phases.pool.wheel.disarm(this.#ceiling)
  }

  /** Done with the endpoint: a connection that did not go back to its pool by itself is closed. */
  #leave(): void {
    this.#home?.end()
    this.#home = undefined
    this.#upstream?.destroy()
    this.#upstream = undefined
  }

  get #isWebSocket(): boolean {
    return this.#exchange.head.upgrade.toLowerCase() === 'websocket'
  }
}

/** Means the same twice (RFC 9110 §9.2.2). Compared one by one: a look into a Set first makes a name of V8's own out of a new text. */
function isIdempotent(method: string): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'PUT' || method === 'DELETE' || method === 'OPTIONS'
}
