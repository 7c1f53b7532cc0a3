import { type Dispatcher, Pool } from 'undici'
import {
  type DeleteOptions,
  type FailureStatus,
  type KubernetesApi,
  KubernetesError,
  type ListOptions,
  type ObjectList,
  type Patch,
  type PodLogOptions,
  type Selection,
  type WatchEvent,
  type WatchOptions,
  type WriteOptions,
} from './api.ts'
import type { Credentials } from './credentials.ts'
import { EventStream } from './event-stream.ts'
import { apiVersion, type KubernetesObject, RESOURCES, type Resource, type Stored } from './objects.ts'

/** What one call may take, from its start to the last byte of the answer; watches and followed logs have none. */
const CALL_TIMEOUT_MS = 60_000
const CONNECT_TIMEOUT_MS = 10_000
const CONNECTION_COUNT_MAX = 64
const PATCH_TYPES = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
} as const

type Query = Readonly<Record<string, string | number | boolean | undefined>>
type Answer = Awaited<ReturnType<Pool['request']>>

/**
 * The port over a real API server (or the emulator): one pool of kept-alive connections for all calls. Calls that only read are tried once
 * more when a kept connection proves dead.
 *
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/
 */
export function connectKubernetes(credentials: Credentials, options: { userAgent?: string } = {}): KubernetesApi {
  return new KubernetesClient(credentials, options.userAgent ?? 'drycc-workflow')
}

class KubernetesClient implements KubernetesApi {
  readonly #calls: Pool
  /** Watches hold their connections for minutes, so they have their own and never starve a call. */
  readonly #streams: Pool
  readonly #credentials: Credentials
  readonly #userAgent: string

