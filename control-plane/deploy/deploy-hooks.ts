import { createHmac } from 'node:crypto'
import type { HttpClient } from '../../kernel/http.ts'
import type { Log } from '../../kernel/log.ts'
import type { Release } from '../domain/release.ts'

// What waits for slow hooks; each is given ten seconds.
const WAITING_MAX = 1000
const ANSWER_TIMEOUT_MS = 10_000

/** Tells the operator's URLs of each release: a POST without a body, everything in the query, signed when there is a secret. */
export class DeployHooks {
  readonly #urls: readonly string[]
  readonly #secret: string | undefined
  readonly #http: HttpClient
  readonly #log: Log
  #waiting = 0

  constructor(urls: readonly string[], secret: string | undefined, http: HttpClient, log: Log) {
    this.#urls = urls
    this.#secret = secret
    this.#http = http
    this.#log = log
  }

  /** Sends, without anybody waiting for it; a failure is logged and that is all. */
  announce(release: Release): void {
    for (const url of this.#urls) {
      if (this.#waiting >= WAITING_MAX) {
        this.#log.warn('deploy hook skipped', { url, app: release.app })
        continue
      }
      this.#waiting++
      void this.#send(url, release).finally(() => this.#waiting--)
    }
  }

  async #send(url: string, release: Release): Promise<void> {
    const target = hookUrl(url, release)
    const headers = this.#secret ? { authorization: createHmac('sha1', this.#secret).update(target).digest('hex') } : {}
    try {
      const { status } = await this.#http.json('POST', target, undefined, { headers, answerTimeoutMs: ANSWER_TIMEOUT_MS })
      if (status >= 400) this.#log.warn('deploy hook refused', { url, app: release.app, status })
    } catch (error) {
      this.#log.warn('deploy hook failed', { url, app: release.app, error: (error as Error).message })
    }
  }
}

/** The URL that is called, and signed: the release in its query, the parameters in order of name. */
export function hookUrl(url: string, release: Release): string {
  const target = new URL(url)
  target.searchParams.set('app', release.app)
  target.searchParams.set('release', `v${release.version}`)
  target.searchParams.set('release_summary', release.summary)
  target.searchParams.set('sha', release.build?.sha ?? '')
  target.searchParams.set('user', release.owner)
  target.searchParams.sort()
  return target.href
}
