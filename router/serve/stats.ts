import { ERRORS, type ErrorCode } from './errors.ts'
import type { Exchange } from './exchange.ts'

// Upper bounds in seconds, as Prometheus' `le`; one more bucket holds the rest.
export const LATENCY_BOUNDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30] as const

// A table may hold many apps; the numbers of those beyond are summed under one name, so that series stay bounded.
const APPS_MAX = 1000
const OTHER_APPS = 'other'

/** The numbers of one app. */
export interface AppStats {
  /** Answers by class: 1xx, 2xx, 3xx, 4xx, 5xx. */
  responses: [number, number, number, number, number]
  bytesSent: number
}

/** The numbers of a worker since its start: plain, so that a primary can sum those of its workers. */
export interface TrafficStats {
  connectionsOpen: number
  connectionsAccepted: number
  /** Turned away: too many, no PROXY header, failed handshake. */
  connectionsRefused: number
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
  upstreamConnectionsOpened: number
  upstreamConnectionsReused: number
  /** Whole time of exchanges by {@link LATENCY_BOUNDS}; upgraded connections are not counted. */
  latency: number[]
  latencySum: number
  upstreamConnectionsIdle: number
  accessLinesDropped: number
  apps: Record<string, AppStats>
}

/** Counts what a worker does. Nothing of it is labelled by path or client: what can grow without end does not stand here. */
export class Tally {
  readonly stats: TrafficStats = {
    connectionsOpen: 0,
    connectionsAccepted: 0,
    connectionsRefused: 0,
    gitConnectionsOpen: 0,
    gitConnectionsAccepted: 0,
    requests: 0,
    responses: [0, 0, 0, 0, 0],
    bytesSent: 0,
    errors: {},
    retries: 0,
    retriesRefused: 0,
    ejections: 0,
    upstreamConnectionsOpened: 0,
    upstreamConnectionsReused: 0,
    latency: Array.from({ length: LATENCY_BOUNDS.length + 1 }, () => 0),
    latencySum: 0,
    upstreamConnectionsIdle: 0,
    accessLinesDropped: 0,
    apps: {},
  }
  readonly #apps = new Map<string, AppStats>()

  count(exchange: Exchange): void {
    const { stats } = this
    const bytes = exchange.bytesSent
    const family = Math.min(4, Math.max(0, Math.floor(exchange.status / 100) - 1)) as 0 | 1 | 2 | 3 | 4
    stats.requests++
    stats.responses[family]++
    stats.bytesSent += bytes
    if (exchange.attempts > 1) stats.retries++
    if (exchange.code !== undefined) this.#fault(exchange.code)
    if (exchange.route !== undefined) {
      const app = this.#app(exchange.route.app)
      app.responses[family]++
      app.bytesSent += bytes
    }
    if (exchange.status === 101) return
    const seconds = (performance.now() - exchange.startedAt) / 1000
    let bucket = 0
    while (bucket < LATENCY_BOUNDS.length && seconds > (LATENCY_BOUNDS[bucket] as number)) bucket++
    stats.latency[bucket] = (stats.latency[bucket] as number) + 1
    stats.latencySum += seconds
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

  #app(name: string): AppStats {
    let app = this.#apps.get(name)
    if (app === undefined) {
      if (this.#apps.size >= APPS_MAX && name !== OTHER_APPS) return this.#app(OTHER_APPS)
      app = { responses: [0, 0, 0, 0, 0], bytesSent: 0 }
      this.#apps.set(name, app)
      this.stats.apps[name] = app
    }
    return app
  }
}
