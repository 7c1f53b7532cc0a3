import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'

interface Release {
  readonly version: number
  readonly created: string
  readonly owner: string
  readonly summary: string
  readonly failed: boolean
}

/** Commands about what was deployed when: releases, releases:info, rollback, builds:create (an image). */
export function addReleaseCommands(program: Command): void {
  addCommand<{ limit?: string }>(program, {
    usage: 'releases',
    aliases: ['releases:list'],
    summary: "list an app's releases, the newest first",
    ofApp: true,
    options: [['-l, --limit <n>', 'how many at most (all)']],
    async action(context, { limit }) {
      const { results } = limit
        ? await context.api.get<{ results: Release[] }>(context.path(`releases/?limit=${encodeURIComponent(limit)}`))
        : await context.api.list<Release>(context.path('releases/'))
      const rows = results.map(({ version, created, summary, failed }) => [`v${version}${failed ? ' failed' : ''}`, created, summary])
      context.output.result(results, () => context.output.table(['release', 'created', 'what'], rows, 'No releases'))
    },
  })
  addCommand(program, {
    usage: 'releases:info <version>',
    summary: 'show one release',
    ofApp: true,
    async action(context, _, version) {
      const release = await context.api.get<Release & Record<string, unknown>>(context.path(`releases/v${parseVersion(version!)}/`))
      context.output.result(release, () => {
        context.output.title(`${context.app} Release v${release.version}`)
        context.output.pairs(Object.entries(release).map(([name, value]) => [name, String(value ?? '')]))
      })
    },
  })
  addCommand(program, {
    usage: 'rollback [version]',
    aliases: ['releases:rollback'],
    summary: 'go back to the release before, or to one named: drycc rollback v3',
    ofApp: true,
    async action(context, _, version) {
      const body = version ? { version: parseVersion(version) } : {}
      const label = version ? `Rolling back to v${parseVersion(version)}` : 'Rolling back one release'
      const made = await context.output.progress(label, context.api.post<{ version: number }>(context.path('releases/rollback/'), body))
      context.output.result(made, () => context.output.line(`${context.app} is at v${made.version}`))
    },
  })
  addCommand<{ procfile?: string }>(program, {
    usage: 'pull <image>',
    aliases: ['builds:create'],
    summary: 'deploy an image that exists: drycc pull registry.example.com/shop:1.2',
    ofApp: true,
    options: [['--procfile <text>', 'process types, as a line each: "web: ./serve"']],
    async action(context, { procfile }, image) {
      const processes = Object.fromEntries((procfile ?? '').split('\n').filter(Boolean).map(parseProcess))
      const body = { image, ...(procfile ? { procfile: processes } : {}) }
      const build = await context.output.progress(`Deploying ${image}`, context.api.post(context.path('builds/'), body))
      context.output.result(build, () => {})
    },
  })
}

function parseVersion(text: string): number {
  const [, number] = /^v?(\d{1,9})$/.exec(text) ?? []
  if (!number) throw new CommandError(`Cannot read release "${text}": write it as v3`, 2)
  return Number(number)
}

function parseProcess(line: string): [string, string] {
  const [, type, command] = /^([a-z0-9-]+):\s*(.+)$/.exec(line) ?? []
  if (!type || !command) throw new CommandError(`Cannot read process "${line}": write it as web: ./serve`, 2)
  return [type, command]
}
