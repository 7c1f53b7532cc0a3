import { randomUUID } from 'node:crypto'
import type { App } from '../domain/app.ts'
import { EMPTY_CONFIG } from '../domain/config.ts'
import { conflict, invalid, Refusal, unavailable } from '../domain/refusal.ts'
import { now } from '../domain/timestamp.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import type { Cluster } from './cluster.ts'

export interface CreateParts {
  readonly records: Records
  readonly cluster: Cluster
  readonly platformLog: PlatformLog
  /** Writes the app's Service. */
  readonly syncRouting: (app: string) => Promise<void>
}

const EXISTS = 'Application with this id already exists.'

/**
 * Creates an app: its namespace, its record (which is what claims the name), its own domain, its first release and its Service.
 *
 * @throws {Refusal} 400 when the app exists or its name is another app's domain, 409 when the namespace is none of ours, 503 when
 *   Kubernetes fails; what was made by then is taken back
 */
export async function createApp(id: string, owner: string, parts: CreateParts): Promise<App> {
  const { records, cluster, platformLog } = parts
  if (isVisible(records.apps.get(id))) throw invalid('id', EXISTS)
  const claimed = await records.domains.read(id)
  if (claimed && claimed.app !== id) throw invalid('id', EXISTS, 'Domain is already in use by another application')
  const whose = await cluster.claimNamespace(id).catch(failed)
  if (whose === 'foreign') throw conflict(`${id} already exists as a namespace in this kuberenetes setup`)
  // A namespace of ours without an app is what a process left that died here; whoever creates the record has it.
  const app = await records.apps.create(newApp(id, owner)).catch(failed)
  if (!app) throw invalid('id', EXISTS)
  // What an earlier app of this name wrote is none of the new owner's business.
  await platformLog.forget(id)
  await completeApp(app, parts).catch(failed)
  const { uuid } = records.releases.get(id, 1)?.config ?? { uuid: '' }
  for (const text of [
    `config ${id}-${uuid.slice(0, 7)} updated`,
    `${owner} created initial release`,
    `appsettings ${id}-${app.settings.uuid.slice(0, 7)} updated`,
    `domain ${id} added`,
  ])
    platformLog.say(id, text)
  return app
}

/** Gives an app what it lacks of its first things: when it is created, or after a process died while it created it. */
export async function completeApp(app: App, parts: Omit<CreateParts, 'platformLog'>): Promise<void> {
  const { records } = parts
  if (records.releases.list(app.id).length === 0) {
    const { id, owner, created } = app
    await records.domains.create({ domain: id, app: id, owner, created, updated: created })
    await records.releases.create({
      app: id,
      uuid: randomUUID(),
      version: 1,
      owner,
      created,
      updated: created,
      summary: `${owner} created initial release`,
      failed: false,
      config: { uuid: randomUUID(), owner, created, updated: created, ...EMPTY_CONFIG },
    })
  }
  await parts.syncRouting(app.id)
}

function newApp(id: string, owner: string): App {
  const created = now()
  const row = () => ({ uuid: randomUUID(), owner, created, updated: created })
  return {
    id,
    uuid: randomUUID(),
    owner,
    collaborators: [],
    formation: {},
    deployed: 0,
    settings: { ...row(), maintenance: false, routable: true, whitelist: [], autoscale: {}, label: {} },
    tls: { ...row(), https_enforced: null },
    created,
    updated: created,
  }
}

function isVisible(app: App | undefined): boolean {
  return app !== undefined && !app.deleting
}

function failed(error: unknown): never {
  if (error instanceof Refusal) throw error
  throw unavailable(`Cannot create app: ${(error as Error).message}`, error)
}
