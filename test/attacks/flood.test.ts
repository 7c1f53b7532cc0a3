import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import {
  type Bed,
  ok,
  RawClient,
  startApp,
  startBed,
  startEndlessApp,
  startHttpApp,
  type TestApp,
  until,
} from '../../router/serve/testbed.ts'

const platform = selfSigned({ names: ['platform.test'], days: 1 })
const GOOD = 'GET / HTTP/1.1\r\nHost: good.test\r\nConnection: close\r\n\r\n'
/** The longest that a good client may wait while others misbehave, on a machine that is busy with tests. */
const PROMPT_MS = 1000

suite('Others are served at once', () => {
  test('while a hundred clients drip their heads, four hundred idle and fifty wait for an app that hangs', async () => {
    await using hung = await startApp(() => {})
    await using good = await startHttpApp(() => ok('good'))
    await using bed = await startBed({
      apps: { 'hung.test': hung, 'good.test': good },
      tls: { cert: platform.certificate, key: platform.key },
    })
    const dripping = Array.from({ length: 100 }, () => bed.send('GET / HTTP/1.1\r\nHost: good.test\r\n'))
    const timer = setInterval(() => dripping.forEach(client => void client.send('A: b\r\n')), 20)
    const idle = Array.from({ length: 400 }, () => bed.send(''))
    const waiting = Array.from({ length: 50 }, () => bed.send('GET / HTTP/1.1\r\nHost: hung.test\r\n\r\n'))
    await until(() => hung.sockets.length === 50 && bed.server.stats().connectionsOpen === 550)
    assert.ok((await slowest(bed, 50)) < PROMPT_MS)
    const secure = RawClient.tls(bed.httpsPort, {})
    secure.send(GOOD)
    await secure.ended
    assert.match(secure.text, /good$/)
    clearInterval(timer)
    assert.ok([...dripping, ...idle, ...waiting].every(client => client.how === 'open'))
  })

  test('while one app hangs with five hundred requests, and one sends as fast as it can to a client who does not read', async () => {
    await using hung = await startApp(() => {})
    await using loud = await startEndlessApp()
    await using good = await startHttpApp(() => ok('good'))
    await using bed = await startBed({ apps: { 'hung.test': hung, 'loud.test': loud, 'good.test': good } })
    for (let index = 0; index < 500; index++) bed.send('GET / HTTP/1.1\r\nHost: hung.test\r\n\r\n')
    for (let index = 0; index < 20; index++) {
      const client = bed.send('')
      client.socket.pause()
      client.send('GET / HTTP/1.1\r\nHost: loud.test\r\n\r\n')
    }
    await until(() => hung.sockets.length === 500 && loud.sockets.length === 20)
    assert.ok((await slowest(bed, 50)) < PROMPT_MS)
  })

  test('while one client sends as many small requests as it can on one connection', async () => {
    await using busy = await startHttpApp(() => ok('busy'))
    await using good = await startHttpApp(() => ok('good'))
    await using bed = await startBed({ apps: { 'busy.test': busy, 'good.test': good } })
    const flood = bed.send('')
    const many = 'GET / HTTP/1.1\r\nHost: busy.test\r\n\r\n'.repeat(1000)
    const timer = setInterval(() => flood.socket.writableLength < 1 << 20 && flood.send(many), 1)
    await flood.until('busy')
    assert.ok((await slowest(bed, 50)) < PROMPT_MS)
    clearInterval(timer)
  })
})

suite('What a client leaves behind', () => {
  test('is nothing, at whatever moment it resets', async () => {
    await using app = await startApp(socket => socket.on('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc')))
    await using bed = await startBed({ apps: { 'shop.test': app }, tls: { cert: platform.certificate, key: platform.key } })
    const stages = [
      '',
      'GET',
      'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n',
      'POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 9\r\n\r\nabc',
    ]
    for (let round = 0; round < 25; round++)
      for (const [stage, bytes] of stages.entries()) {
        const client = bed.send(bytes)
        if (stage > 1) await client.until('abc')
        else if (round % 2 === 0) await new Promise(resolve => client.socket.once('connect', resolve))
        client.reset()
        const raw = connect(bed.httpsPort, '127.0.0.1').on('error', () => {})
        raw.once('connect', () => raw.resetAndDestroy())
      }
    await until(() => bed.server.stats().connectionsOpen === 0 && app.open.size === 0, 'every connection to be freed')
  })
})

suite('A router without file descriptors left', { skip: process.platform !== 'linux' }, () => {
  test('keeps serving whom it has, and takes newcomers again when others leave', { timeout: 20_000 }, async () => {
    await using app = await startHttpApp(() => ok('fine'))
    const folder = await mkdtemp(join(tmpdir(), 'flood-'))
    await writeFile(join(folder, 'app.json'), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objectsOf(app) }))
    const { child, port } = await startRouter(folder, 200)
    const clients: RawClient[] = []
    try {
      const request = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
      const kept = clientOf(port)
      kept.send(request)
      await kept.until('fine')
      for (let index = 0; index < 300; index++) clients.push(clientOf(port))
      await Promise.race([Promise.all(clients.map(client => client.ended)), new Promise(resolve => setTimeout(resolve, 300))])
      for (let count = 2; count < 6; count++) {
        kept.send(request)
        await kept.until(text => text.split('fine').length > count)
      }
      for (const client of clients) client.destroy()
      kept.destroy()
      await untilServed(port, request)
      assert.equal(child.exitCode, null)
    } finally {
      for (const client of clients) client.destroy()
      child.kill('SIGTERM')
      await new Promise(resolve => child.once('exit', resolve))
      await rm(folder, { recursive: true })
    }
  })
})

