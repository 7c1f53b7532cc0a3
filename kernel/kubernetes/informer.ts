import { setImmediate as nextTurn } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { Backoff, delay } from '../backoff.ts'
import type { Log } from '../log.ts'
import { isStatus, type KubernetesApi, KubernetesError, listPages, retryAfterMs, type Selection, type WatchEvent } from './api.ts'
import { type KubernetesObject, keyOf, type Resource, type Stored } from './objects.ts'

/** A change of one object: `object` is absent when it has gone, `previous` when it is new. */
export type ChangeHandler<T extends KubernetesObject> = (
  key: string,
  object: Stored<T> | undefined,
  previous: Stored<T> | undefined,
) => void

export interface InformerOptions<T extends KubernetesObject> {
  readonly log: Log
  readonly selection?: Selection
  readonly onChange?: ChangeHandler<T>
  /** What of an object is kept: a copy of ten thousand objects should not hold what nobody reads. All of it by default. */
  readonly prune?: (object: Stored<T>) => Stored<T>
  /** How long a watch may say nothing before it is taken for dead; bookmarks come each minute. 90 s by default. */
  readonly silenceMs?: number
  /** Waits between tries; 50 ms to 5 s by default. */
  readonly backoff?: Backoff
}

/**
 * Events a turn of the event loop. Of a burst the system hands over two megabytes at a time, which is a tenth of a second and more for whoever
 * waits for this process meanwhile; a pause lets back-pressure reach the server, and these take a few milliseconds.
 */
const TURN_EVENTS = 50

/** How long the server is asked to keep one watch; each is drawn between this and its double, so that they do not end together. */
const WATCH_TIMEOUT_SECONDS = 240

/** A watch that lived this long was one; whoever ends them sooner is asked ever more slowly. */
const WATCH_MS_MIN = 1000

/**
 * A copy of all objects of one kind that is always whole: the first list fills it, a watch keeps it true, and whatever cuts the watch
 * (an end, a reset, silence, a 410) leads to a resumed watch or to a new list whose difference is told as changes, deletions included.
 * While the API server is away the last state stays; one that comes back with an earlier state is followed there.
 */
export class Informer<T extends KubernetesObject> {
  /** Resolves after the first whole list. */
  readonly synced: Promise<void>
  readonly #api: KubernetesApi
  readonly #resource: Resource<T>
  readonly #options: InformerOptions<T>
  readonly #log: Log
  readonly #store = new Map<string, Stored<T>>()
  readonly #handlers = new Set<ChangeHandler<T>>()
  readonly #waiting = new Set<() => void>()
  readonly #stop = new AbortController()
  readonly #backoff: Backoff
  readonly #done: Promise<void>
  #resourceVersion: string | undefined
  /** Whether the server may be another than that of {@link #resourceVersion}: a watch ended before its time. */
  #isDoubtful = false
  /** Watches in a row that said nothing until they were taken for dead. */
  #silences = 0
  #heardAt = performance.now()
  /** Of the watch that runs: its beginning, or its last event. */
  #eventAt = 0
  #isSynced = false
  #isAway = false
  #onSynced: () => void = () => {}

