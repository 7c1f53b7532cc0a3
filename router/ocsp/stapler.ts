import type { TableDelta } from '../table/spec.ts'
import { FairQueue } from './fair-queue.ts'
import { type RESULTS, Staple, type StapleHost, type StapleOwner } from './staple.ts'
import { readSubject, type Subject } from './subject.ts'

export interface StaplerOptions extends StapleHost {
  /** Hears which responses are others now. */
  readonly onStaples: (staples: Staples) => void
  /** Hears that {@link Stapler.faultOf} says something else of a Secret. */
  readonly onFault: (secret: string) => void
  readonly onStop?: () => Promise<void>
}

export type Staples = NonNullable<TableDelta['staples']>

export interface StaplerCounts {
  /** Certificates that name a responder, or must have a response. */
  readonly certificates: number
  /** Those with a response that may be shown. */
  readonly stapled: number
  /** Those that must have one, and have none. */
  readonly missing: number
  /** What all questions came to. */
  readonly asked: Readonly<Record<(typeof RESULTS)[number], number>>
}

/** Certificates a turn of the event loop: two milliseconds where all name a responder, a twentieth of one where none does. */
const READ_PER_TURN = 20

/** Keeps an OCSP response at hand for each certificate that names a responder, so that a handshake finds it and never waits for it. */
export class Stapler implements StapleOwner {
  readonly #options: StaplerOptions
  /** By their certificates. */
  readonly #staples = new Map<string, Staple>()
  /** By the certificate's key in the table: those of its pairs. */
  readonly #held = new Map<string, readonly Staple[]>()
  /** Chains that wait to be looked at. */
  readonly #unread = new Map<string, readonly string[]>()
  readonly #queue = new FairQueue<Staple>(staple => this.#ask(staple))
  /** Those that must have a response, and were not asked for yet. */
  readonly #awaited = new Set<Staple>()
  /** The faults that were told. */
  readonly #told = new Map<string, string>()
  readonly #asked = { good: 0, revoked: 0, failed: 0 }
  #progress: (() => void) | undefined
  #reading: NodeJS.Immediate | undefined

  constructor(options: StaplerOptions) {
    this.#options = options
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
      const chains = pairs.map(({ chain, issuer = '' }) => chain + issuer)
      this.#unread.set(key, chains)
    }
    if (this.#unread.size > 0) this.#reading ??= setImmediate(() => this.#read())
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
    return [...this.#staples.values()].flatMap(({ key, shown }) => (shown ? [[key, shown] as const] : []))
  }

  /** What is wrong with a Secret's certificates, for people. */
  faultOf(secret: string): string | undefined {
    return this.#held.get(secret)?.find(({ fault }) => fault !== undefined)?.fault
  }

  counts(): StaplerCounts {
    const all = [...this.#staples.values()]
    return {
      certificates: all.length,
      stapled: all.filter(({ shown }) => shown).length,
      missing: all.filter(({ shown, isRequired }) => !shown && isRequired).length,
      asked: this.#asked,
    }
  }

  async stop(): Promise<void> {
    clearImmediate(this.#reading)
    this.#unread.clear()
    for (const staple of this.#staples.values()) staple.stop()
    await this.#queue.stop()
    await this.#options.onStop?.()
  }

  due(staple: Staple): void {
    const [secret = ''] = staple.secrets
    this.#queue.add(secret.slice(0, secret.indexOf('/')), staple)
  }

  changed({ key, shown }: Staple): void {
    this.#options.onStaples([[key, shown ?? null]])
  }

  turned({ secrets }: Staple): void {
    for (const secret of secrets) this.#tell(secret)
  }

  asked(result: (typeof RESULTS)[number]): void {
    this.#asked[result]++
  }

  async #ask(staple: Staple): Promise<void> {
    await staple.ask()
    this.#awaited.delete(staple)
    this.#progress?.()
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

  #hold(secret: string, chains: readonly string[]): void {
    const before = this.#held.get(secret) ?? []
    const now = chains.flatMap(chain => this.#stapleOf(chain, secret) ?? [])
    if (now.length > 0) this.#held.set(secret, now)
    else this.#held.delete(secret)
    for (const staple of before) if (!now.includes(staple)) this.#letGo(staple, secret)
    this.#tell(secret)
  }

  /** @returns `undefined` where OCSP is none of its business, or nobody can be asked and nobody has to be */
  #stapleOf(chain: string, secret: string): Staple | undefined {
    const subject = this.#subjectOf(chain, secret)
    if (!subject) return undefined
    const reason = this.#options.ask ? subject.reason : 'OCSP is off in this router (ROUTER_OCSP)'
    const known = this.#staples.get(subject.key)
    if (known) {
      known.secrets.add(secret)
      if (reason === undefined && known.mend(chain)) this.due(known)
      return known
    }
    if (reason !== undefined) this.#options.log.debug('certificate without OCSP', { secret, reason })
    if (reason !== undefined && !subject.isRequired) return undefined
    const staple = new Staple(subject, chain, secret, this.#options, this, reason)
    this.#staples.set(subject.key, staple)
    if (reason === undefined) {
      if (subject.isRequired) this.#awaited.add(staple)
      this.due(staple)
    }
    return staple
  }

  #subjectOf(chain: string, secret: string): Subject | undefined {
    try {
      return readSubject(chain)
    } catch (error) {
      this.#options.log.debug('certificate without OCSP', { secret, reason: (error as Error).message })
      return undefined
    }
  }

  #letGo(staple: Staple, secret: string): void {
    staple.secrets.delete(secret)
    if (staple.secrets.size > 0) return
    staple.stop()
    this.#staples.delete(staple.key)
    this.#awaited.delete(staple)
    if (staple.shown) this.#options.onStaples([[staple.key, null]])
  }

  #tell(secret: string): void {
    const fault = this.faultOf(secret)
    if (fault === this.#told.get(secret)) return
    if (fault === undefined) this.#told.delete(secret)
    else this.#told.set(secret, fault)
    this.#options.onFault(secret)
  }
}
