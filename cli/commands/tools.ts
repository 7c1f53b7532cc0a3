import type { Command } from 'commander'
import { addCommand } from '../command.ts'
import { CommandError } from '../command-error.ts'
import { buildCompletion, type CompletedCommand, SHELLS } from '../completion.ts'

/** Commands about the command line itself: completion, shortcuts, version. */
export function addToolCommands(program: Command, version: string): void {
  addCommand(program, {
    usage: 'completion <shell>',
    summary: 'print completions for bash, zsh or fish',
    examples: [
      'completion bash > ~/.local/share/bash-completion/completions/drycc',
      'completion zsh > ~/.zsh/completions/_drycc',
      'completion fish > ~/.config/fish/completions/drycc.fish',
    ],
    async action(context, _, name) {
      const shell = SHELLS.find(known => known === name)
      if (!shell) throw new CommandError(`Cannot complete for "${name}": write ${SHELLS.join(', ')}`, 2)
      const script = buildCompletion(shell, visible(program).map(completed))
      context.output.result({ shell, script }, () => process.stdout.write(script))
    },
  })
  addCommand(program, {
    usage: 'shortcuts',
    aliases: ['shortcuts:list'],
    summary: 'list the other names of commands, as classic clients know them',
    async action(context) {
      const rows = visible(program)
        .flatMap(command => command.aliases().map(alias => [alias, command.name()] as const))
        .sort(([a], [b]) => a.localeCompare(b))
      context.output.result(Object.fromEntries(rows), () => context.output.table(['name', 'stands for'], rows, 'None'))
    },
  })
  addCommand(program, {
    usage: 'version',
    summary: 'print the version of drycc',
    async action(context) {
      context.output.result({ version }, () => context.output.line(version))
    },
  })
}

function visible(program: Command): Command[] {
  return program.createHelp().visibleCommands(program) as Command[]
}

function completed(command: Command): CompletedCommand {
  return {
    names: [command.name(), ...command.aliases()],
    summary: command.summary() || command.description(),
    options: command.options.flatMap(({ short, long, description }) => (long ? [{ ...(short ? { short } : {}), long, description }] : [])),
  }
}
