import { Backoff } from '../../kernel/backoff.ts'
import type { Log } from '../../kernel/log.ts'
import type { StapleSpec } from '../table/spec.ts'
import { readResponse, type Standing } from './response.ts'
import { type Question, readSubject, type Subject } from './subject.ts'

/** What a staple needs of the {@link Stapler}. */
export interface StapleHost {
  readonly log: Log
  /** See {@link Responders.ask}; absent: no responder is asked, as the operator wishes. */
  readonly ask?: (question: Question, signal: AbortSignal, isPost: boolean) => Promise<Buffer>
  readonly now?: () => number
  /** The least between two questions about one certificate. */
  readonly againMsMin?: number
}

/** What a staple tells. */
export interface StapleOwner {
  /** It is time to {@link Staple.ask}. */
  due(staple: Staple): void
  /** {@link Staple.shown} is another. */
  changed(staple: Staple): void
  /** {@link Staple.fault} may be another. */
  turned(staple: Staple): void
  /** A question has come to something. */
  asked(result: (typeof RESULTS)[number]): void
}

/** What all questions come to. */
export const RESULTS = ['good', 'revoked', 'failed'] as const

const DAY_MS = 24 * 3600_000
const AGAIN_MS_MIN = 60_000
const FAILED_MS = { minMs: 5_000, maxMs: 3600_000 }
/** setTimeout takes no more. */
const TIMER_MS_MAX = 2 ** 31 - 1

/**
 * The OCSP response of one certificate: asked for as soon as the certificate is served, and again at half of what is left of its time. One that
 * could not be replaced is shown until its end. A response that says "revoked" is not shown and is a fault: it would keep people out where the
 * certificate is honestly served, and whoever stole its key does not show it.
 */
export class Staple {
  readonly key: string
  readonly isRequired: boolean
  /** The Secrets with the certificate. */
  readonly secrets: Set<string>
  /** What a handshake may show. */
  shown: StapleSpec | undefined
  readonly #host: StapleHost
  readonly #owner: StapleOwner
  /** PEM; the question is read out of it each time, as an issuer in memory weighs more than a response. */
  #chain: string
  readonly #backoff = new Backoff(FAILED_MS)
  #state: 'new' | 'good' | 'failing' | 'revoked' = 'new'
  #isGone = false
  #thisUpdateMs = 0
  /** Why there is no newer response, as the end of a sentence. */
  #reason: string | undefined
  #revokedAtMs = 0
  /** The way by which it is asked; the other one after each failure. */
  #isPost = false
  /** Of the question under way. */
  #asking: AbortController | undefined
  #again: NodeJS.Timeout | undefined
  #end: NodeJS.Timeout | undefined

  /** @param reason why nobody can be asked */
  constructor({ key, isRequired }: Subject, chain: string, secret: string, host: StapleHost, owner: StapleOwner, reason?: string) {
    this.key = key
    this.isRequired = isRequired
    this.secrets = new Set([secret])
    this.#chain = chain
    this.#host = host
    this.#owner = owner
    this.#reason = reason
    if (reason !== undefined) this.#state = 'failing'
  }

  /** What is wrong with the certificate, for people. */
  get fault(): string | undefined {
    if (this.#state === 'revoked')
      return `The certificate was revoked on ${new Date(this.#revokedAtMs).toISOString()}, says its authority: replace it`
    if (!this.isRequired || this.shown || this.#state !== 'failing') return undefined
    return `Clients refuse the certificate: it must be shown with an OCSP response (must-staple), and there is none, as ${this.#reason}`
  }

  /** Asks its responder, once at a time; never rejects. */
  async ask(): Promise<void> {
    if (this.#isGone || this.#asking) return
    this.#asking = new AbortController()
    try {
      const question = readSubject(this.#chain)!.question!
      const bytes = await this.#host.ask!(question, this.#asking.signal, this.#isPost)
      if (!this.#isGone) this.#take(bytes, readResponse(bytes, question, this.#nowMs))
    } catch (error) {
      if (!this.#isGone) this.#failed((error as Error).message)
    } finally {
      this.#asking = undefined
    }
  }

  /** Takes another chain behind the same certificate, of which can be asked. @returns whether to {@link ask} now, as it went wrong before */
  mend(chain: string): boolean {
    if (chain === this.#chain) return false
    this.#chain = chain
    if (this.#state !== 'failing' || this.#asking) return false
    clearTimeout(this.#again)
    return true
  }

  /** Gives up the question under way, and asks no more. */
  stop(): void {
    this.#isGone = true
    clearTimeout(this.#again)
    clearTimeout(this.#end)
    this.#asking?.abort()
  }

  #take(bytes: Buffer, { status, thisUpdateMs, nextUpdateMs, revokedAtMs = 0 }: Standing): void {
    if (status === 'unknown') throw new Error('the responder does not know the certificate')
    // A cache may be behind, and whoever stands between us and the responder may keep an old answer.
    if (thisUpdateMs < this.#thisUpdateMs) throw new Error('the response is older than the one before')
    this.#owner.asked(status)
    this.#thisUpdateMs = thisUpdateMs
    this.#backoff.reset()
    if (status === 'revoked') {
      this.#show(undefined)
      this.#revokedAtMs = revokedAtMs
    } else if (!this.shown || !bytes.equals(this.shown.response))
      this.#show({ response: new Uint8Array(bytes), validUntilMs: nextUpdateMs })
    this.#turn(status)
    // Shortened at random, so that many certificates that were read at once do not come back in step.
    const halfMs = Math.min((nextUpdateMs - this.#nowMs) / 2, DAY_MS) * (0.8 + 0.2 * Math.random())
    this.#askAfter(Math.max(halfMs, this.#host.againMsMin ?? AGAIN_MS_MIN))
  }

  #failed(reason: string): void {
    this.#owner.asked('failed')
    this.#isPost = !this.#isPost
    this.#reason = reason.slice(0, 300)
    // Whatever else is wrong, it was revoked.
    if (this.#state !== 'revoked') this.#turn('failing')
    this.#askAfter(this.#backoff.next())
  }

  /** Says once of each change how it stands. */
  #turn(state: 'good' | 'failing' | 'revoked'): void {
    const before = this.#state
    this.#state = state
    if (before === state) return
    const { log } = this.#host
    if (state === 'failing') log.info('no newer OCSP response', { ...this.#named, reason: this.#reason, isShown: this.shown !== undefined })
    else if (state === 'revoked') log.warn('certificate was revoked', this.#named)
    else if (before !== 'new') log.info('OCSP response again', this.#named)
    this.#owner.turned(this)
  }

  #show(staple: StapleSpec | undefined): void {
    clearTimeout(this.#end)
    if (staple === this.shown) return
    this.shown = staple
    this.#owner.changed(this)
    if (staple) this.#endAt(staple.validUntilMs)
  }

  #endAt(endMs: number): void {
    const leftMs = endMs - this.#nowMs
    if (leftMs > 0) {
      this.#end = setTimeout(() => this.#endAt(endMs), Math.min(leftMs, TIMER_MS_MAX)).unref()
      return
    }
    this.#host.log.info('OCSP response has ended', this.#named)
    this.#show(undefined)
    this.#owner.turned(this)
  }

  #askAfter(afterMs: number): void {
    clearTimeout(this.#again)
    this.#again = setTimeout(() => this.#owner.due(this), Math.min(afterMs, TIMER_MS_MAX)).unref()
  }

  get #named() {
    const [secret] = this.secrets
    return { secret }
  }

  get #nowMs(): number {
    return (this.#host.now ?? Date.now)()
  }
}
