import { Backoff, delay } from '../kernel/backoff.ts'
import type { PlatformLine } from '../kernel/contract.ts'
import type { HttpClient } from '../kernel/http.ts'
import type { Log } from '../kernel/log.ts'

// About a minute of the busiest platform; beyond that the oldest lines are worth least.
const WAITING_MAX = 10_000
const BATCH_MAX = 500
const ATTEMPTS_MAX = 5

/** What the platform says about apps, on its way to the logger: in order, and lost rather than in anybody's way. */
export class PlatformLog {
  readonly #http: HttpClient
  readonly #log: Log
  #waiting: PlatformLine[] = []
  readonly #stopping = new AbortController()
  #sending: Promise<void> | undefined
  /** What is being sent right now. */
  #batch: { readonly app: string; readonly sent: Promise<void> } | undefined

  /** @param http a client whose base is the logger */
  constructor(http: HttpClient, log: Log) {
    this.#http = http
    this.#log = log
  }

  /** Says something about an app, in the log that its users read: one line, so that nobody's command says things in our name. */
  say(app: string, text: string, level: PlatformLine['level'] = 'INFO', source: PlatformLine['source'] = 'controller'): void {
    this.#waiting.push({ ts: new Date().toISOString(), app, source, level, text: singleLine(text) })
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift()
    this.#sending ??= this.#drain()
  }

  /** Drops all lines of an app, so that a later app of its name does not inherit them. */
  async forget(app: string): Promise<void> {
    // What is still on its way would otherwise arrive after everything before it has been dropped.
    this.#waiting = this.#waiting.filter(line => line.app !== app)
    if (this.#batch?.app === app) await this.#batch.sent
    try {
      await this.#http.json('DELETE', `/logs/${app}`, undefined, { answerTimeoutMs: 10_000 })
    } catch (error) {
      this.#log.warn('logs not dropped', { app, error: (error as Error).message })
    }
  }

  /** Sends what waits, but not for long. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.#stopping.abort(), 2_000)
    await this.#sending
    clearTimeout(timer)
  }

  async #drain(): Promise<void> {
    // In the next turn, so that lines of one request travel together.
    await Promise.resolve()
    while (this.#waiting.length > 0 && !this.#stopping.signal.aborted) {
      const { app } = this.#waiting[0]!
      const length = this.#waiting.slice(0, BATCH_MAX).findIndex(line => line.app !== app)
      const batch = this.#waiting.splice(0, length < 0 ? Math.min(BATCH_MAX, this.#waiting.length) : length)
      this.#batch = { app, sent: this.#send(app, batch) }
      await this.#batch.sent
      this.#batch = undefined
    }
    this.#sending = undefined
  }

  async #send(app: string, batch: readonly PlatformLine[]): Promise<void> {
    const body = batch.map(line => `${JSON.stringify(line)}\n`).join('')
    const backoff = new Backoff({ minMs: 100, maxMs: 2_000 })
    for (let attempt = 1; ; attempt++) {
      try {
        const { status } = await this.#http.json('POST', `/logs/${app}`, body, {
          headers: { 'content-type': 'application/x-ndjson' },
          signal: this.#stopping.signal,
          answerTimeoutMs: 5_000,
        })
        if (status < 500) return
        throw new Error(`The logger answered ${status}`)
      } catch (error) {
        if (attempt === ATTEMPTS_MAX || this.#stopping.signal.aborted) {
          this.#log.debug('lines not delivered', { app, count: batch.length, error: (error as Error).message })
          return
        }
        await delay(backoff.next(), this.#stopping.signal)
      }
    }
  }
}

/** Writes control characters and line breaks of any kind as their escapes. */
function singleLine(text: string): string {
  const short: Readonly<Record<string, string>> = { '\n': '\\n', '\r': '\\r', '\t': '\\t' }
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, char => short[char] ?? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}
