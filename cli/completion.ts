/** A command as completion needs it. */
export interface CompletedCommand {
  /** Its name and its other names. */
  readonly names: readonly string[]
  readonly summary: string
  readonly options: readonly { readonly short?: string; readonly long: string; readonly description: string }[]
}

export const SHELLS = ['bash', 'zsh', 'fish'] as const
export type Shell = (typeof SHELLS)[number]

/** Writes a script that completes command names and options, to be sourced by the shell; arguments of commands complete as files. */
export function buildCompletion(shell: Shell, commands: readonly CompletedCommand[]): string {
  return { bash, zsh, fish }[shell](commands)
}

function flagsOf({ options }: CompletedCommand): string[] {
  return options.flatMap(({ short, long }) => (short ? [short, long] : [long]))
}

function bash(commands: readonly CompletedCommand[]): string {
  const cases = commands.map(command => `    ${command.names.join('|')}) flags='${flagsOf(command).join(' ')}' ;;`).join('\n')
  return `# bash completion for drycc: source <(drycc completion bash)
_drycc() {
  local line="\${COMP_LINE:0:COMP_POINT}" words current flags
  # Bash takes a colon for the end of a word, so the words are taken from the line itself.
  read -ra words <<< "$line"
  current=
  [[ "$line" =~ [[:space:]]$ ]] || current="\${words[\${#words[@]} - 1]}"
  COMPREPLY=()
  if (( \${#words[@]} - (\${#current} > 0) == 1 )); then
    COMPREPLY=($(compgen -W '${commands.flatMap(({ names }) => names).join(' ')}' -- "$current"))
    # What stands before the last colon is on the line already.
    [[ "$current" == *:* && "$COMP_WORDBREAKS" == *:* ]] && COMPREPLY=("\${COMPREPLY[@]#"\${current%:*}:"}")
    return
  fi
  case "\${words[1]}" in
${cases}
    *) flags= ;;
  esac
  [[ "$current" == -* ]] && COMPREPLY=($(compgen -W "$flags" -- "$current"))
}
complete -o default -F _drycc drycc
`
}

function zsh(commands: readonly CompletedCommand[]): string {
  const described = (name: string, text: string) => `'${name.replaceAll(':', '\\:')}:${quoted(text)}'`
  const rows = commands.flatMap(({ names, summary }) => names.map(name => `    ${described(name, summary)}`))
  const cases = commands.map(({ names, options }) => {
    const flags = options.map(({ long, description }) => described(long, description))
    return `    ${names.join('|')}) flags=(${flags.join(' ')}) ;;`
  })
  return `#compdef drycc
# zsh completion for drycc: source <(drycc completion zsh), after compinit
_drycc() {
  local -a commands flags
  commands=(
${rows.join('\n')}
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  case "\${words[2]}" in
${cases.join('\n')}
  esac
  if [[ "\${words[CURRENT]}" == -* ]]; then
    _describe option flags
  else
    _files
  fi
}
compdef _drycc drycc
`
}

function fish(commands: readonly CompletedCommand[]): string {
  const lines = commands.flatMap(({ names, summary, options }) => [
    ...names.map(name => `complete -c drycc -f -n __fish_use_subcommand -a '${name}' -d '${fishQuoted(summary)}'`),
    ...options.map(({ short, long, description }) => {
      const flags = `${short ? `-s ${short.slice(1)} ` : ''}-l ${long.slice(2)}`
      return `complete -c drycc -n '__fish_seen_subcommand_from ${names.join(' ')}' ${flags} -d '${fishQuoted(description)}'`
    }),
  ])
  return ['# fish completion for drycc: drycc completion fish | source', ...lines, ''].join('\n')
}

function quoted(text: string): string {
  return text.replaceAll("'", "'\\''")
}

function fishQuoted(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")
}
