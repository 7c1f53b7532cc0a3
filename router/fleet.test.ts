import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { connect as connectTls } from 'node:tls'

suite('the router as processes, two of them workers', { skip: process.platform !== 'linux' }, () => {
  let app: Server
  let folder: string
  let router: Router
  const held: (() => void)[] = []

  before(async () => {
    app = createServer((incoming, response) => {
      if (incoming.url !== '/slow') return void response.end('app')
      response.write('begun')
      held.push(() => response.end(' and ended'))
    })
    await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve))
    folder = await mkdtemp(join(tmpdir(), 'fleet-'))
    await write(folder, 'shop.test', (app.address() as AddressInfo).port)
    router = await Router.start(folder)
  })
  after(async () => {
    router.process.kill('SIGKILL')
    app.closeAllConnections()
    await new Promise(resolve => app.close(resolve))
    await rm(folder, { recursive: true })
  })

  test('two workers serve on the same ports', async () => {
    assert.equal((await workersOf(router)).length, 2)
    assert.deepEqual(await statuses(router, 'shop.test', 20), [200])
    assert.match((await get(router.ports['admin']!, 'x', '/metrics')).body, /router_workers 2\n/)
  })

  test('a change reaches both', async () => {
    await write(folder, 'shop.test,moved.test', (app.address() as AddressInfo).port)
    await eventually(async () => (await statuses(router, 'moved.test', 10)).join() === '200')
  })

  test('a TLS session of one is resumed by the other', async () => {
    const port = router.ports['https']!
    const { session } = await handshake(port)
    const reused: boolean[] = []
    for (let index = 0; index < 12; index++) reused.push((await handshake(port, session)).isReused)
    assert.deepEqual(new Set(reused), new Set([true]))
  })

  test('a killed worker is replaced, and has the table of the moment', async () => {
    const [victim] = await workersOf(router)
    process.kill(victim!, 'SIGKILL')
    await eventually(async () => {
      const workers = await workersOf(router)
      return workers.length === 2 && !workers.includes(victim!)
    })
    await eventually(async () => /router_workers 2\n/.test((await get(router.ports['admin']!, 'x', '/metrics')).body))
    assert.deepEqual(await statuses(router, 'moved.test', 20), [200])
    assert.match((await get(router.ports['admin']!, 'x', '/metrics')).body, /router_worker_restarts_total 1\n/)
  })

  test('a second router on the same ports is refused in one line', async () => {
    const second = spawnRouter(folder, { ROUTER_HTTP_PORT: String(router.ports['http']), ROUTER_HTTPS_PORT: '0' })
    let errors = ''
    second.stderr!.on('data', chunk => (errors += chunk))
    const code = await new Promise(resolve => second.once('exit', resolve))
    assert.equal(code, 1)
    assert.match(errors, /EADDRINUSE/)
    // Beside what it has to say of this machine, as that it may open few files.
    assert.equal(errors.split('\n').filter(line => line.includes('"level":"error"')).length, 1)
  })

  test('SIGHUP replaces all workers, and no connection is refused or cut', { timeout: 60_000 }, () => replaceUnderLoad(router))

  test('SIGTERM lets a running exchange end, refuses new connections and leaves no process', async () => {
    const workers = await workersOf(router)
    const slow = get(router.ports['http']!, 'shop.test', '/slow')
    await eventually(async () => held.length > 0)
    const exited = new Promise(resolve => router.process.once('exit', resolve))
    router.process.kill('SIGTERM')
    await eventually(async () => (await get(router.ports['http']!, 'shop.test').catch(() => ({ status: 0 }))).status === 0)
    held[0]!()
    assert.equal((await slow).body, 'begun and ended')
    assert.equal(await exited, 0)
    for (const worker of workers) assert.throws(() => process.kill(worker, 0), { code: 'ESRCH' })
  })
})

suite('a router that is killed', { skip: process.platform !== 'linux' }, () => {
  test('takes its workers with it, so that the next one finds its ports free', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fleet-'))
    const first = await Router.start(folder)
    const workers = await workersOf(first)
    first.process.kill('SIGKILL')
    await eventually(async () => workers.every(pid => !isAlive(pid)))
    const second = await Router.start(folder, { ROUTER_HTTP_PORT: String(first.ports['http']) })
    assert.equal(second.ports['http'], first.ports['http'])
    second.process.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })
})

suite('workers that share their sockets', { skip: process.platform !== 'linux' }, () => {
  test('serve, die and are replaced like others', { timeout: 60_000 }, async () => {
    const app = createServer((_, response) => response.end('app'))
    await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve))
    const folder = await mkdtemp(join(tmpdir(), 'fleet-'))
    await write(folder, 'shop.test', (app.address() as AddressInfo).port)
    const router = await Router.start(folder, { ROUTER_LISTENERS: 'shared' })
    try {
      const [victim] = await workersOf(router)
      process.kill(victim!, 'SIGKILL')
      // The other one takes all.
      assert.deepEqual(await statuses(router, 'shop.test', 20), [200])
      await eventually(async () => (await workersOf(router)).filter(pid => pid !== victim).length === 2)
      await replaceUnderLoad(router)
    } finally {
      router.process.kill('SIGKILL')
      await new Promise(resolve => app.close(resolve))
      await rm(folder, { recursive: true })
    }
  })
})

