import { requiredText } from '../domain/fields.ts'
import { conflict, missing } from '../domain/refusal.ts'
import { showUser } from '../domain/user.ts'
import type { Records } from '../records.ts'
import { page } from './page.ts'
import { created, noContent } from './reply.ts'
import type { Routes } from './routes.ts'

/** For superusers: who has an account, and who is superuser. */
export function userRoutes(routes: Routes, { users }: Pick<Records, 'users'>): void {
  routes.superuser('/v2/users/', { GET: call => page(call, users.list(), showUser) })

  routes.superuser('/v2/admin/perms/', {
    GET: call =>
      page(
        call,
        users.list().filter(user => user.isSuperuser),
        ({ username }) => ({ username, is_superuser: true }),
      ),
    async POST({ body }) {
      await setSuperuser(requiredText(body, 'username'), true)
      return created()
    },
  })

  routes.superuser('/v2/admin/perms/:username', {
    async DELETE({ params }) {
      await setSuperuser(params['username'] ?? '', false)
      return noContent()
    },
  })

  async function setSuperuser(username: string, isSuperuser: boolean): Promise<void> {
    if (!users.get(username)) throw missing('User')
    // Without one, whoever registers next would be superuser.
    const others = users.list().filter(user => user.isSuperuser && user.username !== username)
    if (!isSuperuser && others.length === 0) throw conflict(`${username} is the last administrator`)
    await users.update(username, () => ({ isSuperuser, isStaff: isSuperuser }))
  }
}
