import type { Command } from 'commander'
import { CommandError } from './command-error.ts'
import { Context } from './context.ts'

/** What a command does; its arguments are those of its usage, in their order. It shows one result, and throws to fail. */
export type Action<O> = (context: Context, options: O, ...args: string[]) => Promise<void>

/** A command before it is wired: `usage` is `name <required> [optional] [many...]`. */
export interface CommandSpec<O> {
  readonly usage: string
  readonly summary: string
  /** More than the summary says, for the command's own help. */
  readonly details?: string
  /** Command lines without `drycc`, for the command's own help. */
  readonly examples?: readonly string[]
  /** `[flags, description]`, flags as commander writes them: `-f, --follow`, `--limit <n>`. */
  readonly options?: readonly (readonly [flags: string, description: string])[]
  /** Is about one app: takes `-a, --app`. */
  readonly ofApp?: boolean
  /** Other names, among them those of the classic clients. */
  readonly aliases?: readonly string[]
  /** All that follows its first argument belongs to that: options must stand before it. */
  readonly passesOn?: boolean
  readonly action: Action<O>
}

/** For commands that list. */
export const LIMIT = ['-l, --limit <n>', 'how many at most (all)'] as const

/** Adds a command; each takes `--json`, tells its own failure, and its API connection is closed after it. */
export function addCommand<O extends object>(program: Command, spec: CommandSpec<O>): void {
  const command = program.command(spec.usage).summary(spec.summary)
  command.description(sentence(spec.details ? `${spec.summary}. ${spec.details}` : spec.summary))
  for (const alias of spec.aliases ?? []) command.alias(alias)
  if (spec.ofApp) command.option('-a, --app <name>', 'the app (DRYCC_APP, or the app of the git remote named drycc)')
  for (const [flags, description] of spec.options ?? []) command.option(flags, description)
  command.option('--json', 'print the result as JSON')
  command.showHelpAfterError(`Usage: drycc ${command.name()} ${command.usage()}`)
  if (spec.passesOn) command.passThroughOptions()
  if (spec.examples) command.addHelpText('after', `\nExamples:\n${spec.examples.map(line => `  $ drycc ${line}`).join('\n')}`)
  command.action(async (...given: unknown[]) => {
    const options = given.at(-2) as O & { json?: boolean; app?: string }
    let args = given.slice(0, -2).flat() as string[]
    // What follows belongs to somebody else's command, but the app may be named there too, as people do; after -- nothing is ours.
    if (spec.passesOn && !options.app && !process.argv.includes('--')) args = takeApp(args, options)
    const context = new Context(options, process.env)
    try {
      await spec.action(context, options, ...args)
    } catch (error) {
      process.exitCode = context.output.failure(error)
    } finally {
      await context.close()
    }
  })
}

/** Reads a number of rows or lines; `undefined` where none is given. @throws {CommandError} for anything but 1 and above */
export function parseLimit(text: string | undefined, flag = '--limit'): number | undefined {
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new CommandError(`Cannot read ${flag} "${text}": write a number from 1 on`, 2)
  return Number(text)
}

function takeApp(args: string[], options: { app?: string }): string[] {
  const at = args.findIndex(argument => /^--app(=|$)/.test(argument))
  if (at < 0) return args
  const isOneWord = args[at] !== '--app'
  const app = isOneWord ? args[at]!.slice('--app='.length) : args[at + 1]
  if (app) options.app = app
  return args.toSpliced(at, isOneWord ? 1 : 2)
}

function sentence(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1)
}
