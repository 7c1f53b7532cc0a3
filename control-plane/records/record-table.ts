import { isStatus, type KubernetesApi, KubernetesError, remove } from '../../kernel/kubernetes/api.ts'
import type { Informer } from '../../kernel/kubernetes/informer.ts'
import { type KubernetesObject, keyOf, type Resource, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import { Refusal } from '../domain/refusal.ts'

/** The label whose value is the kind of a record. Informers select by it. */
export const RECORD_LABEL = 'drycc.cc/record'

/** How one kind of record is kept in one kind of object. */
export interface RecordKind<T extends KubernetesObject, R> {
  readonly kind: string
  readonly resource: Resource<T>
  /** Throws for an object that is none of ours; it is logged and left out. */
  parse(object: Stored<T>): R
}

/** Told of every change; `record` is absent when it has gone, `previous` when it is new. */
export type RecordHandler<R> = (record: R | undefined, previous: R | undefined) => void

// A write that the watch does not bring back within this time has most likely been followed by another; the next read is live enough.
const SEEN_TIMEOUT_MS = 10_000
const ATTEMPTS_MAX = 12

/**
 * All records of one kind, parsed once a change, read from memory. A write returns only when this copy holds it, so that whoever writes
 * reads his own writes.
 */
export class RecordTable<T extends KubernetesObject, R extends object> {
  readonly #api: KubernetesApi
  readonly #informer: Informer<T>
  readonly #kind: RecordKind<T, R>
  readonly #records = new Map<string, R>()

  constructor(api: KubernetesApi, informer: Informer<T>, kind: RecordKind<T, R>, log: Log, onChange: RecordHandler<R> = () => {}) {
    this.#api = api
    this.#informer = informer
    this.#kind = kind
    informer.subscribe((key, object, previous) => {
      if ((object ?? previous)?.metadata.labels?.[RECORD_LABEL] !== kind.kind) return
      const before = this.#records.get(key)
      let after: R | undefined
      try {
        after = object && kind.parse(object)
      } catch (error) {
        log.error('record is malformed', { kind: kind.kind, key, error })
      }
      if (after) this.#records.set(key, after)
      else this.#records.delete(key)
      onChange(after, before)
    })
  }

  get(namespace: string, name: string): R | undefined {
    return this.#records.get(`${namespace}/${name}`)
  }

  get size(): number {
    return this.#records.size
  }

  list(): R[] {
    return [...this.#records.values()]
  }

  /** Creates the object, which claims its name. @throws {KubernetesError} 409 when somebody has it */
  async create(object: T): Promise<R> {
    const created = await this.#api.create(this.#kind.resource, object)
    await this.#seen(created)
    return this.#kind.parse(created)
  }

  /**
   * Changes a record; when another writer comes between, `change` is asked again with what he wrote.
   *
   * @param change returns the object to write, made from its copy of what stands, or `undefined` to leave it
   * @throws {KubernetesError} 404 when there is none
   */
  async modify(namespace: string, name: string, change: (record: R, object: Stored<T>) => T | undefined): Promise<R> {
    for (let attempt = 1; ; attempt++) {
      // The copy in memory saves a call; after a conflict it has proved stale.
      const known = attempt === 1 ? this.#informer.get(`${namespace}/${name}`) : undefined
      const current = known ?? (await this.#api.get(this.#kind.resource, namespace, name))
      const changed = change(this.#kind.parse(current), structuredClone(current))
      if (!changed) return this.#kind.parse(current)
      try {
        const written = await this.#api.update(this.#kind.resource, changed)
        await this.#seen(written)
        return this.#kind.parse(written)
      } catch (error) {
        if (!isStatus(error, 409) || attempt === ATTEMPTS_MAX) throw error
      }
    }
  }

  /** Deletes a record and waits until it is seen to have gone; none is no error. */
  async remove(namespace: string, name: string): Promise<void> {
    const key = `${namespace}/${name}`
    const uid = this.#informer.get(key)?.metadata.uid
    await remove(this.#api, this.#kind.resource, namespace, name)
    await this.#until(() => uid === undefined || this.#informer.get(key)?.metadata.uid !== uid)
  }

  /** Reads one record from the API server itself. */
  async read(namespace: string, name: string): Promise<R | undefined> {
    try {
      return this.#kind.parse(await this.#api.get(this.#kind.resource, namespace, name))
    } catch (error) {
      if (isStatus(error, 404)) return undefined
      throw error
    }
  }

  async #seen(written: Stored<T>): Promise<void> {
    const key = keyOf(written)
    await this.#until(() => {
      const known = this.#informer.get(key)
      return known !== undefined && isAtLeast(known.metadata.resourceVersion, written.metadata.resourceVersion)
    })
  }

  async #until(condition: () => boolean): Promise<void> {
    const timeout = AbortSignal.timeout(SEEN_TIMEOUT_MS)
    await this.#informer.until(condition, timeout).catch((error: unknown) => {
      if (!timeout.aborted) throw error
    })
  }
}

/** Makes the base64 that a Secret keeps its values in. */
export function encode(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString('base64')
}

/** Reads what {@link encode} made. @throws when it is not there or no JSON */
export function decode<V>(text: string | undefined): V {
  if (text === undefined) throw new Error('Cannot read record: it is empty')
  return JSON.parse(Buffer.from(text, 'base64').toString()) as V
}

// Kubernetes refuses a Secret of more than 1 MiB; the rest of the object needs room as well.
const RECORD_BYTES_MAX = 1_000_000

/**
 * Checks before any write that a record fits into its object.
 *
 * @throws {Refusal} 400
 */
export function checkRecordSize(what: string, value: unknown): void {
  const bytes = Buffer.byteLength(JSON.stringify(value))
  if (bytes > RECORD_BYTES_MAX) throw new Refusal(400, { detail: `${what} takes ${bytes} bytes, at most ${RECORD_BYTES_MAX} can be kept` })
}

/** Versions grow and are numbers (Kubernetes says so since 1.35), longer than a JavaScript number may be. */
function isAtLeast(version: string, least: string): boolean {
  return BigInt(version) >= BigInt(least)
}

/** True for the 409 of a create: the name is taken. */
export function isTaken(error: unknown): boolean {
  return error instanceof KubernetesError && error.code === 409 && error.reason === 'AlreadyExists'
}
