import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { PlatformApi } from '../api.ts'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'
import { askPassword, askText } from '../output.ts'
import { profilePath, readProfile, removeProfile, writeProfile } from '../profile.ts'

interface Credentials {
  readonly username?: string
  readonly password?: string
  readonly email?: string
  readonly sslVerify?: string
  readonly ca?: string
}

const CREDENTIALS = [
  ['-u, --username <name>', 'who you are'],
  ['-p, --password <text>', 'asked for when it is not given; other processes can see it here'],
  ['--ssl-verify <bool>', 'false takes any certificate (true)'],
  ['--ca <file>', 'a certificate authority to trust, PEM'],
] as const

interface User {
  readonly username: string
  readonly email: string
  readonly is_superuser: boolean
}

/** Commands about the person: register, login, logout, whoami, passwd. */
export function addAccountCommands(program: Command): void {
  addCommand<Credentials>(program, {
    usage: 'register <controller>',
    aliases: ['auth:register'],
    summary: 'make an account at a platform, and log in',
    options: [...CREDENTIALS, ['--email <address>', 'where you are reached']],
    async action(context, options, controller) {
      const { api, username, password } = await connect(controller!, options)
      const email = options.email ?? ''
      // Where only administrators may register, the token of the one who is logged in here speaks for the new user.
      await authorised(context, controller!, options, api).post('/v2/auth/register/', { username, password, email })
      context.output.note(`Registered ${username}`)
      await logIn(context, options, api, username, password)
    },
  })
  addCommand<Credentials>(program, {
    usage: 'login <controller>',
    aliases: ['auth:login'],
    summary: 'log in to a platform',
    options: CREDENTIALS,
    async action(context, options, controller) {
      const { api, username, password } = await connect(controller!, options)
      await logIn(context, options, api, username, password)
    },
  })
  addCommand(program, {
    usage: 'logout',
    aliases: ['auth:logout'],
    summary: 'forget the login on this machine',
    async action(context) {
      removeProfile(context.env)
      context.output.note('Logged out')
    },
  })
  addCommand(program, {
    usage: 'whoami',
    aliases: ['auth:whoami'],
    summary: 'show who is logged in where',
    async action(context) {
      const user = await context.api.get<User>('/v2/auth/whoami/')
      context.output.result(user, () => {
        const role = user.is_superuser ? ' (administrator)' : ''
        context.output.line(`You are ${user.username}${role} at ${context.profile.controller}`)
      })
    },
  })
  addCommand<{ password?: string; newPassword?: string; username?: string }>(program, {
    usage: 'passwd',
    aliases: ['auth:passwd'],
    summary: 'change a password',
    options: [
      ['-p, --password <text>', 'the present one'],
      ['--new-password <text>', 'the one to come'],
      ['-u, --username <name>', "another user's, for administrators"],
    ],
    async action(context, options) {
      const password = options.username ? undefined : (options.password ?? (await askPassword('Current password', '--password')))
      const new_password = options.newPassword ?? (await askPassword('New password', '--new-password'))
      const username = options.username
      await context.api.post('/v2/auth/passwd/', { new_password, ...(password ? { password } : {}), ...(username ? { username } : {}) })
      context.output.note('Password changed')
    },
  })
}

async function connect(controller: string, options: Credentials) {
  const api = new PlatformApi({ controller, ...trust(options) })
  const username = options.username ?? (await askText('Username', '--username'))
  const password = options.password ?? (await askPassword('Password', '--password'))
  return { api, username, password }
}

function trust(options: Credentials): { ssl_verify: boolean; ca?: string } {
  const ssl_verify = !/^(false|0|no)$/i.test(options.sslVerify ?? 'true')
  if (!options.ca) return { ssl_verify }
  try {
    return { ssl_verify, ca: readFileSync(options.ca, 'utf8') }
  } catch (error) {
    throw new CommandError(`Cannot read ${options.ca}: ${(error as Error).message}`, 2)
  }
}

function authorised(context: Context, controller: string, options: Credentials, api: PlatformApi): PlatformApi {
  try {
    const { token, controller: known } = readProfile(context.env)
    return new URL(known).host === api.controller.host ? new PlatformApi({ controller, token, ...trust(options) }) : api
  } catch {
    return api
  }
}

async function logIn(context: Context, options: Credentials, api: PlatformApi, username: string, password: string) {
  const { token } = await api.post<{ token: string }>('/v2/auth/login/', { username, password })
  await api.close()
  writeProfile(context.env, { username, controller: api.controller.origin, token, response_limit: 0, ...trust(options) })
  context.output.result({ username, controller: api.controller.origin }, () => {
    context.output.line(`Logged in as ${username}`)
    context.output.note(context.output.style('dim', `Kept in ${profilePath(context.env)}`))
  })
}
