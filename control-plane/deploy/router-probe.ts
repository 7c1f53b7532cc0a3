import { Backoff, delay } from '../../kernel/backoff.ts'
import { type HttpClient, httpClient } from '../../kernel/http.ts'
import type { Log } from '../../kernel/log.ts'

/** The router's own words for an app that it does not know yet, or whose pods it has not heard of. */
const NOT_YET = /\(R[12]0\)/
const PATIENCE_MS = 15_000

/** Asks the router for an app until it has learnt of it, so that who is told "deployed" finds it there. */
export class RouterProbe {
  readonly #http: HttpClient
  readonly #platformDomain: string
  readonly #log: Log

  constructor(routerUrl: string, platformDomain: string, log: Log) {
    this.#http = httpClient({ baseUrl: routerUrl, connectTimeoutMs: 1_000, answerTimeoutMs: 5_000, bodyBytesMax: 1024 * 1024 })
    this.#platformDomain = platformDomain
    this.#log = log
  }

  /** Waits until the app itself answers, whatever it says. A router that stays silent is logged, and costs no release. */
  async awaitRoute(app: string, signal: AbortSignal): Promise<void> {
    const either = AbortSignal.any([signal, AbortSignal.timeout(PATIENCE_MS)])
    const backoff = new Backoff({ minMs: 10, maxMs: 1_000, jitter: 0 })
    let last = 'no answer'
    while (!either.aborted) {
      try {
        const headers = { host: `${app}.${this.#platformDomain}`, accept: 'text/plain', 'user-agent': 'drycc-controller' }
        const { status, body } = await this.#http.json('GET', '/', undefined, { headers, signal: either })
        if (!NOT_YET.test(String(body))) return
        last = String(status)
      } catch (error) {
        // A body too large to read whole, or half of one, is the app's own.
        if (error instanceof RangeError || error instanceof SyntaxError) return
        last = (error as Error).message
      }
      await delay(backoff.next(), either)
    }
    if (!signal.aborted) this.#log.warn('router does not answer for the app', { app, last })
  }

  async stop(): Promise<void> {
    await this.#http.close()
  }
}
