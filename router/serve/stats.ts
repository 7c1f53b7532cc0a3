import type { Route } from '../table/route.ts'
import { ERRORS, type ErrorCode } from './errors.ts'
import type { Exchange } from './exchange.ts'

// Upper bounds in seconds, as Prometheus' `le`; one more bucket holds the rest. From an answer of a cache to a report that takes a minute.
export const LATENCY_BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60] as const

// More apps than a table should hold: the numbers of those beyond, as when apps come and go by the thousand, are summed under one name.
const APPS_MAX = 16_384
/** No app can be called so. */
export const OTHER_APPS = '(other)'

/** The numbers of one app: answers 1xx, 2xx, 3xx, 4xx, 5xx, bytes sent; then, where it is asked for, the sum of seconds and its buckets. */
export type AppNumbers = number[]
export const APP_BYTES = 5
export const APP_SECONDS = 6
export const APP_BUCKETS = 7

/** How many observations fell under each of {@link LATENCY_BOUNDS}, or beyond, and their sum in seconds. */
export interface Times {
  readonly buckets: number[]
  sum: number
}

/** How a worker's process is, at the moment of the question. */
export interface Vitals {
  readonly worker: number
  /** How late its loop came to its work, over the last minute or two. */
  readonly loopDelaySeconds: { readonly p50: number; readonly p99: number; readonly max: number }
  readonly residentBytes: number
  readonly heapUsedBytes: number
  readonly cpuSeconds: number
}

/** The numbers of a worker since its start: plain, so that a primary can sum those of its workers. */
export interface TrafficStats {
  connectionsOpen: number
  connectionsAccepted: number
  /** Turned away: too many, no PROXY header, failed handshake. */
  connectionsRefused: number
  /** TLS handshakes that were completed, and those of them that resumed a session. */
  handshakes: number
  handshakesResumed: number
  /** Turned away, as their client or name had begun too many. */
  handshakesLimited: number
  /** Idle ones closed to make room. */
  connectionsShed: number
  gitConnectionsOpen: number
  gitConnectionsAccepted: number
  requests: number
  responses: [number, number, number, number, number]
  bytesSent: number
  /** By error code. */
  errors: Partial<Record<ErrorCode, number>>
  /** Exchanges with more than one attempt, and attempts that the budget of an app forbade. */
  retries: number
  retriesRefused: number
  /** Times that an endpoint was passed over for its failures. */
  ejections: number
  /** Bodies that are gathered before an endpoint is asked for. */
  requestBytesHeld: number
  /** Answers that are being compressed. */
  encodersRunning: number
  upstreamConnectionsOpened: number
  upstreamConnectionsReused: number
  /** Whole exchanges; upgraded connections are not counted. */
  latency: Times
  /** From the moment when a request was given to an endpoint to the head of its answer. */
  firstByte: Times
  /** Of new connections to apps. */
  connect: Times
  upstreamConnectionsIdle: number
  accessLinesDropped: number
  apps: Map<string, AppNumbers>
  /** Absent where the question was not asked of a process. */
  vitals?: Vitals
}

/** Counts what a worker does. Nothing of it is labelled by path or client: what can grow without end does not stand here. */
export class Tally {
  readonly stats: TrafficStats = {
    connectionsOpen: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    connectionsShed: 0,
    handshakes: 0,
    handshakesResumed: 0,
    handshakesLimited: 0,
    gitConnectionsOpen: 0,
    gitConnectionsAccepted: 0,
    requests: 0,
    responses: [0, 0, 0, 0, 0],
    bytesSent: 0,
    errors: {},
    retries: 0,
    retriesRefused: 0,
    ejections: 0,
    requestBytesHeld: 0,
    encodersRunning: 0,
    upstreamConnectionsOpened: 0,
    upstreamConnectionsReused: 0,
    latency: noTimes(),
    firstByte: noTimes(),
    connect: noTimes(),
    upstreamConnectionsIdle: 0,
    accessLinesDropped: 0,
    apps: new Map(),
  }
  readonly #appLatency: boolean

  /** @param appLatency whether each app has buckets of its own */
  constructor(appLatency = false) {
    this.#appLatency = appLatency
  }

  /** Counts an exchange that has ended, at `endedAt`. */
  count(exchange: Exchange): void {
    const { stats } = this
    const bytes = exchange.bytesSent
    const family = Math.min(4, Math.max(0, Math.floor(exchange.status / 100) - 1)) as 0 | 1 | 2 | 3 | 4
    stats.requests++
    stats.responses[family]++
    stats.bytesSent += bytes
    if (exchange.attempts > 1) stats.retries++
    if (exchange.code !== undefined) this.#fault(exchange.code)
    const seconds = (exchange.endedAt - exchange.startedAt) / 1000
    const bucket = bucketOf(seconds)
    const isRequest = exchange.status !== 101
    if (isRequest) {
      stats.latency.buckets[bucket]!++
      stats.latency.sum += seconds
    }
    if (exchange.upstreamAnsweredAt !== 0) observe(stats.firstByte, (exchange.upstreamAnsweredAt - exchange.upstreamAt) / 1000)
    if (exchange.connectMs !== 0) observe(stats.connect, exchange.connectMs / 1000)
    if (exchange.route === undefined) return
    const app = this.#numbers(exchange.route)
    app[family]!++
    app[APP_BYTES]! += bytes
    if (!this.#appLatency || !isRequest) return
    app[APP_SECONDS]! += seconds
    app[APP_BUCKETS + bucket]!++
  }

  /** An answer to something that was no request. */
  refused(code: ErrorCode): void {
    this.stats.requests++
    this.stats.responses[ERRORS[code].status < 500 ? 3 : 4]++
    this.#fault(code)
  }

  #fault(code: ErrorCode): void {
    this.stats.errors[code] = (this.stats.errors[code] ?? 0) + 1
  }

  /** Remembered beside the app, as to find it among 10,000 by its name costs a hundredth of a request. */
  #numbers({ app, load }: Route): AppNumbers {
    if (load.countedBy !== this || load.countedAs !== app) {
      load.numbers = this.#app(app)
      load.countedBy = this
      load.countedAs = app
    }
    return load.numbers as AppNumbers
  }

  #app(name: string): AppNumbers {
    const { apps } = this.stats
    let app = apps.get(name)
    if (app === undefined) {
      if (apps.size >= APPS_MAX && name !== OTHER_APPS) return this.#app(OTHER_APPS)
      app = new Array<number>(this.#appLatency ? APP_BUCKETS + LATENCY_BOUNDS.length + 1 : APP_SECONDS).fill(0)
      apps.set(name, app)
    }
    return app
  }
}

/** None observed yet. */
export function noTimes(): Times {
  return { buckets: new Array<number>(LATENCY_BOUNDS.length + 1).fill(0), sum: 0 }
}

function observe(times: Times, seconds: number): void {
  times.buckets[bucketOf(seconds)]!++
  times.sum += seconds
}

function bucketOf(seconds: number): number {
  let bucket = 0
  while (bucket < LATENCY_BOUNDS.length && seconds > (LATENCY_BOUNDS[bucket] as number)) bucket++
  return bucket
}
