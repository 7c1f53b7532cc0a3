// A build runner for tests: the pushed tree says how it behaves.
import { existsSync, readFileSync, writeSync } from 'node:fs'
import { spawn } from 'node:child_process'
import path from 'node:path'

const request = JSON.parse(readFileSync(0, 'utf8'))
const read = name => (existsSync(path.join(request.source, name)) ? readFileSync(path.join(request.source, name)) : undefined)

process.stdout.write(`-----> Building ${request.app}\n`)
const output = read('output')
if (output) await new Promise(resolve => process.stdout.write(output, resolve))
if (read('show-env')) process.stdout.write(`secret is ${request.env.SECRET}\nenvironment has ${Object.keys(process.env).filter(name => name.startsWith('BUILDER_')).length} settings of the builder\n`)
if (read('fail')) process.exit(7)
if (read('hang')) {
  // A child that outlives its parent unless the whole group is ended.
  const child = spawn('sleep', ['600'], { stdio: 'ignore' })
  process.stdout.write(`hanging ${child.pid}\n`)
  await new Promise(resolve => setTimeout(resolve, 600_000))
}
const procfile = read('Procfile')?.toString().match(/^web: (.*)$/m)?.[1] ?? 'node server.js'
writeSync(3, JSON.stringify({ image: `embedded/${request.app}:git-${request.sha.slice(0, 8)}`, procfile: { web: procfile }, dockerfile: '', detected: 'test' }))
