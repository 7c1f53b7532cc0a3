import { hashName } from '../../kernel/kubernetes/names.ts'

/** How an authority looks at a domain: RFC 8555 §8.3, RFC 8737. */
export type ChallengeType = 'http-01' | 'tls-alpn-01'

/** Something that happened to a certificate, as the API tells it. */
export interface AutomaticEvent {
  readonly time: string
  readonly type: 'Normal' | 'Warning'
  readonly status: string
  readonly message: string
}

/** What the routers answer while an authority looks. */
export interface PendingChallenge {
  readonly token: string
  readonly keyAuthorization: string
}

/** An order under way: kept before anything else is done with it, so that whoever comes after a crash goes on with it. */
export interface PendingOrder {
  readonly url: string
  /** The directory that it was given to. */
  readonly directory: string
  /** The private key that the request was made with, PEM, once one was made. */
  readonly key?: string
}

/** The certificate that the platform gets and renews for one domain. `certificate` (the chain) and `key` are PEM and never shown. Times are ISO 8601. */
export interface Automatic {
  /** In lower case. */
  readonly domain: string
  readonly app: string
  readonly certificate?: string
  readonly key?: string
  /** The directory that the certificate is of. */
  readonly directory?: string
  readonly notAfter?: string
  readonly renewAt?: string
  /** When the authority is to be asked again when to renew. */
  readonly askAt?: string
  /** Within which it wants the renewal, as it said last; absent: it did not say. */
  readonly window?: { readonly start: string; readonly end: string }
  /** Failures since the last success. */
  readonly failures: number
  /** Those of them in which an authority refused. */
  readonly refusals: number
  /** Not before. */
  readonly nextAttemptAt?: string
  readonly lastError?: string
  readonly order?: PendingOrder
  readonly challenge?: PendingChallenge
  /** When a first certificate was issued, of the last {@link ISSUES_KEPT_MS}; renewals come as often as their authority wishes. */
  readonly issues: readonly string[]
  /** First certificates that were ordered, of as long, whatever became of the order. */
  readonly orders?: readonly Ordered[]
  /** Set when nobody wants it any more: what is left keeps anybody from asking an authority again and again. */
  readonly retired?: true
  readonly events: readonly AutomaticEvent[]
}

/** An order, and whose quota it used. */
export interface Ordered {
  readonly time: string
  readonly owner: string
}

/** What is to be done about a domain now. */
export type Step =
  | { readonly do: 'nothing' | 'adopt' | 'retire' | 'forget' | 'ask' }
  | { readonly do: 'obtain'; readonly renews: boolean }
  | { readonly do: 'wait'; readonly ms: number }

const MINUTE_MS = 60_000
const HOUR_MS = 60 * MINUTE_MS
const DAY_MS = 24 * HOUR_MS
// A sleep beyond it would outlast what happens meanwhile: clocks are set, records are changed by hand.
const WAIT_MS_MAX = 12 * HOUR_MS
const EVENTS_MAX = 20
/** Let's Encrypt issues one name five times a week: who turns automatic certificates off and on must not use that up. */
export const ISSUES_MAX = 4
export const ISSUES_KEPT_MS = 7 * DAY_MS
const REFUSALS_PER_DIRECTORY = 3
/** More than the waits between failures allow in that time. */
const ORDERS_KEPT_MAX = 30

/**
 * Says what is to be done about a domain.
 *
 * @param app the app that wants a certificate for it; absent: nobody
 */
export function nextStep(record: Automatic | undefined, app: string | undefined, nowMs: number): Step {
  if (app === undefined) {
    if (!record) return { do: 'nothing' }
    if (!record.retired) return { do: 'retire' }
    const ms = rememberedUntil(record) - nowMs
    return ms > 0 ? wait(ms) : { do: 'forget' }
  }
  if (!record || record.app !== app || record.retired) return { do: 'adopt' }
  const attemptMs = timeOf(record.nextAttemptAt)
  if (!record.certificate) {
    const firstMs = Math.max(attemptMs, record.order ? 0 : issuableAt(record, nowMs))
    return firstMs > nowMs ? wait(firstMs - nowMs) : { do: 'obtain', renews: false }
  }
  const renewMs = record.order ? 0 : timeOf(record.renewAt)
  const askMs = record.askAt === undefined ? Number.POSITIVE_INFINITY : timeOf(record.askAt)
  if (Math.max(renewMs, attemptMs) <= nowMs) return { do: 'obtain', renews: true }
  if (askMs <= nowMs && renewMs > nowMs) return { do: 'ask' }
  return wait(Math.min(Math.max(renewMs, attemptMs), renewMs > nowMs ? askMs : Number.POSITIVE_INFINITY) - nowMs)
}

