import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { addAccessCommands } from './commands/access.ts'
import { addAccountCommands } from './commands/accounts.ts'
import { addAppCommands } from './commands/apps.ts'
import { addCompletionCommand } from './commands/completion.ts'
import { addConfigCommands } from './commands/config.ts'
import { addGitCommands } from './commands/git.ts'
import { addLogCommands } from './commands/logs.ts'
import { addProcessCommands } from './commands/processes.ts'
import { addReleaseCommands } from './commands/releases.ts'
import { addRoutingCommands } from './commands/routing.ts'

const HELP = `
A first app:
  $ drycc register http://drycc.example.com
  $ drycc create shop
  $ git push drycc HEAD:main
  $ drycc open

Exit codes: 0 done, 1 refused by the platform, 2 wrong command line, 3 platform not reached, 4 not logged in.
Colours are off with NO_COLOR; --json gives every command's result to programs.`

/** The whole command line, wired. */
export function buildProgram(): Command {
  const { version } = JSON.parse(readFileSync(join(import.meta.dirname, '../package.json'), 'utf8')) as { version: string }
  const program = new Command('drycc')
    .description('Drives Drycc Workflow: push code, get a running app')
    .version(version, '-v, --version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show the help of a command')
    .addHelpText('after', HELP)
    .configureHelp({ sortSubcommands: true, showGlobalOptions: false })
    .showSuggestionAfterError(true)
    .exitOverride()
  addAccountCommands(program)
  addAppCommands(program)
  addGitCommands(program)
  addConfigCommands(program)
  addProcessCommands(program)
  addReleaseCommands(program)
  addRoutingCommands(program)
  addAccessCommands(program)
  addLogCommands(program)
  addCompletionCommand(program)
  return program
}
