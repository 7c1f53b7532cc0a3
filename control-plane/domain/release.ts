import type { Build } from './build.ts'
import type { Config } from './config.ts'
import { timestamp } from './timestamp.ts'

/** One numbered state of an app: what runs, with which config. Only how it ended (`failed`, `summary`, `exception`) changes later. */
export interface Release {
  readonly app: string
  readonly uuid: string
  readonly version: number
  readonly owner: string
  readonly created: string
  readonly updated: string
  readonly summary: string
  readonly failed: boolean
  /** Why it failed. */
  readonly exception?: string
  readonly config: Config
  readonly build?: Build
}

/** The release as the API shows it. */
export function showRelease(release: Release) {
  return {
    uuid: release.uuid,
    app: release.app,
    owner: release.owner,
    created: timestamp(release.created),
    updated: timestamp(release.updated),
    version: release.version,
    summary: release.summary,
    failed: release.failed,
    exception: release.exception ?? null,
    config: release.config.uuid,
    build: release.build?.uuid ?? null,
  }
}
