import type { ErrorCode } from './serve/errors.ts'
import { type AppNumbers, noTimes, type Times, type TrafficStats, type Vitals } from './serve/stats.ts'

/** The plain numbers among the statistics: name, kind and help of their metric. */
export const NUMBERS = {
  connectionsOpen: ['connections_open', 'gauge', 'Client connections open'],
  connectionsAccepted: ['connections_accepted_total', 'counter', 'Client connections accepted'],
  connectionsRefused: ['connections_refused_total', 'counter', 'Client connections turned away'],
  connectionsShed: ['connections_shed_total', 'counter', 'Idle client connections closed to make room for new ones'],
  handshakes: ['tls_handshakes_total', 'counter', 'TLS handshakes completed'],
  handshakesResumed: ['tls_handshakes_resumed_total', 'counter', 'TLS handshakes that resumed a session'],
  handshakesLimited: ['tls_handshakes_limited_total', 'counter', 'TLS handshakes refused, as their client or name had begun too many'],
  gitConnectionsOpen: ['git_connections_open', 'gauge', 'Connections of the git port open'],
  gitConnectionsAccepted: ['git_connections_accepted_total', 'counter', 'Connections of the git port accepted'],
  requests: ['requests_total', 'counter', 'Requests answered'],
  bytesSent: ['sent_bytes_total', 'counter', 'Bytes sent to clients'],
  retries: ['retries_total', 'counter', 'Requests sent to a second endpoint'],
  retriesRefused: ['retries_refused_total', 'counter', 'Second attempts that the retry budget of an app forbade'],
  ejections: ['ejections_total', 'counter', 'Times that an endpoint was passed over for its failures'],
  requestBytesHeld: ['request_held_bytes', 'gauge', 'Bodies of requests that are gathered before an app is asked'],
  encodersRunning: ['encoders_running', 'gauge', 'Answers that are being compressed'],
  upstreamConnectionsOpened: ['upstream_connections_opened_total', 'counter', 'Connections opened to apps'],
  upstreamConnectionsReused: ['upstream_connections_reused_total', 'counter', 'Requests sent on a kept connection'],
  upstreamConnectionsIdle: ['upstream_connections_idle', 'gauge', 'Connections to apps kept for reuse'],
  accessLinesDropped: ['access_lines_dropped_total', 'counter', 'Lines of the access log dropped: full disk, or a reader too slow'],
} as const satisfies Partial<Record<keyof TrafficStats, readonly [string, 'gauge' | 'counter', string]>>

type NumberName = keyof typeof NUMBERS

/** {@link TrafficStats} of any number of workers. */
export interface Traffic {
  readonly numbers: Record<NumberName, number>
  readonly responses: number[]
  readonly errors: Partial<Record<ErrorCode, number>>
  readonly latency: Times
  readonly firstByte: Times
  readonly connect: Times
  readonly apps: Map<string, AppNumbers>
  readonly vitals: Vitals[]
}

/** Nothing yet. */
export function noTraffic(): Traffic {
  const numbers = Object.fromEntries(Object.keys(NUMBERS).map(name => [name, 0])) as Record<NumberName, number>
  const times = { latency: noTimes(), firstByte: noTimes(), connect: noTimes() }
  return { numbers, responses: [0, 0, 0, 0, 0], errors: {}, ...times, apps: new Map(), vitals: [] }
}

/** The numbers of workers together. */
export function sumTraffic(all: readonly TrafficStats[]): Traffic {
  const total = noTraffic()
  for (const stats of all) addTraffic(total, stats)
  return total
}

/** Adds the numbers of one worker, or of several. */
export function addTraffic(total: Traffic, stats: TrafficStats | Traffic): void {
  const numbers = 'numbers' in stats ? stats.numbers : stats
  for (const name of Object.keys(NUMBERS) as NumberName[]) total.numbers[name] += numbers[name]
  addNumbers(total.responses, stats.responses)
  for (const name of ['latency', 'firstByte', 'connect'] as const) {
    addNumbers(total[name].buckets, stats[name].buckets)
    total[name].sum += stats[name].sum
  }
  for (const [code, count] of Object.entries(stats.errors) as [ErrorCode, number][]) total.errors[code] = (total.errors[code] ?? 0) + count
  for (const [app, numbers] of stats.apps) {
    const known = total.apps.get(app)
    if (known) addNumbers(known, numbers)
    else total.apps.set(app, [...numbers])
  }
  if (Array.isArray(stats.vitals)) total.vitals.push(...stats.vitals)
  else if (stats.vitals) total.vitals.push(stats.vitals)
}

/** Adds one list of numbers to another, place by place. */
export function addNumbers(total: number[], more: readonly number[]): void {
  for (let index = 0; index < more.length; index++) total[index] = (total[index] ?? 0) + (more[index] as number)
}

/**
 * The traffic of all workers that there have been: what one counted stays when it is gone, so that no counter of the router ever falls
 * while it runs. Of one that dies, what it counted since it was last asked is lost.
 *
 * @typeParam W whatever stands for a worker
 */
export class TrafficTotals<W> {
  readonly #gone = noTraffic()
  readonly #last = new Map<W, TrafficStats>()

  /** What a worker says now. */
  note(worker: W, stats: TrafficStats): void {
    this.#last.set(worker, stats)
  }

  /** A worker that will say nothing more; what is a state, not a count, has gone with it. */
  ended(worker: W): void {
    const stats = this.#last.get(worker)
    this.#last.delete(worker)
    if (!stats) return
    addTraffic(this.#gone, stats)
    this.#gone.vitals.length = 0
    for (const [name, [, kind]] of Object.entries(NUMBERS)) if (kind === 'gauge') this.#gone.numbers[name as NumberName] = 0
  }

  sum(): Traffic {
    const total = noTraffic()
    addTraffic(total, this.#gone)
    for (const stats of this.#last.values()) addTraffic(total, stats)
    return total
  }
}
