import type { Deployer } from '../deploy/deployer.ts'
import type { Pages } from '../deploy/pages.ts'
import type { App } from '../domain/app.ts'
import { own } from '../domain/fields.ts'
import { parsePage, parsePageName } from '../domain/page.ts'
import { missing } from '../domain/refusal.ts'
import type { PlatformLog } from '../platform-log.ts'
import { created, noContent, ok } from './reply.ts'
import type { Routes } from './routes.ts'

export interface PageParts {
  readonly pages: Pages
  readonly deployer: Deployer
  readonly platformLog: PlatformLog
}

/** What visitors see of an app that does not answer: its own error and maintenance pages. */
export function pageRoutes(routes: Routes, { pages, deployer, platformLog }: PageParts): void {
  routes.app('/pages/', {
    GET: ({ app }) =>
      ok({
        pages: Object.keys(app.pages ?? {})
          .sort()
          .map(name => show(app, name)),
      }),
    async POST({ app, user, body }) {
      const wish = parsePage(body)
      const changed = await pages.set(app.id, wish)
      await deployer.sync(app.id)
      platformLog.say(app.id, `${user.username} set the page ${wish.name}`)
      return created(show(changed, wish.name))
    },
    async DELETE({ app, user, body }) {
      const name = parsePageName(body)
      if (own(app.pages ?? {}, name) === undefined) throw missing('Page')
      await pages.unset(app.id, name)
      await deployer.sync(app.id)
      platformLog.say(app.id, `${user.username} removed the page ${name}`)
      return noContent()
    },
  })
}

function show(app: App, name: string) {
  return { name, url: null, ...own(app.pages ?? {}, name) }
}
