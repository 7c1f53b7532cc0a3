import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'

interface Config {
  readonly values: Readonly<Record<string, string>>
}

/** Commands about an app's environment: config, config:set, config:unset, config:pull, config:push. */
export function addConfigCommands(program: Command): void {
  addCommand(program, {
    usage: 'config',
    aliases: ['config:list'],
    summary: "show an app's environment",
    ofApp: true,
    action: async context => show(context, await context.api.get<Config>(context.path('config/'))),
  })
  addCommand(program, {
    usage: 'config:set <name=value...>',
    summary: 'set variables, which makes a release: drycc config:set DEBUG=1 KEY=@file',
    ofApp: true,
    async action(context, _, ...pairs) {
      await change(context, 'Setting config', Object.fromEntries(pairs.map(parsePair)))
    },
  })
  addCommand(program, {
    usage: 'config:unset <name...>',
    summary: 'remove variables, which makes a release',
    ofApp: true,
    async action(context, _, ...names) {
      await change(context, 'Removing config', Object.fromEntries(names.map(name => [name, null])))
    },
  })
  addCommand(program, {
    usage: 'config:pull',
    summary: 'print the environment as a .env file',
    ofApp: true,
    async action(context) {
      const { values } = await context.api.get<Config>(context.path('config/'))
      for (const [name, value] of Object.entries(values))
        context.output.line(`${name}=${/[\s"'#$\\]/.test(value) ? JSON.stringify(value) : value}`)
    },
  })
}

async function change(context: Context, label: string, values: Readonly<Record<string, string | null>>): Promise<void> {
  const config = await context.output.progress(label, context.api.post<Config>(context.path('config/'), { values }))
  show(context, config)
}

function show(context: Context, config: Config): void {
  context.output.result(config.values, () => {
    context.output.title(`${context.app} Config`)
    context.output.pairs(Object.entries(config.values).sort(([a], [b]) => a.localeCompare(b)))
  })
}

/** `NAME=value`; `NAME=@path` takes the content of a file. */
function parsePair(pair: string): [string, string] {
  const [, name, value] = /^([A-Za-z_][A-Za-z0-9_]*)=([\s\S]*)$/.exec(pair) ?? []
  if (!name || value === undefined) throw new CommandError(`Cannot read "${pair}": write it as NAME=value`, 2)
  if (!value.startsWith('@')) return [name, value]
  try {
    return [name, readFileSync(value.slice(1), 'utf8')]
  } catch (error) {
    throw new CommandError(`Cannot read the value of ${name}: ${(error as Error).message}`, 2)
  }
}
