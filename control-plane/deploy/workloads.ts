import type { Deployment } from 'kubernetes-types/apps/v1'
import type { Namespace, Pod, Service } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { type Informer, startInformer } from '../../kernel/kubernetes/informer.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'

/** What stands of all apps, seen live: namespaces, Services, Deployments and pods with the platform's label. */
export class Workloads {
  readonly #services: Informer<Service>
  readonly #namespaces: Informer<Namespace>
  readonly #deployments: Informer<Deployment>
  readonly #pods: Informer<Pod>
  readonly #podsByApp = new Map<string, Map<string, Stored<Pod>>>()
  /** Resolves when everything has been seen once. */
  readonly synced: Promise<unknown>

  /** @param onLost told when a Deployment or the Service of an app has gone, whoever removed it */
  constructor(api: KubernetesApi, log: Log, onLost: (app: string) => void = () => {}) {
    const selection = { labelSelector: `${LABELS.heritage}=${HERITAGE}` }
    this.#namespaces = startInformer(api, RESOURCES.namespaces, { log, selection })
    const watchLoss = (_: string, object: Stored | undefined, previous: Stored | undefined) => {
      if (!object && previous?.metadata.namespace) onLost(previous.metadata.namespace)
    }
    this.#services = startInformer(api, RESOURCES.services, { log, selection, onChange: watchLoss })
    this.#deployments = startInformer(api, RESOURCES.deployments, { log, selection, onChange: watchLoss })
    this.#pods = startInformer(api, RESOURCES.pods, { log, selection, onChange: this.#index.bind(this) })
    this.synced = Promise.all(this.#informers.map(informer => informer.synced))
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
    await Promise.all(this.#informers.map(informer => informer.stop()))
  }

  get #informers() {
    return [this.#namespaces, this.#services, this.#deployments, this.#pods]
  }

  #index(key: string, pod: Stored<Pod> | undefined, previous: Stored<Pod> | undefined): void {
    const app = (pod ?? previous)?.metadata.namespace ?? ''
    const name = key.slice(app.length + 1)
    const pods = this.#podsByApp.get(app) ?? new Map<string, Stored<Pod>>()
    if (pod) this.#podsByApp.set(app, pods.set(name, pod))
    else if (pods.delete(name) && pods.size === 0) this.#podsByApp.delete(app)
  }
}
