import type { Pod } from 'kubernetes-types/core/v1'
import { Backoff } from '../../../kernel/backoff.ts'
import { isStatus, type KubernetesApi } from '../../../kernel/kubernetes/api.ts'
import { startInformer } from '../../../kernel/kubernetes/informer.ts'
import { RESOURCES, type Stored } from '../../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../../kernel/log.ts'

export interface FakeNode {
  readonly name: string
  /** Sets what the pod's `Ready` condition says. */
  setReady(pod: Stored<Pod>, ready: boolean): Promise<void>
  /** Ends the pod's only container. */
  finish(pod: Stored<Pod>, exitCode: number): Promise<void>
  stop(): Promise<void>
}

/**
 * A node agent without processes: runs each pod that is bound to it at once, and lets a deleted one go at once.
 *
 * @param options.isReady whether a pod that has just started is ready; all are by default
 * @param options.now milliseconds since 1970
 */
export async function startFakeNode(
  api: KubernetesApi,
  options: { name?: string; isReady?: (pod: Stored<Pod>) => boolean; holdDeletes?: boolean; now?: () => number } = {},
): Promise<FakeNode> {
  const { name = 'node-1', isReady = () => true, now = Date.now } = options
  const time = () => `${new Date(now()).toISOString().slice(0, 19)}Z`
  let nextAddress = 1
  const started = new Set<string>()
  const work = new Set<Promise<void>>()

  const patchStatus = async ({ metadata }: Stored<Pod>, status: object): Promise<void> => {
    await tolerant(
      api.patch(RESOURCES.pods, metadata.namespace!, metadata.name, { type: 'strategic', body: { status } }, { subresource: 'status' }),
    )
  }
  const readyCondition = (ready: boolean) => [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: time() }]

  const run = async (pod: Stored<Pod>): Promise<void> => {
    if (pod.metadata.deletionTimestamp) {
      if (options.holdDeletes) return
      await tolerant(api.delete(RESOURCES.pods, pod.metadata.namespace!, pod.metadata.name, { gracePeriodSeconds: 0 }))
      return
    }
    if (started.has(pod.metadata.uid) || pod.status?.phase !== 'Pending') return
    started.add(pod.metadata.uid)
    const podIP = `10.244.${nextAddress >> 8}.${nextAddress++ & 255}`
    await patchStatus(pod, {
      phase: 'Running',
      podIP,
      podIPs: [{ ip: podIP }],
      startTime: time(),
      conditions: readyCondition(isReady(pod)),
      containerStatuses: pod.spec!.containers.map(container => containerStatus(container.name, { running: { startedAt: time() } })),
    })
  }

  const addresses = [{ type: 'InternalIP', address: '127.0.0.1' }]
  const conditions = [
    { type: 'Ready', status: 'True', reason: 'KubeletReady', message: '', lastHeartbeatTime: time(), lastTransitionTime: time() },
  ]
  const allocatable = { cpu: '8', memory: '16Gi', pods: '500' }
  try {
    await api.create(RESOURCES.nodes, { metadata: { name, labels: { 'kubernetes.io/hostname': name } } })
  } catch (error) {
    if (!isStatus(error, 409)) throw error
  }
  const status = { addresses, conditions, allocatable, capacity: allocatable }
  // A real API server marks a new node until its controllers have seen it ready.
  await api.patch(RESOURCES.nodes, '', name, { type: 'merge', body: { spec: { taints: null } } })
  await api.patch(RESOURCES.nodes, '', name, { type: 'strategic', body: { status } }, { subresource: 'status' })
  const pods = startInformer(api, RESOURCES.pods, {
    log: silentLog,
    backoff: new Backoff({ minMs: 20, maxMs: 200 }),
    onChange: (_, pod) => {
      if (pod?.spec?.nodeName !== name) return
      const job = run(pod).finally(() => work.delete(job))
      work.add(job)
    },
  })
  await pods.synced

  return {
    name,
    setReady: (pod, ready) => patchStatus(pod, { conditions: readyCondition(ready) }),
    finish: (pod, exitCode) =>
      patchStatus(pod, {
        phase: exitCode === 0 ? 'Succeeded' : 'Failed',
        conditions: readyCondition(false),
        containerStatuses: pod.spec!.containers.map(container =>
          containerStatus(container.name, { terminated: { exitCode, startedAt: time(), finishedAt: time() } }),
        ),
      }),
    stop: async () => {
      await pods.stop()
      await Promise.all(work)
    },
  }
}

function containerStatus(name: string, state: object) {
  return { name, image: 'x', imageID: 'x', ready: 'running' in state, restartCount: 0, state }
}

/** The pod may be gone by now. */
async function tolerant(write: Promise<unknown>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (!isStatus(error, 404, 409)) throw error
  }
}