/** Replaces the workers while clients open one connection after the other; each must be served. */
async function replaceUnderLoad(router: Router): Promise<void> {
  const before = await workersOf(router)
  assert.equal(before.length, 2)
  const over = new AbortController()
  const failures: unknown[] = []
  let count = 0
  const clients = Array.from({ length: 8 }, async () => {
    while (!over.signal.aborted) {
      await get(router.ports['http']!, 'shop.test').then(
        ({ status }) => (status === 200 ? count++ : failures.push(status)),
        error => failures.push(error),
      )
    }
  })
  await eventually(async () => count > 20)
  router.process.kill('SIGHUP')
  await eventually(async () => {
    const now = await workersOf(router)
    return now.length === 2 && now.every(pid => !before.includes(pid))
  }, 30_000)
  const during = count
  await eventually(async () => count > during + 20)
  over.abort()
  await Promise.all(clients)
  assert.deepEqual(failures, [])
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

class Router {
  readonly process: ChildProcess
  readonly ports: Record<string, number>

  private constructor(child: ChildProcess, ports: Record<string, number>) {
    this.process = child
    this.ports = ports
  }

  static async start(folder: string, env: Record<string, string> = {}): Promise<Router> {
    const child = spawnRouter(folder, env)
    child.stderr!.resume()
    const message = await new Promise<{ ports: Record<string, number> }>((resolve, reject) => {
      child.once('message', resolve as never)
      child.once('exit', code => reject(new Error(`The router ended with code ${code}`)))
    })
    return new Router(child, message.ports)
  }
}

function spawnRouter(folder: string, env: Record<string, string> = {}): ChildProcess {
  const names = ['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN']
  const free = Object.fromEntries(names.map(name => [`ROUTER_${name}_PORT`, '0']))
  const fixed = { ROUTER_MANIFESTS: folder, ROUTER_BIND: '127.0.0.1', ROUTER_WORKERS: '2', ROUTER_ACCESS_LOG: 'off' }
  return spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
    env: { PATH: process.env['PATH'], ...free, ...fixed, ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  })
}

/** The children of the router's process, which are its workers. */
async function workersOf(router: Router): Promise<number[]> {
  const pids = (await readdir('/proc')).filter(name => /^\d+$/.test(name))
  const parents = await Promise.all(
    pids.map(
      async pid =>
        [Number(pid), / \S (\d+)/.exec((await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')).replace(/^.*\)/, ')'))?.[1]] as const,
    ),
  )
  return parents.filter(([, parent]) => Number(parent) === router.process.pid).map(([pid]) => pid)
}

async function write(folder: string, domains: string, port: number) {
  const meta = { name: 'shop', namespace: 'shop' }
  const labels = { 'router.drycc.cc/routable': 'true' }
  const items = [
    {
      ...{ apiVersion: 'v1', kind: 'Service', spec: { ports: [{ name: 'http', port: 80 }] } },
      metadata: { ...meta, labels, annotations: { 'router.drycc.cc/domains': domains } },
    },
    {
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
      metadata: { ...meta, labels: { 'kubernetes.io/service-name': 'shop' } },
      ports: [{ name: 'http', port }],
      endpoints: [{ addresses: ['127.0.0.1'] }],
    },
  ]
  await writeFile(join(folder, '.next'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
  await rename(join(folder, '.next'), join(folder, 'shop.json'))
}

/** The different statuses that so many new connections get, as many workers as they may reach. */
async function statuses(router: Router, host: string, count: number): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: count }, () => get(router.ports['http']!, host)))
  return [...new Set(answers.map(({ status }) => status))]
}

function get(port: number, host: string, path = '/'): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers: { host }, agent: false }, response => {
      response.setEncoding('utf8')
      let body = ''
      response.on('data', chunk => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
      response.on('error', reject)
    })
    sent.on('error', reject)
    sent.end()
  })
}

function handshake(port: number, session?: Buffer): Promise<{ isReused: boolean; session: Buffer }> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, servername: 'shop.test', rejectUnauthorized: false, ...(session && { session }) })
    let ticket = session
    socket.on('session', bytes => (ticket = bytes))
    socket.on('error', reject)
    socket.once('secureConnect', () => socket.write('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'))
    socket.resume()
    const isReused = () => socket.isSessionReused()
    let wasReused = false
    socket.once('secureConnect', () => (wasReused = isReused()))
    socket.on('close', () => (ticket ? resolve({ isReused: wasReused, session: ticket }) : reject(new Error('No session was given'))))
  })
}

async function eventually(isSo: () => Promise<boolean>, withinMs = 5000) {
  const deadline = performance.now() + withinMs
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, 'it did not come about in time')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
