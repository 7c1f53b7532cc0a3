import { isStatus } from '../../kernel/kubernetes/api.ts'
import type { Log } from '../../kernel/log.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import type { AppLocks } from './app-locks.ts'
import type { Cluster } from './cluster.ts'
import type { Workloads } from './workloads.ts'

export interface DestroyParts {
  readonly records: Records
  readonly cluster: Cluster
  readonly workloads: Workloads
  readonly platformLog: PlatformLog
  readonly locks: AppLocks
  readonly log: Log
  /** How long to wait for the namespace to go; it goes on doing so afterwards. */
  readonly timeoutMs: number
}

/**
 * Takes an app off the platform: its domains, its namespace with everything in it, its logs. The mark on its record comes first, so that a
 * process that dies in between leaves an app that is seen by nobody and destroyed at the next start.
 */
export async function destroyApp(id: string, parts: DestroyParts): Promise<void> {
  const { records, cluster, workloads, platformLog, locks, log } = parts
  try {
    await records.apps.update(id, () => ({ deleting: true }))
  } catch (error) {
    if (!isStatus(error, 404)) throw error
  }
  // Whatever is being rolled out has nobody left to serve.
  locks.supersede(id)
  await locks.run(id, async signal => {
    for (const { domain } of records.domains.list(id)) await records.domains.remove(domain)
    await records.issuers.remove(id)
    await cluster.removeNamespace(id)
    const timeout = AbortSignal.timeout(parts.timeoutMs)
    await workloads
      .until(() => !workloads.hasNamespace(id), AbortSignal.any([signal, timeout]))
      .catch(() => {
        log.warn('namespace still goes', { app: id })
      })
    await platformLog.forget(id)
  })
}
