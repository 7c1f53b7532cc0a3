import type { Command } from 'commander'
import { Context } from './context.ts'

/** What a command does; its arguments are those of its usage, in their order, then its options. */
export type Action<O> = (context: Context, options: O, ...args: string[]) => Promise<void>

/** A command before it is wired: `usage` is `name <required> [optional] [many...]`. */
export interface CommandSpec<O> {
  readonly usage: string
  readonly summary: string
  /** `[flags, description]`, flags as commander writes them: `-f, --follow`, `--limit <n>`. */
  readonly options?: readonly (readonly [flags: string, description: string])[]
  /** Is about one app: takes `-a, --app`. */
  readonly ofApp?: boolean
  readonly aliases?: readonly string[]
  readonly action: Action<O>
}

/** Adds a command; each takes `--json`, and its API connection is closed after it. */
export function addCommand<O extends object>(program: Command, spec: CommandSpec<O>): void {
  const command = program.command(spec.usage).summary(spec.summary).description(spec.summary)
  for (const alias of spec.aliases ?? []) command.alias(alias)
  if (spec.ofApp) command.option('-a, --app <name>', 'the app; by default that of the remote named drycc')
  for (const [flags, description] of spec.options ?? []) command.option(flags, description)
  command.option('--json', 'print the result as JSON')
  command.action(async (...given: unknown[]) => {
    const options = given.at(-2) as O & { json?: boolean; app?: string }
    const args = given.slice(0, -2).flat() as string[]
    const context = new Context(options, process.env)
    try {
      await spec.action(context, options, ...args)
    } finally {
      await context.close()
    }
  })
}
