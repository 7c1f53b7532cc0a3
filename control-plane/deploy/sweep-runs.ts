import type { Cluster } from './cluster.ts'
import type { Workloads } from './workloads.ts'

/**
 * Removes the pods of one-off commands that nobody waits for any more: those that have ended, or run longer than anybody would wait. They
 * are left behind when a control plane dies while it waits.
 */
export async function sweepRuns(
  app: string,
  { cluster, workloads, timeoutMs }: { cluster: Cluster; workloads: Workloads; timeoutMs: number },
): Promise<void> {
  for (const { metadata, status } of workloads.pods(app, 'run')) {
    const ageMs = Date.now() - Date.parse(String(metadata.creationTimestamp))
    const hasEnded = status?.phase === 'Succeeded' || status?.phase === 'Failed'
    if (hasEnded || ageMs > timeoutMs) await cluster.removePod(app, metadata.name)
  }
}
