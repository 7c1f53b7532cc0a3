import type { Pod, PodTemplateSpec } from 'kubernetes-types/core/v1'
import { KubernetesError } from '../../kernel/kubernetes/api.ts'
import { controllerReference, type KubernetesObject, type Resource, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Reconciler } from '../../kernel/kubernetes/reconciler.ts'
import type { Cluster } from './cluster.ts'
import { isNamespaceEnding } from './controller.ts'
import { selects } from './label-selector.ts'
import { controllerUid, type View } from './view.ts'

/** Pods that one reconciliation makes or deletes at most, as in kube-controller-manager. */
export const BURST_COUNT_MAX = 500

/** An owner of pods with a selector over them. */
type Owner = KubernetesObject & { spec?: { selector?: Parameters<typeof selects>[0] } }

/** Makes and deletes the pods of one owner, and tells so in its Events. */
export class OwnedPods<O extends Owner> {
  readonly #cluster: Pick<Cluster, 'views' | 'events'>
  readonly #resource: Resource<O>
  readonly #component: string

  constructor(cluster: Pick<Cluster, 'views' | 'events'>, resource: Resource<O>, component: string) {
    this.#cluster = cluster
    this.#resource = resource
    this.#component = component
  }

  /**
   * Makes pods in batches of 1, 2, 4 …: when all of them would be refused (a quota, say), one asks and not five hundred.
   *
   * @throws the first refusal, after the rest of its batch
   */
  async create(owner: Stored<O>, template: PodTemplateSpec, count: number): Promise<void> {
    const total = Math.min(count, BURST_COUNT_MAX)
    for (let done = 0, size = 1; done < total; done += size, size *= 2) {
      const batch = Array.from({ length: Math.min(size, total - done) }, () => this.#createOne(owner, template))
      throwFirst(await Promise.allSettled(batch))
    }
  }

  /** @throws the first refusal, after all have been tried */
  async delete(owner: Stored<O>, pods: readonly Stored<Pod>[]): Promise<void> {
    throwFirst(await Promise.allSettled(pods.slice(0, BURST_COUNT_MAX).map(pod => this.#deleteOne(owner, pod))))
  }

  async #createOne(owner: Stored<O>, template: PodTemplateSpec): Promise<void> {
    const { labels, annotations, finalizers } = template.metadata ?? {}
    try {
      const pod = await this.#cluster.views.pods.create({
        metadata: {
          generateName: `${owner.metadata.name}-`,
          namespace: owner.metadata.namespace!,
          ...(labels ? { labels } : {}),
          ...(annotations ? { annotations } : {}),
          ...(finalizers ? { finalizers } : {}),
          ownerReferences: [controllerReference(this.#resource, owner)],
        },
        ...(template.spec ? { spec: template.spec } : {}),
      })
      this.#tell(owner, 'Normal', 'SuccessfulCreate', `Created pod: ${pod.metadata.name}`)
    } catch (error) {
      if (isRefusal(error)) this.#tell(owner, 'Warning', 'FailedCreate', `Error creating: ${error.message}`)
      throw error
    }
  }

  async #deleteOne(owner: Stored<O>, pod: Stored<Pod>): Promise<void> {
    try {
      await this.#cluster.views.pods.delete(pod)
      this.#tell(owner, 'Normal', 'SuccessfulDelete', `Deleted pod: ${pod.metadata.name}`)
    } catch (error) {
      if (isRefusal(error)) this.#tell(owner, 'Warning', 'FailedDelete', `Error deleting: ${error.message}`)
      throw error
    }
  }

  #tell(owner: Stored<O>, type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#cluster.events.record(this.#resource, owner, { type, reason, message, component: this.#component })
  }
}

/** True where the API server said no and the owner should know: not when it is away, nor when the namespace goes with all in it. */
export function isRefusal(error: unknown): error is KubernetesError {
  return error instanceof KubernetesError && !isNamespaceEnding(error)
}

/** Enqueues the owner of each pod that changes, the one that lost it too, and whoever could take in a pod without an owner. */
export function enqueueOwners<O extends Owner>(owners: View<O>, pods: View<Pod>, reconciler: Reconciler): void {
  const { kind } = owners.resource
  const enqueue = (pod: Stored<Pod> | undefined) => {
    const owner = pod?.metadata.ownerReferences?.find(reference => reference.controller)
    if (owner?.kind === kind) reconciler.enqueue(`${pod?.metadata.namespace}/${owner.name}`)
  }
  pods.onChange((_, pod, previous) => {
    enqueue(pod)
    if (controllerUid(pod) !== controllerUid(previous)) enqueue(previous)
    if (!pod || controllerUid(pod) !== undefined || pod.metadata.deletionTimestamp) return
    for (const owner of owners.inNamespace(pod.metadata.namespace!)) {
      if (selects(owner.spec?.selector, pod.metadata.labels)) reconciler.enqueue(`${owner.metadata.namespace}/${owner.metadata.name}`)
    }
  })
}

function throwFirst(results: readonly PromiseSettledResult<void>[]): void {
  const failed = results.find(result => result.status === 'rejected')
  if (failed) throw failed.reason
}