suite('A worker that cannot open another file', { skip: process.platform !== 'linux' }, () => {
  // Without the bound that main.ts sets by the limit of open files.
  const script = `
    const { createServer } = await import(process.argv[1] + '/serve/server.ts')
    const { DEFAULT_SETTINGS: settings } = await import(process.argv[1] + '/table/route.ts')
    const server = createServer({ table: () => ({ match: () => undefined, settings, git: undefined, version: 1 }), log: console })
    process.send({ port: await server.listenHttp({ port: 0, host: '127.0.0.1' }) })
    process.on('message', () => process.send({ cpuUs: process.cpuUsage().user + process.cpuUsage().system }))
  `
  test('does not spin, serves whom it has, and newcomers when others leave', { timeout: 20_000 }, async () => {
    const router = join(import.meta.dirname, '../../router')
    const child = spawn(
      '/bin/sh',
      ['-c', 'ulimit -n 64 && exec "$0" "$@"', process.execPath, '--input-type=module', '-e', script, router],
      {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      },
    )
    const hear = <T>() => new Promise<T>(resolve => child.once('message', resolve as never))
    const { port } = await hear<{ port: number }>()
    const request = 'GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n'
    const clients: RawClient[] = []
    try {
      const kept = clientOf(port)
      kept.send(request)
      await kept.until('200 OK')
      for (let index = 0; index < 200; index++) clients.push(clientOf(port))
      await until(() => clients.filter(client => client.how !== 'open').length > 100, 'the system to refuse some')
      const cpuUs = async () => {
        child.send('cpu')
        return (await hear<{ cpuUs: number }>()).cpuUs
      }
      const before = await cpuUs()
      await new Promise(resolve => setTimeout(resolve, 500))
      const spent = (await cpuUs()) - before
      assert.ok(spent < 150_000, `${spent} µs of 500 ms`)
      kept.send(request)
      await kept.until(text => text.split('200 OK').length > 2)
      for (const client of clients) client.destroy()
      // One at a time, as the ends of the others are still on their way to the router.
      for (let served = false; !served; ) {
        const later = clientOf(port)
        later.send(request)
        served = await later.until('200 OK').then(
          () => true,
          () => false,
        )
        later.destroy()
      }
      kept.destroy()
    } finally {
      for (const client of clients) client.destroy()
      child.kill('SIGKILL')
    }
  })
})

/** The longest of so many exchanges, one after the other, in ms. */
async function slowest(bed: Bed, count: number): Promise<number> {
  let longest = 0
  for (let index = 0; index < count; index++) {
    const began = performance.now()
    assert.match(await bed.exchange(GOOD), /good$/)
    longest = Math.max(longest, performance.now() - began)
  }
  return longest
}

function clientOf(port: number): RawClient {
  return new RawClient(connect({ port, host: '127.0.0.1', noDelay: true }))
}

async function untilServed(port: number, request: string): Promise<void> {
  const deadline = performance.now() + 5000
  for (;;) {
    const client = clientOf(port)
    client.send(request)
    const isServed = await client.until('fine').then(
      () => true,
      () => false,
    )
    client.destroy()
    if (isServed) return
    assert.ok(performance.now() < deadline, 'newcomers are still turned away')
  }
}

/** A router of one process that may open so many files, over a folder of manifests. */
async function startRouter(folder: string, fileCountMax: number): Promise<{ child: ChildProcess; port: number }> {
  const ports = Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0']))
  const main = join(import.meta.dirname, '../../router/main.ts')
  const child = spawn('/bin/sh', ['-c', `ulimit -n ${fileCountMax} && exec "$0" "$@"`, process.execPath, main], {
    env: {
      PATH: process.env['PATH'],
      ...ports,
      ROUTER_MANIFESTS: folder,
      ROUTER_BIND: '127.0.0.1',
      ROUTER_WORKERS: '1',
      ROUTER_ACCESS_LOG: 'off',
    },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  })
  const message = await new Promise<{ ports: Record<string, number> }>((resolve, reject) => {
    child.once('message', resolve as never)
    child.once('exit', code => reject(new Error(`The router ended with code ${code}`)))
  })
  return { child, port: message.ports['http']! }
}

function objectsOf(app: TestApp): object[] {
  const metadata = { name: 'shop', namespace: 'shop' }
  return [
    {
      ...{ apiVersion: 'v1', kind: 'Service', spec: { ports: [{ name: 'http', port: 80 }] } },
      metadata: { ...metadata, labels: { 'router.drycc.cc/routable': 'true' }, annotations: { 'router.drycc.cc/domains': 'shop.test' } },
    },
    {
      ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
      metadata: { ...metadata, labels: { 'kubernetes.io/service-name': 'shop' } },
      ports: [{ name: 'http', port: app.endpoint.port }],
      endpoints: [{ addresses: ['127.0.0.1'] }],
    },
  ]
}
