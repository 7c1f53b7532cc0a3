import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command, type OutputConfiguration } from 'commander'
import { CommandError } from './command-error.ts'
import { addAccountCommands } from './commands/account.ts'
import { addAppCommands } from './commands/apps.ts'
import { addAutoscaleCommands } from './commands/autoscale.ts'
import { addCertificateCommands } from './commands/certificates.ts'
import { addConfigCommands } from './commands/config.ts'
import { addDomainCommands } from './commands/domains.ts'
import { addGitCommands } from './commands/git.ts'
import { addHealthcheckCommands } from './commands/healthchecks.ts'
import { addKeyCommands } from './commands/keys.ts'
import { addLimitCommands } from './commands/limits.ts'
import { addLogCommands } from './commands/logs.ts'
import { addMapCommands } from './commands/maps.ts'
import { addPageCommands } from './commands/pages.ts'
import { addPermsCommands } from './commands/perms.ts'
import { addProcessCommands } from './commands/processes.ts'
import { addReleaseCommands } from './commands/releases.ts'
import { addSwitchCommands } from './commands/switches.ts'
import { addTlsCommands } from './commands/tls.ts'
import { addToolCommands } from './commands/tools.ts'
import { addTrafficCommands } from './commands/traffic.ts'
import { addUserCommands } from './commands/users.ts'
import { addWhitelistCommands } from './commands/whitelist.ts'
import { Output } from './output.ts'

const HELP = `
A first app, in its git repository:
  $ drycc register http://drycc.example.com
  $ drycc create shop
  $ git push drycc HEAD:main
  $ drycc open

The app is that of --app NAME, else of DRYCC_APP, else of the git remote drycc.
The login is kept in ~/.drycc/client.json, with DRYCC_PROFILE=NAME in NAME.json.
drycc help COMMAND tells more about one, drycc shortcuts lists other names.

With --json standard output holds the result as JSON, and a failure is
{"error": {"message", "exitCode", "status"}} on standard error.
NO_COLOR turns colours off.

Exit codes: 0 done, 1 refused by the platform, 2 wrong command line,
3 platform not reached, 4 not logged in, 130 interrupted.
drycc run ends as the command does.`

// Leaves half of a terminal of 80 columns to what a command does.
const TERM_LENGTH_MAX = 30

/** The commands by topic, as the help shows them. */
const TOPICS: readonly [heading: string, ...add: ((program: Command) => void)[]][] = [
  ['Account:', addAccountCommands, addKeyCommands],
  ['Apps:', addAppCommands, addPermsCommands],
  ['Pushing and releases:', addGitCommands, addReleaseCommands],
  ['Config:', addConfigCommands, addMapCommands],
  ['Processes:', addProcessCommands, addLogCommands, addLimitCommands, addHealthcheckCommands, addAutoscaleCommands],
  [
    'Reaching an app:',
    addDomainCommands,
    addTrafficCommands,
    addCertificateCommands,
    addTlsCommands,
    addSwitchCommands,
    addWhitelistCommands,
    addPageCommands,
  ],
  ['Platform:', addUserCommands],
]

/**
 * The whole command line, wired.
 *
 * @param isJson tells a wrong command line as JSON too
 */
export function buildProgram(isJson: boolean): Command {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string }
  const program = new Command('drycc')
    .description('Drives Drycc Workflow: push code, get a running app')
    .usage('<command> [options]')
    .version(version, '-v, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .addHelpText('after', HELP)
    .configureHelp({
      showGlobalOptions: false,
      subcommandTerm: termOf,
      commandUsage: command => (command.parent ? `drycc ${command.name()} ${command.usage()}` : `drycc ${command.usage()}`),
    })
    .configureOutput(errorsOf(isJson))
    .enablePositionalOptions()
    .exitOverride()
  for (const [heading, ...topics] of TOPICS) {
    program.commandsGroup(heading)
    for (const add of topics) add(program)
  }
  program.commandsGroup('Tools:')
  addToolCommands(program, version)
  addHelpCommand(program)
  for (const command of program.commands) addRelated(program, command)
  return program
}

/** commander writes `error: unknown …`; a person reads it as every other failure, a program as JSON. */
function errorsOf(isJson: boolean): OutputConfiguration {
  return {
    outputError(text) {
      const message = text.replace(/^error: /, '').trim()
      new Output(isJson).failure(new CommandError(message[0]!.toUpperCase() + message.slice(1), 2))
    },
    writeErr: text => void (isJson || process.stderr.write(text)),
  }
}

/** commander's own shows the whole help for a name that it does not know, without a word about it. */
function addHelpCommand(program: Command): void {
  program.helpCommand(false)
  program
    .command('help [command]')
    .summary('show the help of a command')
    .description('Show the help of a command')
    .action((name: string | undefined) => {
      const command = program.commands.find(known => known.name() === name || known.aliases().includes(name ?? ''))
      if (name === undefined) program.outputHelp()
      else if (command) command.outputHelp()
      else program.error(`error: unknown command '${name}': drycc help lists all`)
    })
}

/** Names the other commands of a topic in each one's help: `config:set` in that of `config`. */
function addRelated(program: Command, command: Command): void {
  const topicsOf = (known: Command) => new Set([known.name(), ...known.aliases()].map(name => name.split(':')[0]!))
  const topics = topicsOf(command)
  const related = program
    .createHelp()
    .visibleCommands(program)
    .filter(known => known.name() !== command.name() && !topicsOf(known as Command).isDisjointFrom(topics))
  if (related.length > 0) command.addHelpText('after', `\nSee also: ${related.map(known => known.name()).join(', ')}`)
}

/** A command with its arguments, as far as they fit. */
function termOf(command: Command): string {
  const names = command.registeredArguments.map(argument => {
    const name = `${argument.name()}${argument.variadic ? '...' : ''}`
    return argument.required ? `<${name}>` : `[${name}]`
  })
  const term = [command.name(), ...names].join(' ')
  return term.length > TERM_LENGTH_MAX ? `${command.name()} ${names[0]} …` : term
}
