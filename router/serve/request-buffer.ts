import { changed } from '../http1/request-head.ts'
import type { Route } from '../table/route.ts'
import { type ErrorCode, errorReply } from './errors.ts'
import type { Exchange, RequestSink } from './exchange.ts'
import { Forward } from './forward.ts'
import { Gathered } from './gathered.ts'
import type { Phases } from './phases.ts'
import { reply } from './reply.ts'

/** A body up to this goes out with its head as one text. */
const TEXT_BYTES_MAX = 16 * 1024

/** Bytes of bodies that a worker holds for all its apps. */
export interface BufferedBytes {
  held: number
}

/**
 * Gathers a request's body before an endpoint is asked for, so that a slow client costs its app nothing: what is whole goes out at once, with
 * its length, and may be sent again where its method allows. A body over the app's limit, or one that comes while the worker holds as much
 * as it may, is passed on as it comes: nothing is refused for it, and nothing goes to the disk.
 */
export class RequestBuffer implements RequestSink {
  readonly #exchange: Exchange
  readonly #phases: Phases
  readonly #bytesMax: number
  readonly #gathered = new Gathered()
  #forward: Forward | undefined
  #over = false

  constructor(exchange: Exchange, phases: Phases, bytesMax: number) {
    this.#exchange = exchange
    this.#phases = phases
    this.#bytesMax = bytesMax
  }

  /** Asks for the body. */
  start(): void {
    const { head, downstream } = this.#exchange
    // The client waits for this word before it sends anything, and the app is not asked yet.
    if (head.expectsContinue) {
      downstream.inform(100, 'Continue', '')
      this.#exchange.head = changed(head, { expectsContinue: false })
    }
    downstream.readBody()
  }

  requestPayload(bytes: Buffer, start: number, end: number): void {
    if (this.#over) return
    if (this.#forward !== undefined) {
      this.#forward.requestPayload(bytes, start, end)
      return
    }
    const { bodyBytesMax } = (this.#exchange.route as Route).policy
    if (bodyBytesMax > 0 && this.#gathered.bytes + end - start > bodyBytesMax) {
      this.#over = true
      this.#gathered.take()
      reply(this.#exchange, errorReply('R43'), this.#phases)
      return
    }
    this.#gathered.add(bytes, start, end)
    this.#exchange.heldBytes += end - start
    this.#phases.buffered.held += end - start
  }

  requestFlush(): boolean {
    if (this.#over) return true
    if (this.#forward !== undefined) return this.#forward.requestFlush()
    if (this.#gathered.bytes <= this.#bytesMax && this.#phases.buffered.held <= this.#phases.limits.bufferedBytesMax) return true
    const forward = this.#begin('', this.#gathered.take())
    // What follows is held back until there is a connection.
    return forward.isSending && forward.requestFlush()
  }

  requestCompleted(trailers: string): void {
    if (this.#over) return
    if (this.#forward !== undefined) {
      this.#forward.requestCompleted(trailers)
      return
    }
    const { bytes } = this.#gathered
    if (trailers !== '') {
      // Only a body in chunks has a place for them, so it stays one.
      this.#begin('', this.#gathered.take(), trailers)
      return
    }
    this.#exchange.head = changed(this.#exchange.head, { length: bytes })
    const pieces = this.#gathered.take()
    if (bytes > TEXT_BYTES_MAX) this.#begin('', pieces)
    else this.#begin(Buffer.concat(pieces).toString('latin1'), [])
  }

  requestLost(code: ErrorCode, answerable: boolean): void {
    if (this.#over) return
    if (this.#forward !== undefined) {
      this.#forward.requestLost(code, answerable)
      return
    }
    this.#over = true
    this.#gathered.take()
    if (answerable) {
      reply(this.#exchange, errorReply(code), this.#phases)
      return
    }
    this.#exchange.code = code
    this.#exchange.status = 499
    this.#phases.record(this.#exchange)
  }

  clientReady(): void {
    this.#forward?.clientReady()
  }

  clientEnded(): void {
    this.#forward?.clientEnded()
  }

  #begin(body: string, pieces: readonly Buffer[], trailers = ''): Forward {
    const exchange = this.#exchange
    // It may have taken minutes: the endpoints are those of now.
    const { head, route } = exchange
    const now = this.#phases.table().match(head.host, head.target)
    if (now !== undefined && now.namespace === route?.namespace && now.service === route.service) exchange.route = now
    const forward = new Forward(exchange, body, this.#phases, pieces, trailers)
    this.#forward = forward
    try {
      forward.start()
    } catch (error) {
      forward.crashed(error)
    }
    return forward
  }
}