/** A record of a domain that an app begins to want; what is remembered of attempts before stays, whoever made them. */
export function adopt(record: Automatic | undefined, domain: string, app: string): Automatic {
  const isSame = record?.app === app && !record.retired
  if (record && isSame) return record
  // Why another app's attempts failed is none of this one's business.
  const reason = record?.app === app && record.lastError !== undefined ? { lastError: record.lastError } : {}
  return { ...blank(domain, app), ...memory(record), ...reason }
}

/** What is left when nobody wants a certificate any more. */
export function retire(record: Automatic): Automatic {
  const reason = record.lastError === undefined ? {} : { lastError: record.lastError }
  return { ...blank(record.domain, record.app), ...memory(record), ...reason, retired: true }
}

/** What changes with a new certificate. @param chance 0 to 1, for the moment of its renewal */
export function issued(
  record: Automatic,
  got: {
    readonly certificate: string
    readonly key: string
    readonly directory: string
    readonly notBefore: Date
    readonly notAfter: Date
  },
  nowMs: number,
  chance: number,
): Automatic {
  const { order: _order, challenge: _challenge, nextAttemptAt: _next, lastError: _error, window: _window, ...rest } = record
  const renewMs = renewTime(got.notBefore.getTime(), got.notAfter.getTime(), chance)
  const message = `Certificate for ${record.domain} issued, valid until ${got.notAfter.toISOString()}`
  return note(
    {
      ...rest,
      ...{ certificate: got.certificate, key: got.key, directory: got.directory, failures: 0, refusals: 0 },
      notAfter: got.notAfter.toISOString(),
      renewAt: new Date(renewMs).toISOString(),
      askAt: new Date(nowMs).toISOString(),
      issues: [...recentIssues(record, nowMs), ...(record.certificate ? [] : [new Date(nowMs).toISOString()])].slice(-ISSUES_MAX),
    },
    { time: new Date(nowMs).toISOString(), type: 'Normal', status: 'Issued', message },
  )
}

/** What changes when a first certificate is about to be ordered. */
export function ordered(record: Automatic, owner: string, nowMs: number): Automatic {
  const orders = [...(record.orders ?? []).filter(({ time }) => isRecent(time, nowMs)), { time: new Date(nowMs).toISOString(), owner }]
  return { ...record, orders: orders.slice(-ORDERS_KEPT_MAX) }
}

/**
 * From when on an owner may order another first certificate, when so many may be ordered within {@link ISSUES_KEPT_MS}; orders for apps and
 * domains that have gone count as well.
 *
 * @param records all of the platform
 * @returns Unix time, ms; 0 for now
 */
export function orderableAt(records: readonly Automatic[], owner: string, ordersMax: number, nowMs: number): number {
  const times = records
    .flatMap(({ orders = [] }) => orders)
    .filter(order => order.owner === owner && isRecent(order.time, nowMs))
    .map(({ time }) => timeOf(time))
    .sort((a, b) => a - b)
  return times.length < ordersMax ? 0 : (times.at(-ordersMax) as number) + ISSUES_KEPT_MS
}

/** Why an attempt came to nothing, and what that means for the next. */
export interface Failure {
  readonly message: string
  /** Whether an authority said no; otherwise it was not asked, or not reached. */
  readonly isRefusal: boolean
  /** Whether the order may still come to something. */
  readonly keepsOrder: boolean
  /** What the authority asked for. */
  readonly retryAfterMs?: number
}

/** What changes with a failed attempt: each waits twice as long as the one before, up to a day; up to an hour where no authority was asked. */
export function failed(record: Automatic, failure: Failure, nowMs: number, chance: number): Automatic {
  const { challenge: _challenge, order, ...rest } = record
  const failures = record.failures + 1
  const longestMs = failure.isRefusal ? DAY_MS : HOUR_MS
  const backoffMs = Math.min(MINUTE_MS * 2 ** Math.min(failures - 1, 20), longestMs) * (1 + 0.25 * chance)
  const nextMs = nowMs + Math.max(backoffMs, failure.retryAfterMs ?? 0)
  const event = { time: new Date(nowMs).toISOString(), type: 'Warning', status: 'Failed', message: failure.message } as const
  return note(
    {
      ...rest,
      ...(order && failure.keepsOrder && { order }),
      failures,
      refusals: record.refusals + Number(failure.isRefusal),
      nextAttemptAt: new Date(nextMs).toISOString(),
      lastError: failure.message,
    },
    event,
  )
}

