import type { KubernetesObject, Resource, Stored } from './objects.ts'

/** Which objects a list or a watch covers. Selectors are in the API's own text form, `a=b,c in (d,e),!f`. */
export interface Selection {
  /** Absent: all namespaces. */
  readonly namespace?: string
  readonly labelSelector?: string
  readonly fieldSelector?: string
}

export interface ListOptions extends Selection {
  readonly limit?: number
  /** The `metadata.continue` of the page before. */
  readonly continue?: string
  readonly signal?: AbortSignal
}

/** One page. `resourceVersion` is that of the whole list: a watch from it misses nothing. */
export interface ObjectList<T extends KubernetesObject> {
  readonly items: Stored<T>[]
  readonly resourceVersion: string
  readonly continue?: string
}

export interface WatchOptions extends Selection {
  /** Changes after this version; what a list or an earlier event gave. */
  readonly resourceVersion?: string
  /** The API server first sends what stands, then a bookmark with the annotation `k8s.io/initial-events-end`. */
  readonly sendInitialEvents?: boolean
  /** How long the server keeps the watch open before it ends it in good order. */
  readonly timeoutSeconds?: number
  readonly signal?: AbortSignal
}

/** A `BOOKMARK`'s object holds nothing but its `metadata.resourceVersion` (and annotations). */
export interface WatchEvent<T extends KubernetesObject> {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'BOOKMARK'
  readonly object: Stored<T>
}

export interface WriteOptions {
  /** Who writes, as it stands in `managedFields`. */
  readonly fieldManager?: string
  readonly dryRun?: boolean
  /** `binding` (of a pod) is created, `finalize` (of a namespace) is updated; the object then is of the subresource's own shape. */
  readonly subresource?: 'status' | 'scale' | 'binding' | 'finalize'
  readonly signal?: AbortSignal
}

export interface DeleteOptions {
  readonly gracePeriodSeconds?: number
  readonly propagationPolicy?: 'Background' | 'Foreground' | 'Orphan'
  /** The delete fails with 409 unless the object still is this one. */
  readonly preconditions?: { readonly uid?: string; readonly resourceVersion?: string }
  readonly signal?: AbortSignal
}

/** `merge` is RFC 7386, `json` RFC 6902, `strategic` the merge that knows the lists of built-in kinds, `apply` server-side apply. */
export type Patch =
  | { readonly type: 'merge' | 'strategic'; readonly body: unknown }
  | { readonly type: 'json'; readonly body: readonly JsonPatchOperation[] }
  | { readonly type: 'apply'; readonly body: unknown; readonly force?: boolean }

export interface JsonPatchOperation {
  readonly op: 'add' | 'remove' | 'replace' | 'move' | 'copy' | 'test'
  readonly path: string
  readonly from?: string
  readonly value?: unknown
}

export interface PodLogOptions {
  readonly container?: string
  readonly follow?: boolean
  readonly previous?: boolean
  readonly tailLines?: number
  readonly sinceTime?: string
  readonly timestamps?: boolean
  readonly limitBytes?: number
  readonly signal?: AbortSignal
}

/**
 * The port through which every role sees Kubernetes: a cluster, the emulator of embedded mode or a folder of manifests.
 *
 * `namespace` is `''` for cluster-wide kinds. Every method throws {@link KubernetesError} for an answer of the API server and
 * the transport's own error when none came.
 */
export interface KubernetesApi {
  get<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    options?: { signal?: AbortSignal },
  ): Promise<Stored<T>>
  /** One page; {@link listAll} gathers them. */
  list<T extends KubernetesObject>(resource: Resource<T>, options?: ListOptions): Promise<ObjectList<T>>
  /** Ends when the server ends it; throws a {@link KubernetesError} with code 410 when `resourceVersion` is too old. */
  watch<T extends KubernetesObject>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>>
  /** The namespace is that of the object's `metadata`. */
  create<T extends KubernetesObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<Stored<T>>
  /** Replaces the object; 409 when its `metadata.resourceVersion` is given and no longer the newest. */
  update<T extends KubernetesObject>(resource: Resource<T>, object: T, options?: WriteOptions): Promise<Stored<T>>
  patch<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    patch: Patch,
    options?: WriteOptions,
  ): Promise<Stored<T>>
  delete<T extends KubernetesObject>(resource: Resource<T>, namespace: string, name: string, options?: DeleteOptions): Promise<void>
  /** Raw bytes as the container wrote them, oldest first; with `follow` until the container ends or the signal fires. */
  podLog(namespace: string, name: string, options?: PodLogOptions): Promise<AsyncIterable<Uint8Array>>
  close(): Promise<void>
}

