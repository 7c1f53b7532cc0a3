import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { platformApi } from '../embedded/first-run.ts'
import { httpGet, httpsGet } from './platform/traffic.ts'

const MAIN = join(import.meta.dirname, '../embedded/main.ts')
const SETUP = join(import.meta.dirname, '../setup.mjs')
const FREE_PORTS = ['--http-port', '0', '--https-port', '0', '--git-port', '0', '--kube-port', '0']

suite('npm start', () => {
  const folder = mkdtempSync(join(tmpdir(), 'st-'))
  const home = join(folder, 'home')
  const running = new Set<ChildProcess>()
  let port = 0
  after(async () => {
    for (const child of running) child.kill('SIGTERM')
    await Promise.all([...running].map(child => once(child, 'exit')))
    rmSync(folder, { recursive: true, force: true })
  })

  test('a first start that is interrupted says nothing more, and leaves nothing running', async () => {
    const child = spawn(process.execPath, [MAIN, '--home', home, ...FREE_PORTS], { stdio: ['ignore', 'pipe', 'pipe'], env: environment() })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
    while (!/Starting the Kubernetes API/.test(output)) await once(child.stdout, 'data')
    const askedAt = performance.now()
    child.kill('SIGINT')
    const [code] = (await once(child, 'close')) as [number | null]
    assert.equal(code, 0, output)
    assert.doesNotMatch(output, /is up|Cannot|Error/)
    assert.ok(performance.now() - askedAt < 5000, 'it does not finish the start first')
    assert.deepEqual(leftBehind(), [])
  })

  test('the first start deploys the sample by a push, and tells where everything is', async () => {
    const platform = await start('--home', home, ...FREE_PORTS)
    const { http, https } = platform.ports()
    const page = await httpGet(http, 'hello.localhost')
    assert.match(page.body, /Hello, world/)
    const secure = await httpsGet(https, 'hello.localhost', readFileSync(join(home, 'ca.pem'), 'utf8'))
    assert.equal(secure.status, 200)
    assert.match(platform.output(), /API +http:\/\/drycc\.localhost:\d+\//)
    assert.match(platform.output(), /git push drycc HEAD:main/)
    const { password } = JSON.parse(readFileSync(join(home, 'admin.json'), 'utf8')) as { password: string }
    assert.ok(platform.output().includes(password), 'the password is told once')
    assert.equal(statSync(join(home, 'admin.json')).mode & 0o777, 0o600)
    assert.equal(await platform.end('SIGINT'), 0)
    assert.deepEqual(leftBehind(), [])
  })

  test('the next start goes on from there, and keeps the password to itself', async () => {
    const platform = await start('--home', home, ...FREE_PORTS)
    assert.match((await httpGet(platform.ports().http, 'hello.localhost')).body, /Hello, world/)
    const { password } = JSON.parse(readFileSync(join(home, 'admin.json'), 'utf8')) as { password: string }
    assert.ok(!platform.output().includes(password))
    const second = await refused('--home', home, ...FREE_PORTS)
    assert.match(
      second,
      new RegExp(
        `^\\n?Another copy runs on [^\\n]+ \\(process ${platform.child.pid}\\): stop it, or choose another folder with --home\\n$`,
      ),
    )
    platform.child.kill('SIGKILL')
    await once(platform.child, 'exit')
    port = platform.ports().http
  })

  test('after a kill -9 of the whole, everything is there again, on the same port', async () => {
    const platform = await start('--home', home, ...FREE_PORTS, '--http-port', String(port))
    assert.match((await httpGet(platform.ports().http, 'hello.localhost')).body, /Hello, world/)
    const { password } = JSON.parse(readFileSync(join(home, 'admin.json'), 'utf8')) as { password: string }
    const api = platformApi(platform.ports().http, 'drycc.localhost')
    const { body } = await api.json<{ token: string }>('POST', '/v2/auth/login/', { username: 'admin', password })
    const headers = { authorization: `token ${body.token}` }
    const changed = await api.json('POST', '/v2/auth/passwd/', { password, new_password: 'my own' }, { headers })
    assert.equal(changed.status, 200)
    await api.close()
    assert.equal(await platform.end('SIGTERM'), 0)
    assert.deepEqual(leftBehind(), [])
  })

  test('it starts as well when the administrator has changed the password', async () => {
    const platform = await start('--home', home, ...FREE_PORTS)
    assert.match((await httpGet(platform.ports().http, 'hello.localhost')).body, /Hello, world/)
    assert.match(platform.output(), /user admin, password +as changed by you/)
    for (const stream of [platform.child.stdout!, platform.child.stderr!]) stream.destroy()
    assert.equal(await platform.end('SIGHUP'), 0, 'it stops in good order when its terminal has gone')
    assert.deepEqual(leftBehind(), [])
  })

  test('it ends when what started it is killed', async () => {
    const args = [SETUP, 'embedded/main.ts', '--home', home, ...FREE_PORTS]
    const starter = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'], env: environment() })
    const closed = once(starter.stdout, 'close')
    let output = ''
    starter.stdout.on('data', chunk => (output += chunk))
    while (!/Stop with Ctrl-C/.test(output)) await once(starter.stdout, 'data')
    starter.kill('SIGKILL')
    await closed
    assert.match(output, /Stopping/)
    assert.deepEqual(leftBehind(), [])
  })

  test('a taken port is one clear line', async () => {
    const holder = createServer().listen(0, '127.0.0.1')
    await once(holder, 'listening')
    const { port } = holder.address() as AddressInfo
    const message = await refused('--home', join(folder, 'taken'), ...FREE_PORTS, '--http-port', String(port))
    assert.equal(message.trim(), `Port ${port} is taken: stop what listens there, or choose another with --http-port`)
    holder.close()
  })

  test('an unusable home is one clear line', async () => {
    const file = join(folder, 'file')
    writeFileSync(file, '')
    assert.match((await refused('--home', file, ...FREE_PORTS)).trim(), /^Cannot write to [^\n]*--home$/)
  })

  test('an unknown flag is told, with what there is', async () => {
    assert.match(await refused('--colour'), /Unknown option '--colour'[\s\S]*--http-port N/)
  })

  test('--no-sample starts with nothing in it', async () => {
    mkdirSync(join(folder, 'bare'))
    const platform = await start('--home', join(folder, 'bare'), '--no-sample', ...FREE_PORTS)
    assert.equal((await httpGet(platform.ports().http, 'hello.localhost')).status, 404)
    assert.doesNotMatch(platform.output(), /Sample app/)
    assert.equal(await platform.end('SIGTERM'), 0)
  })

  async function start(...args: string[]) {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: environment() })
    running.add(child)
    child.once('exit', () => running.delete(child))
    let output = ''
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', chunk => (output += chunk))
    const ended = once(child, 'exit').then(([code]) => Promise.reject(new Error(`ended with ${code}: ${output}`)))
    ended.catch(() => {})
    while (!/Stop with Ctrl-C/.test(output)) await Promise.race([once(child.stdout!, 'data'), ended])
    const port = (scheme: string, host: string) => Number(new RegExp(`${scheme}://${host}\\.localhost:(\\d+)/`).exec(output)?.[1])
    return {
      child,
      output: () => output,
      ports: () => ({ http: port('http', 'drycc'), https: port('https', 'hello') }),
      async end(signal: NodeJS.Signals): Promise<number | null> {
        child.kill(signal)
        const [code] = (await once(child, 'exit')) as [number | null]
        return code
      },
    }
  }

  /** What a start that must fail printed. */
  async function refused(...args: string[]): Promise<string> {
    const child = spawn(process.execPath, [MAIN, ...args], { stdio: ['ignore', 'pipe', 'pipe'], env: environment() })
    let output = ''
    for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
    const [code] = (await once(child, 'close')) as [number | null]
    assert.equal(code, 1, output)
    return output
  }

  function environment(): NodeJS.ProcessEnv {
    mkdirSync(join(folder, 'empty'), { recursive: true })
    return { PATH: process.env['PATH'], HOME: join(folder, 'empty'), TMPDIR: folder, NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'] }
  }

  /** Processes whose command line or environment names this test's folder. */
  function leftBehind(): string[] {
    if (!existsSync('/proc/self')) return []
    return readdirSync('/proc')
      .filter(name => /^\d+$/.test(name) && name !== String(process.pid))
      .flatMap(name => {
        try {
          const command = readFileSync(`/proc/${name}/cmdline`, 'utf8').replaceAll('\0', ' ')
          const isOurs = command.includes(folder) || readFileSync(`/proc/${name}/environ`, 'utf8').includes(home)
          return isOurs ? [command] : []
        } catch {
          return []
        }
      })
  }
})
