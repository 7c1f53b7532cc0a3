import type { Metrics } from '../kernel/metrics.ts'

/** Declares what the control plane counts. @param counts asked at each scrape */
export function controlPlaneMetrics(metrics: Metrics, counts: { readonly apps: () => number; readonly users: () => number }) {
  metrics.gauge({ name: 'controller_apps', help: 'Apps that exist', collect: counts.apps })
  metrics.gauge({ name: 'controller_users', help: 'Users who have an account', collect: counts.users })
  return {
    requests: metrics.histogram({
      name: 'controller_request_duration_seconds',
      help: 'Time from a request to its answer, by route and class of status',
      labels: ['method', 'route', 'code'],
      buckets: [0.005, 0.025, 0.1, 0.5, 1, 5, 30, 120],
    }),
    rollouts: metrics.histogram({
      name: 'controller_rollout_duration_seconds',
      help: 'Time of a rollout, by how it ended',
      labels: ['outcome'],
      buckets: [1, 2, 5, 10, 30, 60, 120, 300, 600],
    }),
  }
}

export type ControlPlaneMetrics = ReturnType<typeof controlPlaneMetrics>
