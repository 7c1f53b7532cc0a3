import { spawn } from 'node:child_process'
import type { Command } from 'commander'
import { askConfirm } from '../ask.ts'
import { addCommand, LIMIT, parseLimit } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'
import { appOf, isRepository, REMOTE, remoteUrl, removeRemote } from '../repository.ts'
import { appUrls } from '../urls.ts'
import { connectRemote, describeRemote, REMOTE_OPTIONS, type RemoteOptions } from './git.ts'
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
  addCommand<Omit<RemoteOptions, 'remote'> & { remote: string | boolean }>(program, {
    usage: 'create [name]',
    aliases: ['apps:create'],
    summary: 'make an app, and the git remote to push it to',
    details: 'Without a name the platform invents one',
    options: [...REMOTE_OPTIONS, ['--no-remote', 'leave git alone']],
    examples: ['create shop', 'create shop-staging --remote staging', 'create --no-remote'],
    async action(context, options, name) {
      const app = await context.output.progress('Creating the app', context.api.post<App>('/v2/apps/', name ? { id: name } : {}))
      const withRemote = options.remote !== false && isRepository()
      const given = { ...options, remote: typeof options.remote === 'string' ? options.remote : REMOTE }
      const remote = withRemote ? connectRemote(context, app.id, given) : undefined
      context.output.result(app, () => {
        context.output.line(`Created ${context.output.style('bold', app.id)}`)
        if (remote) context.output.note(describeRemote(remote.name, remote.url, remote.before))
        else context.output.note(`To push to it: drycc git:remote --app ${app.id}, in its git repository`)
      })
    },
  })
  addCommand<{ limit?: string }>(program, {
    usage: 'apps',
    aliases: ['apps:list'],
    summary: 'list the apps that you may use',
    options: [LIMIT],
    async action(context, { limit }) {
      const apps = await context.api.list<App>('/v2/apps/', parseLimit(limit))
      const rows = apps.map(({ id, owner, created }) => [id, owner, created])
      context.output.result(apps, () => context.output.table(['app', 'owner', 'created'], rows, 'No apps yet: make one with drycc create'))
    },
  })
  addCommand(program, {
    usage: 'info',
    aliases: ['apps:info'],
    summary: 'show an app: owner, addresses, processes',
    ofApp: true,
    async action(context) {
      const [app, urls, pods] = await Promise.all([
        context.api.get<App>(context.path('')),
        addresses(context),
        context.api.get<{ results: Pod[] }>(context.path('pods/')),
      ])
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
    details: 'Without a terminal it only prints the address',
    ofApp: true,
    async action(context) {
      const [url] = await addresses(context)
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
    examples: ['destroy --app shop', 'destroy --app shop --confirm shop'],
    async action(context, { confirm }) {
      const { app, api } = context
      if (confirm === undefined) {
        if (!(await askConfirm(`Destroy ${app} for good?`, `--confirm ${app}`))) throw new CommandError('Cancelled: nothing was destroyed')
      } else if (confirm !== app) throw new CommandError(`"${confirm}" is not ${app}: nothing was destroyed`, 2)
      await context.output.progress(`Destroying ${app}`, api.delete(context.path('')))
      forgetRemote(context, app)
      context.output.done({ app })
    },
  })
  addCommand(program, {
    usage: 'apps:transfer <username>',
    summary: 'give an app to another owner',
    ofApp: true,
    async action(context, _, username) {
      await context.api.post(context.path(''), { owner: username })
      context.output.done({ app: context.app, owner: username }, `${context.app} now belongs to ${username}`)
    },
  })
}

async function addresses(context: Context): Promise<string[]> {
  const domains = await context.api.list<{ domain: string }>(context.path('domains/'))
  return appUrls(
    context.profile.controller,
    domains.map(({ domain }) => domain),
  )
}

function forgetRemote(context: Context, app: string): void {
  if (appOf(remoteUrl() ?? '') !== app) return
  removeRemote(REMOTE)
  context.output.note(`Removed the git remote ${REMOTE}`)
}

/** The browser's own failures are not the command's: the address was printed. */
function browse(url: string): void {
  // The address goes to a program as one argument; anything but a web address could mean something else to it.
  if (!/^https?:\/\/[\w*.:-]+$/.test(url)) return
  const program = process.platform === 'darwin' ? 'open' : 'xdg-open'
  spawn(program, [url], { stdio: 'ignore', detached: true })
    .on('error', () => {})
    .unref()
}
