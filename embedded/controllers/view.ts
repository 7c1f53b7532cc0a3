import { Backoff } from '../../kernel/backoff.ts'
import type { DeleteOptions, KubernetesApi, Patch, WriteOptions } from '../../kernel/kubernetes/api.ts'
import { find, isStatus } from '../../kernel/kubernetes/api.ts'
import { type ChangeHandler, type Informer, startInformer } from '../../kernel/kubernetes/informer.ts'
import { type KubernetesObject, keyOf, type Resource, type Stored, splitKey } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import { type Clock, timestamp } from './clock.ts'

/** How long a write may stay unseen by the watch before the object is read again to learn what became of it. */
const UNSEEN_MS_MAX = 10_000
/** The API server is on this machine: it is asked often whether it is back. */
const WATCH_RETRY_MS_MAX = 1000
/** Uids of deleted objects that are remembered, so that the late answer to a write does not bring one back. */
const GONE_COUNT_MAX = 4096

/** A write of ours that the watch has not brought back yet. */
interface Unseen {
  readonly version: number
  readonly sinceMs: number
}

/**
 * All objects of one kind as the informer knows them, plus what was written through this view and has not come back over the watch yet.
 *
 * A controller that reads its own writes can never create a pod twice or delete two for one because its informer lags: that is what
 * "expectations" are for in kube-controller-manager. Objects are shared and must not be changed.
 */
export class View<T extends KubernetesObject> {
  readonly resource: Resource<T>
  /** Resolves after the first whole list. */
  readonly synced: Promise<void>
  readonly #api: KubernetesApi
  readonly #clock: Clock
  readonly #log: Log
  readonly #informer: Informer<T>
  readonly #objects = new Map<string, Stored<T>>()
  readonly #namespaces = new KeyIndex()
  readonly #controllers = new KeyIndex()
  readonly #listeners = new Set<ChangeHandler<T>>()
  readonly #unseen = new Map<string, Unseen>()
  /** The uids of objects whose deletion was accepted and has not been seen. */
  readonly #deleting = new Set<string>()
  readonly #gone = new Set<string>()
  #newest = 0
  #pruning: NodeJS.Immediate | undefined
  #checking: NodeJS.Timeout | undefined

