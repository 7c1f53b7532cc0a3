import { createHash } from 'node:crypto'
import type { Event } from 'kubernetes-types/core/v1'
import { isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { RESOURCES, type Stored, splitKey } from '../../kernel/kubernetes/objects.ts'
import { Reconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Log } from '../../kernel/log.ts'
import type { Fault } from './annotations.ts'

type Kind = 'Service' | 'Secret'

/**
 * Tells people about faults of their objects: each once in the log, and as an Event on its Service, and on the Secret of a bad certificate, where `kubectl describe` shows it.
 * Every replica of the router writes the same Event by the same name, so there is one.
 */
export class FaultReporter {
  readonly #api: KubernetesApi
  readonly #log: Log
  readonly #uid: (kind: Kind, key: string) => string | undefined
  readonly #events: Reconciler
  readonly #faults = new Map<string, readonly Fault[]>()
  readonly #ignored = new Set<string>()

  /** @param uid of an object that stands, by its key */
  constructor(api: KubernetesApi, log: Log, uid: (kind: Kind, key: string) => string | undefined) {
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
      if (this.#faults.delete(service)) this.#log.info('annotations in order again', { service: service || 'router' })
    } else {
      this.#faults.set(service, faults)
      if (service) this.#events.enqueue(`Service ${service}`)
      for (const { secret } of faults) if (secret) this.#events.enqueue(`Secret ${secret}`)
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

  async #write(object: string): Promise<void> {
    const [kind, key] = object.split(' ') as [Kind, string]
    const faults = kind === 'Secret' ? this.#ofSecret(key) : (this.#faults.get(key) ?? [])
    const uid = this.#uid(kind, key)
    if (faults.length === 0 || uid === undefined) return
    try {
      await this.#api.create(RESOURCES.events, eventOf(kind, key, uid, faults), { fieldManager: 'drycc-router' })
    } catch (error) {
      // 409: another replica was first. 404: the namespace has gone. 403: the operator does not want Events.
      if (!isStatus(error, 404, 409, 403)) throw error
    }
  }

  #ofSecret(key: string): Fault[] {
    return [...this.#faults.values()].flatMap(faults => faults.filter(({ secret }) => secret === key))
  }
}

function eventOf(kind: Kind, key: string, uid: string, faults: readonly Fault[]): Stored<Event> {
  const { namespace, name } = splitKey(key)
  // 1024 characters are what the API server takes.
  const message = [...new Set(faults.map(textOf))].join('; ').slice(0, 1000)
  const hash = createHash('sha256').update(`${uid} ${message}`).digest('hex').slice(0, 12)
  const now = new Date().toISOString().replace(/\.\d+Z$/, 'Z')
  return {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: `${name.slice(0, 200)}.router-${hash}`, namespace },
    involvedObject: { apiVersion: 'v1', kind, name, namespace, uid },
    type: 'Warning',
    reason: kind === 'Secret' ? 'CertificateFault' : 'RouteFault',
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
