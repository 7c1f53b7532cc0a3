import type { Metrics } from '../kernel/metrics.ts'

/** Declares what the control plane counts. */
export function controlPlaneMetrics(metrics: Metrics) {
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
