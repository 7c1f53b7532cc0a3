import type { OwnerReference } from 'kubernetes-types/meta/v1'
import { apiVersion, type KubernetesObject, keyOf, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import type { Cluster } from './cluster.ts'
import { startController } from './controller.ts'
import type { View } from './view.ts'

const FOREGROUND = 'foregroundDeletion'
const ORPHAN = 'orphan'
/** Uids of owners that are known to be gone: no object ever gets one of them again. */
const ABSENT_COUNT_MAX = 4096

/** An object among those of all kinds. */
interface Place {
  readonly view: View<KubernetesObject>
  readonly key: string
}

/**
 * Deletes what has lost its last owner, and does the owner's part of a deletion that waits for its dependents (`Foreground`) or lets them
 * live (`Orphan`). Whether an owner is gone is asked of the API server itself, never only of a view.
 *
 * @see https://kubernetes.io/docs/concepts/architecture/garbage-collection/
 */
export function startGarbageCollector(cluster: Cluster): Running {
  const views = Object.values(cluster.views) as unknown as View<KubernetesObject>[]
  return new Collector(views, cluster).start()
}

class Collector {
  readonly #views: readonly View<KubernetesObject>[]
  readonly #byKind: ReadonlyMap<string, View<KubernetesObject>>
  readonly #byPlural: ReadonlyMap<string, View<KubernetesObject>>
  readonly #log: Cluster['log']
  /** Places by the uid of an owner that they name. */
  readonly #dependents = new Map<string, Set<string>>()
  readonly #absent = new Set<string>()

  constructor(views: readonly View<KubernetesObject>[], { log }: Pick<Cluster, 'log'>) {
    this.#views = views
    this.#byKind = new Map(views.map(view => [`${apiVersion(view.resource)} ${view.resource.kind}`, view]))
    this.#byPlural = new Map(views.map(view => [view.resource.plural, view]))
    this.#log = log
  }

  start(): Running {
    const reconciler = startController({
      name: 'garbage-collector',
      log: this.#log,
      concurrency: 16,
      reconcile: id => this.#reconcile(this.#placeOf(id), enqueue),
    })
    const enqueue = (id: string) => reconciler.enqueue(id)
    for (const view of this.#views) {
      for (const object of view.list()) this.#index(idOf(view, keyOf(object)), object, undefined)
    }
    for (const view of this.#views) {
      for (const object of view.list()) if (this.#needsWork(object)) enqueue(idOf(view, keyOf(object)))
      view.onChange((key, object, previous) => this.#observe({ view, key }, object, previous, enqueue))
    }
    return reconciler
  }

  #observe(place: Place, object: Stored | undefined, previous: Stored | undefined, enqueue: (id: string) => void): void {
    const id = idOf(place.view, place.key)
    if (refsOf(object) !== refsOf(previous)) this.#index(id, object, previous)
    if (object) {
      if (this.#needsWork(object)) enqueue(id)
      return
    }
    for (const dependent of this.#dependents.get(previous!.metadata.uid) ?? []) enqueue(dependent)
    // An owner that waits for this one may be the last thing left.
    for (const reference of refsOf(previous)) {
      const owner = this.#ownerPlace(reference, previous!)
      if (owner && isWaiting(owner.view.get(owner.key))) enqueue(idOf(owner.view, owner.key))
    }
  }

  /** Quick look at what the views say; nothing is decided by it. */
  #needsWork(object: Stored): boolean {
    if (object.metadata.deletionTimestamp) return hasFinalizer(object, FOREGROUND) || hasFinalizer(object, ORPHAN)
    return refsOf(object).some(reference => {
      const owner = this.#seenOwner(reference, object)
      return !owner || isWaiting(owner)
    })
  }

  async #reconcile({ view, key }: Place, enqueue: (id: string) => void): Promise<void> {
    const object = view.get(key)
    if (!object) return
    if (object.metadata.deletionTimestamp) {
      if (hasFinalizer(object, ORPHAN)) await this.#letLive(view, object)
      else if (hasFinalizer(object, FOREGROUND)) await this.#awaitDependents(view, object, enqueue)
    } else if (refsOf(object).length > 0) await this.#judge(view, object)
  }

  /** An object with an owner left loses the references to the others; one without is deleted. */
  async #judge(view: View<KubernetesObject>, object: Stored): Promise<void> {
    const states = await Promise.all(refsOf(object).map(reference => this.#stateOf(reference, object)))
    const solid = refsOf(object).filter((_, index) => states[index] === 'solid')
    if (solid.length === states.length) return
    if (solid.length > 0) {
      await patchMetadata(view, object, { ownerReferences: solid })
      return
    }
    const mustWait = states.includes('waiting') && this.#dependentsOf(object).length > 0
    const propagationPolicy = hasFinalizer(object, ORPHAN)
      ? 'Orphan'
      : mustWait || hasFinalizer(object, FOREGROUND)
        ? 'Foreground'
        : 'Background'
    // The version too: whoever took the object in meanwhile changed it.
    await view.delete(object, { propagationPolicy, preconditions: { resourceVersion: object.metadata.resourceVersion } })
  }

  async #stateOf(reference: OwnerReference, object: Stored): Promise<'solid' | 'waiting' | 'absent'> {
    const place = this.#ownerPlace(reference, object)
    // A kind that nobody here knows may well be there.
    if (!place) return 'solid'
    if (this.#absent.has(reference.uid)) return 'absent'
    const seen = this.#seenOwner(reference, object)
    const { namespace = '' } = place.view.resource.namespaced ? object.metadata : {}
    const owner = seen ?? (await place.view.live(namespace, reference.name))
    if (owner?.metadata.uid === reference.uid) return isWaiting(owner) && reference.blockOwnerDeletion ? 'waiting' : 'solid'
    if (this.#absent.size >= ABSENT_COUNT_MAX) this.#absent.delete(this.#absent.values().next().value!)
    this.#absent.add(reference.uid)
    return 'absent'
  }

  /** Foreground: the dependents go first; those that do not block are not waited for. */
  async #awaitDependents(view: View<KubernetesObject>, object: Stored, enqueue: (id: string) => void): Promise<void> {
    const { uid } = object.metadata
    const dependents = this.#dependentsOf(object)
    const isBlocked = dependents.some(({ object: dependent }) =>
      refsOf(dependent).some(reference => reference.uid === uid && reference.blockOwnerDeletion),
    )
    if (!isBlocked) await this.#removeFinalizer(view, object, FOREGROUND)
    else for (const { id, object: dependent } of dependents) if (!dependent.metadata.deletionTimestamp) enqueue(id)
  }

  async #letLive(view: View<KubernetesObject>, object: Stored): Promise<void> {
    await Promise.all(
      this.#dependentsOf(object).map(({ view: dependents, object: dependent }) =>
        patchMetadata(dependents, dependent, {
          ownerReferences: refsOf(dependent).filter(reference => reference.uid !== object.metadata.uid),
        }),
      ),
    )
    await this.#removeFinalizer(view, object, ORPHAN)
  }

  async #removeFinalizer(view: View<KubernetesObject>, object: Stored, finalizer: string): Promise<void> {
    await patchMetadata(view, object, { finalizers: (object.metadata.finalizers ?? []).filter(name => name !== finalizer) })
  }

  #dependentsOf(object: Stored) {
    return Array.from(this.#dependents.get(object.metadata.uid) ?? []).flatMap(id => {
      const { view, key } = this.#placeOf(id)
      const dependent = view.get(key)
      return dependent ? [{ id, view, object: dependent }] : []
    })
  }

  #seenOwner(reference: OwnerReference, object: Stored): Stored | undefined {
    const place = this.#ownerPlace(reference, object)
    const owner = place?.view.get(place.key)
    return owner?.metadata.uid === reference.uid ? owner : undefined
  }

  /** Owners are in the dependent's namespace or in none. */
  #ownerPlace({ apiVersion: version, kind, name }: OwnerReference, { metadata }: Stored): Place | undefined {
    const view = this.#byKind.get(`${version} ${kind}`)
    if (!view || (view.resource.namespaced && !metadata.namespace)) return undefined
    return { view, key: view.resource.namespaced ? `${metadata.namespace}/${name}` : name }
  }

  #index(id: string, object: Stored | undefined, previous: Stored | undefined): void {
    for (const { uid } of refsOf(previous)) {
      const set = this.#dependents.get(uid)
      set?.delete(id)
      if (set?.size === 0) this.#dependents.delete(uid)
    }
    for (const { uid } of refsOf(object)) {
      const set = this.#dependents.get(uid)
      if (set) set.add(id)
      else this.#dependents.set(uid, new Set([id]))
    }
  }

  #placeOf(id: string): Place {
    const space = id.indexOf(' ')
    return { view: this.#byPlural.get(id.slice(0, space))!, key: id.slice(space + 1) }
  }
}

function idOf(view: View<KubernetesObject>, key: string): string {
  return `${view.resource.plural} ${key}`
}

const NO_REFERENCES: OwnerReference[] = []

function refsOf(object: Stored | undefined): OwnerReference[] {
  return object?.metadata.ownerReferences ?? NO_REFERENCES
}

function hasFinalizer(object: Stored, finalizer: string): boolean {
  return (object.metadata.finalizers ?? []).includes(finalizer)
}

/** True for an owner that is being deleted and waits until its dependents are. */
function isWaiting(owner: Stored | undefined): boolean {
  return owner?.metadata.deletionTimestamp !== undefined && hasFinalizer(owner, FOREGROUND)
}

async function patchMetadata(view: View<KubernetesObject>, object: Stored, change: object): Promise<void> {
  const { uid, resourceVersion } = object.metadata
  await view.patch(object, { type: 'merge', body: { metadata: { uid, resourceVersion, ...change } } })
}
