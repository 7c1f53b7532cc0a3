import { spawnSync } from 'node:child_process'
import { realpathSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'
import { answerCredential } from '../git-credential.ts'
import { authorityPath, profilePath } from '../profile.ts'
import { addRemote, configure, REMOTE, remoteUrl, requireRepository, setRemote } from '../repository.ts'

export interface RemoteOptions {
  readonly remote?: string
  readonly ssh?: boolean
  readonly sshPort?: string
}

export const REMOTE_OPTIONS = [
  ['-r, --remote <name>', `what to call the git remote (${REMOTE})`],
  ['--ssh', 'push over SSH, with a key of drycc keys, instead of HTTP'],
  ['--ssh-port <number>', 'the port of git over SSH (2222)'],
] as const

const SHIM = realpathSync(join(import.meta.dirname, '../drycc.mjs'))

/** Commands about pushing: git:remote, push, and the helper that answers git's questions. */
export function addGitCommands(program: Command): void {
  addCommand<RemoteOptions>(program, {
    usage: 'git:remote',
    summary: "point this repository's git remote at an app",
    details: 'A push over HTTP needs no password: git asks drycc for the login',
    ofApp: true,
    options: REMOTE_OPTIONS,
    examples: ['git:remote --app shop', 'git:remote --app shop-staging --remote staging', 'git:remote --app shop --ssh'],
    async action(context, options) {
      requireRepository()
      const { app } = context
      const { name, url, before } = connectRemote(context, app, options)
      context.output.done({ app, remote: name, url }, describeRemote(name, url, before))
    },
  })
  addCommand<{ remote?: string; force?: boolean }>(program, {
    usage: 'push',
    aliases: ['git:push'],
    summary: 'push what is checked out, which builds and releases it',
    details: 'The same as git push drycc HEAD:main',
    options: [
      ['-r, --remote <name>', `the git remote (${REMOTE})`],
      ['-f, --force', 'also where the app was deployed from another history'],
    ],
    async action(context, { remote = REMOTE, force }) {
      requireRepository()
      if (!remoteUrl(remote)) throw new CommandError(`There is no git remote named ${remote}: add it with drycc git:remote --app NAME`, 2)
      const args = ['push', ...(force ? ['--force'] : []), '--', remote, 'HEAD:main']
      // git speaks on standard error; standard output is for the result.
      const { status, signal } = spawnSync('git', args, { stdio: ['inherit', 2, 'inherit'] })
      if (signal === 'SIGINT') throw new CommandError('Interrupted', 130)
      if (status !== 0) throw new CommandError(`git push failed (${signal ?? status}): what went wrong stands above`)
      context.output.done({ remote, pushed: true })
    },
  })
  program
    .command('git:credential <action>', { hidden: true })
    .description("answers git's question for a password with the login of this machine")
    .action(async (action: string) => {
      const question = await text(process.stdin)
      // The other actions tell a helper what worked and what did not, to keep or forget it: the login is kept elsewhere.
      if (action !== 'get') return
      const { answer, warning } = answerCredential(question, process.env)
      if (warning) process.stderr.write(`drycc: ${warning}\n`)
      process.stdout.write(answer)
    })
}

/**
 * Adds or changes the remote; over HTTP git is told to ask this command line for the password, so that a push needs none.
 *
 * @returns the remote, and where it pointed before, if elsewhere
 */
export function connectRemote(context: Context, app: string, options: RemoteOptions): { name: string; url: string; before?: string } {
  const name = options.remote ?? REMOTE
  const controller = new URL(context.profile.controller)
  const url = options.ssh ? sshUrl(controller, app, options.sshPort ?? '2222') : `${controller.origin}/git/${app}.git`
  const before = remoteUrl(name)
  if (before === undefined) addRemote(name, url)
  else if (before !== url) setRemote(name, url)
  if (!options.ssh) configureHttp(context, controller)
  return { name, url, ...(before !== undefined && before !== url ? { before } : {}) }
}

/** What to say of a remote that {@link connectRemote} has set. */
export function describeRemote(name: string, url: string, before: string | undefined): string {
  return `Git remote ${name}: ${url}${before ? ` (was ${before})` : ''}\nPush with: git push ${name} HEAD:main`
}

function configureHttp(context: Context, controller: URL): void {
  const { origin, hostname, port } = controller
  const { ssl_verify, ca } = context.profile
  // The empty value ends the list of helpers of the user's own configuration for this address: they would be given the token to keep.
  configure(`credential.${origin}.helper`, ['', helper(context.env)])
  configure(`http.${origin}.sslVerify`, ssl_verify ? [] : ['false'])
  configure(`http.${origin}.sslCAInfo`, ca ? [authorityPath(context.env)] : [])
  // Names under localhost are this machine, which git leaves to a resolver that may not know it (RFC 6761 §6.3).
  if (!/(^|\.)localhost$/.test(hostname)) return
  const place = `${hostname}:${port || (controller.protocol === 'https:' ? 443 : 80)}:`
  configure('http.curloptResolve', [`${place}127.0.0.1`], `^${place.replaceAll('.', '\\.')}`)
}

/** git hands this to a shell. The profile in use is named in it, since a later push may run without `DRYCC_PROFILE`. */
function helper(env: NodeJS.ProcessEnv): string {
  const quote = (word: string) => `'${word.replaceAll("'", "'\\''")}'`
  const profile = env['DRYCC_PROFILE'] ? `DRYCC_PROFILE=${quote(profilePath(env))} ` : ''
  return `!${profile}${quote(SHIM)} git:credential`
}

/** The builder's own name where there is one; names under `localhost` mean nothing to ssh. */
function sshUrl(controller: URL, app: string, port: string): string {
  if (!/^[1-9]\d{0,4}$/.test(port)) throw new CommandError(`Cannot read --ssh-port "${port}": write a number`, 2)
  const [first = '', ...rest] = controller.hostname.split('.')
  const host = /(^|\.)localhost$/.test(controller.hostname) ? '127.0.0.1' : `${first}-builder.${rest.join('.')}`
  return `ssh://git@${host}:${port}/${app}.git`
}
