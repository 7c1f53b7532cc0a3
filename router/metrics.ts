import { createMetrics, type Metrics } from '../kernel/metrics.ts'
import type { Fleet } from './fleet.ts'
import type { ErrorCode } from './serve/errors.ts'
import { LATENCY_BOUNDS, type TrafficStats } from './serve/stats.ts'
import type { TableBuilder } from './table/build.ts'

/** What a scrape asks; the fleet is absent until the first table stands. */
export interface Observed {
  readonly builder: TableBuilder
  readonly fleet: () => Fleet | undefined
  /** Seconds since the API server was last heard of. */
  readonly configAgeSeconds: () => number
}

/**
 * The router's metrics: its own as gauges, those of the traffic summed over the workers at each scrape. The number of series does not grow
 * with paths, clients or hosts; by app there are at most a thousand.
 */
export function routerMetrics({ builder, fleet, configAgeSeconds }: Observed): Metrics {
  const metrics = createMetrics('router')
  const gauge = (name: string, help: string, collect: () => number) => metrics.gauge({ name: `router_${name}`, help, collect })
  gauge('routes', 'Apps in the table', () => builder.routeCount)
  gauge('table_version', 'Version of the table, growing by one with each change', () => builder.version)
  gauge('faulty_objects', 'Objects with annotations or certificates that could not be used', () => builder.faultCount)
  gauge('config_age_seconds', 'Time since the API server was last heard of', configAgeSeconds)
  gauge('workers', 'Workers that serve', () => fleet()?.serving ?? 0)
  gauge('workers_wanted', 'Workers that should serve', () => fleet()?.wanted ?? 0)
  gauge('worker_restarts', 'Workers replaced since the start', () => fleet()?.restarts ?? 0)
  return { ...metrics, text: async () => `${await metrics.text()}${formatTraffic(sumStats((await fleet()?.stats()) ?? []))}` }
}

/** Adds the numbers of all workers. One that was replaced begins at 0 again, as counters may. */
export function sumStats(all: readonly TrafficStats[]): Traffic {
  const total: Traffic = { numbers: {}, responses: [0, 0, 0, 0, 0], errors: {}, latency: [], latencySum: 0, apps: {} }
  for (const stats of all) {
    for (const name of Object.keys(NUMBERS) as (keyof typeof NUMBERS)[]) total.numbers[name] = (total.numbers[name] ?? 0) + stats[name]
    addTo(total.responses, stats.responses)
    addTo(total.latency, stats.latency)
    total.latencySum += stats.latencySum
    for (const [code, count] of Object.entries(stats.errors) as [ErrorCode, number][])
      total.errors[code] = (total.errors[code] ?? 0) + count
    for (const [name, { responses, bytesSent }] of Object.entries(stats.apps)) {
      const app = (total.apps[name] ??= { responses: [0, 0, 0, 0, 0], bytesSent: 0 })
      addTo(app.responses, responses)
      app.bytesSent += bytesSent
    }
  }
  return total
}

/** {@link TrafficStats} of any number of workers. */
export interface Traffic {
  readonly numbers: Partial<Record<keyof typeof NUMBERS, number>>
  readonly responses: number[]
  readonly errors: Partial<Record<ErrorCode, number>>
  readonly latency: number[]
  latencySum: number
  readonly apps: Record<string, { responses: number[]; bytesSent: number }>
}

// The plain numbers among the statistics: name, kind and help of their metric.
const NUMBERS = {
  connectionsOpen: ['connections_open', 'gauge', 'Client connections open'],
  connectionsAccepted: ['connections_accepted_total', 'counter', 'Client connections accepted'],
  connectionsRefused: ['connections_refused_total', 'counter', 'Client connections turned away'],
  gitConnectionsOpen: ['git_connections_open', 'gauge', 'Connections of the git port open'],
  gitConnectionsAccepted: ['git_connections_accepted_total', 'counter', 'Connections of the git port accepted'],
  requests: ['requests_total', 'counter', 'Requests answered'],
  bytesSent: ['sent_bytes_total', 'counter', 'Bytes sent to clients'],
  retries: ['retries_total', 'counter', 'Requests sent to a second endpoint'],
  retriesRefused: ['retries_refused_total', 'counter', 'Second attempts that the retry budget of an app forbade'],
  ejections: ['ejections_total', 'counter', 'Times that an endpoint was passed over for its failures'],
  upstreamConnectionsOpened: ['upstream_connections_opened_total', 'counter', 'Connections opened to apps'],
  upstreamConnectionsReused: ['upstream_connections_reused_total', 'counter', 'Requests sent on a kept connection'],
  upstreamConnectionsIdle: ['upstream_connections_idle', 'gauge', 'Connections to apps kept for reuse'],
  accessLinesDropped: ['access_lines_dropped_total', 'counter', 'Lines of the access log dropped because their reader was too slow'],
} as const satisfies Partial<Record<keyof TrafficStats, readonly [string, 'gauge' | 'counter', string]>>

function addTo(total: number[], more: readonly number[]): void {
  for (const [index, count] of more.entries()) total[index] = (total[index] ?? 0) + count
}

function formatTraffic(traffic: Traffic): string {
  const lines: string[] = []
  const family = (name: string, kind: string, help: string) => lines.push(`# HELP router_${name} ${help}`, `# TYPE router_${name} ${kind}`)
  const sample = (name: string, labels: Record<string, string>, value: number) =>
    lines.push(`router_${name}${formatLabels(labels)} ${value}`)
  for (const [key, [name, kind, help]] of Object.entries(NUMBERS)) {
    family(name, kind, help)
    sample(name, {}, traffic.numbers[key as keyof typeof NUMBERS] ?? 0)
  }
  family('responses_total', 'counter', 'Answers by class of status')
  for (const [index, count] of traffic.responses.entries()) sample('responses_total', { class: `${index + 1}xx` }, count)
  family('errors_total', 'counter', 'Exchanges and connections that failed, by error code')
  for (const [code, count] of Object.entries(traffic.errors)) sample('errors_total', { code }, count)
  family('request_duration_seconds', 'histogram', 'Time of whole exchanges')
  let below = 0
  for (const [index, count] of traffic.latency.entries()) {
    below += count
    sample('request_duration_seconds_bucket', { le: String(LATENCY_BOUNDS[index] ?? '+Inf') }, below)
  }
  sample('request_duration_seconds_sum', {}, traffic.latencySum)
  sample('request_duration_seconds_count', {}, below)
  family('app_responses_total', 'counter', 'Answers by app and class of status')
  for (const [app, { responses }] of Object.entries(traffic.apps))
    for (const [index, count] of responses.entries()) if (count > 0) sample('app_responses_total', { app, class: `${index + 1}xx` }, count)
  family('app_sent_bytes_total', 'counter', 'Bytes sent to clients by app')
  for (const [app, { bytesSent }] of Object.entries(traffic.apps)) sample('app_sent_bytes_total', { app }, bytesSent)
  return `${lines.join('\n')}\n`
}

function formatLabels(labels: Record<string, string>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"\n]/g, '\\$&').replace(/\n/g, 'n')}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}
