import { randomBytes, randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import { Backoff, delay } from '../../kernel/backoff.ts'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { withLease } from '../../kernel/kubernetes/lease.ts'
import { type Outcome, type Reconciler, startReconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Log } from '../../kernel/log.ts'
import type { Routing } from '../deploy/routing.ts'
import type { App } from '../domain/app.ts'
import {
  type Automatic,
  adopt,
  type ChallengeType,
  failed,
  issued,
  nextStep,
  ordered,
  type PendingChallenge,
  type PendingOrder,
  retire,
  scheduled,
} from '../domain/automatic.ts'
import { type AutomaticMode, unobtainable, wantsAutomatic } from '../domain/automatic-wish.ts'
import { Refusal } from '../domain/refusal.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import type { Authority } from './authorities.ts'
import { type ChoiceParts, chooseAuthority } from './choose-authority.ts'
import { failureOf, Postponed, Superseded, Unreachable } from './failures.ts'
import { issue } from './issue.ts'
import { OwnerQuota } from './owner-quota.ts'
import { AcmeProblem } from './problem.ts'
import type { Reach } from './reach.ts'
import { type RenewalWindow, renewalId } from './renewal-info.ts'

export interface IssuerOptions extends ChoiceParts {
  readonly api: KubernetesApi
  readonly records: Records
  readonly routing: Routing
  readonly platformLog: PlatformLog
  readonly log: Log
  readonly namespace: string
  readonly platformDomain: string
  readonly mode: AutomaticMode
  /** Absent: nobody looks before an authority does. */
  readonly reach: Reach | undefined
  /** First certificates that one owner's apps may order within a week. */
  readonly ownerOrdersMax: number
  /** Whether a name that came on demand may have another certificate. @returns why not */
  mayKeep(app: App, domain: string, signal: AbortSignal): Promise<string | undefined>
  readonly chain?: string
  readonly times?: Partial<IssuerTimes>
}

/** How long things may take; tests are in more of a hurry. */
export interface IssuerTimes {
  /** Until the routers answer a challenge. */
  readonly publishedMs: number
  /** From when one router answers until all have heard of it. */
  readonly settleMs: number
  readonly leaseMs: number
}

const TIMES: IssuerTimes = { publishedMs: 10_000, settleMs: 1_000, leaseMs: 15_000 }
const ATTEMPT_MS_MAX = 10 * 60_000
const PAUSE_MS = 3_600_000

/**
 * Gets certificates for the domains of apps and renews them: a reconciler of domains that runs in one of all control planes, which holds the
 * Lease. What it does next follows from the domain's record alone, so that another goes on wherever this one stops.
 */
export class Issuer {
  readonly #options: IssuerOptions
  readonly #times: IssuerTimes
  readonly #log: Log
  readonly #stopping = new AbortController()
  #leading: Promise<void> | undefined
  #reconciler: Reconciler | undefined
  readonly #quota: OwnerQuota
  /** Ends the attempt for a domain. */
  readonly #attempts = new Map<string, { readonly app: string; readonly ending: AbortController }>()

  constructor(options: IssuerOptions) {
    this.#options = options
    this.#quota = new OwnerQuota(options.records, options.ownerOrdersMax)
    this.#times = { ...TIMES, ...options.times }
    this.#log = options.log.child({ part: 'acme' })
    options.records.onDomainChange(domain => this.#changed(domain))
    for (const domain of this.#domains()) this.#changed(domain)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#leading
  }

  /** Nobody competes for the Lease of a platform on which nobody wants a certificate. */
  #changed(domain: string): void {
    this.#reconciler?.enqueue(domain.toLowerCase())
    // Whoever it was for has no use for it any more.
    const attempt = this.#attempts.get(domain.toLowerCase())
    if (attempt && this.#appOf(domain) !== attempt.app) attempt.ending.abort()
    const isConcerned = this.#options.records.automatics.get(domain) !== undefined || this.#appOf(domain) !== undefined
    if (this.#leading || !isConcerned || this.#options.mode === 'off' || this.#stopping.signal.aborted) return
    const { api, namespace } = this.#options
    const identity = `${hostname()}-${randomUUID().slice(0, 8)}`
    const lease = {
      namespace,
      name: 'drycc-acme',
      identity,
      log: this.#log,
      signal: this.#stopping.signal,
      durationMs: this.#times.leaseMs,
    }
    this.#leading = withLease(api, lease, signal => this.#lead(signal))
  }

  async #lead(signal: AbortSignal): Promise<void> {
    const reconciler = startReconciler({
      name: 'certificates',
      log: this.#log,
      retryMinMs: 1_000,
      // They wait for others nearly all the time, ten seconds and more for a domain that leads nowhere.
      concurrency: 16,
      reconcile: (domain, stopping) => this.#reconcile(domain, AbortSignal.any([signal, stopping])),
    })
    this.#reconciler = reconciler
    for (const domain of this.#domains()) reconciler.enqueue(domain)
    await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
    this.#reconciler = undefined
    await reconciler.stop()
  }

  #domains(): Set<string> {
    const { records } = this.#options
    return new Set([...records.domains.all(), ...records.automatics.list()].map(({ domain }) => domain.toLowerCase()))
  }

  /** The app that wants a certificate for a domain. */
  #appOf(domain: string): string | undefined {
    const { records, mode, platformDomain } = this.#options
    const claimed = records.domains.get(domain)
    const app = claimed && records.apps.get(claimed.app)
    const isWanted = app && (wantsAutomatic(app, mode) || (claimed?.onDemand && !app.deleting && mode !== 'off'))
    if (!claimed || !isWanted || unobtainable(claimed, platformDomain) !== undefined) return undefined
    const isByHand = claimed.certificate !== undefined && records.certificates.get(claimed.certificate) !== undefined
    return isByHand ? undefined : app.id
  }

  async #reconcile(domain: string, signal: AbortSignal): Promise<Outcome> {
    const { automatics } = this.#options.records
    const record = automatics.get(domain)
    const app = this.#appOf(domain)
    const step = nextStep(record, app, Date.now())
    if (step.do === 'nothing') return undefined
    if (step.do === 'adopt') {
      await automatics.write(domain, standing => adopt(standing, domain, app as string))
      return { againAfterMs: 0 }
    }
    const standing = record as Automatic
    if (step.do === 'wait') {
      if (standing.challenge) await this.#change(standing, ({ challenge: _challenge, ...rest }) => rest)
      // Another replica, which had not heard of the certificate yet, may have written the Service last.
      if (standing.certificate !== undefined) await this.#sync(standing.app)
      return { againAfterMs: step.ms }
    }
    if (step.do === 'forget') await automatics.remove(domain)
    else if (step.do === 'retire') await this.#change(standing, retire)
    else if (step.do === 'ask') await this.#schedule(standing, signal)
    else if (step.do === 'obtain') await this.#attempt(standing, step.renews, signal)
    return step.do === 'forget' || signal.aborted ? undefined : { againAfterMs: 0 }
  }

  async #schedule(record: Automatic, signal: AbortSignal): Promise<void> {
    const window = await this.#askWindow(record, signal)
    if (signal.aborted) return
    const chance = Math.random()
    await this.#options.records.automatics.update(record.domain, standing => scheduled(standing, window, Date.now(), chance))
  }

  /** When the authority wants the certificate to be renewed, where it says so (RFC 9773). */
  async #askWindow({ domain, app, directory, certificate = '' }: Automatic, signal: AbortSignal): Promise<RenewalWindow | undefined> {
    const { authorities, authoritiesOf } = this.#options
    const authority = authoritiesOf(app).find(({ url }) => url === directory)
    try {
      return authority && (await (await authorities.open(authority)).renewalWindow(certificate, signal))
    } catch (error) {
      this.#log.debug('renewal window not told', { domain, error: (error as Error).message })
      return undefined
    }
  }

  async #attempt(record: Automatic, renews: boolean, stopping: AbortSignal): Promise<void> {
    const ending = new AbortController()
    this.#attempts.set(record.domain, { app: record.app, ending })
    try {
      await this.#obtain(record, renews, AbortSignal.any([stopping, ending.signal]))
    } finally {
      this.#attempts.delete(record.domain)
    }
  }

  async #obtain(record: Automatic, renews: boolean, stopping: AbortSignal): Promise<void> {
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(ATTEMPT_MS_MAX)])
    const { domain, app } = record
    const { authority, types, why } = await chooseAuthority(record, this.#options, signal)
    const pausedMs = this.#options.authorities.pausedMs(authority, Date.now())
    if (pausedMs > 0) {
      const until = new Date(Date.now() + pausedMs).toISOString()
      await this.#fail(record, authority, new Postponed(`The certificate authority wants no orders before ${until}`, pausedMs))
      return
    }
    try {
      if (why !== undefined) throw new Unreachable(why)
      if (renews) await this.#checkKept(record, signal)
      const owner = renews || record.order ? undefined : this.#ownerOf(app)
      if (owner !== undefined) this.#quota.check(owner)
      const challengeType = await this.#findWay(record, types, signal)
      const client = await this.#options.authorities.open(authority)
      const replaces = renews && record.directory === authority.url ? renewalId(record.certificate as string) : undefined
      const got = await issue({
        ...{ client, directory: authority.url, domain, challengeType, standing: record.order, signal },
        ...(this.#options.chain !== undefined && { chain: this.#options.chain }),
        ...(replaces !== undefined && { replaces }),
        begin: () => this.#begin(record, renews),
        keep: async order => void (await this.#change(record, standing => keepOrder(standing, order), 'later')),
        publish: challenge => this.#publish(record, challengeType, challenge, signal, this.#times.settleMs),
      })
      const chance = Math.random()
      const done = await this.#change(record, standing => issued(standing, got, Date.now(), chance))
      this.#options.platformLog.say(app, done.events.at(-1)?.message ?? '')
      this.#log.info('certificate issued', { domain, app, directory: authority.url, notAfter: done.notAfter })
    } catch (error) {
      // Whoever comes next goes on with the order.
      if (stopping.aborted || error instanceof Superseded || isStatus(error, 404)) return
      await this.#fail(record, authority, error)
    }
  }

  /** What came on demand is asked for again before it is renewed. @throws {Unreachable} */
  async #checkKept({ domain, app: id }: Automatic, signal: AbortSignal): Promise<void> {
    const { records, mode, mayKeep } = this.#options
    const app = records.apps.get(id)
    if (!app || !records.domains.get(domain)?.onDemand || wantsAutomatic(app, mode)) return
    const why = await mayKeep(app, domain, signal)
    signal.throwIfAborted()
    if (why !== undefined) throw new Unreachable(why)
  }

  /** @throws {Postponed} when the owner has ordered as many as he may */
  async #begin(record: Automatic, renews: boolean): Promise<void> {
    const owner = this.#ownerOf(record.app)
    // A process that dies at every attempt must not order at every start; with an order that is kept it may go on at once.
    const begun = (standing: Automatic) => ({ ...(renews ? standing : ordered(standing, owner, Date.now())), nextAttemptAt: inAMinute() })
    const note = async () => void (await this.#change(record, begun, 'later'))
    await (renews ? note() : this.#quota.take(owner, note))
  }

  #ownerOf(app: string): string {
    return this.#options.records.apps.get(app)?.owner ?? ''
  }

  /** By which challenge the domain can be reached. @throws {Unreachable} before anybody is asked for anything */
  async #findWay(record: Automatic, types: readonly ChallengeType[], signal: AbortSignal): Promise<ChallengeType> {
    const { reach } = this.#options
    const [wanted = 'http-01', other] = types
    if (!reach) return wanted
    const token = randomBytes(16).toString('base64url')
    const probe = { token, keyAuthorization: `${token}.${randomBytes(32).toString('base64url')}` }
    try {
      await this.#publish(record, wanted, probe, signal, 0)
      return wanted
    } catch (error) {
      // Where port 80 leads elsewhere, or nowhere, 443 may lead here; the routers have heard of the probe by now.
      const isOther = other !== undefined && error instanceof Unreachable
      if (isOther && (await reach.answers(other, record.domain, probe, signal)) === undefined) return other
      throw error
    }
  }

  /** Puts a challenge where the routers answer it, and waits until they do, and so long for those who hear of it later. @throws {Unreachable} */
  async #publish(
    record: Automatic,
    type: ChallengeType,
    challenge: PendingChallenge,
    signal: AbortSignal,
    settleMs: number,
  ): Promise<void> {
    const { reach } = this.#options
    const { publishedMs } = this.#times
    await this.#change(record, standing => ({ ...standing, challenge }))
    const deadline = performance.now() + publishedMs
    const backoff = new Backoff({ minMs: 50, maxMs: 1_000, jitter: 0 })
    for (;;) {
      const why = reach && (await reach.answers(type, record.domain, challenge, signal))
      signal.throwIfAborted()
      if (why === undefined) break
      if (performance.now() > deadline) throw new Unreachable(why)
      await delay(backoff.next(), signal)
      await this.#sync(record.app)
    }
    await delay(settleMs, signal)
    signal.throwIfAborted()
  }

  async #fail(record: Automatic, authority: Authority, error: unknown): Promise<void> {
    const failure = failureOf(error)
    const nowMs = Date.now()
    if (error instanceof AcmeProblem && error.isLimit && !error.concerns(record.domain))
      await this.#options.authorities.pause(authority, nowMs + (error.retryAfterMs ?? PAUSE_MS))
    const chance = Math.random()
    const next = await this.#change(record, standing => failed(standing, failure, nowMs, chance))
    const when = `next attempt at ${next.nextAttemptAt}`
    this.#options.platformLog.say(record.app, `No certificate for ${record.domain}: ${failure.message}; ${when}`, 'WARN')
    this.#log.warn('certificate not issued', { domain: record.domain, app: record.app, directory: authority.url, error: failure.message })
    await this.#takeBack(next, nowMs)
  }

  /** Without a certificate a name that came on demand is nobody's: whoever asks for it first would else keep it from its owner. */
  async #takeBack({ domain, app, certificate, notAfter }: Automatic, nowMs: number): Promise<void> {
    const { records, platformLog } = this.#options
    const claimed = records.domains.get(domain)
    const isServed = certificate !== undefined && Date.parse(notAfter ?? '') > nowMs
    if (isServed || claimed?.app !== app || !claimed.onDemand) return
    await records.domains.remove(domain)
    platformLog.say(app, `domain ${domain} removed, as it came on demand and has no certificate`)
    await this.#sync(app)
  }

  /** Writes a record, unless it is no longer what this attempt is about, and what the router reads of it. */
  async #change(record: Automatic, make: (standing: Automatic) => Automatic, sync: 'now' | 'later' = 'now'): Promise<Automatic> {
    const { automatics } = this.#options.records
    const next = await automatics.update(record.domain, standing => {
      if (standing.app !== record.app || standing.retired !== record.retired) throw new Superseded()
      return make(standing)
    })
    if (sync === 'now') await this.#sync(record.app)
    return next
  }

  async #sync(app: string): Promise<void> {
    try {
      await this.#options.routing.sync(app)
    } catch (error) {
      // The app has gone; its domains are told to us one by one.
      if (!(error instanceof Refusal && error.status === 404)) throw error
    }
  }
}

function inAMinute(): string {
  return new Date(Date.now() + 60_000).toISOString()
}

function keepOrder({ nextAttemptAt: _nextAttemptAt, ...record }: Automatic, order: PendingOrder): Automatic {
  return { ...record, order }
}
