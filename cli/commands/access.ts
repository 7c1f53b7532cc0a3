import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'

interface Key {
  readonly id: string
  readonly public: string
  readonly fingerprint: string
}

/** Commands about who may do what: keys, perms. */
export function addAccessCommands(program: Command): void {
  addCommand(program, {
    usage: 'keys',
    aliases: ['keys:list'],
    summary: 'list your SSH keys',
    async action(context) {
      const { results } = await context.api.list<Key>('/v2/keys/')
      const rows = results.map(key => [key.id, `${key.public.slice(0, 16)}...${key.public.slice(-10)}`, key.fingerprint])
      context.output.result(results, () =>
        context.output.table(['key', 'begins … ends', 'fingerprint'], rows, 'No keys: add one with drycc keys:add'),
      )
    },
  })
  addCommand(program, {
    usage: 'keys:add [file]',
    summary: 'add a public SSH key, to push with (~/.ssh/id_ed25519.pub or the first that is there)',
    async action(context, _, file) {
      const path = file ?? defaultKey(context.env)
      const content = readKey(path)
      const comment = content.trim().split(/\s+/).slice(2).join(' ')
      const id = comment || basename(path).replace(/\.pub$/, '')
      const made = await context.output.progress(`Adding key ${id}`, context.api.post('/v2/keys/', { id, public: content }))
      context.output.result(made, () => {})
    },
  })
  addCommand(program, {
    usage: 'keys:remove <key>',
    summary: 'remove an SSH key',
    async action(context, _, key) {
      await context.output.progress(`Removing key ${key}`, context.api.delete(`/v2/keys/${encodeURIComponent(key!)}`))
    },
  })
  addCommand(program, {
    usage: 'perms',
    aliases: ['perms:list'],
    summary: 'list who else may use an app',
    ofApp: true,
    async action(context) {
      const { users } = await context.api.get<{ users: string[] }>(context.path('perms/'))
      context.output.result(users, () => {
        context.output.title(`${context.app} Users`)
        for (const user of users) context.output.line(user)
      })
    },
  })
  addCommand(program, {
    usage: 'perms:create <username>',
    aliases: ['perms:add'],
    summary: 'let another user use an app',
    ofApp: true,
    async action(context, _, username) {
      await context.output.progress(`Adding ${username} to ${context.app}`, context.api.post(context.path('perms/'), { username }))
    },
  })
  addCommand(program, {
    usage: 'perms:delete <username>',
    aliases: ['perms:remove'],
    summary: 'no longer let a user use an app',
    ofApp: true,
    async action(context, _, username) {
      const path = context.path(`perms/${encodeURIComponent(username!)}`)
      await context.output.progress(`Removing ${username} from ${context.app}`, context.api.delete(path))
    },
  })
}

function defaultKey(env: NodeJS.ProcessEnv): string {
  const folder = join(env['HOME'] || homedir(), '.ssh')
  const names = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.pub')) : []
  const name = ['id_ed25519.pub', 'id_ecdsa.pub', 'id_rsa.pub'].find(candidate => names.includes(candidate)) ?? names[0]
  if (!name) throw new CommandError(`There is no public key in ${folder}: make one with ssh-keygen -t ed25519`, 2)
  return join(folder, name)
}

/** A private key must never leave the machine, so that mistake is caught here. */
function readKey(path: string): string {
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (error) {
    throw new CommandError(`Cannot read ${path}: ${(error as Error).message}`, 2)
  }
  if (/PRIVATE KEY/.test(content)) throw new CommandError(`${path} is a private key: give the public one, ${path}.pub`, 2)
  return content
}
