import { spawn } from 'node:child_process'
import { globSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'

/**
 * Runs the tests: `npm test` all that need nothing but Node, npm, git and ssh; `npm test -- FILE…` those files; `npm test -- --only NAME`
 * a pattern of names. What needs more is under `test/with/`, each file its own script (see CONTRIBUTING.md).
 */
const LIMIT_MINUTES = 12
const root = join(import.meta.dirname, '..')
const flags = process.argv.slice(2).filter(argument => argument.startsWith('-'))
const named = process.argv.slice(2).filter(argument => !argument.startsWith('-'))
const files =
  named.length > 0 ? named : globSync('{kernel,router,control-plane,builder,logger,embedded,cli,bench,test}/**/*.test.ts', { cwd: root })
const chosen = named.length > 0 ? files : files.filter(file => !file.startsWith('test/with/')).sort(slowFirst)

const child = spawn(
  process.execPath,
  ['--test', `--test-concurrency=${availableParallelism() + 1}`, '--test-timeout=240000', '--test-reporter=spec', ...flags, ...chosen],
  { cwd: root, stdio: 'inherit', env: { ...process.env, NODE_ENV: 'test' } },
)
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => child.kill(signal))
// A test that leaves something open keeps its file from ending: the run must fail then, not stand still.
setTimeout(() => {
  process.stderr.write(`Cannot finish within ${LIMIT_MINUTES} minutes: a test above has left something running\n`)
  child.kill('SIGINT')
}, LIMIT_MINUTES * 60_000).unref()
child.on('exit', (code, signal) => process.exit(signal ? 1 : (code ?? 1)))

/** The long ones start first, so that the short ones fill the gaps beside them. */
function slowFirst(a: string, b: string): number {
  const weight = (file: string) => (file.startsWith('test/') ? 0 : file.startsWith('embedded/') ? 1 : 2)
  return weight(a) - weight(b) || a.localeCompare(b)
}
