import { Backoff } from '../../kernel/backoff.ts'
import type { Log } from '../../kernel/log.ts'
import type { StapleSpec, TableDelta } from '../table/spec.ts'
import { FairQueue } from './fair-queue.ts'
import { readResponse, type Standing } from './response.ts'
import { type Question, readSubject, type Subject } from './subject.ts'

export interface StaplerOptions {
  /** Asks a responder, see {@link Responders.ask}; absent: none is asked, as the operator wishes. */
  readonly ask?: (question: Question, signal: AbortSignal, isFresh: boolean) => Promise<Buffer>
  readonly log: Log
  /** Hears which responses are others now. */
  readonly onStaples: (staples: Staples) => void
  /** Hears that {@link Stapler.faultOf} says something else of a Secret. */
  readonly onFault: (secret: string) => void
  readonly onStop?: () => Promise<void>
  readonly now?: () => number
  /** The least between two questions about one certificate. */
  readonly againMsMin?: number
}

export type Staples = NonNullable<TableDelta['staples']>

/** What all its questions came to. */
export const RESULTS = ['good', 'revoked', 'failed'] as const

export interface StaplerCounts {
  /** Certificates that name a responder, or must have a response. */
  readonly certificates: number
  /** Those with a response that may be shown. */
  readonly stapled: number
  /** Those that must have one, and have none. */
  readonly missing: number
  readonly asked: Readonly<Record<(typeof RESULTS)[number], number>>
}

const DAY_MS = 24 * 3600_000
const AGAIN_MS_MIN = 60_000
const FAILED_MS = { minMs: 5_000, maxMs: 3600_000 }
/** setTimeout takes no more. */
const TIMER_MS_MAX = 2 ** 31 - 1
/** Certificates a turn of the event loop: two milliseconds where all name a responder, a twentieth of one where none does. */
const READ_PER_TURN = 20

/** A certificate, however many Secrets have it. */
interface Entry {
  readonly subject: Pick<Subject, 'key' | 'isRequired'>
  /** PEM; the question is read out of it each time, as an issuer in memory weighs more than a response. */
  readonly chain: string
  /** The Secrets with it. */
  readonly secrets: Set<string>
  readonly backoff: Backoff
  isGone: boolean
  /** Of the question under way. */
  asking?: AbortController
  state: 'new' | 'good' | 'failing' | 'revoked'
  staple?: StapleSpec
  thisUpdateMs: number
  /** Why there is no newer response, as the end of a sentence. */
  reason?: string
  revokedAtMs?: number
  ask?: NodeJS.Timeout
  drop?: NodeJS.Timeout
}

/**
 * Keeps an OCSP response at hand for each certificate that names a responder, so that a handshake finds it and never waits for it. Each is asked
 * for as soon as its certificate is served, and again at half of what is left of its time; one that could not be replaced is shown until its
 * end. A response that says "revoked" is not shown and told as a fault: it would keep people out where the certificate is honestly served, and
 * whoever stole its key does not show it.
 */
export class Stapler {
  readonly #options: StaplerOptions
  readonly #entries = new Map<string, Entry>()
  /** By the certificate's key in the table: the entries of its pairs. */
  readonly #held = new Map<string, readonly Entry[]>()
  /** Chains that wait to be looked at. */
  readonly #unread = new Map<string, readonly string[]>()
  readonly #queue: FairQueue<Entry>
  /** The faults that were told. */
  readonly #told = new Map<string, string>()
  /** Those that must have a response, and were not asked for yet. */
  readonly #awaited = new Set<Entry>()
  #progress: (() => void) | undefined
  readonly #asked = { good: 0, revoked: 0, failed: 0 }
  #reading: NodeJS.Immediate | undefined

  constructor(options: StaplerOptions) {
    this.#options = options
    this.#queue = new FairQueue(entry => this.#ask(entry))
  }

  /**
   * Takes the certificates that are others now, as a change of the table names them.
   *
   * @param areAll what is not named is gone
   */
  take(certificates: TableDelta['certificates'], areAll = false): void {
    if (areAll) {
      this.#unread.clear()
      for (const key of this.#held.keys()) this.#unread.set(key, [])
    }
    for (const [key, certificate] of certificates) {
      const pairs = certificate ? [certificate, ...(certificate.others ?? [])] : []
      this.#unread.set(
        key,
        pairs.map(({ chain, issuer = '' }) => chain + issuer),
      )
    }
    this.#reading ??= setImmediate(() => this.#read())
  }