  constructor(credentials: Credentials, userAgent: string) {
    const { ca, certificate, key, serverName, verify } = credentials
    const connect = {
      timeout: CONNECT_TIMEOUT_MS,
      rejectUnauthorized: verify,
      ...(ca ? { ca } : {}),
      ...(certificate ? { cert: certificate } : {}),
      ...(key ? { key } : {}),
      ...(serverName ? { servername: serverName } : {}),
    }
    const origin = new URL(credentials.server).origin
    // As in `kernel/http.ts`: an API server that goes away must not take us along.
    const allowH2 = false
    this.#calls = new Pool(origin, {
      ...{ connect, allowH2 },
      connections: CONNECTION_COUNT_MAX,
      headersTimeout: CALL_TIMEOUT_MS,
      bodyTimeout: CALL_TIMEOUT_MS,
    })
    this.#streams = new Pool(origin, { connect, allowH2, headersTimeout: CALL_TIMEOUT_MS, bodyTimeout: 0 })
    this.#credentials = credentials
    this.#userAgent = userAgent
  }

  async get<T extends KubernetesObject>(resource: Resource<T>, namespace: string, name: string, options: { signal?: AbortSignal } = {}) {
    return (await this.#call('GET', path(resource, namespace, name), {}, undefined, options.signal)) as Stored<T>
  }

  async list<T extends KubernetesObject>(resource: Resource<T>, options: ListOptions = {}): Promise<ObjectList<T>> {
    const query = { ...selectors(options), limit: options.limit, continue: options.continue }
    const body = await this.#call('GET', path(resource, options.namespace ?? ''), query, undefined, options.signal)
    const { items, metadata } = body as { items: Stored<T>[] | null; metadata: { resourceVersion: string; continue?: string } }
    // Items of a list come without them, though each object has them when it is read alone.
    const typed = (items ?? []).map(item => ({ apiVersion: apiVersion(resource), kind: resource.kind, ...item }))
    return { items: typed, resourceVersion: metadata.resourceVersion, ...(metadata.continue ? { continue: metadata.continue } : {}) }
  }

  watch<T extends KubernetesObject>(resource: Resource<T>, options: WatchOptions): AsyncIterable<WatchEvent<T>> {
    const query = {
      ...selectors(options),
      watch: true,
      allowWatchBookmarks: true,
      resourceVersion: options.resourceVersion,
      timeoutSeconds: options.timeoutSeconds,
      ...(options.sendInitialEvents ? { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan' } : {}),
    }
    return new EventStream<WatchEvent<T>>({
      send: async handler => {
        this.#streams.dispatch(await this.#message('GET', path(resource, options.namespace ?? ''), query), handler)
      },
      parse: readEvent,
      isDead: isDeadConnection,
      refusal: failure,
      signal: options.signal,
    })
  }

  async create<T extends KubernetesObject>(resource: Resource<T>, object: T, options: WriteOptions = {}) {
    const { namespace = '', name = '' } = object.metadata ?? {}
    const target = options.subresource ? path(resource, namespace, name, options.subresource) : path(resource, namespace)
    return (await this.#call('POST', target, writeQuery(options), typed(resource, object), options.signal)) as Stored<T>
  }

  async update<T extends KubernetesObject>(resource: Resource<T>, object: T, options: WriteOptions = {}) {
    const { namespace = '', name = '' } = object.metadata ?? {}
    const target = path(resource, namespace, name, options.subresource)
    return (await this.#call('PUT', target, writeQuery(options), typed(resource, object), options.signal)) as Stored<T>
  }

  async patch<T extends KubernetesObject>(
    resource: Resource<T>,
    namespace: string,
    name: string,
    patch: Patch,
    options: WriteOptions = {},
  ) {
    const target = path(resource, namespace, name, options.subresource)
    const query = { ...writeQuery(options), ...(patch.type === 'apply' && patch.force ? { force: true } : {}) }
    return (await this.#call('PATCH', target, query, patch.body, options.signal, PATCH_TYPES[patch.type])) as Stored<T>
  }

  async delete<T extends KubernetesObject>(resource: Resource<T>, namespace: string, name: string, options: DeleteOptions = {}) {
    const { signal, ...rest } = options
    const body = { apiVersion: 'v1', kind: 'DeleteOptions', ...rest }
    await this.#call('DELETE', path(resource, namespace, name), {}, body, signal)
  }

  async podLog(namespace: string, name: string, options: PodLogOptions = {}): Promise<AsyncIterable<Uint8Array>> {
    const { signal, ...query } = options
    const answer = await this.#request(this.#streams, 'GET', path(RESOURCES.pods, namespace, name, 'log'), query, undefined, signal)
    return answer.body
  }

  async close(): Promise<void> {
    await Promise.all([this.#calls.destroy(), this.#streams.destroy()])
  }

  async #call(method: string, target: string, query: Query, body?: unknown, signal?: AbortSignal, type?: string): Promise<unknown> {
    const answer = await this.#request(this.#calls, method, target, query, body, signal, type)
    return answer.body.json()
  }

  async #request(
    pool: Pool,
    method: string,
    target: string,
    query: Query,
    body: unknown,
    signal?: AbortSignal,
    type?: string,
  ): Promise<Answer> {
    const message = { ...(await this.#message(method, target, query, body, type)), ...(signal ? { signal } : {}) }
    const send = () => pool.request(message)
    const answer = await send().catch(error => {
      if (method === 'GET' && isDeadConnection(error)) return send()
      throw error
    })
    if (answer.statusCode >= 400) throw failure(answer.statusCode, answer.headers, await answer.body.text())
    return answer
  }

  async #message(
    method: string,
    target: string,
    query: Query,
    body?: unknown,
    type = 'application/json',
  ): Promise<Dispatcher.DispatchOptions> {
    const base = new URL(this.#credentials.server).pathname.replace(/\/$/, '')
    const token = await this.#credentials.token?.()
    return {
      method: method as 'GET',
      // undici otherwise closes the connection after each DELETE that has a body: a TLS handshake for every deletion.
      reset: false,
      path: `${base}${target}${search(query)}`,
      headers: {
        accept: 'application/json',
        'user-agent': this.#userAgent,
        ...(body === undefined ? {} : { 'content-type': type }),
        ...(token ? { authorization: `Bearer ${token}` } : {}),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    }
  }
}

/** The server closed a kept connection at the moment in which it was taken; a GET may be sent again (RFC 9110 §9.2.2). */
function isDeadConnection(error: unknown): boolean {
  const code = (error as { code?: string }).code
  return code === 'UND_ERR_SOCKET' || code === 'ECONNRESET' || code === 'EPIPE'
}

/** @throws {KubernetesError} for the event that ends a watch */
function readEvent<T extends KubernetesObject>(line: string): WatchEvent<T> {
  const event = JSON.parse(line) as WatchEvent<T> | { type: 'ERROR'; object: FailureStatus }
  if (event.type === 'ERROR') throw new KubernetesError(event.object)
  return event
}

function failure(code: number, headers: Answer['headers'], text: string): KubernetesError {
  // A server that is too busy says so in plain text, and in its header when to come again.
  const after = Number(headers['retry-after'])
  const details = after > 0 ? { retryAfterSeconds: after } : {}
  try {
    const status = JSON.parse(text) as Partial<FailureStatus>
    if (typeof status.message === 'string')
      return new KubernetesError({ reason: '', ...status, details: { ...details, ...status.details }, code } as FailureStatus)
  } catch {
    // A proxy in between answers in its own words, which are kept below.
  }
  return new KubernetesError({ code, reason: '', message: `API server answered ${code}: ${text.slice(0, 200) || 'empty body'}`, details })
}

function path(resource: Resource, namespace: string, name = '', subresource = ''): string {
  const root = resource.group ? `/apis/${resource.group}/${resource.version}` : `/api/${resource.version}`
  const scope = resource.namespaced && namespace ? `/namespaces/${encodeURIComponent(namespace)}` : ''
  return `${root}${scope}/${resource.plural}${name && `/${encodeURIComponent(name)}`}${subresource && `/${subresource}`}`
}

function selectors({ labelSelector, fieldSelector }: Selection): Query {
  return { labelSelector, fieldSelector }
}

function writeQuery(options: WriteOptions): Query {
  return { fieldManager: options.fieldManager, ...(options.dryRun ? { dryRun: 'All' } : {}) }
}

function search(query: Query): string {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== '')
  return given.length === 0 ? '' : `?${new URLSearchParams(given.map(([name, value]) => [name, String(value)]))}`
}

function typed<T extends KubernetesObject>(resource: Resource<T>, object: T): T {
  return { apiVersion: apiVersion(resource), kind: resource.kind, ...object }
}
