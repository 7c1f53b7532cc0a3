import type { Secret } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import { EMPTY_CONFIG } from '../domain/config.ts'
import type { Release } from '../domain/release.ts'
import { now } from '../domain/timestamp.ts'
import { checkRecordSize, decode, encode, isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** How a release ended. A Secret that is immutable still takes new annotations, and nothing else of a release ever changes. */
type Outcome = Pick<Release, 'failed' | 'summary' | 'exception' | 'updated'>

const OUTCOME = 'drycc.cc/outcome'

/** A release is an immutable Secret of its app's namespace, `<app>-release-v<N>`: creating it claims the number. */
export const releaseKind: RecordKind<Secret, Release> = {
  kind: 'release',
  resource: RESOURCES.secrets,
  parse: secret => ({
    ...whole(decode<Release>(secret.data?.['release'])),
    ...(JSON.parse(secret.metadata.annotations?.[OUTCOME] ?? '{}') as Partial<Outcome>),
  }),
}

/** The releases of each app. */
export class Releases {
  readonly #table: RecordTable<Secret, Release>
  readonly #byApp: ReadonlyMap<string, ReadonlyMap<number, Release>>

  /** @param byApp releases by app and version, kept by whoever watches the table */
  constructor(table: RecordTable<Secret, Release>, byApp: ReadonlyMap<string, ReadonlyMap<number, Release>>) {
    this.#table = table
    this.#byApp = byApp
  }

  get(app: string, version: number): Release | undefined {
    return this.#byApp.get(app)?.get(version)
  }

  /** The releases of an app, newest first, failed ones included. */
  list(app: string): Release[] {
    return [...(this.#byApp.get(app)?.values() ?? [])].sort((a, b) => b.version - a.version)
  }

  /** The newest release that did not fail: what the app is meant to run. */
  current(app: string): Release | undefined {
    return this.list(app).find(release => !release.failed)
  }

  /** The newest good release below a version. */
  before(app: string, version: number): Release | undefined {
    return this.list(app).find(release => release.version < version && !release.failed)
  }

  /**
   * Creates a release under its number.
   *
   * @returns `undefined` when the number is taken: somebody else released first
   * @throws {Refusal} 400 when config and build are too large to be kept
   */
  async create(release: Release): Promise<Release | undefined> {
    checkRecordSize(`Release v${release.version}`, release)
    try {
      return await this.#table.create({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: {
          name: nameOf(release.app, release.version),
          namespace: release.app,
          labels: {
            [RECORD_LABEL]: 'release',
            [LABELS.app]: release.app,
            [LABELS.version]: `v${release.version}`,
            [LABELS.heritage]: HERITAGE,
          },
        },
        type: 'drycc.cc/release',
        immutable: true,
        data: { release: encode(release) },
      })
    } catch (error) {
      if (isTaken(error)) return undefined
      throw error
    }
  }

  /** Removes all but the newest releases of an app, and the one that runs. */
  async prune(app: string, countMax: number, deployed: number): Promise<void> {
    for (const { version } of this.list(app).slice(countMax)) if (version !== deployed) await this.#table.remove(app, nameOf(app, version))
  }

  /** Marks a release as failed and says why. */
  fail(app: string, version: number, summary: string, exception: string): Promise<Release> {
    const outcome: Outcome = { failed: true, summary, exception, updated: now() }
    return this.#table.modify(app, nameOf(app, version), (_, secret) => annotate(secret, outcome))
  }
}

/** Keeps a map of maps true to the changes of the release table. */
export function indexReleases(byApp: Map<string, Map<number, Release>>) {
  return (release: Release | undefined, previous: Release | undefined) => {
    const { app, version } = (release ?? previous)!
    const versions = byApp.get(app) ?? new Map<number, Release>()
    if (release) byApp.set(app, versions.set(version, release))
    else if (versions.delete(version) && versions.size === 0) byApp.delete(app)
  }
}

/** A release that was kept before the config had one of its maps has that map, and it is empty. */
function whole(release: Release): Release {
  return { ...release, config: { ...EMPTY_CONFIG, ...release.config } }
}

function annotate(secret: Stored<Secret>, outcome: Outcome): Secret {
  const annotations = { ...secret.metadata.annotations, [OUTCOME]: JSON.stringify(outcome) }
  const labels = { ...secret.metadata.labels, 'drycc.cc/outcome': 'failed' }
  return { ...secret, metadata: { ...secret.metadata, annotations, labels } }
}

function nameOf(app: string, version: number): string {
  return `${app}-release-v${version}`
}
