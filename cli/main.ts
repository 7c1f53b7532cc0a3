import { runCommandLine } from './run.ts'

// A reader that closes its end, as `head` does, has had enough: that is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? (process.exitCode ?? 0) : 1))
process.stderr.on('error', () => {})

await runCommandLine(process.argv)