/**
 * What changes when the authority has said when to renew (RFC 9773 §4.2): a moment of its window, each as likely as the other, and chosen once
 * for a window, or asking often would make the moment early.
 *
 * @param window absent: it does not say, or could not be asked; what was chosen before stands
 */
export function scheduled(
  record: Automatic,
  window: { readonly startMs: number; readonly endMs: number; readonly againAfterMs?: number; readonly explanation?: string } | undefined,
  nowMs: number,
  chance: number,
): Automatic {
  // §4.3.2 of what bounds are sane, §4.3.3 of six hours.
  const againMs = Math.min(Math.max(window?.againAfterMs ?? 6 * HOUR_MS, MINUTE_MS), DAY_MS)
  const askAt = new Date(nowMs + againMs).toISOString()
  if (!window) return { ...record, askAt }
  const told = { start: new Date(window.startMs).toISOString(), end: new Date(window.endMs).toISOString() }
  if (record.window?.start === told.start && record.window.end === told.end) return { ...record, askAt }
  const chosenMs = window.startMs + (window.endMs - window.startMs) * chance
  const next = { ...record, askAt, window: told, renewAt: new Date(chosenMs).toISOString() }
  if (window.explanation === undefined) return next
  const message = `The certificate authority wants ${record.domain} to be renewed before ${told.end}, see ${window.explanation}`
  return note(next, { time: new Date(nowMs).toISOString(), type: 'Normal', status: 'RenewalWanted', message })
}

/** Adds an event; the same one again only moves its time. */
export function note(record: Automatic, event: AutomaticEvent): Automatic {
  const last = record.events.at(-1)
  const isRepeated = last?.status === event.status && last.message === event.message
  return { ...record, events: [...(isRepeated ? record.events.slice(0, -1) : record.events), event].slice(-EVENTS_MAX) }
}

/** Which of the directories is asked: after every third refusal the next. */
export function directoryIndex({ refusals }: Automatic, count: number): number {
  return Math.floor(refusals / REFUSALS_PER_DIRECTORY) % count
}

/** The name of the copy in the app's namespace: no user's certificate can have it, as theirs have no dot. */
export function automaticName(domain: string): string {
  return hashName('auto', domain.toLowerCase()).replace('-', '.')
}

/** Within the last twentieth before two thirds of its life, so that many that were issued at once are not renewed at once. */
function renewTime(notBeforeMs: number, notAfterMs: number, chance: number): number {
  const lifeMs = notAfterMs - notBeforeMs
  return notBeforeMs + lifeMs * (2 / 3) - (lifeMs / 20) * chance
}

function blank(domain: string, app: string): Automatic {
  return { domain, app, failures: 0, refusals: 0, issues: [], events: [] }
}

function memory(record: Automatic | undefined): Partial<Automatic> {
  if (!record) return {}
  const { failures, refusals, nextAttemptAt, issues, orders } = record
  return { failures, refusals, issues, ...(orders && { orders }), ...(nextAttemptAt !== undefined && { nextAttemptAt }) }
}

function recentIssues({ issues }: Automatic, nowMs: number): string[] {
  return issues.filter(time => isRecent(time, nowMs))
}

function isRecent(time: string, nowMs: number): boolean {
  return nowMs - timeOf(time) < ISSUES_KEPT_MS
}

/** From when on another one may be ordered. */
function issuableAt(record: Automatic, nowMs: number): number {
  const recent = recentIssues(record, nowMs)
  return recent.length < ISSUES_MAX ? 0 : timeOf(recent[0]) + ISSUES_KEPT_MS
}

function rememberedUntil({ issues, orders, nextAttemptAt }: Automatic): number {
  const last = Math.max(timeOf(issues.at(-1)), timeOf(orders?.at(-1)?.time))
  return Math.max(timeOf(nextAttemptAt), last === 0 ? 0 : last + ISSUES_KEPT_MS)
}

function wait(ms: number): Step {
  return { do: 'wait', ms: Math.min(ms, WAIT_MS_MAX) }
}

/** What cannot be read is long past. */
function timeOf(text: string | undefined): number {
  const ms = Date.parse(text ?? '')
  return Number.isNaN(ms) ? 0 : ms
}
