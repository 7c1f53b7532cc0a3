import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { getCACertificates } from 'node:tls'
import { Agent } from 'undici'

export interface HttpClientOptions {
  /** Put before every path that is no whole URL. */
  readonly baseUrl?: string
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>>
  readonly connectTimeoutMs?: number
  /** From the request to the answer's head, and between two pieces of its body. */
  readonly answerTimeoutMs?: number
  /** The most that {@link HttpClient.json} reads of a body. */
  readonly bodyBytesMax?: number
  /** PEM of an authority to trust beside the system's. */
  readonly ca?: string
  /** False takes any certificate. */
  readonly verify?: boolean
  /** Resolves names in place of the system. */
  readonly lookup?: LookupFunction
}

export interface HttpRequest {
  readonly headers?: Readonly<Record<string, string>>
  readonly signal?: AbortSignal
  /** Overrides {@link HttpClientOptions.answerTimeoutMs}; 0 waits for ever. */
  readonly answerTimeoutMs?: number
}

export interface HttpAnswer<B> {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: B
}

/** Calls between roles and to the outside. Any status is an answer; only a call without an answer throws. */
export interface HttpClient {
  /**
   * Sends a value as JSON (or a string as it is) and reads the whole answer.
   *
   * @returns the parsed value where the answer says that it is JSON, else its text; `undefined` for an empty body
   */
  json<B = unknown>(method: string, path: string, body?: unknown, request?: HttpRequest): Promise<HttpAnswer<B>>
  /** Sends a body as it is and leaves the answer's to be read; destroy it to give up. */
  stream(method: string, path: string, body?: Uint8Array | string | Readable, request?: HttpRequest): Promise<HttpAnswer<Readable>>
  close(): Promise<void>
}

/** Makes a client with its own pool of kept-alive connections. */
export function httpClient(options: HttpClientOptions = {}): HttpClient {
  const agent = new Agent({
    // Of HTTP/2 the client ends a session whose streams are open with an error that no caller can catch, and with it the process.
    allowH2: false,
    connect: {
      timeout: options.connectTimeoutMs ?? 5_000,
      ...(options.ca ? { ca: [...getCACertificates('default'), options.ca] } : {}),
      ...(options.verify === false ? { rejectUnauthorized: false } : {}),
      ...(options.lookup ? { lookup: options.lookup } : {}),
    },
    headersTimeout: options.answerTimeoutMs ?? 30_000,
    bodyTimeout: options.answerTimeoutMs ?? 30_000,
  })
  const bytesMax = options.bodyBytesMax ?? 16 * 1024 * 1024

  async function send(method: string, path: string, body: Uint8Array | string | Readable | undefined, request: HttpRequest, type?: string) {
    const url = new URL(path, options.baseUrl)
    const { answerTimeoutMs: waitMs } = request
    const answer = await agent.request({
      origin: url.origin,
      path: url.pathname + url.search,
      method: method as 'GET',
      headers: { ...(type ? { 'content-type': type } : {}), ...options.headers, ...request.headers },
      ...(body === undefined ? {} : { body }),
      ...(request.signal ? { signal: request.signal } : {}),
      ...(waitMs === undefined ? {} : { headersTimeout: waitMs, bodyTimeout: waitMs }),
    })
    return { status: answer.statusCode, headers: answer.headers, body: answer.body }
  }

  return {
    async json<B>(method: string, path: string, value?: unknown, request: HttpRequest = {}) {
      const isText = typeof value === 'string'
      const body = value === undefined || isText ? (value as string | undefined) : JSON.stringify(value)
      const answer = await send(method, path, body, request, body === undefined ? undefined : isText ? 'text/plain' : 'application/json')
      const text = await readText(answer.body, bytesMax)
      const isJson = /^application\/(\S+\+)?json\b/.test(String(answer.headers['content-type'] ?? ''))
      return { ...answer, body: (text === '' ? undefined : isJson ? JSON.parse(text) : text) as B }
    },
    stream: (method, path, body, request = {}) => send(method, path, body, request),
    close: () => agent.destroy(),
  }
}

async function readText(body: Readable, bytesMax: number): Promise<string> {
  return (await readBytes(body, bytesMax)).toString()
}

/** Reads a body to its end. @throws {RangeError} as soon as it is larger */
export async function readBytes(body: Readable, bytesMax: number): Promise<Buffer> {
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of body as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > bytesMax) throw new RangeError(`Cannot read an answer of more than ${bytesMax} bytes`)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}
