import type { Command } from 'commander'
import { addCommand, LIMIT, parseLimit } from '../command.ts'
import { CommandError } from '../command-error.ts'

interface Release {
  readonly version: number
  readonly created: string
  readonly owner: string
  readonly summary: string
  readonly failed: boolean
}

interface Build {
  readonly uuid: string
  readonly image: string
  readonly sha: string
  readonly owner: string
  readonly created: string
}

/** Commands about what was deployed when: releases, releases:info, rollback, builds, pull (an image). */
export function addReleaseCommands(program: Command): void {
  addCommand<{ limit?: string }>(program, {
    usage: 'releases',
    aliases: ['releases:list'],
    summary: "list an app's releases, the newest first",
    ofApp: true,
    options: [LIMIT],
    async action(context, { limit }) {
      const releases = await context.api.list<Release>(context.path('releases/'), parseLimit(limit))
      const rows = releases.map(({ version, created, summary, failed }) => [`v${version}${failed ? ' failed' : ''}`, created, summary])
      context.output.result(releases, () => context.output.table(['release', 'created', 'what'], rows, 'No releases'))
    },
  })
  addCommand(program, {
    usage: 'releases:info <version>',
    summary: 'show one release',
    ofApp: true,
    examples: ['releases:info v3'],
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
    summary: 'go back to the release before, or to one named',
    details: 'Build and config of that release are deployed as a new one',
    ofApp: true,
    examples: ['rollback', 'rollback v3'],
    async action(context, _, version) {
      const wanted = version === undefined ? undefined : parseVersion(version)
      const label = wanted === undefined ? 'Rolling back one release' : `Rolling back to v${wanted}`
      const body = wanted === undefined ? {} : { version: wanted }
      const made = await context.output.progress(label, context.api.post<{ version: number }>(context.path('releases/rollback/'), body))
      context.output.result(made, () => context.output.line(`${context.app} is at v${made.version}`))
    },
  })
  addCommand<{ limit?: string }>(program, {
    usage: 'builds',
    aliases: ['builds:list'],
    summary: "list an app's builds, the newest first",
    ofApp: true,
    options: [LIMIT],
    async action(context, { limit }) {
      const builds = await context.api.list<Build>(context.path('builds/'), parseLimit(limit))
      const rows = builds.map(({ uuid, created, owner, sha, image }) => [uuid, created, owner, sha.slice(0, 8), image])
      context.output.result(builds, () => context.output.table(['build', 'created', 'owner', 'commit', 'image'], rows, 'No builds yet'))
    },
  })
  addCommand<{ procfile?: string }>(program, {
    usage: 'pull <image>',
    aliases: ['builds:create'],
    summary: 'deploy an image that exists',
    ofApp: true,
    options: [['--procfile <text>', 'process types, as a line each: "web: ./serve"']],
    examples: ['pull registry.example.com/shop:1.2', "pull registry.example.com/shop:1.2 --procfile 'web: ./serve'"],
    async action(context, { procfile }, image) {
      const lines = (procfile ?? '').split(/\r?\n/).filter(line => line.trim() !== '')
      const body = { image, ...(lines.length > 0 ? { procfile: Object.fromEntries(lines.map(parseProcess)) } : {}) }
      const build = await context.output.progress(`Deploying ${image}`, context.api.post<Build>(context.path('builds/'), body))
      context.output.done(build)
    },
  })
}

function parseVersion(text: string): number {
  const [, number] = /^v?(\d{1,9})$/.exec(text) ?? []
  if (!number) throw new CommandError(`Cannot read release "${text}": write it as v3`, 2)
  return Number(number)
}

function parseProcess(line: string): [string, string] {
  const [, type, command] = /^\s*([a-z0-9-]+):\s*(.+)$/.exec(line) ?? []
  if (!type || !command) throw new CommandError(`Cannot read process "${line}": write it as web: ./serve`, 2)
  return [type, command]
}
