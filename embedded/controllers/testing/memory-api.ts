import { randomBytes, randomUUID } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type {
  DeleteOptions,
  KubernetesApi,
  ListOptions,
  ObjectList,
  Patch,
  WatchEvent,
  WatchOptions,
  WriteOptions,
} from '../../../kernel/kubernetes/api.ts'
import { KubernetesError } from '../../../kernel/kubernetes/api.ts'
import { apiVersion, type KubernetesObject, keyOf, type Resource, type Stored } from '../../../kernel/kubernetes/objects.ts'
import { parseSelection } from '../../../kernel/kubernetes/selectors.ts'

/** An object of any kind, open for the test double to change. */
interface Loose {
  apiVersion?: string
  kind?: string
  metadata: Stored['metadata'] & { deletionTimestamp?: string; deletionGracePeriodSeconds?: number; generation?: number }
  spec?: Record<string, unknown>
  status?: Record<string, unknown>
  [field: string]: unknown
}

interface Happening {
  readonly plural: string
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly object: Loose
}

type Call = { readonly verb: string; readonly resource: string; readonly name: string; readonly subresource?: string }

/**
 * As much of an API server as controllers see, in memory: versions, conflicts, generations, finalizers, graceful deletion of pods,
 * propagation, namespaces that end. Watches can be held up to make informers lag, and calls can be made to fail.
 */
export class MemoryApi implements KubernetesApi {
  readonly #objects = new Map<string, Map<string, Loose>>()
  readonly #history: Happening[] = []
  readonly #held = new Set<string>()
  readonly #wakes = new Set<() => void>()
  #version = 0
  /** Called before each write; what it throws is the answer. */
  onWrite: (call: Call) => void | Promise<void> = () => {}
  /** Called after each change, in order. */
  onChange: (happening: Happening) => void = () => {}
  now: () => number = Date.now

  /** Watches of this kind bring nothing until it is let go. */
  hold(resource: Resource): void {
    this.#held.add(resource.plural)
  }

  letGo(resource: Resource): void {
    this.#held.delete(resource.plural)
    this.#wake()
  }

