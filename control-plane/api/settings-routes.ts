import { randomUUID } from 'node:crypto'
import type { Deployer } from '../deploy/deployer.ts'
import { ADDRESSES_MAX, parseAddresses } from '../domain/addresses.ts'
import { type App, type Settings, showSettings } from '../domain/app.ts'
import { canonical } from '../domain/config.ts'
import { conflict, invalid, unprocessable } from '../domain/refusal.ts'
import { mergeSettings } from '../domain/settings.ts'
import { now } from '../domain/timestamp.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import { created, noContent, ok } from './reply.ts'
import type { Routes } from './routes.ts'

export interface SettingsParts {
  readonly records: Records
  readonly deployer: Deployer
  readonly platformLog: PlatformLog
}

/** How an app is served: settings, whitelist. */
export function settingsRoutes(routes: Routes, { records, deployer, platformLog }: SettingsParts): void {
  routes.app('/settings/', {
    GET: ({ app }) => ok(showSettings(app)),
    async POST({ app, user, body }) {
      const changed = await change(app, user.username, settings => {
        const next = { ...settings, ...mergeSettings(settings, body) }
        if (canonical(next) === canonical(settings)) throw conflict(`${user.username} changed nothing`)
        return next
      })
      return created(showSettings(changed))
    },
  })

  routes.app('/whitelist/', {
    GET: ({ app }) => ok({ addresses: app.settings.whitelist }),
    async POST({ app, user, body }) {
      const addresses = parseAddresses(body)
      const { settings } = await change(app, user.username, current => {
        const added = addresses.filter(address => !current.whitelist.includes(address))
        if (added.length === 0) throw conflict(`${user.username} changed nothing`)
        const whitelist = [...current.whitelist, ...added]
        if (whitelist.length > ADDRESSES_MAX) throw invalid('addresses', `Ensure this field has no more than ${ADDRESSES_MAX} elements.`)
        return { ...current, whitelist }
      })
      return created({ addresses: settings.whitelist })
    },
    async DELETE({ app, user, body }) {
      const addresses = parseAddresses(body)
      await change(app, user.username, current => {
        const unknown = addresses.filter(address => !current.whitelist.includes(address))
        if (unknown.length > 0) throw unprocessable(`addresses {${unknown.join(', ')}} does not exist in whitelist`)
        return { ...current, whitelist: current.whitelist.filter(address => !addresses.includes(address)) }
      })
      return noContent()
    },
  })

  /** Writes new settings and waits until the router can see them. */
  async function change(app: App, username: string, make: (settings: Settings) => Settings): Promise<App> {
    const changed = await records.apps.update(app.id, ({ settings }) => ({ settings: { ...make(settings), ...row(username) } }))
    await deployer.sync(app.id)
    platformLog.say(app.id, `appsettings ${app.id}-${changed.settings.uuid.slice(0, 7)} updated`)
    return changed
  }
}

function row(owner: string) {
  return { uuid: randomUUID(), owner, created: now(), updated: now() }
}
