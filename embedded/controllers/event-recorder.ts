import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { apiVersion, type KubernetesObject, RESOURCES, type Resource, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import { type Clock, timestamp } from './clock.ts'

/** Series that are remembered, so that a repetition counts up instead of making a new object; kube-controller-manager keeps as many. */
const SERIES_COUNT_MAX = 4096
/** Events that one object may cause at once, and how long one more takes, as in client-go's spam filter. */
const BURST_COUNT_MAX = 25
const REFILL_MS = 300_000
const PENDING_COUNT_MAX = 1000

export interface Occurrence {
  readonly type: 'Normal' | 'Warning'
  readonly reason: string
  readonly message: string
  /** Who saw it: `deployment-controller`. */
  readonly component: string
}

/**
 * Writes Events about objects, in order and in the background: one that cannot be written is dropped, it never holds up a controller.
 *
 * @see https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/
 */
export class EventRecorder {
  readonly #api: KubernetesApi
  readonly #clock: Clock
  readonly #log: Log
  readonly #series = new Map<string, { name: string; count: number }>()
  readonly #budgets = new Map<string, { tokens: number; atMs: number }>()
  readonly #stop = new AbortController()
  #pendingCount = 0
  #serial = 0
  #last: Promise<void> = Promise.resolve()

  constructor(api: KubernetesApi, options: { log: Log; clock: Clock }) {
    this.#api = api
    this.#clock = options.clock
    this.#log = options.log
  }

  record<T extends KubernetesObject>(resource: Resource<T>, object: Stored<T>, occurrence: Occurrence): void {
    if (this.#stop.signal.aborted || this.#pendingCount >= PENDING_COUNT_MAX || !this.#isAffordable(object, occurrence)) return
    this.#pendingCount++
    this.#last = this.#last
      .then(() => this.#write(resource, object, occurrence))
      .catch(error => this.#log.debug('event not written', { reason: occurrence.reason, object: object.metadata.name, error }))
      .finally(() => this.#pendingCount--)
  }

  /** Resolves when all that was recorded so far is written or dropped. */
  async flushed(): Promise<void> {
    await this.#last
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#last
  }

  async #write(resource: Resource, object: Stored, { type, reason, message, component }: Occurrence): Promise<void> {
    const { signal } = this.#stop
    if (signal.aborted) return
    const { namespace = 'default', name, uid, resourceVersion } = object.metadata
    const now = timestamp(this.#clock)
    const id = [uid, component, type, reason, message].join('\n')
    const known = this.#series.get(id)
    if (known) {
      try {
        const body = { count: known.count + 1, lastTimestamp: now }
        await this.#api.patch(RESOURCES.events, namespace, known.name, { type: 'merge', body }, { signal })
        known.count++
        return
      } catch (error) {
        // The API server forgets events after an hour.
        if (!isStatus(error, 404)) throw error
      }
    }
    const made = await this.#api.create(
      RESOURCES.events,
      {
        metadata: { name: `${name}.${this.#nextSuffix()}`, namespace },
        involvedObject: {
          apiVersion: apiVersion(resource),
          kind: resource.kind,
          name,
          uid,
          resourceVersion,
          ...(object.metadata.namespace ? { namespace } : {}),
        },
        type,
        reason,
        message: message.slice(0, 1024),
        source: { component },
        reportingComponent: component,
        count: 1,
        firstTimestamp: now,
        lastTimestamp: now,
      },
      { signal },
    )
    bounded(this.#series).set(id, { name: made.metadata.name, count: 1 })
  }

  /** Nanoseconds in hexadecimal, as client-go names events; the serial keeps two of one millisecond apart. */
  #nextSuffix(): string {
    return (BigInt(this.#clock.now()) * 1_000_000n + BigInt(this.#serial++ % 1_000_000)).toString(16)
  }

  /** A pod that fails over and over must not fill the store. */
  #isAffordable(object: Stored, { component }: Occurrence): boolean {
    const id = `${object.metadata.uid} ${component}`
    const nowMs = this.#clock.now()
    const { tokens, atMs } = this.#budgets.get(id) ?? { tokens: BURST_COUNT_MAX, atMs: nowMs }
    const available = Math.min(BURST_COUNT_MAX, tokens + (nowMs - atMs) / REFILL_MS)
    if (available < 1) return false
    bounded(this.#budgets).set(id, { tokens: available - 1, atMs: nowMs })
    return true
  }
}

/** Drops the oldest entry of a map that is full. */
function bounded<V>(map: Map<string, V>): Map<string, V> {
  if (map.size >= SERIES_COUNT_MAX) map.delete(map.keys().next().value!)
  return map
}
