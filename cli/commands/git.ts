import { spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'
import { addRemote, configure, isRepository, REMOTE, remoteUrl, setRemote } from '../repository.ts'

interface RemoteOptions {
  readonly remote?: string
  readonly ssh?: boolean
  readonly sshPort?: string
}

const SHIM = realpathSync(join(import.meta.dirname, '../drycc.mjs'))

/** Commands about pushing: git:remote, push, and the helper that answers git's questions. */
export function addGitCommands(program: Command): void {
  addCommand<RemoteOptions>(program, {
    usage: 'git:remote',
    summary: "point this repository's git remote at an app",
    ofApp: true,
    options: [
      ['-r, --remote <name>', 'what to call the git remote (drycc)'],
      ['--ssh', 'push over SSH, with a key of drycc keys, instead of HTTP'],
      ['--ssh-port <number>', 'the port of git over SSH (2222)'],
    ],
    async action(context, options) {
      if (!isRepository()) throw new CommandError('This folder is no git repository: run git init first', 2)
      connectRemote(context, context.app, options)
    },
  })
  addCommand<{ branch?: string }>(program, {
    usage: 'push',
    aliases: ['git:push'],
    summary: 'push what is checked out, which builds and releases it',
    async action() {
      const { status, signal } = spawnSync('git', ['push', REMOTE, 'HEAD:main'], { stdio: 'inherit' })
      if (status !== 0) throw new CommandError(`git push failed (${signal ?? status})`)
    },
  })
  program
    .command('git:credential <action>', { hidden: true })
    .description("answers git's question for a password with the login of this machine")
    .action(async (action: string) => {
      if (action !== 'get') return
      const { Context } = await import('../context.ts')
      const { profile } = new Context({}, process.env)
      const asked = new Map((await readAll(process.stdin)).split('\n').map(line => line.split(/=(.*)/s).slice(0, 2) as [string, string]))
      const controller = new URL(profile.controller)
      // git asks for any host that this helper was set for: the token is for its own platform only.
      if (asked.get('host') !== controller.host || `${asked.get('protocol')}:` !== controller.protocol) return
      process.stdout.write(`username=${profile.username}\npassword=${profile.token}\n`)
    })
}

/** Adds or changes the remote; over HTTP git is told to ask this command line for the password, so that a push needs none. */
export function connectRemote(context: Context, app: string, options: RemoteOptions): void {
  const name = options.remote ?? REMOTE
  const controller = new URL(context.profile.controller)
  const url = options.ssh ? sshUrl(controller, app, options.sshPort ?? '2222') : `${controller.origin}/git/${app}.git`
  const before = remoteUrl(name)
  if (before === undefined) addRemote(name, url)
  else if (before !== url) setRemote(name, url)
  if (!options.ssh) {
    configure(`credential.${controller.origin}.helper`, `!'${SHIM.replaceAll("'", "'\\''")}' git:credential`)
    // An SNI-less proxy or an old resolver must not keep git from the platform on this machine (RFC 6761 §6.3).
    const { hostname, port } = controller
    if (hostname.endsWith('localhost'))
      configure('http.curloptResolve', `${hostname}:${port || (controller.protocol === 'https:' ? 443 : 80)}:127.0.0.1`)
    if (!context.profile.ssl_verify) configure(`http.${controller.origin}.sslVerify`, 'false')
  }
  context.output.note(`Git remote ${name}: ${url}`)
  context.output.note(`Push with: git push ${name} HEAD:main`)
}

/** The builder's own name where there is one; names under `localhost` mean nothing to ssh. */
function sshUrl(controller: URL, app: string, port: string): string {
  const [first = '', ...rest] = controller.hostname.split('.')
  const host = controller.hostname.endsWith('localhost') ? '127.0.0.1' : `${first}-builder.${rest.join('.')}`
  return `ssh://git@${host}:${port}/${app}.git`
}

async function readAll(stream: NodeJS.ReadStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += chunk
  return text
}
