import type { Build } from './build.ts'
import { own } from './fields.ts'
import type { Formation } from './formation.ts'
import type { PageRecord } from './page.ts'
import { timestamp } from './timestamp.ts'

/** Bounds of the autoscaler of one process type. */
export interface Autoscale {
  readonly min: number
  readonly max: number
  readonly cpu_percent: number
}

/** What an app's owner sets beside its config: nothing of it makes a release. */
export interface Settings {
  readonly uuid: string
  readonly owner: string
  readonly created: string
  readonly updated: string
  readonly maintenance: boolean
  readonly routable: boolean
  /** Addresses and networks that may reach the app; empty lets everybody in. */
  readonly whitelist: readonly string[]
  readonly autoscale: Readonly<Record<string, Autoscale>>
  readonly label: Readonly<Record<string, string>>
}

/** Whether plain HTTP is sent to HTTPS, and whether domains get certificates by themselves; `null` until somebody said so. */
export interface Tls {
  readonly uuid: string
  readonly owner: string
  readonly created: string
  readonly updated: string
  readonly https_enforced: boolean | null
  readonly certs_auto_enabled?: boolean | null
  /** Whether names that clients ask for get certificates, and who else than the operator must allow each; '' is nobody. */
  readonly certs_on_demand?: boolean
  readonly on_demand_ask?: string
}

/** An app: who may use it, how many processes it wants, and how it is served. */
export interface App {
  readonly id: string
  readonly uuid: string
  readonly owner: string
  readonly collaborators: readonly string[]
  readonly formation: Formation
  /** The release whose rollout settled last; 0 before the first. */
  readonly deployed: number
  readonly settings: Settings
  readonly tls: Tls
  /** Paths of the app's host by the process type that answers them, comma-separated. */
  readonly services?: Readonly<Record<string, string>>
  /** Error and maintenance pages by file name, `503.html`. */
  readonly pages?: Readonly<Record<string, PageRecord>>
  readonly created: string
  readonly updated: string
  /** Set once the app is being destroyed: it is shown no more, and its name is not free yet. */
  readonly deleting?: boolean
}

/** The app as the API shows it. */
export function showApp(app: App, build: Build | undefined) {
  return {
    uuid: app.uuid,
    id: app.id,
    owner: app.owner,
    structure: app.formation,
    procfile_structure: Object.fromEntries(Object.keys(build?.procfile ?? {}).map(type => [type, own(app.formation, type) ?? 0])),
    created: timestamp(app.created),
    updated: timestamp(app.updated),
  }
}

/** The settings as the API shows them. */
export function showSettings(app: App) {
  const { created, updated, ...settings } = app.settings
  return { ...settings, app: app.id, created: timestamp(created), updated: timestamp(updated) }
}

/** The TLS flag as the API shows it. */
export function showTls(app: App) {
  const { created, updated, ...tls } = app.tls
  return { ...tls, app: app.id, created: timestamp(created), updated: timestamp(updated) }
}
