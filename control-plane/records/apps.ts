import type { ConfigMap } from 'kubernetes-types/core/v1'
import { HERITAGE, LABELS } from '../../kernel/contract.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { App } from '../domain/app.ts'
import { now } from '../domain/timestamp.ts'
import { checkRecordSize, isTaken, RECORD_LABEL, type RecordKind, type RecordTable } from './record-table.ts'

/** An app is a ConfigMap of its own namespace, both named after its id. */
export const appKind: RecordKind<ConfigMap, App> = {
  kind: 'app',
  resource: RESOURCES.configMaps,
  parse: map => JSON.parse(map.data?.['app'] ?? '') as App,
}

/** The apps. */
export class Apps {
  readonly #table: RecordTable<ConfigMap, App>

  constructor(table: RecordTable<ConfigMap, App>) {
    this.#table = table
  }

  get(id: string): App | undefined {
    return this.#table.get(id, id)
  }

  /** Asks the API server itself, for whom a stale copy would not do. */
  read(id: string): Promise<App | undefined> {
    return this.#table.read(id, id)
  }

  get count(): number {
    return this.#table.size
  }

  /** All apps, by id, those that are being destroyed among them. */
  list(): App[] {
    return this.#table.list().sort((a, b) => (a.id < b.id ? -1 : 1))
  }

  /** @returns `undefined` when the app exists */
  async create(app: App): Promise<App | undefined> {
    try {
      return await this.#table.create({
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: {
          name: app.id,
          namespace: app.id,
          labels: { [RECORD_LABEL]: 'app', [LABELS.app]: app.id, [LABELS.heritage]: HERITAGE },
        },
        data: { app: JSON.stringify(app) },
      })
    } catch (error) {
      if (isTaken(error)) return undefined
      throw error
    }
  }

  /** Changes parts of an app; returning nothing leaves it as it is. @throws {KubernetesError} 404 when it has gone */
  update(id: string, change: (app: App) => Partial<App> | undefined): Promise<App> {
    return this.#table.modify(id, id, (app, map) => {
      const changed = change(app)
      if (!changed) return undefined
      const next = { ...app, ...changed, updated: now() }
      checkRecordSize(`App ${id}`, next)
      return { ...map, data: { app: JSON.stringify(next) } }
    })
  }
}
