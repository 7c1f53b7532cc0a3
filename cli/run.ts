import { CommanderError } from 'commander'
import { Output } from './output.ts'
import { buildProgram } from './program.ts'

/** Does what a command line says and sets the exit code of the process. @param argv as `process.argv`: the program, the script, the words */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const program = buildProgram(argv.includes('--json'))
  try {
    if (argv.length <= 2) program.outputHelp()
    else await program.parseAsync(argv)
  } catch (error) {
    // commander has told its own failures; help and version are none.
    if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2
    else process.exitCode = new Output(false).failure(error)
  }
}
