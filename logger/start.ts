import type { AddressInfo } from 'node:net'
import { startAdmin } from '../kernel/admin.ts'
import type { KubernetesApi } from '../kernel/kubernetes/api.ts'
import { type Running, Stack } from '../kernel/lifecycle.ts'
import type { Log } from '../kernel/log.ts'
import { createMetrics } from '../kernel/metrics.ts'
import { startCollector } from './collect.ts'
import type { LoggerConfig } from './config.ts'
import { FileStore } from './file-store.ts'
import { LogHub } from './hub.ts'
import { MemoryStore } from './memory-store.ts'
import { logServer } from './server.ts'

const SWEEP_MS = 600_000

/** Wires the logger: pods → collector → hub → store, and the server beside them. @returns its ports `http` and `admin` */
export async function startLogger({
  api,
  config,
  log,
}: {
  api: KubernetesApi
  config: LoggerConfig
  log: Log
}): Promise<Required<Running>> {
  const stack = new Stack(log)
  try {
    const store = config.storage === 'file' ? new FileStore(config.home!, config) : new MemoryStore(config)
    const metrics = createMetrics('logger')
    const failures = metrics.counter({ name: 'logger_store_failures_total', help: 'Batches that could not be stored' })
    const hub = new LogHub(store, (app, error) => {
      failures.inc()
      log.error('lines not stored', { app, error })
    })
    stack.add('hub', { stop: () => hub.close() })
    const collector = stack.add('collector', await startCollector({ api, hub, store, log }))
    metrics.gauge({
      name: 'logger_followed_containers',
      help: 'Containers whose output is followed',
      collect: () => collector.followerCount,
    })
    const sweeping = setInterval(() => store.sweep(Date.now()).catch(error => log.error('sweep failed', { error })), SWEEP_MS)
    stack.add('sweep', { stop: () => clearInterval(sweeping) })
    const server = logServer({ hub, collector, log, followerCountMax: config.followerCountMax })
    await server.listen({ port: config.port, host: config.bind })
    stack.add('server', { stop: () => server.close() })
    const admin = stack.add('admin', await startAdmin({ port: config.adminPort, host: config.bind, log, metrics, ready: () => [] }))
    const { port } = server.server.address() as AddressInfo
    return { ports: { http: port, admin: admin.port }, stop: () => stack.stop() }
  } catch (error) {
    await stack.stop()
    throw error
  }
}
