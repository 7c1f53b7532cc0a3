// Starts a TypeScript file of this project, after the set-up that it needs: the packages of the lock file, Node itself among them.
// Any Node from 20 on can read this file; what it starts runs on the Node that the lock file pins.
//
//   node setup.mjs FILE [ARGUMENT…]
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, existsSync, lstatSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { constants } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const root = dirname(fileURLToPath(import.meta.url))
const modules = join(root, 'node_modules')
const stamp = join(modules, '.set-up')
const lock = join(root, '.set-up.lock')
const node = join(modules, '.bin', 'node')

const major = Number(process.versions.node.split('.')[0])
if (major < 20) fail(`Node ${process.versions.node} is too old: install Node 20 or newer, for example from https://nodejs.org`)
if (process.platform === 'win32') fail('Windows is not supported by itself: run this in WSL')

await setUp()
const [file, ...args] = process.argv.slice(2)
const child = spawn(node, [resolve(root, file), ...args], {
  // By the channel's end the child sees that this process was killed.
  stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
  env: { ...process.env, NODE_COMPILE_CACHE: join(modules, '.cache', 'compile') },
})
// A terminal sends its signals to the child as well; it decides when to end. Others' are passed on.
process.on('SIGINT', () => {})
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
const parent = process.ppid
// A shell between npm and this process does not pass on a signal: its end is seen instead.
setInterval(() => process.ppid !== parent && child.kill('SIGTERM'), 1000).unref()
child.on('error', error => fail(`Cannot start ${node}: ${error.message}`))
child.on('exit', (code, signal) => process.exit(signal ? 128 + (constants.signals[signal] ?? 0) : (code ?? 1)))

/** Installs what the lock file names unless that stands already; a second process that wants the same waits for the first. */
async function setUp() {
  const wanted = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .update(process.platform)
    .update(process.arch)
    .digest('hex')
  const isDone = () => existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
  if (isDone()) return
  // npm ci empties the folder first, which would be somebody else's.
  if (lstatSync(modules, { throwIfNoEntry: false })?.isSymbolicLink())
    fail('node_modules is a link to packages of another version of this project: remove the link, and this installs its own')
  await takeLock()
  try {
    if (isDone()) return
    await install()
    if (!existsSync(node)) fail(`There is no Node for ${process.platform}-${process.arch} in the lock file: this system is not supported`)
    writeFileSync(stamp, wanted)
  } finally {
    rmSync(lock, { force: true })
  }
}

async function install() {
  const startedAt = Date.now()
  const isTerminal = process.stderr.isTTY
  const say = text => process.stderr.write(isTerminal ? `\r\x1b[K${text}` : `${text}\n`)
  say('Setting up: installing packages (about 300 MB, once)')
  const ticking = setInterval(
    () => isTerminal && say(`Setting up: installing packages (about 300 MB, once), ${Math.round((Date.now() - startedAt) / 1000)} s`),
    1000,
  )
  const npm = spawn('npm', ['ci', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [npm.stdout, npm.stderr]) stream.on('data', data => (output = (output + data).slice(-8192)))
  const code = await new Promise(done => npm.on('error', error => done(error.message)).on('close', done))
  clearInterval(ticking)
  if (code !== 0) {
    say('')
    fail(`Cannot install the packages (npm ci: ${code}):\n${output.trim()}`)
  }
  say(`Set up in ${Math.round((Date.now() - startedAt) / 1000)} s\n`.slice(0, isTerminal ? undefined : -1))
}

async function takeLock() {
  for (;;) {
    try {
      const fd = openSync(lock, 'wx')
      writeFileSync(fd, String(process.pid))
      closeSync(fd)
      return
    } catch (error) {
      if (error.code !== 'EEXIST') fail(`Cannot set up in ${root}: ${error.message}`)
    }
    if (!isAlive(lock)) rmSync(lock, { force: true })
    await wait(200)
  }
}

/** False when the lock is that of a process that has ended; a lock that cannot be read yet counts as held. */
function isAlive(path) {
  try {
    const pid = Number(readFileSync(path, 'utf8'))
    if (pid > 0) process.kill(pid, 0)
    return true
  } catch (error) {
    return error.code !== 'ESRCH'
  }
}

function fail(message) {
  process.stderr.write(`${message}\n`)
  rmSync(lock, { force: true })
  process.exit(1)
}
