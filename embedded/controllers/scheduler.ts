import type { Node, Pod } from 'kubernetes-types/core/v1'
import { isStatus } from '../../kernel/kubernetes/api.ts'
import { keyOf, RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import { timestamp } from './clock.ts'
import type { Cluster } from './cluster.ts'
import { startController } from './controller.ts'
import { explainUnfit, unfitReason } from './node-fit.ts'
import { isActive, isFinished } from './pods.ts'

const NAME = 'default-scheduler'
const LEASE_NAMESPACE = 'kube-node-lease'
/** A kubelet renews its Lease each 10 s; after 40 s kube-controller-manager takes the node for lost. */
const LEASE_AGE_MS_MAX = 40_000

/**
 * Gives each pod that has no node one that is ready, fits its selector and has room: the one with the fewest pods.
 *
 * @see https://kubernetes.io/docs/concepts/scheduling-eviction/kube-scheduler/
 */
export function startScheduler(cluster: Cluster): Running {
  const { views, events, clock, log } = cluster
  // One at a time, so that each choice sees the one before.
  const reconciler = startController({ name: 'scheduler', log, concurrency: 1, reconcile: key => reconcile(key) })
  const waiting = new Set<string>()
  /** Node names by the uid of a pod whose binding the watch has not brought back. */
  const assumed = new Map<string, string>()

  async function reconcile(key: string): Promise<void> {
    const pod = views.pods.get(key)
    waiting.delete(key)
    if (!pod || !needsNode(pod)) return
    const choices = views.nodes.list().map(node => {
      const present = podsOn(node)
      return { node, load: present.length, unfit: unfitReason(pod, node, present, isHeard(node)) }
    })
    const fit = choices.filter(choice => choice.unfit === undefined)
    const best = fit.sort((a, b) => a.load - b.load || (a.node.metadata.name < b.node.metadata.name ? -1 : 1))[0]
    if (best) return bind(pod, best.node)
    waiting.add(key)
    await refuse(pod, explainUnfit(choices.map(choice => choice.unfit!)))
  }

  async function bind(pod: Stored<Pod>, node: Stored<Node>): Promise<void> {
    const { namespace = '', name, uid } = pod.metadata
    const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { namespace, name, uid } }
    const target = { apiVersion: 'v1', kind: 'Node', name: node.metadata.name }
    try {
      await cluster.api.create(RESOURCES.pods, { ...binding, target } as unknown as Pod, { subresource: 'binding' })
    } catch (error) {
      if (isStatus(error, 404)) return
      throw error
    }
    assumed.set(uid, node.metadata.name)
    const message = `Successfully assigned ${namespace}/${name} to ${node.metadata.name}`
    events.record(RESOURCES.pods, pod, { type: 'Normal', reason: 'Scheduled', message, component: NAME })
  }

  /** Tells on the pod why it waits, once for each reason. */
  async function refuse(pod: Stored<Pod>, message: string): Promise<void> {
    const standing = pod.status?.conditions?.find(condition => condition.type === 'PodScheduled')
    if (standing?.status === 'False' && standing.message === message) return
    const since = standing?.status === 'False' ? standing.lastTransitionTime : undefined
    const condition = {
      type: 'PodScheduled',
      status: 'False',
      reason: 'Unschedulable',
      message,
      lastTransitionTime: since ?? timestamp(clock),
    }
    // Strategic, for conditions are merged by type: the kubelet's stay.
    await views.pods.patch(pod, { type: 'strategic', body: { status: { conditions: [condition] } } }, { subresource: 'status' })
    events.record(RESOURCES.pods, pod, { type: 'Warning', reason: 'FailedScheduling', message, component: NAME })
  }

  function needsNode(pod: Stored<Pod>): boolean {
    const isOurs = (pod.spec?.schedulerName ?? NAME) === NAME && (pod.spec?.schedulingGates ?? []).length === 0
    return isOurs && !pod.spec?.nodeName && isActive(pod) && !assumed.has(pod.metadata.uid)
  }

  function podsOn(node: Stored<Node>): Stored<Pod>[] {
    const { name } = node.metadata
    return views.pods.list().filter(pod => (pod.spec?.nodeName ?? assumed.get(pod.metadata.uid)) === name && !isFinished(pod))
  }

  /** False for a node whose kubelet has stopped to renew its Lease; one that never had a Lease is believed. */
  function isHeard({ metadata }: Stored<Node>): boolean {
    const renewed = views.leases.get(`${LEASE_NAMESPACE}/${metadata.name}`)?.spec?.renewTime
    return renewed === undefined || clock.now() - Date.parse(renewed) <= LEASE_AGE_MS_MAX
  }

  const retryWaiting = () => {
    for (const key of waiting) reconciler.enqueue(key)
  }
  for (const pod of views.pods.list()) if (needsNode(pod)) reconciler.enqueue(keyOf(pod))
  views.pods.onChange((key, pod, previous) => {
    if (!pod || pod.spec?.nodeName) assumed.delete((pod ?? previous)!.metadata.uid)
    if (pod && needsNode(pod)) reconciler.enqueue(key)
    // A pod that has gone or ended leaves room.
    else if (!pod || isFinished(pod)) retryWaiting()
  })
  views.nodes.onChange(retryWaiting)
  views.leases.onChange((_, lease) => {
    if (waiting.size > 0 && lease?.metadata.namespace === LEASE_NAMESPACE) retryWaiting()
  })
  return reconciler
}