  /** Resolves when each certificate that must have a response was asked for once, or the time is over: who listens before would be refused. */
  async answered(waitMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const late = setTimeout(resolve, waitMs)
    this.#progress = () => this.#unread.size + this.#awaited.size === 0 && resolve()
    this.#progress()
    await promise
    clearTimeout(late)
    this.#progress = undefined
  }

  /** All that may be shown. */
  all(): Staples {
    return [...this.#entries.values()].flatMap(({ subject, staple }) => (staple ? [[subject.key, staple] as const] : []))
  }

  /** What is wrong with a Secret's certificates, for people. */
  faultOf(secret: string): string | undefined {
    for (const { state, subject, staple, reason, revokedAtMs } of this.#held.get(secret) ?? []) {
      if (state === 'revoked')
        return `The certificate was revoked on ${new Date(revokedAtMs ?? 0).toISOString()}, says its authority: replace it`
      if (subject.isRequired && !staple && state === 'failing')
        return `Clients refuse the certificate: it must be shown with an OCSP response (must-staple), and there is none, as ${reason}`
    }
    return undefined
  }

  counts(): StaplerCounts {
    const all = [...this.#entries.values()]
    return {
      certificates: all.length,
      stapled: all.filter(({ staple }) => staple).length,
      missing: all.filter(({ staple, subject }) => !staple && subject.isRequired).length,
      asked: this.#asked,
    }
  }

  async stop(): Promise<void> {
    clearImmediate(this.#reading)
    this.#unread.clear()
    for (const entry of this.#entries.values()) this.#rest(entry)
    await this.#queue.stop()
    await this.#options.onStop?.()
  }

  #read(): void {
    this.#reading = undefined
    let left = READ_PER_TURN
    for (const [key, chains] of this.#unread) {
      if (left-- === 0) break
      this.#unread.delete(key)
      this.#hold(key, chains)
    }
    if (this.#unread.size > 0) this.#reading = setImmediate(() => this.#read())
    this.#progress?.()
  }

  #hold(key: string, chains: readonly string[]): void {
    const before = this.#held.get(key) ?? []
    const now = chains.flatMap(chain => this.#entry(chain, key) ?? [])
    if (now.length > 0) this.#held.set(key, now)
    else this.#held.delete(key)
    for (const entry of before) {
      if (now.includes(entry)) continue
      entry.secrets.delete(key)
      if (entry.secrets.size === 0) this.#forget(entry)
    }
    this.#tell(key)
  }

  /** @returns `undefined` where OCSP is none of its business, or nobody can be asked and nobody has to be */
  #entry(chain: string, key: string): Entry | undefined {
    let subject: Subject | undefined
    try {
      subject = readSubject(chain)
    } catch (error) {
      this.#options.log.debug('certificate without OCSP', { secret: key, error: (error as Error).message })
    }
    if (!subject) return undefined
    const known = this.#entries.get(subject.key)
    if (known) {
      known.secrets.add(key)
      return known
    }
    const reason = this.#options.ask ? subject.reason : 'OCSP is off in this router (ROUTER_OCSP)'
    if (reason !== undefined) this.#options.log.debug('certificate without OCSP', { secret: key, reason })
    if (reason !== undefined && !subject.isRequired) return undefined
    const entry: Entry = {
      ...{ subject: { key: subject.key, isRequired: subject.isRequired }, chain, secrets: new Set([key]) },
      ...{ backoff: new Backoff(FAILED_MS), isGone: false, thisUpdateMs: 0 },
      ...(reason === undefined ? { state: 'new' } : { state: 'failing', reason }),
    }
    this.#entries.set(subject.key, entry)
    if (reason === undefined) {
      if (subject.isRequired) this.#awaited.add(entry)
      this.#enqueue(entry)
    }
    return entry
  }

  #forget(entry: Entry): void {
    this.#rest(entry)
    this.#entries.delete(entry.subject.key)
    if (entry.staple) this.#options.onStaples([[entry.subject.key, null]])
  }

  #rest(entry: Entry): void {
    this.#awaited.delete(entry)
    entry.isGone = true
    clearTimeout(entry.ask)
    clearTimeout(entry.drop)
    entry.asking?.abort()
  }

  #enqueue(entry: Entry): void {
    const [secret = ''] = entry.secrets
    this.#queue.add(secret.slice(0, secret.indexOf('/')), entry)
  }

