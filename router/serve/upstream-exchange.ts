import type { BodyLength } from '../http1/body.ts'
import type { UpstreamListener, UpstreamTimes } from '../http1/upstream.ts'

/**
 * One request and its answer on the way to an app, whatever version of HTTP the app speaks: what {@link Forward} needs and nothing else. A
 * connection of HTTP/1.1 is one for as long as it serves an exchange; a stream of HTTP/2 would be one from its first frame to its last.
 */
export interface UpstreamExchange {
  readonly writer: RequestWriter
  /** True while it is open and serves nobody. */
  readonly idle: boolean
  /** True when what it runs on served an exchange before: then an end may be older than the request. */
  readonly reused: boolean
  /** Whether the app has called its answer off, rather than failed. */
  readonly cancelled: boolean
  /** Begins the exchange once there is a connection; the caller then writes the request. */
  begin(listener: UpstreamListener, method: string, times: UpstreamTimes): void
  /** The request was written to its end. */
  requestSent(): void
  /** Bytes went to the app: its time to answer begins anew. */
  touch(): void
  /** Lets the answer come again after the listener paused it. */
  resume(): void
  /** Ends our side of a relay. */
  end(): void
  /** Shortens the silence that the app is granted. */
  expireWithin(ms: number): void
  /** Gives the exchange up; the listener hears nothing of it. */
  destroy(): void
}

/** Takes a request in pieces: its head as the text of HTTP/1.1, its payload without framing. Bytes are copied before a call returns. */
export interface RequestWriter {
  /** A head whose body of that length follows in pieces. */
  begin(head: string, length: BodyLength): void
  /** A whole request, its body as latin1. */
  text(head: string, body: string): void
  payload(bytes: Buffer, start: number, end: number): void
  /**
   * @param trailers fields to stand behind the body, each line with its CRLF; dropped where the request's framing has no place for them
   * @returns false when bytes of a stated length are missing
   */
  finish(trailers: string): boolean
  /** Hands over what was gathered. Returns false while the app is slow. */
  flush(): boolean
}
