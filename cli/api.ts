import { lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { type HttpClient, httpClient } from '../kernel/http.ts'
import { CommandError } from './command-error.ts'
import { printableValue } from './printable.ts'
import type { Profile } from './profile.ts'
import { refusal } from './refusal.ts'

/** Where the API is and who asks; without a token nobody in particular. */
export type Connection = Pick<Profile, 'controller'> & Partial<Profile>

const PAGE_ROWS = 500
// What only reads is answered at once. A rollout takes minutes, and the API answers when it is over.
const READ_TIMEOUT_MS = 60_000

/** The public API, as any integration sees it. Every refusal becomes a {@link CommandError} with the platform's own words. */
export class PlatformApi {
  readonly controller: URL
  readonly #http: HttpClient
  readonly #isForTerminal: boolean

  /** @param options.isForTerminal takes out of every answer what could steer the terminal on which it will be shown */
  constructor(connection: Connection, options: { isForTerminal?: boolean } = {}) {
    this.controller = parseController(connection.controller)
    this.#isForTerminal = options.isForTerminal ?? false
    this.#http = httpClient({
      baseUrl: this.controller.origin,
      answerTimeoutMs: 0,
      connectTimeoutMs: 10_000,
      lookup: lookupLocal,
      verify: connection.ssl_verify ?? true,
      headers: { 'user-agent': 'Drycc Workflow CLI', ...(connection.token ? { authorization: `token ${connection.token}` } : {}) },
      ...(connection.ca ? { ca: connection.ca } : {}),
    })
  }

  get<T>(path: string): Promise<T> {
    return this.#call<T>('GET', path)
  }

  /** The rows of a list, all of them or the first `limit`: pages are asked for one after the other. */
  async list<T>(path: string, limit = Number.POSITIVE_INFINITY): Promise<readonly T[]> {
    const rows: T[] = []
    while (rows.length < limit) {
      const query = `limit=${Math.min(PAGE_ROWS, limit - rows.length)}&offset=${rows.length}`
      const { results, count } = await this.get<{ results: T[]; count: number }>(`${path}?${query}`)
      if (!Array.isArray(results)) throw new CommandError(`${this.controller.origin} answered with no list for ${path}`)
      rows.push(...results)
      if (results.length === 0 || rows.length >= count) break
    }
    return rows.slice(0, limit)
  }

  post<T = unknown>(path: string, body: unknown = {}): Promise<T> {
    return this.#call<T>('POST', path, body)
  }

  delete(path: string, body?: unknown): Promise<unknown> {
    return this.#call('DELETE', path, body)
  }

  /** An answer to be read as it comes, such as logs that are followed; `undefined` when there is nothing (204). */
  async stream(path: string, signal?: AbortSignal): Promise<Readable | undefined> {
    const answer = await this.#send(() => this.#http.stream('GET', path, undefined, signal ? { signal } : {}))
    if (answer.status === 204) {
      answer.body.resume()
      return undefined
    }
    if (answer.status !== 200) {
      let body = ''
      for await (const chunk of answer.body) body += chunk
      throw refusal(this.controller.origin, { ...answer, body })
    }
    return answer.body
  }

  close(): Promise<void> {
    return this.#http.close()
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.#send(() =>
      this.#http.json<T>(method, path, body, method === 'GET' ? { answerTimeoutMs: READ_TIMEOUT_MS } : {}),
    )
    if (answer.status >= 300) throw refusal(this.controller.origin, answer)
    if (typeof answer.body === 'string' && !/json/.test(String(answer.headers['content-type'] ?? '')))
      throw new CommandError(`${this.controller.origin} answered, but not as the API of a platform does: is the address right?`, 3)
    return this.#isForTerminal ? printableValue(answer.body) : answer.body
  }

  async #send<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      if (error instanceof SyntaxError)
        throw new CommandError(`${this.controller.origin} answered with what is no JSON: is it the API of a platform?`, 3)
      throw new CommandError(`Cannot reach ${this.controller.origin}: ${reasonOf(error as NodeJS.ErrnoException)}`, 3)
    }
  }
}

/** `drycc.example.com` stands for `http://drycc.example.com`, as the classic clients take it. @throws {CommandError} for what is no address */
export function parseController(text: string): URL {
  const url = URL.parse(/^https?:\/\//i.test(text) ? text : `http://${text}`)
  if (!url || /\s/.test(text) || url.username)
    throw new CommandError(`Cannot read address "${text}": write it as http://drycc.example.com`, 2)
  return url
}

/** Names under `localhost` are this machine (RFC 6761 §6.3), though many resolvers do not know it. */
const lookupLocal: LookupFunction = (hostname, options, callback) => {
  if (!/(^|\.)localhost$/i.test(hostname)) return systemLookup(hostname, options, callback)
  const addresses = [{ address: '127.0.0.1', family: 4 }]
  if (options.all) callback(null, addresses)
  else callback(null, '127.0.0.1', 4)
}

/** Why there was no answer, in words with a way out where there is one. */
function reasonOf(error: NodeJS.ErrnoException): string {
  const { code = '', message } = error instanceof AggregateError ? (error.errors[0] as NodeJS.ErrnoException) : error
  if (code === 'ECONNREFUSED') return 'nothing listens there; is the platform up, and the port right? (ECONNREFUSED)'
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') return `no such host is known (${code})`
  if (code === 'UND_ERR_CONNECT_TIMEOUT' || code === 'ETIMEDOUT') return 'it did not accept the connection within 10 s'
  if (code === 'UND_ERR_HEADERS_TIMEOUT' || code === 'UND_ERR_BODY_TIMEOUT') return `it did not answer within ${READ_TIMEOUT_MS / 1000} s`
  if (code === 'UND_ERR_SOCKET' || code === 'ECONNRESET') return `it closed the connection (${message})`
  if (code === 'ERR_SSL_WRONG_VERSION_NUMBER') return 'it does not speak HTTPS at this port; try http://'
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID' || code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `${message} (${code})`
  if (/SELF_SIGNED|UNABLE_TO|CERT/.test(code)) return `${message} (${code}); trust its authority with drycc login --ca FILE`
  return message || code
}
