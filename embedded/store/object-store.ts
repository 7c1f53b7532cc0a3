import { openRevisionLog, type RevisionLog, type RevisionRow } from './revision-log.ts'
import { SortedKeys } from './sorted-keys.ts'

/** `metadata` as it is kept: JSON, so times are text. */
export interface StoredMetadata {
  name: string
  namespace?: string
  generateName?: string
  uid: string
  resourceVersion: string
  generation?: number
  creationTimestamp: string
  deletionTimestamp?: string
  deletionGracePeriodSeconds?: number
  labels?: Record<string, string>
  annotations?: Record<string, string>
  finalizers?: string[]
  ownerReferences?: { apiVersion: string; kind: string; name: string; uid: string; controller?: boolean; blockOwnerDeletion?: boolean }[]
  managedFields?: object[]
}

/** An object of any kind. */
export interface StoredObject {
  [field: string]: unknown
  metadata: StoredMetadata
}

/** One state of one object. Nobody changes it; the next write makes another. */
export interface Revision {
  /** `namespace/name` or `name`. */
  readonly key: string
  /** The resourceVersion as a number. */
  readonly version: number
  readonly object: StoredObject
  /** The object as JSON: written once, sent many times. */
  readonly json: string
}

/** A change of one object. `previous` is absent for ADDED; for DELETED `revision` is the last state under the version of the delete. */
export interface Change {
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED'
  readonly resource: string
  readonly revision: Revision
  readonly previous?: Revision
}

/** The history does not reach back to the version asked for (HTTP 410). */
export class ExpiredError extends Error {
  override readonly name = 'ExpiredError'
}

interface Table {
  readonly live: Map<string, Revision>
  readonly keys: SortedKeys
  readonly listeners: Set<(changes: readonly Change[]) => void>
}

export interface StoreOptions {
  /** An SQLite file, or `:memory:`. */
  readonly path: string
  /** How many changes a watch can go back over. */
  readonly historyMax?: number
  /** How much JSON the changes may hold; a few large objects that change often must not fill the memory. */
  readonly historyBytesMax?: number
  /** Instead of the file, for tests of a disk that fails. */
  readonly log?: RevisionLog
}

/** A fifth more than a limit before anything is cut, so that cutting is rare. */
const SLACK = 1.2

/**
 * Every object of the API server, and the changes that led there.
 *
 * All of it stands in memory; what is read never touches the disk. A write is seen by the next read at once, is on disk when
 * {@link settled} resolves, and reaches the listeners then: a watcher is never told of something that a crash could take back.
 * Writes of one turn of the event loop share one transaction.
 */
export class ObjectStore {
  readonly #log: RevisionLog
  readonly #tables = new Map<string, Table>()
  readonly #historyMax: number
  readonly #historyBytesMax: number
  #history: Change[] = []
  #historyBytes = 0
  /** Versions up to this one have left the history. */
  #floor = 0
  #version = 0
  #pending: Change[] = []
  #commit: Promise<void> | undefined
  /** Why the writes of this turn were taken back. */
  #failure: unknown

  constructor(options: StoreOptions) {
    this.#log = options.log ?? openRevisionLog(options.path)
    // 20,000 changes: 1,000 apps started at once with all their objects, and about 60 MB.
    this.#historyMax = options.historyMax ?? 20_000
    this.#historyBytesMax = options.historyBytesMax ?? 128 * 1024 * 1024
    this.#load()
  }

  /** The version of the newest write; the resourceVersion of a list made now. */
  get version(): number {
    return this.#version
  }

  get(resource: string, key: string): Revision | undefined {
    return this.#table(resource).live.get(key)
  }

  count(resource: string): number {
    return this.#table(resource).live.size
  }

  /** What stands now, in key order. @param prefix `namespace/` or `''` */
  *list(resource: string, prefix = '', after = ''): IterableIterator<Revision> {
    const { live, keys } = this.#table(resource)
    for (const key of keys.range(prefix, after)) {
      const revision = live.get(key)
      if (revision) yield revision
    }
  }

