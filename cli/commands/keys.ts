import { existsSync, readdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, join } from 'node:path'
import type { Command } from 'commander'
import { addCommand, LIMIT, parseLimit } from '../command.ts'
import { CommandError } from '../command-error.ts'
import { readNamedFile } from '../read-file.ts'

interface Key {
  readonly id: string
  readonly public: string
  readonly fingerprint: string
}

/** Commands about the keys with which one pushes over SSH. */
export function addKeyCommands(program: Command): void {
  addCommand<{ limit?: string }>(program, {
    usage: 'keys',
    aliases: ['keys:list'],
    summary: 'list your SSH keys',
    options: [LIMIT],
    async action(context, { limit }) {
      const keys = await context.api.list<Key>('/v2/keys/', parseLimit(limit))
      const rows = keys.map(key => [key.id, `${key.public.slice(0, 16)}...${key.public.slice(-10)}`, key.fingerprint])
      context.output.result(keys, () =>
        context.output.table(['key', 'public', 'fingerprint'], rows, 'No keys: add one with drycc keys:add'),
      )
    },
  })
  addCommand<{ name?: string }>(program, {
    usage: 'keys:add [file]',
    summary: 'add a public SSH key, to push with',
    details: 'Without a file it is ~/.ssh/id_ed25519.pub, or the first public key that is there. It is named after its comment',
    options: [['-n, --name <name>', 'what to call it']],
    examples: ['keys:add', 'keys:add ~/.ssh/work.pub --name work'],
    async action(context, { name }, file) {
      const path = file ?? defaultKey(context.env)
      const content = readPublicKey(path)
      const comment = content.split(/\s+/).slice(2).join(' ')
      const id = name || comment || basename(path).replace(/\.pub$/, '')
      const made = await context.output.progress(`Adding key ${id}`, context.api.post<Key>('/v2/keys/', { id, public: content }))
      context.output.done(made)
    },
  })
  addCommand(program, {
    usage: 'keys:remove <key>',
    summary: 'remove an SSH key',
    async action(context, _, key) {
      await context.output.progress(`Removing key ${key}`, context.api.delete(`/v2/keys/${encodeURIComponent(key!)}`))
      context.output.done({ id: key })
    },
  })
}

function defaultKey(env: NodeJS.ProcessEnv): string {
  const folder = join(env['HOME'] || homedir(), '.ssh')
  const names = existsSync(folder) ? readdirSync(folder).filter(name => name.endsWith('.pub')) : []
  const name = ['id_ed25519.pub', 'id_ecdsa.pub', 'id_rsa.pub'].find(candidate => names.includes(candidate)) ?? names.sort()[0]
  if (!name) throw new CommandError(`There is no public key in ${folder}: make one with ssh-keygen -t ed25519`, 2)
  return join(folder, name)
}

/** A private key must never leave the machine, so that mistake is caught here. */
function readPublicKey(path: string): string {
  const content = readNamedFile(path).trim()
  if (/PRIVATE KEY/.test(content)) throw new CommandError(`${path} is a private key: give the public one, ${path}.pub`, 2)
  if (!/^(ssh-|ecdsa-|sk-)\S+ \S+/.test(content))
    throw new CommandError(`${path} is no public SSH key: it begins as "ssh-ed25519 AAAA…"`, 2)
  return content
}
