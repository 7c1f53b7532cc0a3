import type { Metrics } from '../kernel/metrics.ts'

export type BuilderMetrics = ReturnType<typeof builderMetrics>

/** What the builder counts. Nothing here is labelled with an app: their number has no limit. */
export function builderMetrics(metrics: Metrics, observed: { pushes(): number; builds(): number; waiting(): number }) {
  metrics.gauge({ name: 'builder_pushes_running', help: 'Pushes that hold their app', collect: observed.pushes })
  metrics.gauge({ name: 'builder_builds_running', help: 'Builds at work', collect: observed.builds })
  metrics.gauge({ name: 'builder_builds_waiting', help: 'Builds that wait for room', collect: observed.waiting })
  return {
    pushes: metrics.counter({
      name: 'builder_pushes_total',
      help: 'Pushes to a branch that deploys, by how they ended',
      labels: ['result'],
    }),
    buildSeconds: metrics.histogram({
      name: 'builder_build_seconds',
      help: 'From the first line to the image',
      buckets: [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 600, 1200],
    }),
    sshConnections: metrics.gauge({ name: 'builder_ssh_connections', help: 'Open SSH connections' }),
  }
}
