import { createMetrics, type Metrics } from '../kernel/metrics.ts'
import { AppSeries } from './app-series.ts'
import { Exposition } from './exposition.ts'
import type { Fleet } from './fleet.ts'
import { RESULTS } from './ocsp/staple.ts'
import type { StaplerCounts } from './ocsp/stapler.ts'
import { ERRORS, type ErrorCode } from './serve/errors.ts'
import { APP_BUCKETS, APP_BYTES, APP_SECONDS, type AppNumbers, LATENCY_BOUNDS } from './serve/stats.ts'
import type { TableBuilder } from './table/build.ts'
import { EXPIRES_SOON_MS } from './table/expiry.ts'
import type { Certificate } from './tls/certificates.ts'
import { NUMBERS, noTraffic, type Traffic } from './traffic.ts'

/** What a scrape asks; the fleet is absent until the first table stands. */
export interface Observed {
  readonly builder: TableBuilder
  readonly fleet: () => Fleet | undefined
  /** Seconds since the API server was last heard of. */
  readonly configAgeSeconds: () => number
  /** How many apps have series of their own. */
  readonly apps: number
  /** OCSP responses; absent: there are none. */
  readonly ocsp?: () => StaplerCounts
}

/**
 * The router's metrics: its own as gauges, those of the traffic summed over the workers at each scrape. The number of series does not grow
 * with paths, clients, hosts or methods, and by app there are at most as many as `apps` says, see {@link AppSeries}.
 */
export function routerMetrics({ builder, fleet, configAgeSeconds, apps, ocsp }: Observed): Metrics {
  const metrics = createMetrics('router')
  const series = new AppSeries(apps)
  const gauge = (name: string, help: string, collect: () => number) => metrics.gauge({ name: `router_${name}`, help, collect })
  gauge('routes', 'Apps in the table', () => builder.routeCount)
  gauge('table_version', 'Version of the table, growing by one with each change', () => builder.version)
  gauge('faulty_objects', 'Objects with annotations or certificates that could not be used', () => builder.faultCount)
  gauge('config_age_seconds', 'Time since the API server was last heard of', configAgeSeconds)
  gauge('workers', 'Workers that serve', () => fleet()?.serving ?? 0)
  gauge('workers_wanted', 'Workers that should serve', () => fleet()?.wanted ?? 0)
  return {
    ...metrics,
    async text() {
      const traffic = (await fleet()?.stats()) ?? noTraffic()
      const text = new Exposition('router_')
      text.family('worker_restarts_total', 'counter', 'Workers replaced since the start').sample(fleet()?.restarts ?? 0)
      formatCertificates(
        text,
        builder.certificates().map(([, certificate]) => certificate),
      )
      if (ocsp) formatOcsp(text, ocsp())
      formatTraffic(text, traffic)
      formatApps(text, series.series(traffic.apps))
      return `${await metrics.text()}${text.text()}`
    },
  }
}

function formatCertificates(text: Exposition, certificates: readonly Certificate[]): void {
  const ends = certificates.map(({ notAfterMs }) => notAfterMs)
  const soon = Date.now() + EXPIRES_SOON_MS
  text.family('certificates', 'gauge', 'Certificates in use').sample(ends.length)
  text
    .family('certificates_expiring', 'gauge', 'Certificates in use that expire within 14 days or have expired')
    .sample(ends.filter(endsAt => endsAt < soon).length)
  text.family('certificate_expiry_timestamp_seconds', 'gauge', 'When the first certificate in use expires, since the epoch')
  if (ends.length > 0) text.sample(ends.reduce((a, b) => Math.min(a, b)) / 1000)
}

function formatOcsp(text: Exposition, { certificates, stapled, missing, asked }: StaplerCounts): void {
  text
    .family('ocsp_certificates', 'gauge', 'Certificates in use that name an OCSP responder, or must be shown with a response')
    .sample(certificates)
  text.family('ocsp_stapled', 'gauge', 'Those that are shown with a response').sample(stapled)
  text.family('ocsp_missing', 'gauge', 'Those that must be, and are not: clients refuse them').sample(missing)
  text.family('ocsp_questions_total', 'counter', 'Questions to OCSP responders, by what became of them')
  for (const result of RESULTS) text.sample(asked[result], { result })
}

function formatTraffic(text: Exposition, traffic: Traffic): void {
  for (const [key, [name, kind, help]] of Object.entries(NUMBERS))
    text.family(name, kind, help).sample(traffic.numbers[key as keyof typeof NUMBERS])
  text.family('responses_total', 'counter', 'Answers by class of status')
  for (const [index, count] of traffic.responses.entries()) text.sample(count, { class: `${index + 1}xx` })
  text.family('errors_total', 'counter', 'Exchanges and connections that failed, by error code')
  for (const code of Object.keys(ERRORS) as ErrorCode[]) text.sample(traffic.errors[code] ?? 0, { code })
  const histograms = [
    ['request_duration_seconds', 'Time of whole exchanges, upgraded connections left out', traffic.latency],
    ['upstream_first_byte_seconds', 'Time from the request given to an endpoint to the head of its answer', traffic.firstByte],
    ['upstream_connect_seconds', 'Time to open a connection to an endpoint', traffic.connect],
  ] as const
  for (const [name, help, { buckets, sum }] of histograms) text.family(name, 'histogram', help).histogram(LATENCY_BOUNDS, buckets, sum)
  text.family('worker_event_loop_delay_seconds', 'gauge', 'How late a worker came to its work, over the last minute or two')
  for (const { worker, loopDelaySeconds } of traffic.vitals)
    for (const [quantile, seconds] of [
      ['0.5', loopDelaySeconds.p50],
      ['0.99', loopDelaySeconds.p99],
      ['1', loopDelaySeconds.max],
    ] as const)
      text.sample(seconds, { worker: String(worker), quantile })
  text.family('worker_resident_memory_bytes', 'gauge', 'Resident memory of a worker')
  for (const { worker, residentBytes } of traffic.vitals) text.sample(residentBytes, { worker: String(worker) })
  text.family('worker_heap_used_bytes', 'gauge', 'JavaScript heap in use of a worker')
  for (const { worker, heapUsedBytes } of traffic.vitals) text.sample(heapUsedBytes, { worker: String(worker) })
  text.family('worker_cpu_seconds_total', 'counter', 'CPU time of a worker, user and system')
  for (const { worker, cpuSeconds } of traffic.vitals) text.sample(cpuSeconds, { worker: String(worker) })
}

function formatApps(text: Exposition, series: readonly (readonly [app: string, numbers: AppNumbers])[]): void {
  text.family('app_responses_total', 'counter', 'Answers by app and class of status')
  for (const [app, numbers] of series)
    for (let family = 0; family < 5; family++)
      if (numbers[family]) text.sample(numbers[family] as number, { app, class: `${family + 1}xx` })
  text.family('app_sent_bytes_total', 'counter', 'Bytes sent to clients by app')
  for (const [app, numbers] of series) text.sample(numbers[APP_BYTES] ?? 0, { app })
  if (!series.some(([, numbers]) => numbers.length > APP_BUCKETS)) return
  text.family('app_request_duration_seconds', 'histogram', 'Time of whole exchanges by app')
  for (const [app, numbers] of series) text.histogram(LATENCY_BOUNDS, numbers.slice(APP_BUCKETS), numbers[APP_SECONDS] ?? 0, { app })
}
