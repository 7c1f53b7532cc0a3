import type { Namespace, NamespaceCondition } from 'kubernetes-types/core/v1'
import { isStatus, type KubernetesApi, listAll } from '../../kernel/kubernetes/api.ts'
import { type KubernetesObject, RESOURCES, type Resource, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import { timestamp } from './clock.ts'
import type { Cluster } from './cluster.ts'
import { enqueueAll, startController } from './controller.ts'
import type { View } from './view.ts'

const FINALIZER = 'kubernetes'
const DELETE_COUNT_AT_ONCE = 16
/** Deletions wake the controller; this is for what no view shows. */
const AGAIN_MS = 5000

const KINDS = (Object.values(RESOURCES) as Resource[]).filter(resource => resource.namespaced)

/** What is left in a namespace of one kind. */
interface Remains {
  readonly resource: Resource
  readonly objects: readonly Stored[]
}

/**
 * Empties a namespace that is being deleted, of all kinds that the platform knows, and lets it go when nothing is left. Pods keep their
 * grace period.
 *
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/namespaces/
 */
export function startNamespaceController(cluster: Cluster): Running {
  const { api, views, clock, log } = cluster
  const allViews = Object.values(views) as unknown as View<KubernetesObject>[]
  const reconciler = startController({ name: 'namespace', log, reconcile: (name, signal) => reconcile(name, signal) })

  async function reconcile(name: string, signal: AbortSignal) {
    const namespace = views.namespaces.get(name)
    if (!namespace?.metadata.deletionTimestamp || !namespace.spec?.finalizers?.includes(FINALIZER)) return
    // The views tell at no cost when it is worth to ask the API server, which alone knows that a namespace is empty.
    const seen = see(name)
    if (seen.length > 0) {
      await deleteAll(api, seen, signal)
      await writeConditions(namespace, seen)
      return { againAfterMs: AGAIN_MS }
    }
    const found = await look(api, KINDS, name, signal)
    await deleteAll(api, found, signal)
    const kinds = found.map(({ resource }) => resource)
    const remains = await look(api, kinds, name, signal)
    await writeConditions(namespace, remains)
    if (remains.length > 0) return { againAfterMs: AGAIN_MS }
    await finalize(name)
  }

  function see(name: string): Remains[] {
    return allViews.map(view => ({ resource: view.resource, objects: view.inNamespace(name) })).filter(({ objects }) => objects.length > 0)
  }

  async function writeConditions(namespace: Stored<Namespace>, remains: readonly Remains[]): Promise<void> {
    // What holds nothing back is gone in a moment: there is a word only for what has to be waited for.
    const held = remains.filter(({ objects }) => objects.some(isHeld))
    if (held.length === 0) return
    const conditions = buildConditions(namespace.status?.conditions ?? [], held, timestamp(clock))
    if (conditions === namespace.status?.conditions) return
    const body = { status: { phase: 'Terminating', conditions } }
    await ignoreGone(views.namespaces.patch(namespace, { type: 'merge', body }, { subresource: 'status' }))
  }

  async function finalize(name: string): Promise<void> {
    const namespace = await views.namespaces.live('', name)
    if (!namespace?.metadata.deletionTimestamp) return
    const finalizers = (namespace.spec?.finalizers ?? []).filter(finalizer => finalizer !== FINALIZER)
    const object = { ...namespace, spec: { ...namespace.spec, finalizers } }
    await ignoreGone(api.update(RESOURCES.namespaces, object, { subresource: 'finalize' }))
  }

  enqueueAll(views.namespaces, reconciler)
  for (const view of allViews) {
    view.onChange((_, object, previous) => {
      const namespace = previous?.metadata.namespace
      if (!object && namespace && views.namespaces.get(namespace)?.metadata.deletionTimestamp) reconciler.enqueue(namespace)
    })
  }
  return reconciler
}

/** Lists kinds past the views. @returns only those of which there is something */
async function look(api: KubernetesApi, kinds: readonly Resource[], namespace: string, signal: AbortSignal): Promise<Remains[]> {
  const found = await Promise.all(
    kinds.map(async resource => ({ resource, objects: (await listAll(api, resource, { namespace, signal })).items })),
  )
  return found.filter(({ objects }) => objects.length > 0)
}

async function deleteAll(api: KubernetesApi, found: readonly Remains[], signal: AbortSignal): Promise<void> {
  const queue = found.flatMap(({ resource, objects }) =>
    objects.filter(object => !object.metadata.deletionTimestamp).map(object => ({ resource, object })),
  )
  const work = async () => {
    for (let next = queue.shift(); next; next = queue.shift()) {
      signal.throwIfAborted()
      const { namespace = '', name, uid } = next.object.metadata
      await ignoreGone(api.delete(next.resource, namespace, name, { propagationPolicy: 'Background', preconditions: { uid } }))
    }
  }
  await Promise.all(Array.from({ length: DELETE_COUNT_AT_ONCE }, work))
}

/** Somebody else was faster, or it is another object by now: the next look tells. */
async function ignoreGone(write: Promise<unknown>): Promise<void> {
  try {
    await write
  } catch (error) {
    if (!isStatus(error, 404, 409)) throw error
  }
}

/** True for what does not go at once: a pod has its grace, and a finalizer its time. */
function isHeld(object: Stored): boolean {
  const isPod = object.kind === RESOURCES.pods.kind
  return isPod || (object.metadata.finalizers ?? []).length > 0
}

/** @returns the very same list when nothing has changed */
function buildConditions(standing: NamespaceCondition[], remains: readonly Remains[], now: string): NamespaceCondition[] {
  const counts = remains.map(({ resource, objects }) => `${pluralAndGroup(resource)} has ${objects.length} resource instances`)
  const finalizers = countFinalizers(remains)
  const wanted = [
    ['NamespaceDeletionDiscoveryFailure', 'False', 'ResourcesDiscovered', 'All resources successfully discovered'],
    ['NamespaceDeletionGroupVersionParsingFailure', 'False', 'ParsedGroupVersions', 'All legacy kube types successfully parsed'],
    ['NamespaceDeletionContentFailure', 'False', 'ContentDeleted', 'All content successfully deleted, may be waiting on finalization'],
    remains.length > 0
      ? ['NamespaceContentRemaining', 'True', 'SomeResourcesRemain', `Some resources are remaining: ${counts.join(', ')}`]
      : ['NamespaceContentRemaining', 'False', 'ContentRemoved', 'All content successfully removed'],
    finalizers.length > 0
      ? [
          'NamespaceFinalizersRemaining',
          'True',
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${finalizers}`,
        ]
      : ['NamespaceFinalizersRemaining', 'False', 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'],
  ] as const
  const conditions = wanted.map(([type, status, reason, message]) => {
    const same = standing.find(condition => condition.type === type && condition.status === status)
    if (same?.reason === reason && same.message === message) return same
    return { type, status, reason, message, lastTransitionTime: same?.lastTransitionTime ?? now }
  })
  return conditions.length === standing.length && conditions.every(condition => standing.includes(condition)) ? standing : conditions
}

function countFinalizers(remains: readonly Remains[]): string {
  const all = remains.flatMap(({ objects }) => objects.flatMap(object => object.metadata.finalizers ?? []))
  return Array.from(
    Map.groupBy(all, name => name),
    ([name, { length }]) => `${name} in ${length} resource instances`,
  ).join(', ')
}

/** `pods.` for the core group, as kube-controller-manager writes it. */
function pluralAndGroup({ plural, group }: Resource): string {
  return `${plural}.${group}`
}
