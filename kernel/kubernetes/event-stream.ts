import { LineSplitter } from './lines.ts'

/** Lines that wait for their reader before the server is told to wait. */
const LINES_MAX = 64
/** Of an answer that is no stream of events, for the error. */
const REFUSAL_BYTES_MAX = 64 * 1024

type Headers = Readonly<Record<string, string | string[] | undefined>>

/** Of a request, as undici gives it to its handler. */
export interface RequestController {
  readonly paused: boolean
  abort(reason: Error): void
  pause(): void
  resume(): void
}

export interface EventStreamOptions<T> {
  /** Sends the request, again where that is asked for. */
  readonly send: (handler: EventStream<T>) => Promise<void> | void
  /** What a line says; where it throws, the reading is over. */
  readonly parse: (line: string) => T
  /** Whether a failure before any answer is that of a kept connection which was dead. */
  readonly isDead: (error: unknown) => boolean
  /** What an answer other than 2xx means. */
  readonly refusal: (status: number, headers: Headers, body: string) => Error
  readonly signal?: AbortSignal | undefined
}

/**
 * What the lines of an answer say, as they come, for one reader. It is a handler right behind undici's parser: a body stream and generators around
 * it would be most of what reading an event costs. The request begins with the first {@link next}.
 */
export class EventStream<T> implements AsyncIterableIterator<T> {
  readonly #options: EventStreamOptions<T>
  readonly #splitter = new LineSplitter()
  #lines: string[] = []
  /** Of {@link #lines}, which is the next. */
  #at = 0
  #waiting: PromiseWithResolvers<IteratorResult<T>> | undefined
  #controller: RequestController | undefined
  #isSent = false
  #isTriedAgain = false
  #status = 0
  #headers: Headers = {}
  #refusal = ''
  #end: { readonly error?: unknown } | undefined
  readonly #onAbort = () => this.#stop(this.#options.signal!.reason)

  constructor(options: EventStreamOptions<T>) {
    this.#options = options
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  next(): Promise<IteratorResult<T>> {
    if (!this.#isSent) this.#start()
    if (this.#at === this.#lines.length && !this.#end) {
      this.#waiting = Promise.withResolvers()
      return this.#waiting.promise
    }
    try {
      return Promise.resolve(this.#take())
    } catch (error) {
      return Promise.reject(error)
    }
  }

  /** The reader leaves. */
  return(): Promise<IteratorResult<T>> {
    this.#stop(undefined)
    return Promise.resolve({ value: undefined, done: true })
  }

  onRequestStart(controller: RequestController): void {
    this.#controller = controller
    if (this.#end) controller.abort(abortError(this.#end.error))
  }

  onResponseStart(_controller: RequestController, status: number, headers: Headers): void {
    this.#status = status
    this.#headers = headers
  }

  onResponseData(controller: RequestController, chunk: Buffer): void {
    if (this.#end) return
    if (this.#status >= 300) {
      if (this.#refusal.length < REFUSAL_BYTES_MAX) this.#refusal += chunk.toString()
      return
    }
    const lines = this.#splitter.take(chunk)
    if (lines.length === 0) return
    if (this.#at < this.#lines.length) this.#lines.push(...lines)
    else {
      this.#lines = lines
      this.#at = 0
    }
    this.#wake()
    if (this.#lines.length - this.#at > LINES_MAX) controller.pause()
  }

  onResponseEnd(): void {
    this.#finish(this.#status >= 300 ? { error: this.#options.refusal(this.#status, this.#headers, this.#refusal) } : {})
  }

  onResponseError(_controller: RequestController, error: unknown): void {
    if (this.#status === 0 && !this.#end && !this.#isTriedAgain && this.#options.isDead(error)) {
      this.#isTriedAgain = true
      this.#send()
    } else this.#finish({ error })
  }

  #start(): void {
    this.#isSent = true
    const { signal } = this.#options
    if (signal?.aborted) this.#stop(signal.reason)
    else {
      signal?.addEventListener('abort', this.#onAbort, { once: true })
      this.#send()
    }
  }

  #send(): void {
    // What it throws is a fault of the request, or of the credentials that it needs.
    void (async () => this.#options.send(this))().catch(error => this.#finish({ error }))
  }

  /** Lines that nobody has read are of no use any more. */
  #stop(error: unknown): void {
    this.#lines = []
    this.#at = 0
    this.#finish(error === undefined ? {} : { error })
    this.#controller?.abort(abortError(error))
  }

  #finish(end: { readonly error?: unknown }): void {
    if (this.#end) return
    this.#end = end
    this.#isSent = true
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#wake()
  }

  #wake(): void {
    const waiting = this.#waiting
    if (!waiting) return
    this.#waiting = undefined
    try {
      waiting.resolve(this.#take())
    } catch (error) {
      waiting.reject(error)
    }
  }

  /** @throws what ended the stream, once all lines are read */
  #take(): IteratorResult<T> {
    if (this.#at === this.#lines.length) {
      if (this.#end?.error !== undefined) throw this.#end.error
      return { value: undefined, done: true }
    }
    const line = this.#lines[this.#at++]!
    if (this.#at === this.#lines.length && this.#controller?.paused) this.#controller.resume()
    try {
      return { value: this.#options.parse(line), done: false }
    } catch (error) {
      this.#stop(error)
      throw error
    }
  }
}

function abortError(reason: unknown): Error {
  return reason instanceof Error ? reason : new DOMException('The reader has left', 'AbortError')
}
