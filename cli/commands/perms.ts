import type { Command } from 'commander'
import { addCommand } from '../command.ts'

interface PermsOptions {
  readonly admin?: boolean
}

const ADMIN = ['--admin', 'about administrators of the platform instead of one app'] as const

/** Commands about who else may use an app, and who administers the platform. */
export function addPermsCommands(program: Command): void {
  addCommand<PermsOptions>(program, {
    usage: 'perms',
    aliases: ['perms:list', 'sharing', 'sharing:list'],
    summary: 'list who else may use an app',
    ofApp: true,
    options: [ADMIN],
    async action(context, { admin }) {
      const names = admin
        ? (await context.api.list<{ username: string }>('/v2/admin/perms/')).map(({ username }) => username)
        : (await context.api.get<{ users: string[] }>(context.path('perms/'))).users
      context.output.result(names, () => {
        context.output.title(admin ? 'Administrators' : `${context.app} Users`)
        if (names.length === 0) context.output.empty('Nobody but the owner: let others in with drycc perms:create NAME')
        for (const name of names) context.output.line(name)
      })
    },
  })
  addCommand<PermsOptions>(program, {
    usage: 'perms:create <username>',
    aliases: ['perms:add', 'sharing:add'],
    summary: 'let another user use an app',
    ofApp: true,
    options: [ADMIN],
    async action(context, { admin }, username) {
      const where = admin ? 'the administrators' : context.app
      const path = admin ? '/v2/admin/perms/' : context.path('perms/')
      await context.output.progress(`Adding ${username} to ${where}`, context.api.post(path, { username }))
      context.output.done(admin ? { username, admin } : { app: where, username })
    },
  })
  addCommand<PermsOptions>(program, {
    usage: 'perms:delete <username>',
    aliases: ['perms:remove', 'sharing:remove'],
    summary: 'no longer let a user use an app',
    ofApp: true,
    options: [ADMIN],
    async action(context, { admin }, username) {
      const where = admin ? 'the administrators' : context.app
      const name = encodeURIComponent(username!)
      const path = admin ? `/v2/admin/perms/${name}` : context.path(`perms/${name}`)
      await context.output.progress(`Removing ${username} from ${where}`, context.api.delete(path))
      context.output.done(admin ? { username, admin: false } : { app: where, username })
    },
  })
}
