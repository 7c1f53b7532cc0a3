import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { type Running, Stack } from '../../kernel/lifecycle.ts'
import type { Log } from '../../kernel/log.ts'
import { type Clock, systemClock } from './clock.ts'
import { startCluster } from './cluster.ts'
import { startDeploymentController } from './deployment.ts'
import { startEndpointSliceController } from './endpoint-slice.ts'
import { startGarbageCollector } from './garbage-collector.ts'
import { startJobController } from './job.ts'
import { startNamespaceController } from './namespace.ts'
import { startPodGarbage } from './pod-garbage.ts'
import { startReplicaSetController } from './replica-set.ts'
import { startScheduler } from './scheduler.ts'

/**
 * Starts every controller that embedded mode relies on, over one set of informers: what kube-controller-manager and kube-scheduler do in a
 * cluster. Exactly one process may run them against an API server.
 *
 * @param options.signal ends the wait for the first lists
 */
export async function startControllers(api: KubernetesApi, options: { log: Log; clock?: Clock; signal?: AbortSignal }): Promise<Running> {
  const { log, clock = systemClock, signal } = options
  const running = new Stack(log)
  const cluster = running.add('cluster', await startCluster(api, { log, clock, ...(signal ? { signal } : {}) }))
  running.add('namespace', startNamespaceController(cluster))
  running.add('garbage-collector', startGarbageCollector(cluster))
  running.add('pod-garbage', startPodGarbage(cluster))
  running.add('deployment', startDeploymentController(cluster))
  running.add('replica-set', startReplicaSetController(cluster))
  running.add('job', startJobController(cluster))
  running.add('endpoint-slice', startEndpointSliceController(cluster))
  running.add('scheduler', startScheduler(cluster))
  return running
}
