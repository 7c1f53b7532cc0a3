import type { BodyLength } from '../http1/body.ts'
import { Gathered } from '../serve/gathered.ts'
import type { RequestWriter } from '../serve/upstream-exchange.ts'
import type { Waiting } from './sender.ts'
import { type UpstreamHead, upstreamHead } from './upstream-head.ts'
import type { UpstreamSession } from './upstream-session.ts'
import type { UpstreamStream } from './upstream-stream.ts'

/**
 * The sending side of one stream to an app: what the app's windows and its socket take goes out, the rest waits here while the client is held
 * back, so that a slow app holds up its own upload only.
 */
export class UpstreamRequest implements RequestWriter, Waiting {
  /** Whether END_STREAM was sent. */
  ended = false
  readonly stream: UpstreamStream
  #session: UpstreamSession | undefined
  #tunnel = false
  /** Left of a stated length; -1: unknown. */
  #left = -1
  readonly #queue = new Gathered()
  #finishing = false
  #trailers = ''
  #over = false

  constructor(stream: UpstreamStream) {
    this.stream = stream
  }

  get hasQueue(): boolean {
    return this.#queue.bytes > 0
  }

  /** The session on which the stream is to be opened. */
  on(session: UpstreamSession): void {
    this.#session = session
  }

  begin(head: string, length: BodyLength): void {
    // After the app has agreed to a WebSocket there is nothing to begin: its bytes are DATA already.
    if (this.#tunnel || this.#over) return
    this.#open(this.#headOf(head), length, false)
  }

  text(text: string, body: string): void {
    const head = this.#headOf(text)
    if (!this.#open(head, body.length, body === '' && head.accept === undefined)) return
    if (this.#tunnel || body === '') return
    const bytes = Buffer.from(body, 'latin1')
    this.payload(bytes, 0, bytes.length)
    this.finish()
  }

  payload(bytes: Buffer, start: number, end: number): void {
    const session = this.#session
    if (this.#over || this.ended || session === undefined) return
    let stop = end
    if (this.#left >= 0) {
      stop = Math.min(end, start + this.#left)
      this.#left -= stop - start
    }
    session.turn()
    const at = this.#queue.bytes === 0 ? session.sender.data(this.stream, bytes, start, stop) : start
    if (at === stop) return
    this.#queue.add(bytes, at, stop)
    session.sender.stall(this)
  }

  finish(trailers = ''): boolean {
    if (this.#left > 0) return false
    this.#trailers = trailers
    this.end()
    return true
  }

  /** Ends our side once all is out. */
  end(): void {
    this.#finishing = true
    if (this.#queue.bytes === 0) this.#end()
  }

  flush(): boolean {
    const session = this.#session
    if (this.#over || session === undefined) return true
    session.turn()
    if (this.#queue.bytes === 0 && !session.blocked) return true
    session.sender.stall(this)
    return false
  }

  /** Sends of what waits, as far as the windows let it. Returns whether something was sent. */
  pump(bytesMax: number): boolean {
    const { sender } = this.#session as UpstreamSession
    const sent = this.#queue.offer(bytesMax, (bytes, start, end) => sender.data(this.stream, bytes, start, end))
    if (this.#queue.bytes === 0 && this.#finishing) this.#end()
    return sent > 0
  }

  /** All that waited is out: the client may go on. */
  ready(): void {
    this.stream.appReady()
  }

  /** Nothing more is sent. */
  drop(): void {
    this.#over = true
    this.#queue.take()
  }

  #headOf(text: string): UpstreamHead {
    return upstreamHead(text, this.stream.takesTrailers, this.#session?.secure === true ? 'https' : 'http')
  }

  /** @returns false when it cannot be opened; then the stream has failed */
  #open(head: UpstreamHead, length: BodyLength, ends: boolean): boolean {
    const session = this.#session as UpstreamSession
    if (head.accept !== undefined) {
      // RFC 8441 §3: only an app that has said so takes an extended CONNECT.
      if (!session.sender.peer.connectProtocol) {
        this.#over = true
        setImmediate(() => this.stream.fail('R24'))
        return false
      }
      this.#tunnel = true
    } else this.#left = length >= 0 ? length : -1
    session.open(this.stream, head, ends)
    this.ended = ends
    return true
  }

  #end(): void {
    if (this.ended || this.#over) return
    this.ended = true
    const session = this.#session as UpstreamSession
    if (this.#trailers === '') session.sender.outbox.end(this.stream.id)
    else session.sender.head(this.stream.id, 0, this.#trailers, -1, true)
    session.turn()
    this.stream.requestEnded()
  }
}
