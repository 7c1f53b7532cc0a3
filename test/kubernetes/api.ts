import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { Agent, request } from 'node:https'
import type { Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { apiVersion, RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { Watch } from './watch.ts'

/** An answer's JSON is walked freely by the cases: an assertion on a wrong path fails by itself. */
// biome-ignore lint/suspicious/noExplicitAny: see above
export type Json = any

/** How to reach an API server, and as whom. */
export interface Access {
  readonly server: string
  readonly ca: string
  readonly token?: string
  readonly cert?: string
  readonly key?: string
}

export interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly text: string
  /** The parsed JSON, or `undefined` where the answer is none. */
  readonly body: Json
}

export interface Extras {
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as it is when a string, else as JSON. */
  readonly body?: unknown
  /** Of the body; `application/json` by default. */
  readonly type?: string
  /** Query parameters. */
  readonly query?: Readonly<Record<string, string | number | boolean>>
  /** Without credentials. */
  readonly anonymous?: boolean
}

export type PatchKind = 'merge' | 'strategic' | 'json' | 'apply'

const PATCH_TYPES: Record<PatchKind, string> = {
  merge: 'application/merge-patch+json',
  strategic: 'application/strategic-merge-patch+json',
  json: 'application/json-patch+json',
  apply: 'application/apply-patch+yaml',
}

/**
 * Speaks plain HTTP with an API server, so that a case sees what a foreign client sees: nothing is retried, no answer is an error.
 */
export class Api {
  readonly access: Access
  readonly #agent: Agent
  readonly #awaitAccounts: boolean

  /** @param options.awaitAccounts the server takes pods into a namespace only once a controller has made its service account */
  constructor(access: Access, options: { awaitAccounts?: boolean } = {}) {
    this.access = access
    this.#awaitAccounts = options.awaitAccounts ?? false
    const { ca, cert, key } = access
    this.#agent = new Agent({ keepAlive: true, maxSockets: 256, ca, ...(cert && key ? { cert, key } : {}) })
  }

  async send(method: string, path: string, extras: Extras = {}): Promise<Answer> {
    const { status, headers, body } = await this.open(method, path, extras)
    const read = await text(body)
    return { status, headers, text: read, body: /json/.test(String(headers['content-type'])) && read ? JSON.parse(read) : undefined }
  }

  get = (path: string, query: Extras['query'] = {}) => this.send('GET', path, { query })
  post = (path: string, body: unknown, query: Extras['query'] = {}) => this.send('POST', path, { body, query })
  put = (path: string, body: unknown, query: Extras['query'] = {}) => this.send('PUT', path, { body, query })
  delete = (path: string, body?: unknown, query: Extras['query'] = {}) => this.send('DELETE', path, { body, query })

  patch(kind: PatchKind, path: string, body: unknown, query: Extras['query'] = {}): Promise<Answer> {
    return this.send('PATCH', path, { body, type: PATCH_TYPES[kind], query })
  }

  /** Sends, and fails the case with the server's own words unless the answer is a success. */
  async must(method: string, path: string, body?: unknown, query: Extras['query'] = {}): Promise<Json> {
    const answer = await this.send(method, path, { ...(body === undefined ? {} : { body }), query })
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`)
    return answer.body
  }

  /** The whole answer as a stream: for watches and followed logs. */
  open(method: string, path: string, extras: Extras = {}): Promise<{ status: number; headers: Answer['headers']; body: Readable }> {
    const { token, server, ca } = this.access
    const url = new URL(path, server)
    for (const [name, value] of Object.entries(extras.query ?? {})) url.searchParams.set(name, String(value))
    const content = extras.body === undefined ? undefined : typeof extras.body === 'string' ? extras.body : JSON.stringify(extras.body)
    const length =
      content === undefined || extras.headers?.['transfer-encoding'] ? {} : { 'content-length': String(Buffer.byteLength(content)) }
    const headers = {
      accept: 'application/json',
      ...(content === undefined ? {} : { 'content-type': extras.type ?? 'application/json' }),
      ...length,
      ...(token && !extras.anonymous ? { authorization: `Bearer ${token}` } : {}),
      ...extras.headers,
    }
    return new Promise((resolve, reject) => {
      const agent = extras.anonymous ? new Agent({ ca }) : this.#agent
      const call = request(url, { method, agent, headers }, response =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: response }),
      )
      call.on('error', reject)
      call.end(content)
    })
  }

  /** Opens a watch on a collection; the case closes it, or the end of the test does. */
  async watch(path: string, query: Extras['query'] = {}): Promise<Watch> {
    const { status, body } = await this.open('GET', path, { query: { watch: true, ...query } })
    if (status !== 200) assert.fail(`watch ${path}: ${status} ${await text(body)}`)
    return new Watch(body)
  }

  /** Makes a namespace that no other case uses. */
  async namespace(labels: Record<string, string> = {}): Promise<string> {
    const name = unique('t')
    await this.must('POST', at('namespaces'), { metadata: { name, labels } })
    if (this.#awaitAccounts) {
      const accounts = await this.watch(at('serviceaccounts', name))
      await accounts.next()
      accounts.close()
    }
    return name
  }

  close(): void {
    this.#agent.destroy()
  }
}

type Plural = (typeof RESOURCES)[keyof typeof RESOURCES]['plural']

const BY_PLURAL = new Map(Object.values(RESOURCES).map(resource => [resource.plural as string, resource]))

/** The path of a collection, an object or a subresource; without `namespace` that of all namespaces, or of a cluster-wide kind. */
export function at(plural: Plural | (string & {}), namespace = '', name = '', subresource = ''): string {
  const resource = BY_PLURAL.get(plural)
  assert.ok(resource, `no such kind in the suite: ${plural}`)
  const version = apiVersion(resource)
  return [
    resource.group ? `/apis/${version}` : `/api/${version}`,
    ...(namespace ? ['namespaces', namespace] : []),
    plural,
    ...(name ? [name] : []),
    ...(subresource ? [subresource] : []),
  ].join('/')
}

/** A name that nothing else has. */
export function unique(prefix: string): string {
  return `${prefix}-${randomBytes(5).toString('hex')}`
}
