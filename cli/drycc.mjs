#!/usr/bin/env node
// The command line on any Node from 20 on: it runs as it is on a Node that strips types, else on the one that the set-up installed.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import module from 'node:module'
import { constants } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = dirname(fileURLToPath(import.meta.url))
const modules = join(here, '..', 'node_modules')
const node = join(modules, '.bin', 'node')
const cache = process.env.NODE_COMPILE_CACHE || join(modules, '.cache', 'compile')

if (!existsSync(node)) {
  process.stderr.write('Error: the packages are not installed yet: run npm start (or npm test) once\n')
  process.exitCode = 1
} else if (Number(process.versions.node.split('.')[0]) >= 24) {
  // Parsing the sources anew would take three times as long as all else that a command does.
  module.enableCompileCache(cache)
  await import('./main.ts')
} else {
  const env = { ...process.env, NODE_COMPILE_CACHE: cache }
  const child = spawn(node, [join(here, 'main.ts'), ...process.argv.slice(2)], { stdio: 'inherit', env })
  // A terminal sends Ctrl-C to the child as well: passed on, it would come twice.
  process.on('SIGINT', () => process.stdin.isTTY || child.kill('SIGINT'))
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('error', error => {
    process.stderr.write(`Error: cannot start ${node}: ${error.message}\n`)
    process.exit(1)
  })
  child.on('exit', (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)))
}
