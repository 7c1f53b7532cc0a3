import type { Command } from 'commander'
import { PlatformApi } from '../api.ts'
import { askConfirm, askPassword, askText } from '../ask.ts'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'
import { profilePath, readProfile, removeProfile, writeProfile } from '../profile.ts'
import { readNamedFile } from '../read-file.ts'

interface Credentials {
  readonly username?: string
  readonly password?: string
  readonly passwordStdin?: boolean
  readonly email?: string
  readonly sslVerify?: string
  readonly ca?: string
}

const CREDENTIALS = [
  ['-u, --username <name>', 'who you are'],
  ['-p, --password <text>', 'asked for when it is not given; other processes can see it here'],
  ['--password-stdin', 'read the password from standard input'],
  ['--ca <file>', 'a certificate authority to trust, PEM'],
  ['--ssl-verify <bool>', 'false takes any certificate (true)'],
] as const

interface User {
  readonly username: string
  readonly email: string
  readonly is_superuser: boolean
}

/** Commands about the person: register, login, logout, whoami, passwd, and his token. */
export function addAccountCommands(program: Command): void {
  addLoginCommands(program)
  addCommand<{ all?: boolean }>(program, {
    usage: 'whoami',
    aliases: ['auth:whoami'],
    summary: 'show who is logged in where',
    options: [['--all', 'everything that the platform knows of you']],
    async action(context, { all }) {
      const user = await context.api.get<User>('/v2/auth/whoami/')
      context.output.result(user, () => {
        const role = user.is_superuser ? ' (administrator)' : ''
        context.output.line(`You are ${user.username}${role} at ${context.profile.controller}`)
        if (all) context.output.pairs(Object.entries(user).map(([name, value]) => [name, String(value ?? '')]))
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
    async action(context, { password, newPassword, username }) {
      const { api } = context
      const current = username ? undefined : (password ?? (await askPassword('Current password', '--password')))
      const new_password = newPassword ?? (await askPassword('New password', '--new-password'))
      await api.post('/v2/auth/passwd/', { new_password, ...(current ? { password: current } : {}), ...(username ? { username } : {}) })
      context.output.done({ username: username ?? context.profile.username }, 'Password changed')
    },
  })
  addCommand(program, {
    usage: 'auth:token',
    summary: 'print the token of the login, for other clients of the API',
    examples: ['auth:token', 'auth:token | xargs -I% curl -H "Authorization: token %" http://drycc.example.com/v2/apps/'],
    async action(context) {
      const { controller, username, token } = context.profile
      context.output.result({ controller, username, token }, () => context.output.line(token))
    },
  })
  addCommand<{ username?: string; all?: boolean }>(program, {
    usage: 'auth:regenerate',
    summary: 'make a new token; all logins with older ones end',
    options: [
      ['-u, --username <name>', "another user's, for administrators"],
      ['--all', "end everybody's logins, for administrators"],
    ],
    async action(context, { username, all }) {
      const { profile, api } = context
      const answer = await api.post<{ token: string } | string>('/v2/auth/tokens/', all ? { all } : username ? { username } : {})
      const isOwn = !all && (!username || username === profile.username)
      if (isOwn && typeof answer === 'object') writeProfile(context.env, { ...profile, token: answer.token })
      if (all) removeProfile(context.env)
      context.output.done(
        { username: all ? null : (username ?? profile.username) },
        all ? 'All logins have ended, yours too' : 'Token regenerated',
      )
    },
  })
  addCommand<{ username?: string; yes?: boolean }>(program, {
    usage: 'auth:cancel',
    summary: 'remove an account for good; its apps must be destroyed or transferred first',
    options: [
      ['-u, --username <name>', "another user's, for administrators"],
      ['--yes', 'do not ask'],
    ],
    async action(context, { username, yes }) {
      const { profile, api } = context
      const whom = username ?? profile.username
      if (!yes && !(await askConfirm(`Remove the account ${whom} at ${profile.controller} for good?`, '--yes')))
        throw new CommandError('Cancelled: nothing was removed')
      await context.output.progress(`Removing the account ${whom}`, api.delete('/v2/auth/cancel/', username ? { username } : {}))
      if (whom === profile.username) removeProfile(context.env)
      context.output.done({ username: whom })
    },
  })
}

function addLoginCommands(program: Command): void {
  addCommand<Credentials>(program, {
    usage: 'register <controller>',
    aliases: ['auth:register'],
    summary: 'make an account at a platform, and log in',
    options: [...CREDENTIALS, ['--email <address>', 'where you are reached']],
    examples: ['register http://drycc.example.com', 'register https://drycc.localhost:8443 --ca ~/.local/share/drycc/ca.pem'],
    async action(context, options, controller) {
      const { api, username, password } = await connect(controller!, options)
      const email = options.email ?? ''
      // Where only administrators may register, the token of the one who is logged in here speaks for the new user.
      await context.output.progress(
        `Registering ${username}`,
        authorised(context, options, api).post('/v2/auth/register/', { username, password, email }),
      )
      await logIn(context, options, api, username, password)
    },
  })
  addCommand<Credentials>(program, {
    usage: 'login [controller]',
    aliases: ['auth:login'],
    summary: 'log in to a platform; the last one when none is named',
    details: 'The login is kept in ~/.drycc/client.json; with DRYCC_PROFILE=name it is another one, in ~/.drycc/name.json',
    options: CREDENTIALS,
    examples: ['login http://drycc.example.com', 'login http://drycc.example.com -u ana --password-stdin < password.txt'],
    async action(context, options, controller) {
      const known = controller ? {} : { ca: context.profile.ca, ssl_verify: context.profile.ssl_verify }
      const { api, username, password } = await connect(controller ?? context.profile.controller, options, known)
      await logIn(context, options, api, username, password, known)
    },
  })
  addCommand(program, {
    usage: 'logout',
    aliases: ['auth:logout'],
    summary: 'forget the login on this machine',
    async action(context) {
      removeProfile(context.env)
      context.output.done({}, 'Logged out')
    },
  })
}

/** What is known of a platform from an earlier login. */
interface Known {
  readonly ca?: string | undefined
  readonly ssl_verify?: boolean
}

async function connect(controller: string, options: Credentials, known: Known = {}) {
  const api = new PlatformApi({ controller, ...trust(options, known) })
  const username = options.username ?? (await askText('Username', '--username'))
  const password = options.passwordStdin
    ? readNamedFile('-').replace(/\r?\n$/, '')
    : (options.password ?? (await askPassword('Password', '--password or --password-stdin')))
  return { api, username, password }
}

function trust(options: Credentials, known: Known = {}): { ssl_verify: boolean; ca?: string } {
  const ssl_verify = options.sslVerify === undefined ? (known.ssl_verify ?? true) : !/^(false|0|no)$/i.test(options.sslVerify)
  const ca = options.ca ? readNamedFile(options.ca) : known.ca
  if (options.ca && !ca!.includes('-----BEGIN CERTIFICATE-----')) throw new CommandError(`There is no certificate in ${options.ca}`, 2)
  return { ssl_verify, ...(ca ? { ca } : {}) }
}

/** As the one who is logged in here, if that is at the same platform. */
function authorised(context: Context, options: Credentials, api: PlatformApi): PlatformApi {
  try {
    const { token, controller } = readProfile(context.env)
    return new URL(controller).origin === api.controller.origin ? new PlatformApi({ controller, token, ...trust(options) }) : api
  } catch {
    return api
  }
}

async function logIn(context: Context, options: Credentials, api: PlatformApi, username: string, password: string, known: Known = {}) {
  const controller = api.controller.origin
  const { token } = await api.post<{ token: string }>('/v2/auth/login/', { username, password })
  await api.close()
  writeProfile(context.env, { username, controller, token, response_limit: 0, ...trust(options, known) })
  context.output.result({ username, controller }, () => {
    context.output.line(`Logged in as ${username}`)
    context.output.note(`The login is kept in ${profilePath(context.env)}`)
  })
}
