import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'

/** Drops what the platform still holds for an app that went without us, when somebody deleted its namespace: its domains and its logs. */
export async function forgetApp(id: string, { records, platformLog }: { records: Records; platformLog: PlatformLog }): Promise<void> {
  const domains = records.domains.list(id)
  // Asked of the API server itself: an app that is being created this moment has its record before its domain.
  if (domains.length === 0 || (await records.apps.read(id))) return
  for (const { domain } of domains) await records.domains.remove(domain)
  await records.issuers.remove(id)
  await platformLog.forget(id)
}