  constructor(api: KubernetesApi, resource: Resource<T>, options: { log: Log; clock: Clock }) {
    this.resource = resource
    this.#api = api
    this.#clock = options.clock
    this.#log = options.log
    this.#informer = startInformer(api, resource, {
      log: options.log,
      backoff: new Backoff({ minMs: 50, maxMs: WATCH_RETRY_MS_MAX }),
      onChange: (key, object, previous) => this.#observe(key, object, previous),
    })
    this.synced = this.#informer.synced
  }

  get(key: string): Stored<T> | undefined {
    return this.#objects.get(key)
  }

  list(): Stored<T>[] {
    return [...this.#objects.values()]
  }

  inNamespace(namespace: string): Stored<T>[] {
    return this.#read(this.#namespaces.keys(namespace))
  }

  /** The objects whose controller, by its `ownerReferences`, has this uid. */
  controlledBy(uid: string): Stored<T>[] {
    return this.#read(this.#controllers.keys(uid))
  }

  /** Calls the handler at each change that the watch brings. An object that was replaced by one of its name is first gone, then new. */
  onChange(handler: ChangeHandler<T>): () => void {
    this.#listeners.add(handler)
    return () => void this.#listeners.delete(handler)
  }

  /** Reads past the view. */
  live(namespace: string, name: string): Promise<Stored<T> | undefined> {
    return find(this.#api, this.resource, namespace, name)
  }

  async create(object: T, options?: WriteOptions): Promise<Stored<T>> {
    return this.#wrote(await this.#api.create(this.resource, object, options))
  }

  async update(object: T, options?: WriteOptions): Promise<Stored<T>> {
    return this.#wrote(await this.#api.update(this.resource, object, options))
  }

  async patch(object: Stored<T>, patch: Patch, options?: WriteOptions): Promise<Stored<T>> {
    const { namespace = '', name } = object.metadata
    return this.#wrote(await this.#api.patch(this.resource, namespace, name, patch, options))
  }

  /** Deletes this very object, not one that has taken its name; one that has gone already is no error. */
  async delete(object: Stored<T>, options: DeleteOptions = {}): Promise<void> {
    const { namespace = '', name, uid } = object.metadata
    try {
      await this.#api.delete(this.resource, namespace, name, { ...options, preconditions: { uid, ...options.preconditions } })
    } catch (error) {
      if (!isStatus(error, 404)) throw error
    }
    const key = keyOf(object)
    const current = this.#objects.get(key)
    if (current?.metadata.uid !== uid || current.metadata.deletionTimestamp) return
    this.#deleting.add(uid)
    this.#set(key, this.#marked(current))
  }

  async stop(): Promise<void> {
    clearTimeout(this.#checking)
    clearImmediate(this.#pruning)
    await this.#informer.stop()
  }

  #observe(key: string, object: Stored<T> | undefined, previous: Stored<T> | undefined): void {
    const current = this.#objects.get(key)
    if (object) {
      const version = versionOf(object)
      this.#newest = Math.max(this.#newest, version)
      if (!current || versionOf(current) <= version) {
        if (object.metadata.deletionTimestamp || current?.metadata.uid !== object.metadata.uid) this.#forgetDeletion(current)
        this.#set(key, this.#deleting.has(object.metadata.uid) ? this.#marked(object) : object)
      }
      if (version >= (this.#unseen.get(key)?.version ?? 0)) this.#unseen.delete(key)
    } else if (current && current.metadata.uid === previous?.metadata.uid) this.#drop(key)
    if (previous && previous.metadata.uid !== object?.metadata.uid) this.#remember(previous.metadata.uid)
    if (this.#unseen.size > 0) this.#pruning ??= setImmediate(() => this.#prune())

    const isReplaced = object && previous && object.metadata.uid !== previous.metadata.uid
    for (const listener of this.#listeners) {
      if (isReplaced) listener(key, undefined, previous)
      listener(key, object, isReplaced ? undefined : previous)
    }
  }

  /** A write that is older than what the watch has brought, and yet is not there, was undone by somebody before the informer saw it. */
  #prune(): void {
    this.#pruning = undefined
    for (const [key, { version }] of this.#unseen) {
      if (version > this.#newest || this.#informer.get(key)) continue
      this.#drop(key)
    }
  }

  #wrote(object: Stored<T>): Stored<T> {
    const key = keyOf(object)
    const current = this.#objects.get(key)
    const version = versionOf(object)
    const seen = this.#informer.get(key)
    // The watch may have been faster than the answer, even to the object's end.
    if (this.#gone.has(object.metadata.uid) || (seen && versionOf(seen) >= version)) return object
    if (current && versionOf(current) > version) return object
    this.#set(key, this.#deleting.has(object.metadata.uid) ? this.#marked(object) : object)
    this.#unseen.set(key, { version, sinceMs: this.#clock.now() })
    this.#checking ??= setTimeout(() => void this.#check(), UNSEEN_MS_MAX).unref()
    return object
  }

  /** Reads what the watch should have brought long ago. */
  async #check(): Promise<void> {
    for (const [key, { sinceMs }] of [...this.#unseen]) {
      if (this.#clock.now() - sinceMs < UNSEEN_MS_MAX) continue
      const { namespace, name } = splitKey(key)
      try {
        const object = await this.live(namespace, name)
        if (this.#unseen.get(key)?.sinceMs !== sinceMs) continue
        if (object) this.#set(key, object)
        else this.#drop(key)
        this.#unseen.delete(key)
      } catch (error) {
        this.#log.debug('check of an unseen write failed', { key, error })
      }
    }
    this.#checking = this.#unseen.size > 0 ? setTimeout(() => void this.#check(), UNSEEN_MS_MAX).unref() : undefined
  }

  #marked(object: Stored<T>): Stored<T> {
    return { ...object, metadata: { ...object.metadata, deletionTimestamp: timestamp(this.#clock) } }
  }

  #remember(goneUid: string): void {
    if (this.#gone.size >= GONE_COUNT_MAX) this.#gone.delete(this.#gone.values().next().value!)
    this.#gone.add(goneUid)
  }

  #forgetDeletion(object: Stored<T> | undefined): void {
    if (object) this.#deleting.delete(object.metadata.uid)
  }

  #set(key: string, object: Stored<T>): void {
    const previous = this.#objects.get(key)
    const [before, after] = [controllerUid(previous), controllerUid(object)]
    if (before !== undefined && before !== after) this.#controllers.remove(before, key)
    if (after !== undefined) this.#controllers.add(after, key)
    if (object.metadata.namespace) this.#namespaces.add(object.metadata.namespace, key)
    this.#objects.set(key, object)
  }

  #drop(key: string): void {
    const object = this.#objects.get(key)
    this.#unseen.delete(key)
    if (!object) return
    this.#objects.delete(key)
    this.#forgetDeletion(object)
    const controller = controllerUid(object)
    if (controller !== undefined) this.#controllers.remove(controller, key)
    if (object.metadata.namespace) this.#namespaces.remove(object.metadata.namespace, key)
  }

  #read(keys: Iterable<string>): Stored<T>[] {
    return Array.from(keys, key => this.#objects.get(key)!)
  }
}

/** Keys by something that they share. */
class KeyIndex {
  readonly #sets = new Map<string, Set<string>>()

  keys(shared: string): Iterable<string> {
    return this.#sets.get(shared) ?? []
  }

  add(shared: string, key: string): void {
    const set = this.#sets.get(shared)
    if (set) set.add(key)
    else this.#sets.set(shared, new Set([key]))
  }

  remove(shared: string, key: string): void {
    const set = this.#sets.get(shared)
    set?.delete(key)
    if (set?.size === 0) this.#sets.delete(shared)
  }
}

/** The uid of the owner that manages the object, if any. */
export function controllerUid(object: KubernetesObject | undefined): string | undefined {
  return object?.metadata?.ownerReferences?.find(owner => owner.controller)?.uid
}

/** Versions grow; they are whole numbers (Kubernetes 1.35 made that a promise). */
function versionOf(object: Stored): number {
  return Number(object.metadata.resourceVersion)
}
