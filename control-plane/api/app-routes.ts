import { mayManage, mayUse } from '../domain/access.ts'
import { type App, showApp } from '../domain/app.ts'
import { checkAppName, inventAppName } from '../domain/app-name.ts'
import { optionalText, requiredText } from '../domain/fields.ts'
import { forbidden, missing, Refusal } from '../domain/refusal.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import { page } from './page.ts'
import { created, noContent, ok, type Reply } from './reply.ts'
import type { Routes } from './routes.ts'
import { unlessCancelled } from './unless-cancelled.ts'

export interface AppParts {
  readonly records: Records
  readonly platformLog: PlatformLog
  readonly reservedNames: readonly string[]
  readonly createApp: (id: string, owner: string) => Promise<App>
  readonly destroyApp: (id: string) => Promise<void>
}

const INVENT_ATTEMPTS_MAX = 20

/** Apps: list, create, show, hand over, destroy. */
export function appRoutes(routes: Routes, parts: AppParts): void {
  const { records, platformLog } = parts
  const show = (app: App) => showApp(app, records.releases.current(app.id)?.build)

  routes.user('/v2/apps/', {
    GET(call) {
      const apps = records.apps.list().filter(app => !app.deleting && mayUse(call.user, app))
      return page(call, apps, show)
    },
    async POST({ user, body }) {
      const id = optionalText(body, 'id')
      if (id !== undefined) {
        checkAppName(id, parts.reservedNames)
        return created(show(await create(id, user.username)))
      }
      return invent(user.username)
    },
  })

  routes.app('/', {
    GET: ({ app }) => ok(show(app)),
    async POST({ app, user, body }) {
      const owner = requiredText(body, 'owner')
      if (!mayManage(user, app)) throw forbidden()
      const next = records.users.get(owner)
      if (!next?.isActive) throw missing('User')
      await records.apps.update(app.id, ({ collaborators }) => ({
        owner,
        collaborators: collaborators.filter(name => name !== owner),
      }))
      await unlessCancelled(records, owner, () =>
        records.apps.update(app.id, () => ({ owner: app.owner, collaborators: app.collaborators })),
      )
      platformLog.say(app.id, `${user.username} transferred ${app.id} to ${owner}`)
      return { status: 200 }
    },
    async DELETE({ app }) {
      await parts.destroyApp(app.id)
      return noContent()
    },
  })

  async function create(id: string, owner: string): Promise<App> {
    const app = await parts.createApp(id, owner)
    await unlessCancelled(records, owner, () => parts.destroyApp(id))
    return app
  }

  /** Tries invented names until one is free. */
  async function invent(owner: string): Promise<Reply> {
    for (let attempt = 1; ; attempt++) {
      const id = inventAppName(attempt > INVENT_ATTEMPTS_MAX / 2)
      try {
        return created(show(await create(id, owner)))
      } catch (error) {
        const isTaken = error instanceof Refusal && (error.status === 400 || error.status === 409)
        if (!isTaken || attempt === INVENT_ATTEMPTS_MAX) throw error
      }
    }
  }
}
