import type { Command } from 'commander'
import { CommandError } from '../command-error.ts'

/** `drycc completion <shell>`: a script that completes command names and options, to be sourced by the shell. */
export function addCompletionCommand(program: Command): void {
  program
    .command('completion <shell>')
    .summary('print completions for bash, zsh or fish: source <(drycc completion bash)')
    .description('print completions for a shell')
    .action((shell: string) => {
      const write = { bash, zsh, fish }[shell]
      if (!write) throw new CommandError(`Cannot complete for "${shell}": write bash, zsh or fish`, 2)
      process.stdout.write(write(program))
    })
}

function names(program: Command): { name: string; summary: string; options: string[] }[] {
  return program.commands
    .filter(command => !('_hidden' in command && command._hidden))
    .flatMap(command =>
      [command.name(), ...command.aliases()].map(name => ({
        name,
        summary: command.summary(),
        options: command.options.flatMap(({ short, long }) => [short, long].filter(flag => flag !== undefined && flag !== null)),
      })),
    )
}

function bash(program: Command): string {
  const commands = names(program)
  const cases = commands.map(({ name, options }) => `    ${name}) words="${options.join(' ')}" ;;`).join('\n')
  return `_drycc() {
  local current="\${COMP_WORDS[COMP_CWORD]}" line="\${COMP_LINE:0:COMP_POINT}" words
  # Colons split words in bash: the command is read from the line itself.
  local command="$(printf '%s' "$line" | awk '{print $2}')"
  if [[ "$line" =~ ^[^[:space:]]+[[:space:]]+[^[:space:]]*$ ]]; then
    words="${commands.map(({ name }) => name).join(' ')}"
    COMPREPLY=($(compgen -W "$words" -- "$command"))
    [[ "$command" == *:* ]] && COMPREPLY=("\${COMPREPLY[@]#"\${command%:*}:"}")
    return
  fi
  case "$command" in
${cases}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
}
complete -F _drycc drycc
`
}

function zsh(program: Command): string {
  const rows = names(program).map(
    ({ name, summary }) => `    '${name.replaceAll(':', '\\:')}:${summary.replaceAll("'", "'\\''").replaceAll(':', '\\:')}'`,
  )
  const cases = names(program).map(({ name, options }) => `    ${name}) compadd -- ${options.join(' ')} ;;`)
  return `#compdef drycc
_drycc() {
  local -a commands=(
${rows.join('\n')}
  )
  if (( CURRENT == 2 )); then _describe command commands; return; fi
  case "\${words[2]}" in
${cases.join('\n')}
  esac
}
compdef _drycc drycc
`
}

function fish(program: Command): string {
  return names(program)
    .flatMap(({ name, summary, options }) => [
      `complete -c drycc -f -n __fish_use_subcommand -a '${name}' -d '${summary.replaceAll("'", "\\'")}'`,
      ...options
        .filter(flag => flag.startsWith('--'))
        .map(flag => `complete -c drycc -f -n '__fish_seen_subcommand_from ${name}' -l ${flag.slice(2)}`),
    ])
    .join('\n')
    .concat('\n')
}
