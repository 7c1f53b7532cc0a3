import { createHash } from 'node:crypto'
import type { Event } from 'kubernetes-types/core/v1'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { RESOURCES, type Stored, splitKey } from '../../kernel/kubernetes/objects.ts'
import { Reconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Log } from '../../kernel/log.ts'
import type { Fault } from './annotations.ts'

/**
 * Tells people about faults of their objects: each once in the log, and as an Event on its Service, where `kubectl describe` shows it.
 * Every replica of the router writes the same Event by the same name, so there is one.
 */
export class FaultReporter {
  readonly #api: KubernetesApi
  readonly #log: Log
  readonly #uid: (service: string) => string | undefined
  readonly #events: Reconciler
  readonly #faults = new Map<string, readonly Fault[]>()
  readonly #ignored = new Set<string>()

  /** @param uid of a Service that stands, by its key */
  constructor(api: KubernetesApi, log: Log, uid: (service: string) => string | undefined) {
    this.#api = api
    this.#log = log
    this.#uid = uid
    this.#events = new Reconciler({ name: 'faults', log, concurrency: 2, reconcile: key => this.#write(key) })
  }

  /** Takes all faults that an object has now; `''` is the router itself. */
  report(service: string, faults: readonly Fault[]): void {
    const before = new Set(this.#faults.get(service)?.map(textOf))
    for (const fault of faults)
      if (!before.has(textOf(fault))) this.#log.warn('annotation refused', { service: service || 'router', ...fault })
    if (faults.length === 0) {
      this.#faults.delete(service)
      this.#log.info('annotations in order again', { service: service || 'router' })
    } else {
      this.#faults.set(service, faults)
      if (service) this.#events.enqueue(service)
    }
  }

  /** Says once of each annotation, not once an app, that it has no effect. */
  reportIgnored(names: readonly string[]): void {
    const fresh = names.filter(name => !this.#ignored.has(name))
    for (const name of fresh) this.#ignored.add(name)
    if (fresh.length > 0) this.#log.info('annotations without effect in this router', { names: fresh })
  }

  stop(): Promise<void> {
    return this.#events.stop()
  }

  async #write(service: string): Promise<void> {
    const faults = this.#faults.get(service)
    const uid = this.#uid(service)
    if (!faults || uid === undefined) return
    try {
      await this.#api.create(RESOURCES.events, eventOf(service, uid, faults), { fieldManager: 'drycc-router' })
    } catch (error) {
      // 409: another replica was first. 404: the namespace has gone. 403: the operator does not want Events.
      if (!isStatus(error, 404, 409, 403)) throw error
    }
  }
}

function eventOf(service: string, uid: string, faults: readonly Fault[]): Stored<Event> {
  const { namespace, name } = splitKey(service)
  // 1024 characters are what the API server takes.
  const message = faults.map(textOf).join('; ').slice(0, 1000)
  const hash = createHash('sha256').update(`${uid} ${message}`).digest('hex').slice(0, 12)
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name.slice(0, 200)}.router-${hash}`, namespace },
    involvedObject: { apiVersion: 'v1', kind: 'Service', name, namespace, uid },
    type: 'Warning',
    reason: 'RouteFault',
    message,
    source: { component: 'drycc-router' },
    firstTimestamp: now,
    lastTimestamp: now,
    count: 1,
  } as unknown as Stored<Event>
}

function textOf({ key, value, message }: Fault): string {
  return `${key} "${value}": ${message}`
}
