import type { ServerResponse } from 'node:http'
import { apiVersion } from '../../kernel/kubernetes/objects.ts'
import type { Change, ObjectStore, Revision } from '../store/object-store.ts'
import { ExpiredError } from '../store/object-store.ts'
import type { Draft, Kind } from './kinds/kind.ts'
import { type Form, renderObject, renderTable } from './render.ts'
import type { Filter } from './selector.ts'
import { expired, type Status } from './status.ts'
import { tableOf } from './write.ts'

export interface WatchQuery {
  readonly namespace: string
  readonly filter: Filter | undefined
  /** 0 starts with what stands. */
  readonly version: number
  readonly sendInitialEvents: boolean
  readonly allowBookmarks: boolean
  readonly timeoutMs: number
  readonly form: Form
}

export interface WatchLimits {
  /** How often a quiet watch learns how far it has come. */
  readonly bookmarkMs: number
  /** What may wait for a slow watcher before it is cut off; it then lists again. */
  readonly bufferBytesMax: number
}

/**
 * Streams the changes of a collection into a response, one JSON object a line, until its time is over, the watcher goes, is too slow, or
 * `signal` fires.
 *
 * @returns when the stream has ended
 */
export function watchObjects(
  store: ObjectStore,
  kind: Kind,
  query: WatchQuery,
  limits: WatchLimits,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const watch = new Watch(store, kind, query, limits, response)
  return watch.run(signal)
}

class Watch {
  readonly #store: ObjectStore
  readonly #kind: Kind
  readonly #query: WatchQuery
  readonly #limits: WatchLimits
  readonly #response: ServerResponse
  readonly #prefix: string
  #version = 0
  #hasColumns = false
  /** What the list at the start took: it may wait beside the changes. */
  #listBytes = 0

  constructor(store: ObjectStore, kind: Kind, query: WatchQuery, limits: WatchLimits, response: ServerResponse) {
    this.#store = store
    this.#kind = kind
    this.#query = query
    this.#limits = limits
    this.#response = response
    this.#prefix = query.namespace ? `${query.namespace}/` : ''
  }

  run(signal: AbortSignal): Promise<void> {
    const response = this.#response
    // Gone while it waited for the disk: its close would never be heard.
    if (response.destroyed) return Promise.resolve()
    response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-cache, private' })
    if (!this.#begin()) {
      response.end()
      return Promise.resolve()
    }
    response.flushHeaders()
    const { allowBookmarks, timeoutMs } = this.#query
    return new Promise(resolve => {
      const unsubscribe = this.#store.subscribe(tableOf(this.#kind), changes => this.#send(changes))
      const bookmarks = allowBookmarks ? setInterval(() => this.#bookmark(), this.#limits.bookmarkMs) : undefined
      const end = () => {
        // The last word is how far the watch came, so that its next one starts there.
        if (allowBookmarks) this.#bookmark()
        response.end()
        quiet()
      }
      /** Nothing may be written behind the end, which comes a while before the close. */
      const quiet = () => {
        unsubscribe()
        clearInterval(bookmarks)
        clearTimeout(timer)
        signal.removeEventListener('abort', end)
      }
      const timer = setTimeout(end, timeoutMs)
      response.once('close', () => {
        quiet()
        resolve()
      })
      signal.addEventListener('abort', end, { once: true })
      // A server that is about to stop begins nothing.
      if (signal.aborted) end()
    })
  }

  /** Sends what stands or has been missed. @returns false when that cannot be had any more */
  #begin(): boolean {
    const { version, sendInitialEvents, filter } = this.#query
    const table = tableOf(this.#kind)
    if (version > 0 && !sendInitialEvents) {
      try {
        this.#version = version
        this.#send(this.#store.since(table, version))
        return true
      } catch (error) {
        if (!(error instanceof ExpiredError)) throw error
        const { status } = expired(`too old resource version: ${version} (${this.#store.version})`)
        this.#write(eventLine('ERROR', JSON.stringify(status satisfies Status)))
        return false
      }
    }
    this.#version = this.#store.version
    const lines: string[] = []
    for (const revision of this.#store.list(table, this.#prefix)) {
      if (!filter || filter(revision.object as Draft)) lines.push(this.#line('ADDED', revision))
    }
    const list = lines.join('')
    this.#listBytes = Buffer.byteLength(list)
    this.#write(list)
    if (sendInitialEvents && this.#query.allowBookmarks) this.#bookmark({ 'k8s.io/initial-events-end': 'true' })
    return true
  }

  #send(changes: readonly Change[]): void {
    let text = ''
    for (const change of changes) {
      const { revision } = change
      // What was listed at the start may be told again by the transaction that it was in.
      if (revision.version <= this.#version) continue
      this.#version = revision.version
      if (revision.key.startsWith(this.#prefix)) text += this.#describe(change)
    }
    if (text) this.#write(text)
  }

  /** A change as the selector sees it: what leaves it is deleted for this watcher, what enters it is added. */
  #describe({ type, revision, previous }: Change): string {
    const { filter } = this.#query
    if (!filter) return this.#line(type, revision)
    const matched = previous !== undefined && filter(previous.object as Draft)
    if (type === 'DELETED') return matched ? this.#line('DELETED', revision) : ''
    const matches = filter(revision.object as Draft)
    if (matches) return this.#line(matched ? 'MODIFIED' : 'ADDED', revision)
    if (!matched) return ''
    const object = { ...previous.object, metadata: { ...previous.object.metadata, resourceVersion: String(revision.version) } }
    return this.#line('DELETED', { object, json: JSON.stringify(object) })
  }

  #line(type: Change['type'], revision: Pick<Revision, 'object' | 'json'>): string {
    const { form } = this.#query
    if (form.as !== 'Table') return eventLine(type, renderObject(this.#kind, revision, form))
    const metadata = { resourceVersion: revision.object.metadata.resourceVersion }
    const table = renderTable(this.#kind, [revision], metadata, form, !this.#hasColumns)
    this.#hasColumns = true
    return eventLine(type, table)
  }

  #bookmark(annotations?: Record<string, string>): void {
    this.#version = Math.max(this.#version, this.#store.committedVersion)
    const metadata = { resourceVersion: String(this.#version), ...(annotations && { annotations }) }
    const { form } = this.#query
    const object =
      form.as === 'Table'
        ? renderTable(this.#kind, [], metadata, form, !this.#hasColumns)
        : JSON.stringify({ kind: this.#kind.kind, apiVersion: apiVersion(this.#kind), metadata })
    this.#write(eventLine('BOOKMARK', object))
  }

  #write(text: string): void {
    if (!text || this.#response.destroyed || this.#response.writableEnded) return
    // What waits from before counts, not what comes now: one large object must not cut off a watcher that keeps up.
    if (this.#response.writableLength > this.#limits.bufferBytesMax + this.#listBytes) this.#response.destroy()
    else this.#response.write(text)
  }
}

function eventLine(type: string, object: string): string {
  return `{"type":"${type}","object":${object}}\n`
}
