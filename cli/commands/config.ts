import { readFileSync } from 'node:fs'
import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import type { Context } from '../context.ts'
import { formatEnvFile, isVariableName, parseEnvFile, parsePair } from '../env-file.ts'
import { printable } from '../printable.ts'
import { readNamedFile } from '../read-file.ts'

/** The part of an app's config that is its environment. */
interface Config {
  readonly values: Readonly<Record<string, string>>
}

/** Commands about an app's environment: config, config:set, config:unset, config:pull, config:push. */
export function addConfigCommands(program: Command): void {
  addCommand(program, {
    usage: 'config [name]',
    aliases: ['config:list', 'config:get'],
    summary: "show an app's environment, or the value of one variable",
    ofApp: true,
    examples: ['config', 'config DATABASE_URL'],
    async action(context, _, name) {
      const config = await context.api.get<Config>(context.path('config/'))
      if (name === undefined) return show(context, config)
      const value = config.values[name]
      if (value === undefined) throw new CommandError(`${name} is not set for ${context.app}`)
      context.output.result(value, () => context.output.line(value))
    },
  })
  addCommand(program, {
    usage: 'config:set <name=value...>',
    summary: 'set variables, which makes a release',
    details: 'NAME=@FILE takes the content of a file, NAME=@- standard input; a value that begins with @ is written @@',
    ofApp: true,
    examples: ['config:set DEBUG=1 GREETING="hello there"', 'config:set KEY=@key.pem', 'config:set HANDLE=@@ana'],
    async action(context, _, ...pairs) {
      await change(context, 'Setting config', Object.fromEntries(pairs.map(readPair)))
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
    examples: ['config:pull > .env', 'config:pull --app shop | drycc config:push - --app shop-staging'],
    async action(context) {
      const { values } = await context.api.get<Config>(context.path('config/'))
      context.output.result(values, () => process.stdout.write(formatEnvFile(values)))
    },
  })
  addCommand<{ path?: string }>(program, {
    usage: 'config:push [file]',
    summary: 'set all variables of a .env file, in one release',
    details: 'The file is .env by default, - is standard input. Variables that it does not name stay as they are',
    ofApp: true,
    options: [['-p, --path <file>', 'the file, as the classic clients name it']],
    async action(context, { path }, file) {
      const values = parseEnvFile(readNamedFile(file ?? path ?? '.env'))
      if (Object.keys(values).length === 0) throw new CommandError(`There is no variable in ${file ?? path ?? '.env'}`, 2)
      await change(context, 'Setting config', values)
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
function readPair(pair: string): [string, string] {
  const [name, value] = parsePair(pair)
  if (!isVariableName(name)) throw new CommandError(`"${printable(name)}" can be no variable: use letters, digits and _, no digit first`, 2)
  if (value.startsWith('@@')) return [name, value.slice(1)]
  if (value === '@-') return [name, readNamedFile('-')]
  if (!value.startsWith('@')) return [name, value]
  try {
    return [name, readFileSync(value.slice(1), 'utf8')]
  } catch (error) {
    throw new CommandError(`Cannot read the value of ${name}: ${(error as Error).message} (a value that begins with @ is written @@)`, 2)
  }
}
