import type { Pod, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import { POD_PORTS_ANNOTATION } from '../../kernel/contract.ts'
import { keyOf, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import type { Cluster } from './cluster.ts'
import { enqueueAll, startController } from './controller.ts'
import { buildEndpoints } from './endpoints.ts'
import { labelsOf, matchesLabels } from './label-selector.ts'
import { isReady, isTerminating } from './pods.ts'
import { MANAGER, MANAGER_LABEL, planSlices, SERVICE_LABEL } from './slices.ts'

const ZONE_LABEL = 'topology.kubernetes.io/zone'

/**
 * Keeps EndpointSlices of every Service that has a selector. Those of other managers, and Services without a selector, are left alone.
 *
 * @see https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/
 */
export function startEndpointSliceController({ views, log }: Cluster): Running {
  const reconciler = startController({ name: 'endpoint-slice', log, concurrency: 32, reconcile: key => reconcile(key) })

  async function reconcile(key: string): Promise<void> {
    const service = views.services.get(key)
    if (!service || service.metadata.deletionTimestamp || !isSelecting(service)) return
    const namespace = service.metadata.namespace!
    const pods = views.pods.inNamespace(namespace).filter(pod => matchesLabels(service.spec?.selector, pod.metadata.labels))
    const groups = buildEndpoints(service, pods, node => views.nodes.get(node)?.metadata.labels?.[ZONE_LABEL])
    const standing = views.endpointSlices.inNamespace(namespace).filter(slice => isOf(slice, service))
    const { create, update, remove } = planSlices(service, groups, standing)
    // What is gained comes first: an endpoint may move between slices, and must not be missing meanwhile.
    await all([...create.map(slice => views.endpointSlices.create(slice)), ...update.map(slice => views.endpointSlices.update(slice))])
    await all(remove.map(slice => views.endpointSlices.delete(slice)))
  }

  enqueueAll(views.services, reconciler)
  views.endpointSlices.onChange((_, slice, previous) => {
    const { namespace, labels } = (slice ?? previous)!.metadata
    // Our own writes come back as well; they change nothing more.
    if (labels?.[MANAGER_LABEL] === MANAGER && labels[SERVICE_LABEL]) reconciler.enqueue(`${namespace}/${labels[SERVICE_LABEL]}`)
  })
  views.pods.onChange((_, pod, previous) => {
    if (pod && previous && fingerprint(pod) === fingerprint(previous)) return
    const { namespace } = (pod ?? previous)!.metadata
    for (const service of views.services.inNamespace(namespace!)) {
      const isConcerned = [pod, previous].some(one => one && matchesLabels(service.spec?.selector, one.metadata.labels))
      if (isConcerned && isSelecting(service)) reconciler.enqueue(keyOf(service))
    }
  })
  return reconciler
}

function isSelecting({ spec }: Service): boolean {
  return Object.keys(spec?.selector ?? {}).length > 0 && spec?.type !== 'ExternalName'
}

function isOf(slice: Stored<EndpointSlice>, service: Stored<Service>): boolean {
  const labels = labelsOf(slice)
  return labels[MANAGER_LABEL] === MANAGER && labels[SERVICE_LABEL] === service.metadata.name && !slice.metadata.deletionTimestamp
}

/** All of a pod that its endpoint depends on: most updates of a pod change nothing of it. */
function fingerprint(pod: Stored<Pod>): string {
  const { labels, annotations } = pod.metadata
  const { phase, podIP, podIPs } = pod.status ?? {}
  const seen = [labels, annotations?.[POD_PORTS_ANNOTATION], phase, podIP, podIPs, pod.spec?.nodeName]
  return JSON.stringify([...seen, isReady(pod), isTerminating(pod)])
}

/** Lets every write end before the first failure is thrown. */
async function all(writes: readonly Promise<unknown>[]): Promise<void> {
  const failed = (await Promise.allSettled(writes)).find(result => result.status === 'rejected')
  if (failed) throw failed.reason
}
