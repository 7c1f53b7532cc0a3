import type { Deployment } from 'kubernetes-types/apps/v1'
import type { Namespace, Pod } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { type Informer, startInformer } from '../../kernel/kubernetes/informer.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'

/** What runs of all apps, seen live: namespaces, Deployments and pods with the platform's label. */
export class Workloads {
  readonly #namespaces: Informer<Namespace>
  readonly #deployments: Informer<Deployment>
  readonly #pods: Informer<Pod>
  readonly #podsByApp = new Map<string, Map<string, Stored<Pod>>>()
  /** Resolves when everything has been seen once. */
  readonly synced: Promise<unknown>

  constructor(api: KubernetesApi, log: Log) {
    const selection = { labelSelector: `${LABELS.heritage}=${HERITAGE}` }
    this.#namespaces = startInformer(api, RESOURCES.namespaces, { log, selection })
    this.#deployments = startInformer(api, RESOURCES.deployments, { log, selection })
    this.#pods = startInformer(api, RESOURCES.pods, { log, selection, onChange: this.#index.bind(this) })
    this.synced = Promise.all([this.#namespaces.synced, this.#deployments.synced, this.#pods.synced])
  }

  hasNamespace(name: string): boolean {
    return this.#namespaces.get(name) !== undefined
  }

  deployment(app: string, name: string): Stored<Deployment> | undefined {
    return this.#deployments.get(`${app}/${name}`)
  }

  /** The Deployments of an app. */
  deployments(app: string): Stored<Deployment>[] {
    return this.#deployments.list().filter(deployment => deployment.metadata.namespace === app)
  }

  pod(app: string, name: string): Stored<Pod> | undefined {
    return this.#podsByApp.get(app)?.get(name)
  }

  /** The pods of an app, of one process type where it is given, those that are ending among them. */
  pods(app: string, type?: string): Stored<Pod>[] {
    const pods = [...(this.#podsByApp.get(app)?.values() ?? [])]
    return type === undefined ? pods : pods.filter(pod => pod.metadata.labels?.[LABELS.type] === type)
  }

  /** Waits until a condition holds, which is asked again after each change. @throws the signal's reason when it fires first */
  async until(condition: () => boolean, signal: AbortSignal): Promise<void> {
    const done = new AbortController()
    const either = AbortSignal.any([signal, done.signal])
    try {
      await Promise.race([this.#namespaces, this.#deployments, this.#pods].map(informer => informer.until(condition, either)))
    } finally {
      done.abort()
    }
  }

  async stop(): Promise<void> {
    await Promise.all([this.#namespaces.stop(), this.#deployments.stop(), this.#pods.stop()])
  }

  #index(key: string, pod: Stored<Pod> | undefined, previous: Stored<Pod> | undefined): void {
    const app = (pod ?? previous)?.metadata.namespace ?? ''
    const name = key.slice(app.length + 1)
    const pods = this.#podsByApp.get(app) ?? new Map<string, Stored<Pod>>()
    if (pod) this.#podsByApp.set(app, pods.set(name, pod))
    else if (pods.delete(name) && pods.size === 0) this.#podsByApp.delete(app)
  }
}
