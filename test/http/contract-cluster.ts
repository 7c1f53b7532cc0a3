import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { type Bed, ok, RawClient, startBed, startHttpApp, type TestApp, type TestRequest } from '../../router/serve/testbed.ts'
import type { Fault } from '../../router/table/annotations.ts'
import { TableBuilder } from '../../router/table/build.ts'
import { Table } from '../../router/table/table.ts'
import { ServerTls } from '../../router/tls/server-options.ts'
import { issue } from '../tls/pki.ts'

type Texts = Readonly<Record<string, string>>

/** A Service as the cases write it; annotations without a prefix are Deis', as the controller writes them. */
export interface ServiceWish {
  readonly annotations?: Texts
  /** Where its pods are; none: it has nothing running. */
  readonly at?: readonly { readonly address: string; readonly port: number }[]
  readonly namespace?: string
  readonly labels?: Texts
  readonly createdAt?: string
  /** Of the Service; 80 by default. */
  readonly port?: number
  /** Makes it a Service of that type. */
  readonly externalName?: string
}

/** How a request comes in. */
export interface Way {
  /** Over TLS, with this server name ('': none). */
  readonly serverName?: string
  /** The client's own address. */
  readonly from?: string
}

/**
 * A router with open ports whose table comes from annotations, as in a cluster: what a case writes passes every stage but the API server.
 */
export class Cluster implements AsyncDisposable {
  readonly #bed: Bed
  readonly #tls: ServerTls
  readonly #builder: TableBuilder
  readonly #services = new Map<string, Stored<Service>>()
  readonly #slices = new Map<string, EndpointSlice[]>()
  readonly #secrets: Map<string, Secret>
  readonly #log: { readonly directory: string; readonly fd: number }
  #router: Texts = {}
  #table: Table

  private constructor(
    bed: Bed,
    tls: ServerTls,
    log: { directory: string; fd: number },
    builder: TableBuilder,
    secrets: Map<string, Secret>,
    table: Table,
  ) {
    this.#builder = builder
    this.#secrets = secrets
    this.#table = table
    this.#bed = bed
    this.#tls = tls
    this.#log = log
  }

  static async start(options: Parameters<typeof startBed>[0] = {}): Promise<Cluster> {
    const directory = mkdtempSync(join(tmpdir(), 'contract-'))
    const log = { directory, fd: openSync(join(directory, 'log'), 'w') }
    let cluster: Cluster | undefined
    const builder = new TableBuilder({ family: 'router.drycc.cc/', namespace: 'drycc' })
    const platform = new Map([['drycc/drycc-router-platform-cert', secretOf(PLATFORM)]])
    const table = new Table().apply(platformOnly(builder, platform))
    const tls = new ServerTls(table, { ticketKeys: randomBytes(48) }, silentLog)
    const bed = await startBed({
      tls: tls.options(() => cluster?.table ?? table),
      accessLog: 'classic',
      accessLogTarget: { fd: log.fd },
      ...options,
    })
    cluster = new Cluster(bed, tls, log, builder, platform, table)
    return cluster
  }

  get bed(): Bed {
    return this.#bed
  }

  get table(): Table {
    return this.#table
  }

  /** The annotations of the router's Deployment; without a prefix they are Deis'. */
  router(annotations: Texts): void {
    this.#router = prefixed(annotations)
  }

