import { performance } from 'node:perf_hooks'
import type { BodyLength } from '../http1/body.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { AppLoad } from '../table/app-load.ts'
import type { Endpoint, Route, RouteTable } from '../table/route.ts'
import { type Client, type Origin, originOf } from './client.ts'
import type { ErrorCode } from './errors.ts'

/**
 * The client's side of one exchange, whatever version of HTTP it speaks. Bytes given to it are copied before the call returns.
 * An answer is `respond`, any number of `payload`, then `finish` or `cut`; what one turn of the loop brought leaves with `flush`.
 */
export interface Downstream {
  readonly client: Client
  /** Bytes sent on the connection or stream so far. */
  readonly bytesSent: number
  /** Passes an interim response (100, 103) on. */
  inform(status: number, reason: string, fields: string): void
  /**
   * Begins the final answer.
   *
   * @param fields header lines that pass on, each with its CRLF; framing is the downstream's own business
   * @param length of the body that follows
   * @param statedLength Content-Length of a body that does not follow (HEAD, 304); -1 for none
   * @param own more lines, which are others in each answer; apart from those that an app says again and again
   */
  respond(status: number, reason: string, fields: string, length: BodyLength, statedLength: number, own?: string): void
  payload(bytes: Buffer, start: number, end: number): void
  /** Adds a body that is text already (latin1). */
  text(body: string): void
  /** Fields to stand behind the body, each line with its CRLF; dropped where the client takes none. Before `finish`. */
  trailers(fields: string): void
  /** Ends the answer. Returns false when it was not whole; then it was cut. */
  finish(): boolean
  /** Whether bytes of a finished answer wait for a window that the client opens; what waits in a socket is out of our hands. */
  readonly lags: boolean
  /** While it lags: calls back once, when the last byte is with the socket, or with the reason why it never will be. */
  onceOut(done: (lost: ErrorCode | undefined) => void): void
  /** After `finish`, when the exchange is recorded: the next request may begin. */
  settle(): void
  /** Ends an answer that cannot be completed so that the client sees it. @param cancelled whether its app has called it off */
  cut(cancelled?: boolean): void
  /** Returns false while the client is slow: then {@link RequestSink.clientReady} follows. */
  flush(): boolean
  /** Lets the request's body come: whoever gets it is ready. */
  readBody(): void
  /** Lets the body come again after {@link RequestSink.requestFlush} returned false. */
  resumeBody(): void
  /** True once the request was read to its end. */
  readonly requestComplete: boolean
  /** Answers 101 and becomes a relay of bytes: `payload` both ways. */
  upgrade(fields: string): void
  /** Ends our side of a relay. */
  end(): void
}

/** Whoever wants the request's body and must hear of the client's fate. */
export interface RequestSink {
  requestPayload(bytes: Buffer, start: number, end: number): void
  /** A turn of the loop is over. Returns false to hold the body back until {@link Downstream.resumeBody}. */
  requestFlush(): boolean
  /** The request's body is complete. @param trailers fields behind it, each line with its CRLF */
  requestCompleted(trailers: string): void
  /** The client is gone, broke the framing of its body or is too slow; it can get an answer only when `answerable`. */
  requestLost(code: ErrorCode, answerable: boolean): void
  /** The client has taken what was waiting. */
  clientReady(): void
  /** The client ended its side: of a relay, or after its request. */
  clientEnded(): void
}

/** Who takes a request on. The body may come as soon as it is started, so whoever passes it on must know it by then. */
export interface Startable extends RequestSink {
  start(): void
}

/** One request and its answer: what is known of it, for the phases that it passes and for the record of it. */
export class Exchange {
  /** Replaced by that of the whole request where its body was gathered first. */
  head: RequestHead
  readonly downstream: Downstream
  /** The table of the moment when the exchange began; it keeps that one. */
  readonly table: RouteTable
  /** The client as resolved, and the scheme it used: http, https, ws or wss. */
  readonly origin: Origin
  /** On the monotonic clock, milliseconds. */
  readonly startedAt = performance.now()
  readonly #bytesBefore: number
  route: Route | undefined
  endpoint: Endpoint | undefined
  /** Where this exchange is counted while it is under way. */
  load: AppLoad | undefined
  status = 0
  code: ErrorCode | undefined
  requestId = ''
  /** The id as header lines, once they were asked for. */
  idLines = ''
  /** The trace that this exchange is part of, 32 hexadecimal digits; '' while nobody asked. */
  traceId = ''
  /** The header lines that pass on; those of the head unless a phase made others. */
  fields: string
  /** The header lines of the final answer but those of its framing; '' before. */
  sentFields = ''
  /** Bytes of the answer's head, interim answers included; 0 before. */
  headBytes = 0
  /** When the request was given to an endpoint, and when its head had come; 0 before. */
  upstreamAt = 0
  upstreamAnsweredAt = 0
  /** How long a new connection to the endpoint took; 0 where a kept one was used. */
  connectMs = 0
  /** When its last byte was there, or else when it was recorded; 0 before. */
  endedAt = 0
  attempts = 0
  /** Bytes of its body that were gathered, counted for the worker until it is recorded. */
  heldBytes = 0
  recorded = false

  constructor(head: RequestHead, downstream: Downstream, table: RouteTable) {
    this.head = head
    this.fields = head.fields
    this.downstream = downstream
    this.table = table
    this.origin = originOf(head, downstream.client, table.settings)
    this.#bytesBefore = downstream.bytesSent
  }

  get bytesSent(): number {
    return this.downstream.bytesSent - this.#bytesBefore
  }

  /** Of the answer's body with its framing, as nginx counts it. */
  get bodyBytesSent(): number {
    return this.bytesSent - this.headBytes
  }
}
