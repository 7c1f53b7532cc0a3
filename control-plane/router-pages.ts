import { lookup } from 'node:dns/promises'
import { isIP } from 'node:net'
import type { RecentRequest, RouteExplanation } from '../kernel/contract.ts'
import { type HttpClient, httpClient } from '../kernel/http.ts'
import type { Log } from '../kernel/log.ts'

/** No router could be asked: none is configured, or none answers. */
export class RouterSilent extends Error {
  override readonly name = 'RouterSilent'
}

/** Asks the routers' admin pages: every replica behind the name, since each knows its own traffic only. */
export class RouterPages {
  readonly #url: URL
  readonly #http: HttpClient
  readonly #log: Log
  readonly #resolve: (name: string) => Promise<readonly string[]>

  /**
   * @param url of the admin port; a name with several addresses, as that of a headless Service, is that many routers
   * @param resolve the addresses of a name, asked each time; those of the system by default
   */
  constructor(url: string, log: Log, resolve: (name: string) => Promise<readonly string[]> = addressesOf) {
    this.#url = new URL(url)
    this.#http = httpClient({ connectTimeoutMs: 1_000, answerTimeoutMs: 5_000, bodyBytesMax: 8 * 1024 * 1024 })
    this.#log = log
    this.#resolve = resolve
  }

  /**
   * The last exchanges of all apps in a namespace, the youngest first.
   *
   * @throws {RouterSilent} when no replica answers; those that answer count when some do
   */
  async requests(namespace: string, signal: AbortSignal): Promise<RecentRequest[]> {
    const query = new URLSearchParams({ namespace, format: 'json' })
    const answers = await this.#askAll<{ requests: RecentRequest[] }>(`/requests?${query}`, signal)
    return answers.flatMap(({ requests }) => requests).sort((a, b) => (a.time > b.time ? -1 : 1))
  }

  /** What one of the routers would do with a request. @throws {RouterSilent} */
  async why(question: { host: string; scheme: string; from?: string }, signal: AbortSignal): Promise<RouteExplanation> {
    const [answer] = await this.#askAll<RouteExplanation>(`/why?${new URLSearchParams({ ...question, format: 'json' })}`, signal)
    return answer!
  }

  stop(): Promise<void> {
    return this.#http.close()
  }

  async #askAll<B>(path: string, signal: AbortSignal): Promise<B[]> {
    const answers = await Promise.allSettled((await this.#replicas()).map(base => this.#ask<B>(`${base}${path}`, signal)))
    const good = answers.flatMap(answer => (answer.status === 'fulfilled' ? [answer.value] : []))
    const bad = answers.find(answer => answer.status === 'rejected')
    if (bad) this.#log.warn('router does not answer', { answered: good.length, of: answers.length, error: String(bad.reason) })
    if (good.length === 0) throw new RouterSilent('No router answers', { cause: bad?.reason })
    return good
  }

  async #ask<B>(url: string, signal: AbortSignal): Promise<B> {
    const { status, body } = await this.#http.json<B>('GET', url, undefined, { signal })
    if (status !== 200 || typeof body !== 'object') throw new Error(`The router answered ${status}`)
    return body
  }

  async #replicas(): Promise<string[]> {
    const { hostname, port } = this.#url
    const literal = hostname.replace(/^\[|\]$/g, '')
    if (isIP(literal) !== 0) return [`http://${hostname}:${port || 80}`]
    try {
      const addresses = await this.#resolve(hostname)
      return [...new Set(addresses.map(address => `http://${address.includes(':') ? `[${address}]` : address}:${port || 80}`))]
    } catch (error) {
      throw new RouterSilent(`Cannot resolve ${hostname}`, { cause: error })
    }
  }
}

async function addressesOf(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address)
}
