import type { HookBuildResult, HookKey } from '../../kernel/contract.ts'
import { mayUse } from '../domain/access.ts'
import type { App } from '../domain/app.ts'
import { showConfig } from '../domain/config.ts'
import { type Fields, optionalText, requiredText, secretText } from '../domain/fields.ts'
import { forbidden, missing, Refusal } from '../domain/refusal.ts'
import { hashToken, isToken } from '../domain/token.ts'
import type { User } from '../domain/user.ts'
import type { Records } from '../records.ts'
import type { Authentication } from './authentication.ts'
import type { Releasing } from './release-routes.ts'
import { ok } from './reply.ts'
import type { Routes } from './routes.ts'

export interface HookParts {
  readonly records: Records
  readonly authentication: Authentication
  readonly releasing: Releasing
  /** Where an app answers, the best first. */
  readonly urlsOf: (app: string) => readonly string[]
}

/** What the builder asks: who pushes, what he may push to, and to deploy what was built. */
export function hookRoutes(routes: Routes, { records, authentication, releasing, urlsOf }: HookParts): void {
  const { users, sshKeys, apps } = records

  routes.builder('/v2/hooks/key/:fingerprint', {
    GET({ params }) {
      const key = sshKeys.get((params['fingerprint'] ?? '').toLowerCase())
      const user = key && users.get(key.owner)
      if (!user?.isActive) throw new Refusal(404, { detail: 'No Keys match the given query.' })
      return ok(showAccess(user))
    },
  })

  routes.builder('/v2/hooks/keys/:app', {
    GET({ params }) {
      const app = findApp(params['app'])
      const allowed = users.list().filter(user => user.isActive && mayUse(user, app))
      return ok(Object.fromEntries(allowed.map(user => [user.username, keysOf(user)]).filter(([, keys]) => keys!.length > 0)))
    },
  })

  routes.builder('/v2/hooks/keys/:app/:username', {
    GET({ params }) {
      const user = permit(findApp(params['app']), params['username'])
      return ok({ [user.username]: keysOf(user) })
    },
  })

  routes.builder('/v2/hooks/config/', {
    POST({ body }) {
      const { app } = readReceiver(body)
      const current = records.releases.current(app.id)
      if (!current) throw missing('App')
      return ok(showConfig(app.id, current.config))
    },
  })

  routes.builder('/v2/hooks/build/', {
    async POST({ body }) {
      const { app, user } = readReceiver(body)
      const { version } = await releasing.build(user.username, app, body)
      return ok({ release: { version }, urls: urlsOf(app.id) } satisfies HookBuildResult)
    },
  })

  routes.builder('/v2/hooks/authenticate/', {
    async POST({ body }) {
      const username = optionalText(body, 'username') ?? ''
      const password = secretText(body, 'password') ?? ''
      // Guesses are counted by name alone: all of them come from the builder.
      const user = byToken(username, password) ?? (await authentication.check(username, password, 'builder'))
      if (!user) throw new Refusal(401, { detail: 'Unable to log in with provided credentials.' })
      return ok(showAccess(user))
    },
  })

  function showAccess(user: User): HookKey {
    const permitted = apps.list().filter(app => !app.deleting && mayUse(user, app))
    return { username: user.username, apps: permitted.map(({ id }) => id) }
  }

  function byToken(username: string, token: string): User | undefined {
    const user = isToken(token) ? users.byToken(hashToken(token)) : undefined
    return user?.isActive && user.username === username ? user : undefined
  }

  function keysOf(user: User) {
    return sshKeys
      .list()
      .filter(key => key.owner === user.username)
      .map(key => ({ key: key.public, fingerprint: key.fingerprint }))
  }

  function readReceiver(body: Fields): { app: App; user: User } {
    const username = requiredText(body, 'receive_user')
    const app = findApp(requiredText(body, 'receive_repo'))
    return { app, user: permit(app, username) }
  }

  function findApp(id: string | undefined): App {
    const app = apps.get(id ?? '')
    if (!app || app.deleting) throw missing('App')
    return app
  }

  function permit(app: App, username: string | undefined): User {
    const user = users.get(username ?? '')
    if (!user?.isActive) throw missing('User')
    if (!mayUse(user, app)) throw forbidden()
    return user
  }
}
