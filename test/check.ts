import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/**
 * Every gate, in the order of what is quickest to fail: format and lint, types, tests (the architecture is one of them). With `--static`
 * all but the tests.
 */
const root = join(import.meta.dirname, '..')
const bin = (name: string) => join(root, 'node_modules', '.bin', name)
const gates: [name: string, command: string, ...args: string[]][] = [
  ['format and lint', bin('biome'), 'ci', '--error-on-warnings', '.'],
  ['types', bin('tsc'), '-p', '.'],
  ['tests', process.execPath, join(root, 'test/run.ts')],
]
if (process.argv.includes('--static')) gates.pop()
for (const [name, command, ...args] of gates) {
  process.stdout.write(`── ${name}\n`)
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status === 0) continue
  process.stdout.write(`${name}: failed\n`)
  process.exit(1)
}
process.stdout.write('All gates passed\n')