  /** What stood at a version, in key order. @throws {ExpiredError} */
  listAt(resource: string, version: number, prefix = '', after = ''): Revision[] {
    if (version >= this.#version) return [...this.list(resource, prefix, after)]
    if (version < this.#floor) throw new ExpiredError(`Version ${version} has left the history, which starts at ${this.#floor}`)
    const state = new Map<string, Revision>()
    for (const revision of this.list(resource, prefix, after)) state.set(revision.key, revision)
    for (let index = this.#history.length - 1; index >= 0; index--) {
      const change = this.#history[index]!
      if (change.revision.version <= version) break
      const { key } = change.revision
      if (change.resource !== resource || !key.startsWith(prefix) || key <= after) continue
      if (change.previous) state.set(key, change.previous)
      else state.delete(key)
    }
    return [...state.values()].sort((a, b) => (a.key < b.key ? -1 : 1))
  }

  /** Writes one object; its `metadata.resourceVersion` becomes the new version. The object is the store's from now on. */
  put(resource: string, key: string, object: StoredObject): Revision {
    const previous = this.get(resource, key)
    const version = ++this.#version
    object.metadata.resourceVersion = String(version)
    const revision = { key, version, object, json: JSON.stringify(object) }
    this.#record({ type: previous ? 'MODIFIED' : 'ADDED', resource, revision, ...(previous && { previous }) })
    return revision
  }

  /** Deletes one object. @param last its final state where that is not the stored one; a copy gets the version of the delete */
  delete(resource: string, key: string, last?: StoredObject): Revision {
    const previous = this.get(resource, key)
    if (!previous) throw new RangeError(`Cannot delete ${resource} "${key}": it is not stored`)
    const version = ++this.#version
    const object = structuredClone(last ?? previous.object)
    object.metadata.resourceVersion = String(version)
    const revision = { key, version, object, json: JSON.stringify(object) }
    this.#record({ type: 'DELETED', resource, revision, previous })
    return revision
  }

  /** Resolves when every write so far is on disk; rejects when that failed and the writes were taken back. */
  settled(): Promise<void> {
    return this.#commit ?? Promise.resolve()
  }

  /** The changes of one resource after a version, oldest first. @throws {ExpiredError} */
  since(resource: string, version: number): Change[] {
    if (version < this.#floor) throw new ExpiredError(`Version ${version} has left the history, which starts at ${this.#floor}`)
    // What is not yet on disk comes to the listener later.
    const pending = new Set(this.#pending)
    return this.#history.slice(this.#firstAfter(version)).filter(change => change.resource === resource && !pending.has(change))
  }

  /** The version up to which everything is on disk and told to listeners. */
  get committedVersion(): number {
    return this.#pending[0] ? this.#pending[0].revision.version - 1 : this.#version
  }

  /** Calls back with the changes of one resource, a transaction at a time. @returns how to end it */
  subscribe(resource: string, listener: (changes: readonly Change[]) => void): () => void {
    const { listeners } = this.#table(resource)
    listeners.add(listener)
    return () => listeners.delete(listener)
  }

  /** Forgets the history up to and including a version: watches from before it end with 410. */
  compact(version = this.#version): void {
    const cut = this.#firstAfter(version)
    const gone = this.#history.slice(0, cut)
    this.#history = this.#history.slice(cut)
    this.#floor = Math.max(this.#floor, Math.min(version, this.#version))
    const obsolete: number[] = []
    for (const { type, revision, previous } of gone) {
      this.#historyBytes -= revision.json.length
      if (previous) obsolete.push(previous.version)
      if (type === 'DELETED') obsolete.push(revision.version)
    }
    this.#log.forget(obsolete, this.#floor)
  }

  async close(): Promise<void> {
    await this.settled().catch(() => undefined)
    this.#log.close()
  }

  #record(change: Change): void {
    this.#apply(change)
    this.#remember(change)
    this.#pending.push(change)
    const { revision, resource, type } = change
    try {
      this.#log.append({ version: revision.version, resource, key: revision.key, deleted: type === 'DELETED', json: revision.json })
    } catch (cause) {
      this.#failure = cause
      this.#takeBack()
    }
    this.#commit ??= new Promise((resolve, reject) => {
      setImmediate(() => {
        try {
          this.#flush()
          resolve()
        } catch (error) {
          reject(error)
        }
      })
    })
    // A caller that never waits must not end the process; who waits still sees the failure.
    this.#commit.catch(() => undefined)
  }

  #flush(): void {
    this.#commit = undefined
    const failure = this.#failure
    this.#failure = undefined
    try {
      if (failure) throw failure
      this.#log.commit()
    } catch (cause) {
      this.#takeBack()
      throw new Error('Cannot write to the store: the changes were taken back', { cause })
    }
    const changes = this.#pending
    this.#pending = []
    for (const [resource, own] of Map.groupBy(changes, change => change.resource)) {
      for (const listener of this.#table(resource).listeners) listener(own)
    }
    if (this.#history.length > this.#historyMax * SLACK || this.#historyBytes > this.#historyBytesMax * SLACK) this.#cut()
  }

  /** Cuts the history down to its limits, the oldest first. */
  #cut(): void {
    let bytes = this.#historyBytes
    let index = 0
    while (this.#history.length - index > this.#historyMax || bytes > this.#historyBytesMax)
      bytes -= this.#history[index++]!.revision.json.length
    const last = this.#history[index - 1]
    if (last) this.compact(last.revision.version)
  }

  #remember(change: Change): void {
    this.#history.push(change)
    this.#historyBytes += change.revision.json.length
  }

  #takeBack(): void {
    this.#log.rollback()
    for (const change of this.#pending.reverse()) {
      const { key } = change.revision
      const table = this.#table(change.resource)
      if (change.previous) {
        table.live.set(key, change.previous)
        table.keys.add(key)
      } else {
        table.live.delete(key)
        table.keys.delete(key)
      }
      this.#history.pop()
      this.#historyBytes -= change.revision.json.length
    }
    this.#pending = []
  }

  #apply({ type, resource, revision }: Change): void {
    const table = this.#table(resource)
    if (type === 'DELETED') {
      table.live.delete(revision.key)
      table.keys.delete(revision.key)
    } else {
      if (type === 'ADDED') table.keys.add(revision.key)
      table.live.set(revision.key, revision)
    }
  }

  #load(): void {
    this.#floor = this.#log.floor
    this.#version = this.#floor
    for (const row of this.#log.rows()) {
      const previous = this.get(row.resource, row.key)
      const revision = revisionOf(row)
      const type = row.deleted ? 'DELETED' : previous ? 'MODIFIED' : 'ADDED'
      const change: Change = { type, resource: row.resource, revision, ...(previous && { previous }) }
      this.#apply(change)
      if (row.version > this.#floor) this.#remember(change)
      this.#version = Math.max(this.#version, row.version)
    }
  }

  #firstAfter(version: number): number {
    let low = 0
    let high = this.#history.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#history[middle]!.revision.version > version) high = middle
      else low = middle + 1
    }
    return low
  }

  #table(resource: string): Table {
    let table = this.#tables.get(resource)
    if (!table) this.#tables.set(resource, (table = { live: new Map(), keys: new SortedKeys(), listeners: new Set() }))
    return table
  }
}

function revisionOf(row: RevisionRow): Revision {
  return { key: row.key, version: row.version, object: JSON.parse(row.json) as StoredObject, json: row.json }
}
