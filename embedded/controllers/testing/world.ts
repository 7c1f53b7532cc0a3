import type { Deployment, ReplicaSet } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { type KubernetesObject, RESOURCES, type Resource, type Stored } from '../../../kernel/kubernetes/objects.ts'
import type { Running } from '../../../kernel/lifecycle.ts'
import { silentLog } from '../../../kernel/log.ts'
import { startControllers } from '../start.ts'
import { type FakeNode, startFakeNode } from './fake-node.ts'
import { MemoryApi } from './memory-api.ts'

const WAIT_MS_MAX = 5000

/** Controllers, a node and an API server in one process. */
export interface World {
  readonly api: MemoryApi
  readonly node: FakeNode
  /** Milliseconds that the controllers' clock is ahead of the real one. */
  ahead: { ms: number }
  /** Waits until the condition holds; it is asked after each change of an object. */
  until(condition: () => boolean, what: string): Promise<void>
  /** Ends the controllers as a crash would, and starts new ones. */
  restart(): Promise<void>
  [Symbol.asyncDispose](): Promise<void>
}

export async function startWorld(options: { isReady?: (pod: Stored<Pod>) => boolean; holdDeletes?: boolean } = {}): Promise<World> {
  const api = new MemoryApi()
  const ahead = { ms: 0 }
  const now = () => Date.now() + ahead.ms
  const checks = new Set<() => void>()
  api.now = now
  api.onChange = () => {
    for (const check of checks) check()
  }
  const start = (): Promise<Running> => startControllers(api, { log: silentLog, clock: { now } })
  let controllers = await start()
  const node = await startFakeNode(api, { ...options, now })
  await api.create(RESOURCES.namespaces, { metadata: { name: 'shop' } })

  return {
    api,
    node,
    ahead,
    until: (condition, what) =>
      new Promise((resolve, reject) => {
        const late = setTimeout(() => end(new Error(`Waited in vain: ${what}`)), WAIT_MS_MAX)
        const check = () => {
          try {
            if (condition()) end()
          } catch (error) {
            end(error as Error)
          }
        }
        const end = (error?: Error) => {
          clearTimeout(late)
          checks.delete(check)
          if (error) reject(error)
          else resolve()
        }
        checks.add(check)
        check()
      }),
    restart: async () => {
      await controllers.stop()
      controllers = await start()
    },
    async [Symbol.asyncDispose]() {
      await node.stop()
      await controllers.stop()
    },
  }
}

/** A Deployment `web` in namespace `shop`. */
export function deployment(spec: Partial<Deployment['spec']> & { image?: string } = {}): Deployment {
  const { image = 'web:1', ...rest } = spec
  return {
    metadata: { name: 'web', namespace: 'shop' },
    spec: {
      replicas: 3,
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 10,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: '25%', maxUnavailable: '25%' } },
      template: {
        metadata: { labels: { app: 'web' } },
        spec: { containers: [{ name: 'web', image, ports: [{ containerPort: 5000, name: 'http' }] }] },
      },
      ...rest,
    },
  }
}

/** A ReplicaSet `web` in namespace `shop`. */
export function replicaSet(replicas: number): ReplicaSet {
  const { selector, template } = deployment().spec!
  return { metadata: { name: 'web', namespace: 'shop' }, spec: { replicas, selector, template } }
}

/** Merges a change into an object. */
export function change<T extends KubernetesObject>(api: MemoryApi, resource: Resource<T>, name: string, body: object): Promise<Stored<T>> {
  return api.patch(resource, 'shop', name, { type: 'merge', body })
}

/** Gives Deployment `web` a template with another image. */
export function deploy(api: MemoryApi, image: string): Promise<Stored<Deployment>> {
  return change(api, RESOURCES.deployments, 'web', {
    spec: { template: { spec: { containers: [{ name: 'web', image, ports: [{ containerPort: 5000, name: 'http' }] }] } } },
  })
}

export function pods(api: MemoryApi): Stored<Pod>[] {
  return api.all(RESOURCES.pods)
}

/** The status of Deployment `web`. */
export function status(api: MemoryApi): NonNullable<Deployment['status']> {
  return api.all(RESOURCES.deployments)[0]?.status ?? {}
}

/** True when the newest spec of Deployment `web` has been rolled out to the end. */
export function isRolledOut(api: MemoryApi): boolean {
  const { metadata, spec } = api.all(RESOURCES.deployments)[0]!
  const { observedGeneration, replicas = 0, updatedReplicas = 0, availableReplicas = 0 } = status(api)
  return (
    observedGeneration === metadata.generation && [replicas, updatedReplicas, availableReplicas].every(count => count === spec?.replicas)
  )
}
