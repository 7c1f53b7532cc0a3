import { readFileSync } from 'node:fs'
import type { LogFields } from '../kernel/log.ts'
import { DEFAULT_LIMITS, type Limits } from './serve/limits.ts'

/** Listeners, the log, the channel to the primary, or its connections to the API server. */
const OWN_FILES = 64

/** How many files this process may open, its workers as well; `undefined` where the system does not say. */
export function openFilesMax(): number | undefined {
  try {
    return parseOpenFiles(readFileSync('/proc/self/limits', 'utf8'))
  } catch {
    // No Linux: the report knows, but takes a tenth of a second to write.
    const report = process.report.getReport() as { userLimits?: { open_files?: { soft?: number | string } } }
    const soft = Number(report.userLimits?.open_files?.soft)
    return Number.isFinite(soft) ? soft : undefined
  }
}

/** The soft limit in the text of `/proc/self/limits`; `undefined` for unlimited. */
export function parseOpenFiles(text: string): number | undefined {
  const soft = /^Max open files\s+(\S+)/m.exec(text)?.[1]
  return soft === undefined || soft === 'unlimited' ? undefined : Number(soft)
}

/** {@link fitToFiles}'s answer. */
export interface Fit {
  readonly limits: Partial<Limits>
  /** What there is to tell the operator where there are fewer connections than wanted. */
  readonly shortage?: LogFields
}

/**
 * Bounds the connections of a worker by its open files, two for each: a client's connection and one to its app. Without that the system
 * would refuse the connections to apps first, and each request would fail.
 */
export function fitToFiles(wanted: Partial<Limits>, filesMax: number | undefined): Fit {
  if (filesMax === undefined) return { limits: wanted }
  const { connectionsMax, gitConnectionsMax, appRequestsMax } = { ...DEFAULT_LIMITS, ...wanted }
  const places = Math.max(2, Math.floor((filesMax - OWN_FILES) / 2))
  // Git gets an eighth at most where files are few.
  const git = Math.max(1, Math.min(gitConnectionsMax, Math.floor(places / 8)))
  if (connectionsMax <= places - git && gitConnectionsMax === git) return { limits: wanted }
  const http = Math.min(connectionsMax, places - git)
  // One app that hangs must leave room here as well.
  const ofOneApp = Math.max(1, Math.min(appRequestsMax, Math.floor(http / 2)))
  const fitted = { ...wanted, connectionsMax: http, gitConnectionsMax: git, appRequestsMax: ofOneApp }
  const openFilesNeeded = (connectionsMax + gitConnectionsMax) * 2 + OWN_FILES
  return {
    limits: fitted,
    shortage: { openFilesMax: filesMax, openFilesNeeded, connectionsMax: fitted.connectionsMax, connectionsWanted: connectionsMax },
  }
}
