#!/usr/bin/env node
// The command line on any Node from 20 on: it runs as it is on a Node that strips types, else on the one that the set-up installed.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const modules = join(here, '..', 'node_modules')
const node = join(modules, '.bin', 'node')

if (!existsSync(modules)) {
  process.stderr.write('Error: the packages are not installed yet: run npm start (or npm test) once\n')
  process.exit(1)
}
if (Number(process.versions.node.split('.')[0]) >= 24) await import('./main.ts')
else {
  const env = { ...process.env, NODE_COMPILE_CACHE: join(modules, '.cache', 'compile') }
  const child = spawn(node, [join(here, 'main.ts'), ...process.argv.slice(2)], { stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)))
}
