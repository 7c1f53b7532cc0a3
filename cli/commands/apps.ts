import { spawn } from 'node:child_process'
import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'
import { askConfirm } from '../output.ts'
import { isRepository, REMOTE, remoteUrl, removeRemote } from '../repository.ts'
import { appUrls } from '../urls.ts'
import { connectRemote } from './git.ts'
import { type Pod, showPods } from './processes.ts'

interface App {
  readonly id: string
  readonly uuid: string
  readonly owner: string
  readonly created: string
  readonly updated: string
}

/** Commands about apps as wholes: create, apps, info, open, destroy, transfer. */
export function addAppCommands(program: Command): void {
  addCommand<{ remote: string | false; ssh?: boolean; sshPort?: string }>(program, {
    usage: 'create [name]',
    aliases: ['apps:create'],
    summary: 'make an app, and the git remote to push it to',
    options: [
      ['-r, --remote <name>', 'what to call the git remote (drycc)'],
      ['--no-remote', 'leave git alone'],
      ['--ssh', 'push over SSH, with a key of drycc keys, instead of HTTP'],
      ['--ssh-port <number>', 'the port of git over SSH (2222)'],
    ],
    async action(context, options, name) {
      const app = await context.output.progress('Creating the app', context.api.post<App>('/v2/apps/', name ? { id: name } : {}))
      context.output.result(app, () => {
        context.output.line(`Created ${context.output.style('bold', app.id)}`)
        if (options.remote === false || !isRepository()) {
          context.output.note(`To push to it: drycc git:remote --app ${app.id}, in its git repository`)
          return
        }
        connectRemote(context, app.id, { ...options, remote: options.remote || REMOTE })
      })
    },
  })
  addCommand(program, {
    usage: 'apps',
    aliases: ['apps:list'],
    summary: 'list the apps that you may use',
    async action(context) {
      const { results } = await context.api.list<App>('/v2/apps/')
      const rows = results.map(({ id, owner, created }) => [id, owner, created])
      context.output.result(results, () =>
        context.output.table(['app', 'owner', 'created'], rows, 'No apps yet: make one with drycc create'),
      )
    },
  })
  addCommand(program, {
    usage: 'info',
    aliases: ['apps:info'],
    summary: 'show an app: owner, addresses, processes',
    ofApp: true,
    async action(context) {
      const [app, domains, pods] = await Promise.all([
        context.api.get<App>(context.path('')),
        context.api.list<{ domain: string }>(context.path('domains/')),
        context.api.get<{ results: Pod[] }>(context.path('pods/')),
      ])
      const urls = appUrls(
        context.profile.controller,
        domains.results.map(({ domain }) => domain),
      )
      context.output.result({ ...app, urls, pods: pods.results }, () => {
        context.output.title(`${app.id} Application`)
        context.output.pairs([
          ['uuid', app.uuid],
          ['owner', app.owner],
          ['created', app.created],
          ['updated', app.updated],
          ['url', urls.join('\n')],
        ])
        context.output.line()
        showPods(context.output, app.id, pods.results)
      })
    },
  })
  addCommand(program, {
    usage: 'open',
    aliases: ['apps:open'],
    summary: 'show an app in the browser',
    ofApp: true,
    async action(context) {
      const { results } = await context.api.list<{ domain: string }>(context.path('domains/'))
      const [url] = appUrls(
        context.profile.controller,
        results.map(({ domain }) => domain),
      )
      if (!url) throw new CommandError(`${context.app} has no domain: add one with drycc domains:add`)
      context.output.result({ url }, () => context.output.line(url))
      if (!context.output.isJson && process.stdout.isTTY) browse(url)
    },
  })
  addCommand<{ confirm?: string }>(program, {
    usage: 'destroy',
    aliases: ['apps:destroy'],
    summary: 'remove an app with all its releases, config and logs, for good',
    ofApp: true,
    options: [['--confirm <name>', "the app's name once more, instead of being asked"]],
    async action(context, options) {
      const { app } = context
      if (options.confirm === undefined) {
        if (!(await askConfirm(`Destroy ${app} for good?`, `--confirm ${app}`))) throw new CommandError('Cancelled')
      } else if (options.confirm !== app) throw new CommandError(`"${options.confirm}" is not ${app}: nothing was destroyed`, 2)
      await context.output.progress(`Destroying ${app}`, context.api.delete(context.path('')))
      forgetRemote(context, app)
    },
  })
  addCommand(program, {
    usage: 'apps:transfer <username>',
    summary: 'give an app to another owner',
    ofApp: true,
    async action(context, _, username) {
      await context.api.post(context.path(''), { owner: username })
      context.output.note(`${context.app} now belongs to ${username}`)
    },
  })
}

function forgetRemote(context: Context, app: string): void {
  if (!remoteUrl()?.endsWith(`/${app}.git`)) return
  removeRemote(REMOTE)
  context.output.note(`Removed the git remote ${REMOTE}`)
}

/** The browser's own failures are not the command's: the address was printed. */
function browse(url: string): void {
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open'
  spawn(program, [url], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref()
}
