import { createHash } from 'node:crypto'
import { type FSWatcher, watch as watchFiles } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import type { Log } from '../log.ts'
import type { KubernetesApi, ObjectList, Selection, WatchEvent, WatchOptions, WriteOptions } from './api.ts'
import { KubernetesError } from './api.ts'
import { type Manifest, ManifestFolder } from './manifest-files.ts'
import { type KubernetesObject, keyOf, RESOURCES, type Resource, type Stored } from './objects.ts'
import { parseSelection } from './selectors.ts'

/**
 * Kubernetes out of a folder of YAML files, for a router without a cluster. What the files say is what stands; a change of a file is
 * seen within milliseconds. It is read-only: every write is refused with 405, but for Events and statuses, which nobody keeps.
 *
 * @param options.rescanMs how often the folder is looked at although no change was told, as network file systems tell none
 * @throws {Error} when the folder cannot be read at the start; later it keeps what it had
 */
export async function openManifests(
  directory: string,
  { log, rescanMs = 5000, quietMs = 10 }: { log: Log; rescanMs?: number; quietMs?: number },
): Promise<KubernetesApi> {
  const folder = new ManifestFolder(directory, log)
  const store = new ManifestStore(log)
  store.replace(await folder.scan())

  let quiet: NodeJS.Timeout | undefined
  let scanning = Promise.resolve()
  let touched = new Set<string>()
  const rescan = (names?: ReadonlySet<string>) => {
    scanning = scanning
      .then(async () => store.replace(await folder.scan(names)))
      .catch(error => log.error('manifest folder cannot be read', { directory, error: String(error) }))
  }
  const watcher = startWatcher(directory, log, name => {
    touched.add(name)
    clearTimeout(quiet)
    quiet = setTimeout(() => {
      // A mounted ConfigMap changes all its files by one link, `..data`.
      rescan([...touched].some(changed => changed.startsWith('..')) ? undefined : touched)
      touched = new Set()
    }, quietMs)
  })
  const safety = setInterval(() => rescan(), rescanMs)

  return {
    get: async (resource, namespace, name) => store.get(resource, namespace, name),
    list: async (resource, options = {}) => store.list(resource, options),
    watch: (resource, options) => store.watch(resource, options),
    create: async (resource, object) => dropped(resource, object),
    update: async (resource, object, options) => dropped(resource, object, options),
    patch: async (resource, namespace, name, _patch, options) =>
      options?.subresource === 'status' ? store.get(resource, namespace, name) : refuse(),
    delete: async () => refuse(),
    podLog: async () => refuse(),
    close: async () => {
      watcher?.close()
      clearTimeout(quiet)
      clearInterval(safety)
      await scanning
      store.close()
    },
  }
}

/** The objects, the last changes to them, and who waits for the next. */
class ManifestStore {
  readonly #log: Log
  readonly #objects = new Map<string, Map<string, Entry>>()
  readonly #wakes = new Set<() => void>()
  #changes: Change[] = []
  #version = 1
  #oldest = 1
  #closed = false

  constructor(log: Log) {
    this.#log = log
  }