  /** All objects of a kind, as they are stored now. */
  all<T extends KubernetesObject>(resource: Resource<T>): Stored<T>[] {
    return Array.from(this.#kind(resource).values(), object => object as unknown as Stored<T>)
  }

  async get<T extends KubernetesObject>(resource: Resource<T>, namespace: string, name: string): Promise<Stored<T>> {
    return structuredClone(this.#find(resource, namespace, name)) as unknown as Stored<T>
  }

  async list<T extends KubernetesObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const matches = parseSelection(options)
    const items = this.all(resource).filter(object => matches(object))
    return { items: structuredClone(items), resourceVersion: String(this.#version) }
  }

  async *watch<T extends KubernetesObject>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>> {
    let at = this.#history.findIndex(({ object }) => Number(object.metadata.resourceVersion) > Number(options.resourceVersion ?? 0))
    if (at < 0) at = this.#history.length
    const matches = parseSelection(options)
    for (;;) {
      while (at < this.#history.length && !this.#held.has(resource.plural)) {
        const { plural, type, object } = this.#history[at++]!
        if (plural === resource.plural && matches(object)) yield structuredClone({ type, object }) as unknown as WatchEvent<T>
      }
      if (options.signal?.aborted) throw options.signal.reason
      await new Promise<void>(resolve => {
        this.#wakes.add(resolve)
        options.signal?.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }

  async create<T extends KubernetesObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<Stored<T>> {
    const given = structuredClone(object) as unknown as Loose
    const name = given.metadata.name ?? `${given.metadata.generateName}${randomBytes(3).toString('hex').slice(0, 5)}`
    await this.#announce('create', resource, name, options)
    const { namespace = '' } = given.metadata
    if (options.subresource === 'binding') return this.#bind(resource, namespace, name, given)
    if (this.#namespaceEnds(namespace)) {
      const details = { causes: [{ reason: 'NamespaceTerminating' }] }
      throw new KubernetesError({ code: 403, reason: 'Forbidden', message: `namespace ${namespace} is being terminated`, details })
    }
    const metadata = { ...given.metadata, name, uid: randomUUID(), creationTimestamp: this.#time(), generation: 1, resourceVersion: '' }
    const made: Loose = { apiVersion: apiVersion(resource), kind: resource.kind, ...given, metadata }
    if (this.#kind(resource).has(keyOf(made))) throw failure(409, 'AlreadyExists', `${resource.plural} "${name}" already exists`)
    applyDefaults(made)
    return this.#store(resource, 'ADDED', made) as unknown as Stored<T>
  }

  async update<T extends KubernetesObject>(resource: Resource<T>, object: T, options: WriteOptions = {}): Promise<Stored<T>> {
    const given = structuredClone(object) as unknown as Loose
    await this.#announce('update', resource, given.metadata.name, options)
    return this.#replace(resource, given, options) as unknown as Stored<T>
  }

  async patch<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    patch: Patch,
    options: WriteOptions = {},
  ) {
    await this.#announce('patch', resource, name, options)
    if (patch.type !== 'merge' && patch.type !== 'strategic') throw failure(501, 'NotImplemented', patch.type)
    const current = this.#find(resource, namespace, name)
    const merged = merge(current, structuredClone(patch.body), patch.type === 'strategic') as Loose
    if (merged.metadata.uid !== current.metadata.uid) throw failure(409, 'Conflict', 'uid differs')
    return this.#replace(resource, merged, options) as unknown as Stored<T>
  }

  async delete<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    options: DeleteOptions = {},
  ): Promise<void> {
    await this.#announce('delete', resource, name, {})
    const current = this.#find(resource, namespace, name)
    const object = structuredClone(current)
    const { uid, resourceVersion } = options.preconditions ?? {}
    if (uid && uid !== object.metadata.uid) throw failure(409, 'Conflict', 'uid differs')
    if (resourceVersion && resourceVersion !== object.metadata.resourceVersion) throw failure(409, 'Conflict', 'version differs')
    const { metadata } = object
    const finalizer = { Foreground: 'foregroundDeletion', Orphan: 'orphan', Background: undefined }[
      options.propagationPolicy ?? 'Background'
    ]
    if (finalizer && !metadata.finalizers?.includes(finalizer)) metadata.finalizers = [...(metadata.finalizers ?? []), finalizer]
    const isPodOfNode = resource.plural === 'pods' && object.spec?.['nodeName'] !== undefined
    metadata.deletionTimestamp ??= this.#time()
    if (isPodOfNode) metadata.deletionGracePeriodSeconds = options.gracePeriodSeconds ?? metadata.deletionGracePeriodSeconds ?? 30
    if (resource.plural === 'namespaces') object.status = { ...object.status, phase: 'Terminating' }
    const isWaiting = isDeepStrictEqual(object, current) && (metadata.finalizers ?? []).length > 0
    if (!isWaiting) this.#keepOrRemove(resource, object)
  }

  podLog(): never {
    throw failure(501, 'NotImplemented', 'no logs')
  }

  async close(): Promise<void> {}

  #replace(resource: Resource, given: Loose, { subresource }: WriteOptions): Loose {
    const current = this.#find(resource, given.metadata.namespace ?? '', given.metadata.name)
    const { resourceVersion } = given.metadata
    if (resourceVersion && resourceVersion !== current.metadata.resourceVersion)
      throw failure(409, 'Conflict', 'the object has been modified')
    const metadata = { ...given.metadata, ...fixedMeta(current), generation: current.metadata.generation ?? 1 }
    const next: Loose =
      subresource === 'status'
        ? { ...current, status: given.status ?? {}, metadata }
        : { ...given, metadata, ...(current.status ? { status: current.status } : {}) }
    if (!subresource && !isDeepStrictEqual(next.spec, current.spec)) metadata.generation++
    if (isDeepStrictEqual(next, current)) return structuredClone(current)
    return this.#keepOrRemove(resource, next)
  }

  #bind<T extends KubernetesObject>(resource: Resource<T>, namespace: string, name: string, binding: Loose): Stored<T> {
    const pod = structuredClone(this.#find(resource, namespace, name))
    if (pod.spec?.['nodeName']) throw failure(409, 'Conflict', 'pod is already assigned')
    pod.spec = { ...pod.spec, nodeName: (binding['target'] as { name: string }).name }
    return this.#store(resource, 'MODIFIED', pod) as unknown as Stored<T>
  }

  /** An object that is being deleted goes when nothing holds it any more. */
  #keepOrRemove(resource: Resource, object: Loose): Loose {
    const { deletionTimestamp, finalizers = [], deletionGracePeriodSeconds = 0 } = object.metadata
    const held = resource.plural === 'namespaces' ? ((object.spec?.['finalizers'] as string[]) ?? []) : []
    if (deletionTimestamp && finalizers.length + held.length === 0 && deletionGracePeriodSeconds === 0)
      return this.#store(resource, 'DELETED', object)
    return this.#store(resource, 'MODIFIED', object)
  }

  #store(resource: Resource, type: Happening['type'], object: Loose): Loose {
    const stored = structuredClone(object)
    stored.metadata.resourceVersion = String(++this.#version)
    if (type === 'DELETED') this.#kind(resource).delete(keyOf(stored))
    else this.#kind(resource).set(keyOf(stored), stored)
    const happening = { plural: resource.plural, type, object: stored }
    this.#history.push(happening)
    this.onChange(happening)
    this.#wake()
    return structuredClone(stored)
  }

  #find(resource: Resource, namespace: string, name: string): Loose {
    const object = this.#kind(resource).get(namespace ? `${namespace}/${name}` : name)
    if (!object) throw failure(404, 'NotFound', `${resource.plural} "${name}" not found`)
    return object
  }

  #kind(resource: Resource): Map<string, Loose> {
    const kind = this.#objects.get(resource.plural) ?? new Map<string, Loose>()
    this.#objects.set(resource.plural, kind)
    return kind
  }

  #namespaceEnds(namespace: string): boolean {
    return this.#objects.get('namespaces')?.get(namespace)?.metadata.deletionTimestamp !== undefined
  }

  async #announce(verb: string, resource: Resource, name: string, { subresource }: WriteOptions): Promise<void> {
    await this.onWrite({ verb, resource: resource.plural, name, ...(subresource ? { subresource } : {}) })
  }