  service(name: string, wish: ServiceWish): void {
    const { annotations = {}, at = [], namespace = name, labels = {}, createdAt = '2020-01-01T00:00:00Z' } = wish
    const metadata = { name, namespace, uid: name, resourceVersion: '1', creationTimestamp: createdAt, labels: { app: name, ...labels } }
    this.#services.set(`${namespace}/${name}`, {
      metadata: { ...metadata, annotations: prefixed(annotations) },
      spec: {
        ports: [{ name: 'http', port: wish.port ?? 80 }],
        ...(wish.externalName && { type: 'ExternalName', externalName: wish.externalName }),
      },
    } as unknown as Stored<Service>)
    this.#slices.set(
      `${namespace}/${name}`,
      at.map(({ address, port }) => ({
        metadata: { name, namespace },
        addressType: address.includes(':') ? 'IPv6' : 'IPv4',
        ports: [{ name: 'http', port }],
        endpoints: [{ addresses: [address] }],
      })),
    )
  }

  /** @param key `namespace/name` */
  secret(key: string, pair: { readonly certificate: string; readonly key: string }): void {
    this.#secrets.set(key, secretOf(pair))
  }

  /** Brings the router up to what was written. @returns all faults by the object that they are of; the router's own stand under `''` */
  apply(): ReadonlyMap<string, readonly Fault[]> {
    const { delta } = this.#builder.build(
      {
        service: key => this.#services.get(key),
        slices: key => this.#slices.get(key) ?? [],
        secret: key => this.#secrets.get(key),
        router: this.#router,
        builder: this.#services.get('drycc/drycc-builder'),
      },
      {
        services: new Set(this.#services.keys()),
        slices: new Set(this.#slices.keys()),
        secrets: new Set(this.#secrets.keys()),
        router: true,
        builder: true,
      },
    )
    const before = this.#table
    if (delta) this.#table = before.apply(delta)
    this.#bed.table = this.#table
    if (this.#tls.update(before, this.#table)) this.#bed.server.renewTls(this.#tls.options(() => this.#table))
    return this.#builder.faults()
  }

  ignored(service: string): readonly string[] {
    return this.#builder.report({ service }).apps[0]?.ignored ?? []
  }

  /** Sends bytes and returns all that came until the router closed. */
  async ask(bytes: string, way: Way = {}): Promise<string> {
    const client = this.open(way)
    client.send(bytes)
    await client.ended
    client.destroy()
    return client.text
  }

  /** The same over TLS, with the certificate that was shown (PEM). */
  async askTls(bytes: string, serverName: string): Promise<{ readonly certificate: string; readonly text: string }> {
    const client = this.open({ serverName })
    let certificate = ''
    const socket = client.socket as TLSSocket
    socket.once('secureConnect', () => {
      certificate = new X509Certificate(socket.getPeerCertificate().raw).toString()
    })
    client.send(bytes)
    await client.ended
    client.destroy()
    return { certificate, text: client.text }
  }

  /** Connects, over TLS where a server name is given. */
  open({ serverName, from = '127.0.0.1' }: Way): RawClient {
    const port = serverName === undefined ? this.#bed.port : this.#bed.httpsPort
    const raw = connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: true })
    const named = serverName ? { servername: serverName } : {}
    return new RawClient(serverName === undefined ? raw : connectTls({ socket: raw, rejectUnauthorized: false, ...named }))
  }

  /** Stops the router. @returns the lines of its access log */
  async stop(): Promise<string[]> {
    await this.#bed[Symbol.asyncDispose]()
    return readFileSync(join(this.#log.directory, 'log'), 'latin1').split('\n').slice(0, -1)
  }

  async [Symbol.asyncDispose]() {
    await this.#bed[Symbol.asyncDispose]()
    closeSync(this.#log.fd)
    rmSync(this.#log.directory, { recursive: true })
  }
}

/** What the platform has; to make one a router takes a quarter of a second. */
const PLATFORM = issue(undefined, ['platform.test'])

function secretOf({ certificate, key }: { readonly certificate: string; readonly key: string }): Secret {
  const encode = (text: string) => Buffer.from(text).toString('base64')
  return { data: { 'tls.crt': encode(certificate), 'tls.key': encode(key) } }
}

function platformOnly(builder: TableBuilder, secrets: ReadonlyMap<string, Secret>) {
  const none: ReadonlySet<string> = new Set()
  builder.build(
    { service: () => undefined, slices: () => [], secret: key => secrets.get(key), router: {}, builder: undefined },
    { services: none, slices: none, secrets: new Set(secrets.keys()), router: true, builder: true },
  )
  return builder.whole()
}

/** A request that closes its connection. */
export function get(host = 'shop.test', fields = '', target = '/', method = 'GET'): string {
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\n${fields}Connection: close\r\n\r\n`
}

/** A case of the contract: annotations, a request, and what becomes of it on both sides. */
export interface Point {
  /** The number of its section. */
  readonly point: string
  readonly says: string
  readonly router?: Texts
  /** Of the app `shop`, which has the domain `shop.test` where it says nothing else. */
  readonly shop?: Texts
  readonly isDown?: true
  /** Other Services beside it. */
  readonly others?: Readonly<Record<string, Omit<ServiceWish, 'at'>>>
  readonly request?: string
  readonly way?: Way
  readonly answer?: (request: TestRequest) => string
  readonly gets?: RegExp
  readonly getsNot?: RegExp
  /** What reached an app; absent with `appGetsNothing`: nothing. */
  readonly appGets?: RegExp
  readonly appGetsNot?: RegExp
  readonly appGetsNothing?: true
  readonly logs?: RegExp
}

/** What became of one. */
export interface Outcome {
  readonly text: string
  readonly seen: string
  readonly lines: readonly string[]
}

/** Plays a case against a running router. */
export async function play(point: Point): Promise<Outcome> {
  await using app: TestApp = await startHttpApp(request => point.answer?.(request) ?? ok(`shop ${request.target}`))
  await using other: TestApp = await startHttpApp(request => ok(`other ${request.target}`))
  await using cluster = await Cluster.start()
  cluster.router(point.router ?? {})
  cluster.service('shop', { annotations: { domains: 'shop.test', ...point.shop }, ...(point.isDown ? {} : { at: [app.endpoint] }) })
  for (const [name, wish] of Object.entries(point.others ?? {})) cluster.service(name, { at: [other.endpoint], ...wish })
  cluster.apply()
  const text = await cluster.ask(point.request ?? get(), point.way)
  const lines = await cluster.stop()
  return { text, seen: app.received.join('') + other.received.join(''), lines }
}

/** Holds an outcome against its point. */
export function judge(point: Point, { text, seen, lines }: Outcome): void {
  if (point.gets) assert.match(text, point.gets)
  if (point.getsNot) assert.doesNotMatch(text, point.getsNot)
  if (point.appGets) assert.match(seen, point.appGets)
  if (point.appGetsNot) assert.doesNotMatch(seen, point.appGetsNot)
  if (point.appGetsNothing) assert.equal(seen, '')
  if (point.logs) assert.match(lines[0] ?? '', point.logs)
}

function prefixed(annotations: Texts): Texts {
  return Object.fromEntries(Object.entries(annotations).map(([key, value]) => [key.includes('/') ? key : `${family(key)}${key}`, value]))
}

/** Extensions stand under our own key only. */
function family(key: string): string {
  return key.startsWith('x-') ? 'router.drycc.cc/' : 'router.deis.io/'
}
