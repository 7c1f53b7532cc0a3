import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ContainerState, Pod } from 'kubernetes-types/core/v1'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { startInformer } from '../../kernel/kubernetes/informer.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'

/** What a pod does once it has a node: come up, wait to be told to, or wait for a reason; or end with a code. */
export type Fate = 'up' | 'hold' | { readonly waiting: string; readonly message?: string } | { readonly exitCode: number }

export interface FakeNode {
  /** Lets a pod that is held become ready. */
  release(pod: Stored<Pod>): Promise<void>
  stop(): Promise<void>
}

/**
 * A node agent without processes: every pod that is bound to it meets the fate that the test chose for it, and a deleted one goes at once.
 *
 * @param logOf what a pod, by its name, is said to have written
 */
export async function startFakeNode(
  api: KubernetesApi,
  fateOf: (pod: Stored<Pod>) => Fate,
  logOf: (pod: string) => string,
): Promise<FakeNode> {
  const logs = createServer((request, response) => {
    const [, , , pod = ''] = (request.url ?? '').split('?')[0]!.split('/')
    response.writeHead(200, { 'content-type': 'text/plain' }).end(logOf(pod))
  })
  await new Promise<void>(resolve => logs.listen(0, '127.0.0.1', resolve))
  const name = 'node-1'
  const time = () => `${new Date().toISOString().slice(0, 19)}Z`
  const started = new Set<string>()
  const work = new Set<Promise<void>>()
  let nextAddress = 1

  async function set(pod: Stored<Pod>, phase: string, state: ContainerState): Promise<void> {
    const ready = 'running' in state && phase === 'Running'
    const podIP = `10.244.0.${nextAddress++}`
    const status = {
      phase,
      podIP,
      podIPs: [{ ip: podIP }],
      startTime: time(),
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: time() }],
      containerStatuses: pod.spec!.containers.map(container => ({
        name: container.name,
        image: container.image ?? '',
        imageID: '',
        ready,
        restartCount: 0,
        state,
      })),
    }
    const { namespace = '' } = pod.metadata
    await tolerant(
      api.patch(RESOURCES.pods, namespace, pod.metadata.name, { type: 'strategic', body: { status } }, { subresource: 'status' }),
    )
  }

  async function meet(pod: Stored<Pod>): Promise<void> {
    const { uid, namespace = '', deletionTimestamp } = pod.metadata
    if (deletionTimestamp) return tolerant(api.delete(RESOURCES.pods, namespace, pod.metadata.name, { gracePeriodSeconds: 0 }))
    if (started.has(uid) || pod.status?.phase !== 'Pending') return
    started.add(uid)
    const fate = fateOf(pod)
    if (fate === 'hold') return
    if (fate === 'up') return set(pod, 'Running', { running: { startedAt: time() as never } })
    if ('waiting' in fate) return set(pod, 'Pending', { waiting: { reason: fate.waiting, message: fate.message ?? '' } })
    const ended = { exitCode: fate.exitCode, startedAt: time() as never, finishedAt: time() as never }
    return set(pod, fate.exitCode === 0 ? 'Succeeded' : 'Failed', { terminated: ended })
  }

  const conditions = [
    { type: 'Ready', status: 'True', reason: 'KubeletReady', message: '', lastHeartbeatTime: time(), lastTransitionTime: time() },
  ]
  const allocatable = { cpu: '64', memory: '64Gi', pods: '500' }
  await api.create(RESOURCES.nodes, { apiVersion: 'v1', kind: 'Node', metadata: { name, labels: { disk: 'ssd' } } })
  // A real API server marks a new node until its controllers have seen it ready.
  await api.patch(RESOURCES.nodes, '', name, { type: 'merge', body: { spec: { taints: null } } })
  const daemonEndpoints = { kubeletEndpoint: { Port: (logs.address() as AddressInfo).port } }
  const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }]
  const status = { addresses, daemonEndpoints, conditions, allocatable, capacity: allocatable }
  await api.patch(RESOURCES.nodes, '', name, { type: 'strategic', body: { status } }, { subresource: 'status' })
  const pods = startInformer(api, RESOURCES.pods, {
    log: silentLog,
    onChange: (_, pod) => {
      if (pod?.spec?.nodeName !== name) return
      const job = meet(pod).finally(() => work.delete(job))
      work.add(job)
    },
  })
  await pods.synced
  return {
    release: pod => set(pod, 'Running', { running: { startedAt: time() as never } }),
    async stop() {
      await pods.stop()
      await Promise.allSettled(work)
      logs.closeAllConnections()
      await new Promise(resolve => logs.close(resolve))
    },
  }
}

/** The pod may be gone by now. */
async function tolerant(write: Promise<unknown>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (!isStatus(error, 404, 409)) throw error
  }
}
