import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import type { FromWorker, ToWorker } from '../../router/messages.ts'
import { type Snapshot, TableBuilder } from '../../router/table/build.ts'
import type { Child, Children } from '../children.ts'

/** How a router of a bench differs from the usual one. */
export interface RouterOptions {
  readonly originPort: number
  /** `app-0.test` … ; 1 by default. */
  readonly routeCount?: number
  /** Where access lines go; absent: there are none. */
  readonly accessLogFd?: number
  /** A certificate for all hosts. */
  readonly certificate?: { readonly certificate: string; readonly key: string }
}

/** One worker of the router, with the table that its builder makes of Services and EndpointSlices. Request ids and metrics are on. */
export class Router {
  readonly child: Child
  readonly httpsPort: number
  readonly #cluster: Cluster
  readonly #builder: TableBuilder

  private constructor(child: Child, httpsPort: number, cluster: Cluster, builder: TableBuilder) {
    this.child = child
    this.httpsPort = httpsPort
    this.#cluster = cluster
    this.#builder = builder
  }

  static async start(children: Children, options: RouterOptions): Promise<Router> {
    const cluster = new Cluster(options)
    const builder = new TableBuilder({ family: 'router.drycc.cc/', namespace: 'drycc' })
    builder.build(cluster, { services: cluster.services, slices: new Set(), secrets: cluster.secrets, router: true, builder: true })
    const process = await children.fork(join(import.meta.dirname, 'ours.ts'), {}, 'measured', options.accessLogFd)
    process.tell({
      type: 'start',
      index: 1,
      options: {
        listen: { publicHttpsPort: 443 },
        tls: { ticketKeys: randomBytes(48) },
        // All load comes from one client, and for one name.
        limits: { clientHandshakesPerSecondMax: 1_000_000, nameHandshakesPerSecondMax: 1_000_000 },
        accessLog: options.accessLogFd === undefined ? 'off' : 'classic',
      },
      sockets: (['http', 'https'] as const).map(name => ({ name, socket: { host: '127.0.0.1', port: 0 } })),
      table: builder.whole(),
    } satisfies ToWorker)
    const answer = await process.ask<FromWorker>({ type: 'listen' } satisfies ToWorker)
    if (answer.type !== 'listening') throw new Error(`Cannot start the router: ${JSON.stringify(answer)}`)
    return new Router(process.at(answer.ports.http), answer.ports.https, cluster, builder)
  }

  /** Changes the endpoints of one app, as a rollout does, and tells the worker. */
  change(index: number): void {
    const slices = new Set([this.#cluster.rollOut(index)])
    const { delta } = this.#builder.build(this.#cluster, { services: new Set(), slices, secrets: new Set(), router: false, builder: false })
    if (delta) this.child.tell({ type: 'table', delta } satisfies ToWorker)
  }
}

/** As many apps as asked for, all of them at one origin. */
class Cluster implements Snapshot {
  readonly router = { 'router.drycc.cc/nginx.requestIDs': 'true', 'router.drycc.cc/nginx.platformDomain': 'test' }
  readonly builder = undefined
  readonly services = new Set<string>()
  readonly secrets = new Set<string>()
  readonly #options: RouterOptions
  readonly #rollOuts = new Map<string, number>()

  constructor(options: RouterOptions) {
    this.#options = options
    for (let index = 0; index < (options.routeCount ?? 1); index++) this.services.add(keyOf(index))
    if (options.certificate) this.secrets.add('drycc/drycc-router-platform-cert')
  }

  service(key: string): Stored<Service> | undefined {
    if (!this.services.has(key)) return undefined
    const name = key.split('/')[1] as string
    return {
      metadata: {
        name,
        namespace: name,
        uid: name,
        resourceVersion: '1',
        creationTimestamp: '2026-01-01T00:00:00Z',
        labels: { 'router.drycc.cc/routable': 'true' },
        annotations: { 'router.drycc.cc/domains': name, 'router.drycc.cc/x-body-size': '0' },
      },
      spec: { ports: [{ name: 'http', port: 80 }] },
    } as Stored<Service>
  }

  slices(service: string): readonly EndpointSlice[] {
    // Another pod comes and goes; it is not ready, so that what is measured stays at the origin.
    const passing = (this.#rollOuts.get(service) ?? 0) % 2 === 1
    const pods = passing ? [ready('127.0.0.1', true), ready('127.0.0.2', false)] : [ready('127.0.0.1', true)]
    return [
      {
        metadata: { name: 'slice' },
        addressType: 'IPv4',
        endpoints: pods,
        ports: [{ name: 'http', port: this.#options.originPort, protocol: 'TCP' }],
      } as EndpointSlice,
    ]
  }

  secret(key: string): Secret | undefined {
    const { certificate } = this.#options
    if (!certificate || !this.secrets.has(key)) return undefined
    const [namespace, name] = key.split('/') as [string, string]
    const encode = (pem: string) => Buffer.from(pem).toString('base64')
    const data = { 'tls.crt': encode(certificate.certificate), 'tls.key': encode(certificate.key) }
    return { metadata: { name, namespace }, type: 'kubernetes.io/tls', data }
  }

  rollOut(index: number): string {
    const key = keyOf(index % this.services.size)
    this.#rollOuts.set(key, (this.#rollOuts.get(key) ?? 0) + 1)
    return key
  }
}

function keyOf(index: number): string {
  return `app-${index}/app-${index}`
}

function ready(address: string, isReady: boolean) {
  return { addresses: [address], conditions: { ready: isReady, serving: isReady } }
}
