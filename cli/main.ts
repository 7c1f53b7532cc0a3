import { CommanderError } from 'commander'
import { CommandError } from './command-error.ts'
import { buildProgram } from './program.ts'

// A reader that closes its end, as `head` does, has had enough: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1))

try {
  await buildProgram().parseAsync(process.argv)
} catch (error) {
  process.exitCode = report(error)
}

/** @returns the exit code */
function report(error: unknown): number {
  // commander has printed its own messages; help and version are no failures.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  if (error instanceof CommandError) {
    process.stderr.write(`Error: ${error.message}\n`)
    return error.exitCode
  }
  process.stderr.write(`Error: ${(error as Error).message}\n`)
  return 1
}