  constructor(api: KubernetesApi, resource: Resource<T>, options: InformerOptions<T>) {
    this.#api = api
    this.#resource = resource
    this.#options = options
    this.#log = options.log.child({ resource: resource.plural })
    this.#backoff = options.backoff ?? new Backoff({ minMs: 50, maxMs: 5_000 })
    if (options.onChange) this.#handlers.add(options.onChange)
    this.synced = new Promise(resolve => (this.#onSynced = resolve))
    this.#done = this.#run()
  }

  /** @param key `namespace/name`, or the name of a cluster-wide object */
  get(key: string): Stored<T> | undefined {
    return this.#store.get(key)
  }

  /** All objects, in no order. */
  list(): Stored<T>[] {
    return [...this.#store.values()]
  }

  get size(): number {
    return this.#store.size
  }

  get isSynced(): boolean {
    return this.#isSynced
  }

  /** How long ago the API server was last heard of, in milliseconds. */
  ageMs(): number {
    return performance.now() - this.#heardAt
  }

  /** Calls the handler for every object that stands and for each later change; returns what ends that. */
  subscribe(handler: ChangeHandler<T>): () => void {
    this.#handlers.add(handler)
    for (const [key, object] of this.#store) this.#tell(handler, key, object, undefined)
    return () => void this.#handlers.delete(handler)
  }

  /**
   * Waits until the copy satisfies a condition, which is asked again after each change: so one reads one's own writes.
   *
   * @throws the signal's reason when it fires first
   */
  async until(condition: () => boolean, signal?: AbortSignal): Promise<void> {
    if (condition()) return
    signal?.throwIfAborted()
    await new Promise<void>((resolve, reject) => {
      const ask = () => {
        if (!condition()) return
        this.#waiting.delete(ask)
        signal?.removeEventListener('abort', give)
        resolve()
      }
      const give = () => {
        this.#waiting.delete(ask)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', give, { once: true })
      this.#waiting.add(ask)
    })
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    await this.#done
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    while (!signal.aborted) {
      try {
        if (this.#isDoubtful && this.#resourceVersion !== undefined) await this.#compareVersions(this.#resourceVersion)
        if (this.#resourceVersion === undefined) await this.#relist()
        await this.#follow()
      } catch (error) {
        if (signal.aborted) return
        if (isLost(error)) {
          this.#log.debug('watch expired', { error: (error as Error).message })
          this.#resourceVersion = undefined
        } else this.#complain(error)
        await delay(Math.max(this.#backoff.next(), retryAfterMs(error)), signal)
      }
    }
  }

  async #relist(): Promise<void> {
    const found = new Map<string, Stored<T>>()
    let resourceVersion: string | undefined
    for await (const page of listPages(this.#api, this.#resource, { ...this.#options.selection, signal: this.#stop.signal })) {
      this.#heard()
      // Pruned page by page, and what has not changed is what stands already: a list of a large cluster is never held twice. The version
      // does not tell: a server that was put back to an earlier state gives the same ones to other contents.
      for (const item of page.items) {
        const key = keyOf(item)
        const known = this.#store.get(key)
        const next = this.#prune(key, item)
        found.set(key, isDeepStrictEqual(known, next) ? (known as Stored<T>) : next)
      }
      resourceVersion = page.resourceVersion
    }
    for (const key of [...this.#store.keys()]) if (!found.has(key)) this.#apply(key, undefined)
    for (const [key, object] of found) if (this.#store.get(key) !== object) this.#apply(key, object)
    this.#resourceVersion = resourceVersion
    if (!this.#isSynced) {
      this.#isSynced = true
      this.#onSynced()
    }
    this.#wake()
  }

  /**
   * A server that was put back to an earlier state may take a watch from a later one, and say nothing until it has come so far again: so a
   * list of one object tells where it stands.
   */
  async #compareVersions(ours: string): Promise<void> {
    const { selection } = this.#options
    const { resourceVersion } = await this.#api.list(this.#resource, { ...selection, limit: 1, signal: this.#stop.signal })
    this.#heard()
    if (isEarlier(resourceVersion, ours)) this.#resourceVersion = undefined
  }

  /** Watches once, until the server ends it in good order. */
  async #follow(): Promise<void> {
    const silence = new AbortController()
    const stopped = AbortSignal.any([this.#stop.signal, silence.signal])
    const silenceMs = this.#options.silenceMs ?? 90_000
    // It asks when it was last heard of, rather than being put off by each event.
    const look = () => {
      const restMs = silenceMs - (performance.now() - this.#eventAt)
      if (restMs > 0) watchdog = setTimeout(look, Math.ceil(restMs))
      else silence.abort(new Error(`Cannot hear the watch: silent for ${silenceMs} ms`))
    }
    const timeoutSeconds = Math.round(WATCH_TIMEOUT_SECONDS * (1 + Math.random()))
    const began = performance.now()
    let isShort = true
    this.#isDoubtful = true
    this.#eventAt = began
    let watchdog = setTimeout(look, silenceMs)
    try {
      const events = this.#api.watch(this.#resource, {
        ...this.#options.selection,
        resourceVersion: this.#resourceVersion!,
        timeoutSeconds,
        signal: stopped,
      })
      let count = 0
      for await (const event of events) {
        this.#take(event)
        if (++count % TURN_EVENTS === 0) await nextTurn()
      }
      this.#heard()
      this.#isDoubtful = performance.now() - began < timeoutSeconds * 1000
    } catch (error) {
      if (!silence.signal.aborted) throw error
      // One that was put back to an earlier state says nothing to who asks for what comes after a later one.
      if (++this.#silences > 1) this.#resourceVersion = undefined
      throw silence.signal.reason
    } finally {
      clearTimeout(watchdog)
      isShort = performance.now() - began < WATCH_MS_MIN
      if (!isShort) this.#backoff.reset()
    }
    // A server that ends every watch at once, even with an event, must not be asked in a tight loop.
    if (isShort) await delay(this.#backoff.next(), this.#stop.signal)
  }

  #take({ type, object }: WatchEvent<T>): void {
    this.#heard()
    this.#eventAt = this.#heardAt
    this.#silences = 0
    if (isEarlier(object.metadata.resourceVersion, this.#resourceVersion!))
      throw new KubernetesError({ code: 410, reason: 'Expired', message: 'The API server was put back to an earlier state' })
    if (type !== 'BOOKMARK') {
      const key = keyOf(object)
      this.#apply(key, type === 'DELETED' ? undefined : this.#prune(key, object))
    }
    this.#resourceVersion = object.metadata.resourceVersion
    if (type !== 'BOOKMARK') this.#wake()
  }

  /** An object of another shape than its kind's is kept whole, for its readers to judge; it must not stop the watch of all others. */
  #prune(key: string, object: Stored<T>): Stored<T> {
    try {
      return this.#options.prune?.(object) ?? object
    } catch (error) {
      this.#log.debug('object is of another shape', { key, error: (error as Error).message })
      return object
    }
  }

  #apply(key: string, object: Stored<T> | undefined): void {
    const previous = this.#store.get(key)
    if (object) this.#store.set(key, object)
    else if (!this.#store.delete(key)) return
    for (const handler of this.#handlers) this.#tell(handler, key, object, previous)
  }

  /** A handler that throws costs neither the others nor the watch. */
  #tell(handler: ChangeHandler<T>, key: string, object: Stored<T> | undefined, previous: Stored<T> | undefined): void {
    try {
      handler(key, object, previous)
    } catch (error) {
      this.#log.error('change handler failed', { key, error })
    }
  }

  #heard(): void {
    this.#heardAt = performance.now()
    if (this.#isAway) this.#log.info('API server is back')
    this.#isAway = false
  }

  /** The first failure of an outage is for the operator, the tries that follow are not. */
  #complain(error: unknown): void {
    const fields = { error: (error as Error).message }
    if (this.#isAway) this.#log.debug('watch failed', fields)
    else this.#log.warn('watch failed, trying on', fields)
    this.#isAway = true
  }

  #wake(): void {
    for (const ask of this.#waiting) ask()
  }
}

/** Starts an {@link Informer}; await its `synced` before reading. */
export function startInformer<T extends KubernetesObject>(
  api: KubernetesApi,
  resource: Resource<T>,
  options: InformerOptions<T>,
): Informer<T> {
  return new Informer(api, resource, options)
}

/** The version to resume from is of no use: too old (410), or of a server that was put back to an earlier state (400, 504). */
function isLost(error: unknown): boolean {
  return isStatus(error, 410, 400) || (isStatus(error, 504) && /resource version/i.test(error.message))
}

/** Versions are numbers without leading zeros, however long; of any other text nothing is known. */
function isEarlier(version: string, than: string): boolean {
  if (version.length > than.length || (version.length === than.length && version >= than)) return false
  return /^\d+$/.test(version) && /^\d+$/.test(than)
}
