import { optionalText, requiredText, secretText } from '../domain/fields.ts'
import { checkPassword, hashPassword } from '../domain/password.ts'
import { conflict, forbidden, invalid, missing, Refusal, refused } from '../domain/refusal.ts'
import { now } from '../domain/timestamp.ts'
import { createToken, hashToken } from '../domain/token.ts'
import { checkEmail, checkPersonName, checkUsername, showUser, type User } from '../domain/user.ts'
import type { Records } from '../records.ts'
import type { Authentication } from './authentication.ts'
import type { UserCall } from './call.ts'
import { created, noContent, ok } from './reply.ts'
import type { Routes } from './routes.ts'

export interface AuthParts {
  readonly records: Records
  readonly authentication: Authentication
  readonly registration: 'enabled' | 'disabled' | 'admin_only'
}

// A user who logs in from more machines than this loses the oldest.
const TOKENS_MAX = 32

/** Accounts: register, login, whoami, passwd, tokens, cancel. */
export function authRoutes(routes: Routes, parts: AuthParts): void {
  const { records, authentication, registration } = parts
  const { users } = records

  routes.user('/v2/', { GET: () => ok({}) })

  routes.anonymous('/v2/auth/register/', {
    async POST({ body, user: caller }) {
      const isFirst = !users.list().some(user => user.isSuperuser)
      if (registration === 'disabled' || (registration === 'admin_only' && !isFirst && !caller?.isSuperuser)) throw forbidden()
      const account = await readAccount(body)
      const isSuperuser = isFirst && (await claimPlatform(records, account.username))
      // Of two who come first at once, the one without the claim is a stranger.
      if (registration === 'admin_only' && !isSuperuser && !caller?.isSuperuser) throw forbidden()
      const user = await users.create({ ...account, isSuperuser, isStaff: isSuperuser })
      if (!user) throw invalid('username', 'A user with that username already exists.')
      return created(showUser(user))
    },
  })

  routes.anonymous('/v2/auth/login/', {
    async POST({ body, address }) {
      const username = requiredText(body, 'username')
      const password = secretText(body, 'password')
      if (password === undefined) throw invalid('password', 'This field is required.')
      if (!username) throw invalid('username', 'This field may not be blank.')
      if (!password) throw invalid('password', 'This field may not be blank.')
      const user = await authentication.check(username, password, address)
      if (!user) throw invalid('non_field_errors', 'Unable to log in with provided credentials.')
      const token = createToken()
      await users.update(username, ({ tokens }) => ({
        tokens: [...tokens, { hash: hashToken(token), created: now() }].slice(-TOKENS_MAX),
        lastLogin: now(),
      }))
      return ok({ token })
    },
  })

  routes.user('/v2/auth/whoami/', { GET: ({ user }) => ok(showUser(user)) })

  routes.user('/v2/auth/passwd/', {
    async POST(call) {
      const { user, body, address } = call
      const next = secretText(body, 'new_password')
      if (!next) throw refused('new_password is a required field')
      const target = targetOf(call)
      checkPassword('new_password', next)
      if (!user.isSuperuser) {
        const current = secretText(body, 'password')
        if (!current) throw refused('password is a required field')
        if (!(await authentication.check(user.username, current, address)))
          throw new Refusal(401, { detail: 'Current password does not match' })
      }
      const password = await hashPassword(next)
      await users.update(target.username, () => ({ password }))
      return ok({ status: 'password set' })
    },
  })

  routes.user('/v2/auth/tokens/', {
    async POST(call) {
      const { user, body } = call
      if (body['all']) {
        if (!user.isSuperuser) throw forbidden()
        for (const { username } of users.list()) await users.update(username, () => ({ tokens: [] }))
        return ok('')
      }
      const { username } = targetOf(call)
      const token = createToken()
      await users.update(username, () => ({ tokens: [{ hash: hashToken(token), created: now() }] }))
      return ok({ token })
    },
  })

  routes.user('/v2/auth/cancel/', {
    async DELETE(call) {
      const { username, isSuperuser } = targetOf(call)
      checkOwnsNothing(username)
      // First the doors are shut, then what bears the name goes, the name itself last: nobody can take it and inherit something.
      await users.update(username, () => ({ isActive: false }))
      try {
        // What was on its way through the door is here by now, or finds it shut and turns back.
        checkOwnsNothing(username)
      } catch (error) {
        await users.update(username, () => ({ isActive: true }))
        throw error
      }
      for (const key of records.sshKeys.list().filter(({ owner }) => owner === username)) {
        await records.sshKeys.remove(key.fingerprint)
        await records.claims.release('key-id', key.id)
      }
      for (const app of records.apps.list().filter(({ collaborators }) => collaborators.includes(username)))
        await records.apps.update(app.id, ({ collaborators }) => ({ collaborators: collaborators.filter(name => name !== username) }))
      await users.remove(username)
      // Should the last superuser have gone, the next who registers is the first again.
      if (isSuperuser) await records.claims.release('superuser', 'first')
      return noContent()
    },
  })

  /** @throws {Refusal} 409 */
  function checkOwnsNothing(username: string): void {
    const owned = [...records.apps.list(), ...records.certificates.list()]
    if (owned.some(({ owner }) => owner === username))
      throw conflict(`${username} still has applications assigned. Delete or transfer ownership`)
  }

  /** The user named in the body, by default the caller himself; others only for superusers. @throws {Refusal} 403 or 404 */
  function targetOf({ user, body }: UserCall): User {
    const username = optionalText(body, 'username')
    if (!username || username === user.username) return user
    if (!user.isSuperuser) throw forbidden()
    const target = users.get(username)
    if (!target) throw missing('User')
    return target
  }
}

/** Reads the body of a registration; privileges in it are not even looked at. */
async function readAccount(body: UserCall['body']): Promise<Omit<User, 'isSuperuser' | 'isStaff'>> {
  const username = requiredText(body, 'username')
  const password = secretText(body, 'password')
  checkUsername(username)
  if (password === undefined) throw invalid('password', 'This field is required.')
  checkPassword('password', password)
  const email = optionalText(body, 'email') ?? ''
  checkEmail(email)
  const [firstName, lastName] = [optionalText(body, 'first_name') ?? '', optionalText(body, 'last_name') ?? '']
  checkPersonName('first_name', firstName)
  checkPersonName('last_name', lastName)
  return { username, email, firstName, lastName, isActive: true, dateJoined: now(), password: await hashPassword(password), tokens: [] }
}

/** The first who registers becomes superuser: of several at once the one whose claim is created. */
function claimPlatform(records: Records, username: string): Promise<boolean> {
  return records.claims.take('superuser', 'first', username, holder => records.users.get(holder)?.isSuperuser === true)
}