  async #ask(entry: Entry): Promise<void> {
    if (entry.isGone) return
    entry.asking = new AbortController()
    try {
      const { question } = readSubject(entry.chain)!
      const bytes = await this.#options.ask!(question!, entry.asking.signal, entry.state === 'failing')
      if (!entry.isGone) this.#take(entry, bytes, readResponse(bytes, question!, this.#nowMs))
    } catch (error) {
      if (!entry.isGone) this.#failed(entry, (error as Error).message)
    } finally {
      delete entry.asking
      this.#awaited.delete(entry)
      this.#progress?.()
    }
  }

  #take(entry: Entry, bytes: Buffer, standing: Standing): void {
    if (standing.status === 'unknown') throw new Error('the responder does not know the certificate')
    // A cache may be behind, and whoever stands between us and the responder may keep an old answer.
    if (standing.thisUpdateMs < entry.thisUpdateMs) throw new Error('the response is older than the one before')
    this.#asked[standing.status]++
    entry.thisUpdateMs = standing.thisUpdateMs
    entry.backoff.reset()
    const { nextUpdateMs } = standing
    if (standing.status === 'revoked') {
      this.#drop(entry)
      entry.revokedAtMs = standing.revokedAtMs ?? 0
      this.#turn(entry, 'revoked')
    } else {
      if (!entry.staple || !bytes.equals(entry.staple.response))
        this.#keep(entry, { response: new Uint8Array(bytes), validUntilMs: nextUpdateMs })
      this.#turn(entry, 'good')
    }
    // Shortened at random, so that many certificates that were read at once do not come back in step.
    const halfMs = Math.min((nextUpdateMs - this.#nowMs) / 2, DAY_MS) * (0.8 + 0.2 * Math.random())
    this.#askAfter(entry, Math.max(halfMs, this.#options.againMsMin ?? AGAIN_MS_MIN))
  }

  #failed(entry: Entry, reason: string): void {
    this.#asked.failed++
    entry.reason = reason.slice(0, 300)
    // Whatever else is wrong, it was revoked.
    if (entry.state !== 'revoked') this.#turn(entry, 'failing')
    this.#askAfter(entry, entry.backoff.next())
  }

  /** Says once of each change how it stands, in the log and by {@link faultOf}. */
  #turn(entry: Entry, state: Entry['state']): void {
    const { state: before, reason } = entry
    entry.state = state
    if (before === state) return
    const [secret] = entry.secrets
    if (state === 'failing') this.#options.log.info('no newer OCSP response', { secret, reason, isShown: entry.staple !== undefined })
    else if (state === 'revoked') this.#options.log.warn('certificate was revoked', { secret })
    else if (before !== 'new') this.#options.log.info('OCSP response again', { secret })
    for (const key of entry.secrets) this.#tell(key)
  }

  #keep(entry: Entry, staple: StapleSpec): void {
    entry.staple = staple
    this.#options.onStaples([[entry.subject.key, staple]])
    this.#dropAfter(entry)
  }

  #dropAfter(entry: Entry): void {
    clearTimeout(entry.drop)
    const leftMs = (entry.staple?.validUntilMs ?? 0) - this.#nowMs
    if (leftMs <= 0) {
      this.#options.log.info('OCSP response has ended', { secret: [...entry.secrets][0] })
      this.#drop(entry)
      for (const key of entry.secrets) this.#tell(key)
    } else entry.drop = setTimeout(() => this.#dropAfter(entry), Math.min(leftMs, TIMER_MS_MAX)).unref()
  }

  #drop(entry: Entry): void {
    clearTimeout(entry.drop)
    if (!entry.staple) return
    delete entry.staple
    this.#options.onStaples([[entry.subject.key, null]])
  }

  #tell(secret: string): void {
    const fault = this.faultOf(secret)
    if (fault === this.#told.get(secret)) return
    if (fault === undefined) this.#told.delete(secret)
    else this.#told.set(secret, fault)
    this.#options.onFault(secret)
  }

  #askAfter(entry: Entry, afterMs: number): void {
    clearTimeout(entry.ask)
    entry.ask = setTimeout(() => this.#enqueue(entry), Math.min(afterMs, TIMER_MS_MAX)).unref()
  }

  get #nowMs(): number {
    return (this.#options.now ?? Date.now)()
  }
}
