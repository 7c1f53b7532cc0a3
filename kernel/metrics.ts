import { Counter, Gauge, Histogram, Registry } from '@prometheus-io/client'

/** Label values by label name; every metric is used with the labels that it was declared with. */
export type Labels = Readonly<Record<string, string>>

export interface MetricOptions {
  /** With its unit, base units only: `_seconds`, `_bytes`, `_total`. */
  readonly name: string
  readonly help: string
  /** Labels of few values only: never a path, an address or an id. */
  readonly labels?: readonly string[]
}

/** The metrics of one role, as Prometheus scrapes them. */
export interface Metrics {
  counter(options: MetricOptions): { inc(labels?: Labels, by?: number): void }
  gauge(options: MetricOptions & { readonly collect?: () => number }): { set(labels: Labels, value: number): void }
  /** @param options.buckets upper bounds, ascending */
  histogram(options: MetricOptions & { readonly buckets: readonly number[] }): { observe(labels: Labels, value: number): void }
  /** The text exposition format, version 0.0.4. */
  text(): Promise<string>
}

export const METRICS_TYPE = 'text/plain; version=0.0.4; charset=utf-8'

/** Makes the registry of a role; it already tells the process's memory, CPU time and start. */
export function createMetrics(role: string): Metrics {
  const registry = new Registry()
  const base = (options: MetricOptions) => ({
    name: options.name,
    help: options.help,
    labelNames: [...(options.labels ?? [])],
    registers: [registry],
  })
  const metrics: Metrics = {
    counter(options) {
      const counter = new Counter<string>(base(options))
      return { inc: (labels = {}, by = 1) => counter.inc({ ...labels }, by) }
    },
    gauge(options) {
      const { collect } = options
      const gauge: Gauge<string> = new Gauge<string>({ ...base(options), collect: () => collect && gauge.set(collect()) })
      return { set: (labels, value) => gauge.set({ ...labels }, value) }
    },
    histogram(options) {
      const histogram = new Histogram<string>({ ...base(options), buckets: [...options.buckets] })
      return { observe: (labels, value) => histogram.observe({ ...labels }, value) }
    },
    text: () => registry.metrics(),
  }
  const startedAt = Date.now() / 1000 - process.uptime()
  metrics.gauge({ name: 'process_resident_memory_bytes', help: 'Resident memory', collect: () => process.memoryUsage.rss() })
  metrics.gauge({ name: 'process_cpu_seconds', help: 'CPU time, user and system', collect: cpuSeconds })
  metrics.gauge({ name: 'process_start_time_seconds', help: 'Start of the process, since the epoch', collect: () => startedAt })
  metrics.gauge({ name: 'build_info', help: 'Always 1', labels: ['role', 'node'] }).set({ role, node: process.version }, 1)
  return metrics
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
