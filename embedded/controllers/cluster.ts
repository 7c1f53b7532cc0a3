import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { RESOURCES, type Resource } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import type { Clock } from './clock.ts'
import { EventRecorder } from './event-recorder.ts'
import { View } from './view.ts'

type Kinds = Omit<typeof RESOURCES, 'events'>

/** A view of every kind but events, which nobody reads here and of which there are many. */
export type Views = { readonly [K in keyof Kinds]: Kinds[K] extends Resource<infer T> ? View<T> : never }

/** What all controllers share: one informer a kind, the recorder of events, the time. */
export interface Cluster {
  readonly api: KubernetesApi
  readonly views: Views
  readonly events: EventRecorder
  readonly clock: Clock
  readonly log: Log
  stop(): Promise<void>
}

/**
 * Starts an informer for every kind and waits until each has its first whole list.
 *
 * @param signal ends the wait when the API server does not answer
 */
export async function startCluster(api: KubernetesApi, options: { log: Log; clock: Clock; signal?: AbortSignal }): Promise<Cluster> {
  const { log, clock, signal } = options
  const kinds = Object.entries(RESOURCES).filter(([name]) => name !== 'events') as [string, Resource][]
  const views = Object.fromEntries(kinds.map(([name, resource]) => [name, new View(api, resource, { log, clock })]))
  const events = new EventRecorder(api, { log, clock })
  const stop = async () => {
    await events.stop()
    await Promise.all(Object.values(views).map(view => view.stop()))
  }
  try {
    await Promise.race([Promise.all(Object.values(views).map(view => view.synced)), aborted(signal)])
  } catch (error) {
    await stop()
    throw error
  }
  return { api, views: views as unknown as Views, events, clock, log, stop }
}

/** Rejects when the signal fires. */
async function aborted(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((_, reject) => {
    signal?.throwIfAborted()
    signal?.addEventListener('abort', () => reject(signal.reason), { once: true })
  })
}