/** What the API server answers instead of an object: `Status` of kind `Failure`. */
export interface FailureStatus {
  readonly code: number
  readonly reason: string
  readonly message: string
  readonly details?: {
    readonly causes?: readonly { reason?: string; message?: string; field?: string }[]
    readonly retryAfterSeconds?: number
  }
}

/** An answer of the API server that is no success. Transport failures are not of this class. */
export class KubernetesError extends Error {
  override readonly name = 'KubernetesError'
  /** The HTTP status. */
  readonly code: number
  /** `NotFound`, `AlreadyExists`, `Conflict`, `Invalid`, `Expired` … */
  readonly reason: string
  readonly status: FailureStatus

  constructor(status: FailureStatus) {
    super(status.message)
    this.code = status.code
    this.reason = status.reason
    this.status = status
  }
}

/** True for an answer of the API server with one of these HTTP statuses. */
export function isStatus(error: unknown, ...codes: number[]): error is KubernetesError {
  return error instanceof KubernetesError && codes.includes(error.code)
}

/** The longest that a server may ask for with Retry-After. */
const RETRY_AFTER_MS_MAX = 60_000

/** How long the API server wants to be left alone (429, 503), in milliseconds; 0 where it does not say. */
export function retryAfterMs(error: unknown): number {
  const seconds = error instanceof KubernetesError ? Number(error.status.details?.retryAfterSeconds) : 0
  return seconds > 0 ? Math.min(seconds * 1000, RETRY_AFTER_MS_MAX) : 0
}

/** Gathers all pages of a list. @param pageSize objects a page; 500 is what `kubectl` asks for */
export async function listAll<T extends KubernetesObject>(
  api: Pick<KubernetesApi, 'list'>,
  resource: Resource<T>,
  options: ListOptions = {},
  pageSize = 500,
): Promise<ObjectList<T>> {
  const items: Stored<T>[] = []
  let resourceVersion = ''
  for await (const page of listPages(api, resource, options, pageSize)) {
    items.push(...page.items)
    resourceVersion = page.resourceVersion
  }
  return { items, resourceVersion }
}

/**
 * The pages of a list, one at a time and each asked for when the one before has been used: all are of one moment.
 *
 * @param pageSize 100: what is done with a page holds up whatever else the process does, and it is held in memory as text and as objects
 */
export async function* listPages<T extends KubernetesObject>(
  api: Pick<KubernetesApi, 'list'>,
  resource: Resource<T>,
  options: ListOptions = {},
  pageSize = 100,
): AsyncGenerator<ObjectList<T>> {
  let from: string | undefined
  do {
    const page = await api.list(resource, { limit: pageSize, ...options, ...(from && { continue: from }) })
    yield page
    from = page.continue
  } while (from)
}

/** Reads one object, or `undefined` where there is none. */
export async function find<T extends KubernetesObject>(
  api: Pick<KubernetesApi, 'get'>,
  resource: Resource<T>,
  namespace: string,
  name: string,
): Promise<Stored<T> | undefined> {
  try {
    return await api.get(resource, namespace, name)
  } catch (error) {
    if (isStatus(error, 404)) return undefined
    throw error
  }
}

/** Deletes one object; one that has gone already is no error. */
export async function remove(
  api: Pick<KubernetesApi, 'delete'>,
  resource: Resource,
  namespace: string,
  name: string,
  options?: DeleteOptions,
): Promise<void> {
  try {
    await api.delete(resource, namespace, name, options)
  } catch (error) {
    if (!isStatus(error, 404)) throw error
  }
}

/**
 * Reads, changes and writes one object until no other writer comes between.
 *
 * @param change gets a private copy; returns what to write, or `undefined` to leave the object as it is
 * @throws the last 409 after ten attempts
 */
export async function modify<T extends KubernetesObject>(
  api: Pick<KubernetesApi, 'get' | 'update'>,
  resource: Resource<T>,
  namespace: string,
  name: string,
  change: (object: Stored<T>) => T | undefined,
  options?: WriteOptions,
): Promise<Stored<T>> {
  for (let attempt = 1; ; attempt++) {
    const object = await api.get(resource, namespace, name)
    const changed = change(structuredClone(object))
    if (!changed) return object
    try {
      return await api.update(resource, changed, options)
    } catch (error) {
      if (!isStatus(error, 409) || attempt === 10) throw error
    }
  }
}
