import type { Command } from 'commander'
import { addCommand, LIMIT, parseLimit } from '../command.ts'

/** For administrators: who has an account. */
export function addUserCommands(program: Command): void {
  addCommand<{ limit?: string }>(program, {
    usage: 'users',
    aliases: ['users:list'],
    summary: 'list everybody who has an account, for administrators',
    options: [LIMIT],
    async action(context, { limit }) {
      const users = await context.api.list<Record<'username' | 'email' | 'last_login', string> & { is_superuser: boolean }>(
        '/v2/users/',
        parseLimit(limit),
      )
      const rows = users.map(user => [user.username, user.is_superuser ? 'administrator' : '', user.email, user.last_login ?? ''])
      context.output.result(users, () => context.output.table(['user', 'role', 'email', 'last login'], rows, 'No users'))
    },
  })
}
