import { lookup as systemLookup } from 'node:dns'
import type { LookupFunction } from 'node:net'
import type { Readable } from 'node:stream'
import { type HttpClient, httpClient } from '../kernel/http.ts'
import { CommandError } from './command-error.ts'
import type { Profile } from './profile.ts'

/** Rows of a list, and how many there are in all. */
export interface Page<T> {
  readonly results: readonly T[]
  readonly count: number
}

export type Connection = Pick<Profile, 'controller'> & Partial<Profile>

/** The public API, as any integration sees it. Every refusal becomes a {@link CommandError} with the platform's own words. */
export class PlatformApi {
  readonly controller: URL
  readonly #http: HttpClient

  constructor(connection: Connection) {
    this.controller = parseController(connection.controller)
    this.#http = httpClient({
      baseUrl: this.controller.origin,
      // A rollout takes minutes, and the API answers when it is over.
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

  /** All rows: the pages are asked for one after the other. */
  async list<T>(path: string): Promise<Page<T>> {
    const results: T[] = []
    for (;;) {
      const separator = path.includes('?') ? '&' : '?'
      const page = await this.get<Page<T>>(`${path}${separator}limit=500&offset=${results.length}`)
      results.push(...page.results)
      if (results.length >= page.count || page.results.length === 0) return { results, count: page.count }
    }
  }

  post<T = unknown>(path: string, body: unknown = {}): Promise<T> {
    return this.#call<T>('POST', path, body)
  }

  delete(path: string, body?: unknown): Promise<unknown> {
    return this.#call('DELETE', path, body)
  }

  /** An answer to be read as it comes, such as logs that are followed; `undefined` when there is nothing (204). */
  async stream(path: string, signal?: AbortSignal): Promise<Readable | undefined> {
    const answer = await this.#send(() => this.#http.stream('GET', path, undefined, { answerTimeoutMs: 0, ...(signal ? { signal } : {}) }))
    if (answer.status === 204) {
      answer.body.resume()
      return undefined
    }
    if (answer.status >= 400) {
      let text = ''
      for await (const chunk of answer.body) text += chunk
      throw refusal(answer.status, text)
    }
    return answer.body
  }

  close(): Promise<void> {
    return this.#http.close()
  }

  async #call<T>(method: string, path: string, body?: unknown): Promise<T> {
    const answer = await this.#send(() => this.#http.json<T>(method, path, body))
    if (answer.status >= 400) throw refusal(answer.status, answer.body)
    return answer.body
  }

  async #send<T>(call: () => Promise<T>): Promise<T> {
    try {
      return await call()
    } catch (error) {
      const { code, message } = error as NodeJS.ErrnoException
      const reason =
        code?.startsWith('DEPTH_ZERO') || code?.includes('CERT')
          ? `${message} (trust its authority with --ca FILE at login)`
          : message || code
      throw new CommandError(`Cannot reach ${this.controller.origin}: ${reason}`, 3)
    }
  }
}

/** `drycc.example.com` stands for `http://drycc.example.com`, as the classic clients take it. */
function parseController(text: string): URL {
  const url = URL.parse(/^https?:\/\//.test(text) ? text : `http://${text}`)
  if (!url) throw new CommandError(`Cannot read address "${text}": write it as http://drycc.example.com`, 2)
  return url
}

/** Names under `localhost` are this machine (RFC 6761 §6.3), though many resolvers do not know it. */
const lookupLocal: LookupFunction = (hostname, options, callback) => {
  if (!/(^|\.)localhost$/i.test(hostname)) return systemLookup(hostname, options, callback)
  const addresses = [{ address: '127.0.0.1', family: 4 }]
  if (options.all) callback(null, addresses)
  else callback(null, '127.0.0.1', 4)
}

function refusal(status: number, body: unknown): CommandError {
  if (status === 401) return new CommandError('Not logged in, or the login has ended: use drycc login', 4)
  return new CommandError(messageOf(body) || `The platform answered ${status}`)
}

/** The text in a refusal: a bare string, `detail`, or the messages of fields. */
function messageOf(body: unknown): string {
  if (typeof body === 'string') return unquoted(body)
  if (typeof body !== 'object' || body === null) return ''
  if ('detail' in body) return String(body.detail)
  return Object.entries(body)
    .map(([field, messages]) => {
      const text = Array.isArray(messages) ? messages.join(' ') : String(messages)
      return field === 'non_field_errors' ? text : `${field}: ${text}`
    })
    .join('\n')
}

function unquoted(text: string): string {
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'string' ? value : messageOf(value)
  } catch {
    return text.trim()
  }
}
