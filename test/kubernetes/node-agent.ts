import { type Api, at, type Json, unique } from './api.ts'
import type { Watch } from './watch.ts'

/** On a pod: what its containers do. `ready` when it says nothing. */
export const CONDUCT = 'agent.test/conduct'

/**
 * - `ready`: runs and is ready
 * - `starting`: runs and is never ready
 * - `succeed`, `fail`: ends at once
 * - `linger`: as `ready`, and once deleted stays until {@link NodeAgent.release}
 */
export type Conduct = 'ready' | 'starting' | 'succeed' | 'fail' | 'linger'

/** kube-controller-manager takes a node for lost after 40 s of silence. */
const HEARTBEAT_MS = 10_000

/** A node agent without processes: takes every pod that waits for a node, says of it what its annotation asks for, and lets go of deleted ones. */
export class NodeAgent {
  readonly name = unique('node')
  readonly #api: Api
  #watch: Watch | undefined
  #heart: NodeJS.Timeout | undefined
  #working: Promise<void> = Promise.resolve()
  #addresses = 0
  readonly #seen = new Map<string, string>()

  constructor(api: Api) {
    this.#api = api
  }

  async start(): Promise<void> {
    // Unschedulable, so that no scheduler sends pods here: the agent takes them itself, where there is a scheduler and where there is none.
    await this.#api.must('POST', at('nodes'), { metadata: { name: this.name }, spec: { unschedulable: true } })
    await this.#beat()
    this.#heart = setInterval(() => void this.#beat().catch(() => {}), HEARTBEAT_MS)
    this.#watch = await this.#api.watch(at('pods'))
    this.#working = this.#work(this.#watch)
  }

  async stop(): Promise<void> {
    clearInterval(this.#heart)
    this.#watch?.close()
    await this.#working
  }

  /** Writes what a container's end, or its readiness, would. */
  async report(pod: Json, status: Json): Promise<void> {
    const { namespace, name } = pod.metadata
    await this.#api.patch('strategic', at('pods', namespace, name, 'status'), { status })
  }

  async setReady(pod: Json, ready: boolean): Promise<void> {
    await this.report(pod, { conditions: [{ type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: now() }] })
  }

  /** Lets a deleted pod that lingers go. */
  async release(pod: Json): Promise<void> {
    const { namespace, name, uid } = pod.metadata
    await this.#api.delete(at('pods', namespace, name), { gracePeriodSeconds: 0, preconditions: { uid } })
  }

  async #beat(): Promise<void> {
    const time = now()
    await this.#api.patch('strategic', at('nodes', '', this.name, 'status'), {
      status: {
        conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady', lastHeartbeatTime: time, lastTransitionTime: time }],
      },
    })
  }

  async #work(watch: Watch): Promise<void> {
    for (const running = new Set<Promise<void>>(); ; ) {
      const event = await watch.next().catch(() => undefined)
      if (!event) {
        await Promise.allSettled(running)
        return
      }
      if (event.type !== 'ADDED' && event.type !== 'MODIFIED') continue
      const task = this.#attend(event.object).catch(() => {})
      running.add(task)
      void task.finally(() => running.delete(task))
    }
  }

  async #attend(pod: Json): Promise<void> {
    const { namespace, name, uid, annotations, deletionTimestamp } = pod.metadata
    const conduct: Conduct = annotations?.[CONDUCT] ?? 'ready'
    // What is on a node must be let go by it: the API server takes away only what has none.
    if (deletionTimestamp) {
      if (conduct !== 'linger' && pod.spec.nodeName && this.#once(uid, 'deleted')) await this.release(pod)
      return
    }
    if (!pod.spec.nodeName) {
      if (this.#once(uid, 'bound')) {
        await this.#api.post(at('pods', namespace, name, 'binding'), { metadata: { name }, target: { kind: 'Node', name: this.name } })
      }
      return
    }
    if (!this.#once(uid, 'started')) return
    const podIP = `10.244.${this.#addresses >> 8}.${this.#addresses++ & 255}`
    await this.report(pod, { ...outcome(conduct, pod), hostIP: '10.0.0.1', podIP, podIPs: [{ ip: podIP }], startTime: now() })
  }

  /** A pod is bound, started and let go once each, in that order; what comes twice is the echo of our own write. */
  #once(uid: string, step: 'bound' | 'started' | 'deleted'): boolean {
    const steps = ['bound', 'started', 'deleted']
    if (steps.indexOf(this.#seen.get(uid) ?? '') >= steps.indexOf(step)) return false
    this.#seen.set(uid, step)
    return true
  }
}

function outcome(conduct: Conduct, pod: Json): Json {
  const ended = conduct === 'succeed' || conduct === 'fail'
  const ready = conduct === 'ready' || conduct === 'linger'
  const time = now()
  const exitCode = conduct === 'fail' ? 1 : 0
  const state = ended
    ? { terminated: { exitCode, reason: exitCode ? 'Error' : 'Completed', startedAt: time, finishedAt: time } }
    : { running: { startedAt: time } }
  return {
    phase: conduct === 'succeed' ? 'Succeeded' : conduct === 'fail' ? 'Failed' : 'Running',
    conditions: [
      { type: 'Initialized', status: 'True', lastTransitionTime: time },
      { type: 'ContainersReady', status: ready ? 'True' : 'False', lastTransitionTime: time },
      { type: 'Ready', status: ready ? 'True' : 'False', lastTransitionTime: time },
    ],
    containerStatuses: pod.spec.containers.map((each: Json) => ({
      name: each.name,
      image: each.image,
      imageID: '',
      ready,
      restartCount: 0,
      state,
    })),
  }
}

function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`
}