  replace(manifests: readonly Manifest[]): void {
    const before = this.#version
    const seen = new Set<string>()
    for (const { resource, object } of manifests) {
      const key = keyOf(object)
      const id = `${resource.plural} ${key}`
      if (seen.has(id)) this.#log.warn('manifest object given twice, the first is used', { kind: resource.kind, key })
      else this.#put(resource, key, object)
      seen.add(id)
    }
    for (const [plural, objects] of this.#objects) {
      for (const [key, { object }] of objects) {
        if (seen.has(`${plural} ${key}`)) continue
        objects.delete(key)
        this.#record(plural, undefined, object)
      }
    }
    if (this.#changes.length > CHANGES_MAX) {
      this.#changes = this.#changes.slice(-CHANGES_MAX / 2)
      this.#oldest = (this.#changes[0]?.version ?? this.#version) - 1
    }
    if (this.#version !== before) for (const wake of this.#wakes) wake()
  }

  get<T extends KubernetesObject>(resource: Resource<T>, namespace: string, name: string): Stored<T> {
    const found = this.#objects.get(resource.plural)?.get(namespace ? `${namespace}/${name}` : name)
    if (found) return structuredClone(found.object) as Stored<T>
    throw new KubernetesError({ code: 404, reason: 'NotFound', message: `${resource.plural} "${name}" not found` })
  }

  list<T extends KubernetesObject>(resource: Resource<T>, selection: Selection): ObjectList<T> {
    const matches = parseSelection(selection)
    const objects = Array.from(this.#objects.get(resource.plural)?.values() ?? [], entry => entry.object)
    return { items: structuredClone(objects.filter(matches)) as Stored<T>[], resourceVersion: String(this.#version) }
  }

  async *watch<T extends KubernetesObject>(resource: Resource<T>, options: WatchOptions): AsyncGenerator<WatchEvent<T>> {
    const matches = parseSelection(options)
    const event = (type: WatchEvent<T>['type'], object: Stored) => ({ type, object: structuredClone(object) as Stored<T> })
    const deadline = options.timeoutSeconds === undefined ? undefined : AbortSignal.timeout(options.timeoutSeconds * 1000)
    const ends = AbortSignal.any([options.signal, deadline].filter(signal => signal !== undefined))
    let version = Number(options.resourceVersion ?? 0)
    if (options.sendInitialEvents || version === 0) {
      const standing = this.list(resource, options)
      version = Number(standing.resourceVersion)
      for (const object of standing.items) yield event('ADDED', object)
      if (options.sendInitialEvents) yield bookmark(version, { 'k8s.io/initial-events-end': 'true' })
    }
    while (!ends.aborted && !this.#closed) {
      if (version < this.#oldest || version > this.#version) throw expired(version)
      const first = this.#changes.findIndex(change => change.version > version)
      const changes = first < 0 ? [] : this.#changes.slice(first)
      for (const { plural, version: at, object, previous } of changes) {
        version = at
        if (plural !== resource.plural) continue
        const isIn = object !== undefined && matches(object)
        const wasIn = previous !== undefined && matches(previous)
        if (isIn) yield event(wasIn ? 'MODIFIED' : 'ADDED', object)
        else if (wasIn) yield event('DELETED', { ...previous, metadata: { ...previous.metadata, resourceVersion: String(at) } })
      }
      if (changes.length === 0 && (await this.#change(ends))) yield bookmark(version)
    }
  }

  close(): void {
    this.#closed = true
    for (const wake of this.#wakes) wake()
  }

  #put(resource: Resource, key: string, object: KubernetesObject): void {
    let objects = this.#objects.get(resource.plural)
    if (!objects) this.#objects.set(resource.plural, (objects = new Map()))
    const known = objects.get(key)
    // A file that was not read again gives the very same objects: most of them, at each change.
    if (known && (known.source === object || isDeepStrictEqual(known.source, object))) return
    const stored = stamp(object, `${resource.plural} ${key}`, this.#version + 1)
    objects.set(key, { source: object, object: stored })
    this.#record(resource.plural, stored, known?.object)
  }

  #record(plural: string, object: Stored | undefined, previous: Stored | undefined): void {
    this.#changes.push({ plural, version: ++this.#version, object, previous })
  }

  /** Waits for a change or the end. @returns whether a bookmark is due instead */
  #change(signal: AbortSignal): Promise<boolean> {
    return new Promise(resolve => {
      const finish = (isBookmarkDue: boolean) => {
        this.#wakes.delete(wake)
        clearTimeout(bookmarkDue)
        signal.removeEventListener('abort', wake)
        resolve(isBookmarkDue)
      }
      const wake = () => finish(false)
      const bookmarkDue = setTimeout(finish, BOOKMARK_MS, true)
      this.#wakes.add(wake)
      signal.addEventListener('abort', wake)
      if (signal.aborted || this.#closed) wake()
    })
  }
}

/** `source`: as the file says it. */
interface Entry {
  readonly source: KubernetesObject
  readonly object: Stored
}

interface Change {
  readonly plural: string
  readonly version: number
  readonly object: Stored | undefined
  readonly previous: Stored | undefined
}

// As often as a real API server: a watch that is silent for longer is taken for dead.
const BOOKMARK_MS = 60_000

// A watcher that is further behind is told 410 and lists again.
const CHANGES_MAX = 20_000

/** Calls with the name of each file that may have changed; `..` where the system does not say. */
function startWatcher(directory: string, log: Log, onChange: (name: string) => void): FSWatcher | undefined {
  try {
    const watcher = watchFiles(directory, (_, name) => onChange(name ?? '..'))
    watcher.on('error', error => log.warn('manifest folder is no longer watched', { directory, error: String(error) }))
    return watcher
  } catch (error) {
    log.warn('manifest folder cannot be watched, it is looked at now and then', { directory, error: String(error) })
    return undefined
  }
}

/** The same uid for the same object after every start, in the form of a UUID. */
function stamp(object: KubernetesObject, id: string, version: number): Stored {
  const uid = createHash('sha256').update(id).digest('hex').slice(0, 32)
  const dashed = uid.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
  return { ...object, metadata: { uid: dashed, ...object.metadata, name: object.metadata?.name ?? '', resourceVersion: String(version) } }
}

function bookmark<T extends KubernetesObject>(version: number, annotations: Record<string, string> = {}): WatchEvent<T> {
  const metadata = { name: '', uid: '', resourceVersion: String(version), annotations }
  return { type: 'BOOKMARK', object: { metadata } as Stored<T> }
}

function expired(version: number): KubernetesError {
  return new KubernetesError({ code: 410, reason: 'Expired', message: `Cannot watch from resource version ${version}: list again` })
}

function dropped<T extends KubernetesObject>(resource: Resource<T>, object: T, options?: WriteOptions): Stored<T> {
  if (resource.plural !== RESOURCES.events.plural && options?.subresource !== 'status') return refuse()
  return { ...object, metadata: { uid: '', resourceVersion: '0', ...object.metadata, name: object.metadata?.name ?? '' } }
}

function refuse(): never {
  throw new KubernetesError({ code: 405, reason: 'MethodNotAllowed', message: 'Cannot write: a folder of manifests is read-only' })
}
