import { startAdmin } from '../kernel/admin.ts'
import type { Log } from '../kernel/log.ts'
import type { Metrics } from '../kernel/metrics.ts'
import { requestsPage, routesPage, whyPage } from './admin-pages.ts'
import type { Fleet } from './fleet.ts'
import type { TableBuilder } from './table/build.ts'

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
  /** Absent until the first table stands. */
  readonly fleet: () => Fleet | undefined
  /** Why no request should be sent here; empty: all is well. */
  readonly ready: () => readonly string[]
  /** What `/readyz` says beside "ok". */
  readonly notes: () => readonly string[]
}

/**
 * The two ports of the operator. Health is reachable through the public Service, so it answers `/healthz` and nothing else, and only while
 * the router serves (contract 5.10); metrics, `/readyz`, `/routes`, `/why` and `/requests` stand on a port of their own.
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
      notes: options.notes,
      routes: {
        '/routes': url => routesPage(builder, url),
        '/why': (url, accept) => whyPage(builder, options.fleet(), url, accept),
        '/requests': (url, accept) => requestsPage(options.fleet(), url, accept),
      },
    })
    return { health: health.port, admin: admin.port, stop: async () => void (await Promise.all([health.stop(), admin.stop()])) }
  } catch (error) {
    await health.stop()
    throw error
  }
}
