import { mayManage } from '../domain/access.ts'
import { requiredText } from '../domain/fields.ts'
import { forbidden, missing } from '../domain/refusal.ts'
import type { PlatformLog } from '../platform-log.ts'
import type { Records } from '../records.ts'
import type { AppCall, Handlers } from './call.ts'
import { created, noContent, ok } from './reply.ts'
import type { Routes } from './routes.ts'
import { unlessCancelled } from './unless-cancelled.ts'

/** With whom an app is shared. */
export function permsRoutes(routes: Routes, { records, platformLog }: { records: Records; platformLog: PlatformLog }): void {
  const { apps, users } = records

  routes.app('/perms/', {
    GET: ({ app }) => ok({ users: app.collaborators }),
    async POST({ app, user, body }) {
      const username = requiredText(body, 'username')
      if (!mayManage(user, app)) throw forbidden()
      if (!users.get(username)?.isActive) throw missing('User')
      await apps.update(app.id, ({ collaborators, owner }) =>
        username === owner || collaborators.includes(username) ? undefined : { collaborators: [...collaborators, username] },
      )
      await unlessCancelled(records, username, () =>
        apps.update(app.id, ({ collaborators }) => ({ collaborators: collaborators.filter(name => name !== username) })),
      )
      platformLog.say(app.id, `User ${username} was granted access to ${app.id}`)
      return created()
    },
  })

  const leave: Handlers<AppCall> = {
    async DELETE({ app, user, params }) {
      const username = params['username'] ?? ''
      if (!users.get(username)) throw missing('User')
      // A collaborator may leave, and send nobody else away.
      if (!app.collaborators.includes(username) || (user.username !== username && !mayManage(user, app))) throw forbidden()
      await apps.update(app.id, ({ collaborators }) => ({ collaborators: collaborators.filter(name => name !== username) }))
      platformLog.say(app.id, `User ${username} was revoked access to ${app.id}`)
      return noContent()
    },
  }
  routes.app('/perms/:username', leave, { collaboratorsMayDelete: true })
}
