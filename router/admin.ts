import { type AdminReply, startAdmin } from '../kernel/admin.ts'
import type { Log } from '../kernel/log.ts'
import type { Metrics } from '../kernel/metrics.ts'
import type { TableBuilder } from './table/build.ts'
import { explain } from './table/explain.ts'
import { Table } from './table/table.ts'

export interface AdminPorts {
  readonly health: number
  readonly admin: number
  stop(): Promise<void>
}

export interface AdminOptions {
  readonly bind: string
  readonly healthPort: number
  readonly adminPort: number
  readonly log: Log
  readonly metrics: Metrics
  readonly builder: TableBuilder
  /** Why no request should be sent here; empty: all is well. */
  readonly ready: () => readonly string[]
}

/**
 * The two ports of the operator. Health is reachable through the public Service, so it answers `/healthz` and nothing else, and only while
 * the router serves (contract 5.10); metrics, `/readyz`, `/routes` and `/why` stand on a port of their own.
 */
export async function startAdminPorts(options: AdminOptions): Promise<AdminPorts> {
  const { bind: host, log, metrics, builder, ready } = options
  const healthz = () => (ready().length === 0 ? { body: '' } : { status: 503, body: '' })
  const health = await startAdmin({
    port: options.healthPort,
    host,
    log,
    ready,
    routes: { '/healthz': healthz, '/readyz': () => ({ status: 404, body: 'Not found\n' }) },
  })
  try {
    const admin = await startAdmin({
      port: options.adminPort,
      host,
      log,
      metrics,
      ready,
      routes: { '/routes': url => routes(builder, url), '/why': url => why(builder, url) },
    })
    return { health: health.port, admin: admin.port, stop: async () => void (await Promise.all([health.stop(), admin.stop()])) }
  } catch (error) {
    await health.stop()
    throw error
  }
}

/** `/routes`: all apps with their hosts, endpoints, policy and faults; `?app=` or `?service=` picks one, `?faults` those that have any. */
function routes(builder: TableBuilder, url: URL): AdminReply {
  const { router, apps } = builder.report()
  const { searchParams: query } = url
  const wanted = apps.filter(
    ({ app, service, faults }) =>
      app === (query.get('app') ?? app) && service === (query.get('service') ?? service) && !(query.has('faults') && faults.length === 0),
  )
  return { body: { version: builder.version, router, apps: wanted } }
}

/** `/why?host=…&path=…&from=…&scheme=…`: what would become of such a request. */
function why(builder: TableBuilder, url: URL): AdminReply {
  const { searchParams: query } = url
  const host = query.get('host')
  if (host === null) return { status: 400, body: 'Say which host: /why?host=shop.example.com&path=/&from=192.0.2.1\n' }
  const table = new Table().apply(builder.whole())
  const request = { host, path: query.get('path') ?? '/', from: query.get('from') ?? undefined, isSecure: query.get('scheme') === 'https' }
  return { body: explain(table, request) }
}