  #time(): string {
    return `${new Date(this.now()).toISOString().slice(0, 19)}Z`
  }

  #wake(): void {
    for (const wake of this.#wakes) wake()
    this.#wakes.clear()
  }
}

/** Only what controllers depend on. */
function applyDefaults(object: Loose): void {
  if (object.kind === 'Namespace') object.spec = { finalizers: ['kubernetes'], ...object.spec }
  if (object.kind === 'Pod') object.status = { phase: 'Pending', ...object.status }
  if (object.kind !== 'Job') return
  const labels = { 'batch.kubernetes.io/controller-uid': object.metadata.uid, 'batch.kubernetes.io/job-name': object.metadata.name }
  const template = object.spec?.['template'] as { metadata?: object }
  const spec = { parallelism: 1, completions: 1, backoffLimit: 6, ...object.spec }
  object.spec = {
    ...spec,
    selector: { matchLabels: { 'batch.kubernetes.io/controller-uid': object.metadata.uid } },
    template: { ...template, metadata: { ...template.metadata, labels } },
  }
}

function fixedMeta({ metadata }: Loose) {
  const { uid, creationTimestamp, deletionTimestamp, deletionGracePeriodSeconds, resourceVersion } = metadata
  return {
    uid,
    resourceVersion,
    ...(creationTimestamp ? { creationTimestamp } : {}),
    ...(deletionTimestamp ? { deletionTimestamp } : {}),
    ...(deletionGracePeriodSeconds === undefined ? {} : { deletionGracePeriodSeconds }),
  }
}

/** RFC 7386; a strategic one also merges conditions by their type. */
function merge(target: unknown, patch: unknown, isStrategic: boolean): unknown {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch)) return patch
  const result: Record<string, unknown> = typeof target === 'object' && target !== null ? { ...target } : {}
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) delete result[name]
    else if (isStrategic && name === 'conditions') result[name] = mergeConditions(result[name], value)
    else result[name] = merge(result[name], value, isStrategic)
  }
  return result
}

function mergeConditions(standing: unknown, given: unknown): unknown[] {
  const types = new Set((given as { type: string }[]).map(({ type }) => type))
  return [...((standing ?? []) as { type: string }[]).filter(({ type }) => !types.has(type)), ...(given as unknown[])]
}

function failure(code: number, reason: string, message: string): KubernetesError {
  return new KubernetesError({ code, reason, message })
}
