import assert from 'node:assert/strict'
import { randomBytes, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { Agent, createServer, request, type Server } from 'node:http'
import { type AddressInfo, connect as connectTcp, createServer as createTcpServer } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, beforeEach, suite, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import type { KubernetesApi } from '../kernel/kubernetes/api.ts'
import { openManifests } from '../kernel/kubernetes/manifests.ts'
import type { Running } from '../kernel/lifecycle.ts'
import { createLog, silentLog } from '../kernel/log.ts'
import { selfSigned } from '../kernel/x509.ts'
import { routerConfig } from './config.ts'
import { startRouter } from './primary.ts'

const ROUTE_COUNT = 1000
let app: Server
let appPort: number

before(async () => {
  app = createServer((incoming, response) => response.end(`app ${incoming.headers.host} ${incoming.url}`))
  await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve))
  appPort = (app.address() as AddressInfo).port
})
after(() => new Promise(resolve => app.close(resolve)))

suite('startRouter()', () => {
  let folder: Folder
  beforeEach(async () => {
    folder = await Folder.open()
    await folder.write('shop', [service('shop', { domains: 'shop.test' }), slice('shop')])
  })
  afterEach(() => folder.close())

  test('serves an app over http and https, and says 404 for a host that nobody claims', async () => {
    const { ports } = await folder.start()
    assert.deepEqual(await get(ports.http, 'shop.test', '/x?y'), { status: 200, body: 'app shop.test /x?y' })
    assert.equal((await get(ports.http, 'other.test')).status, 404)
    assert.equal((await getTls(ports.https, 'shop.test')).status, 200)
  })

  test('with 1,000 routes a changed annotation is live within milliseconds, and another app never notices', async () => {
    for (let index = 0; index < ROUTE_COUNT; index++)
      await folder.write(`app${index}`, [service(`app${index}`, { domains: `app${index}.test` }), slice(`app${index}`)])
    const { ports } = await folder.start()
    const tookMs: number[] = []
    for (let index = 0; index < 10; index++) {
      await folder.write('app7', [service('app7', { domains: `moved${index}.test` }), slice('app7')])
      const began = performance.now()
      while ((await get(ports.http, `moved${index}.test`)).status !== 200)
        assert.ok(performance.now() - began < 2000, 'the route never came')
      tookMs.push(performance.now() - began)
    }
    assert.ok(tookMs.toSorted((a, b) => a - b)[5]! < 200, `${tookMs}`)
    assert.equal((await get(ports.http, 'app999.test')).status, 200)
    assert.equal((await get(ports.http, 'app7.test')).status, 404)
  })

  test('shows pages of an app and of its own, from ConfigMaps with and without the label, and follows their changes', async () => {
    const text = async (host: string) => (await get(ports.http, host)).body
    await folder.write('down', [service('down', { domains: 'down.test', 'x-error-pages': 'pages' })])
    await folder.write('router', [deployment({ 'x-error-pages': 'router-pages' })])
    await folder.write('pages', [configMap('pages', 'down', { '503.txt': 'down {{code}}' }, { 'router.drycc.cc/pages': 'true' })])
    await folder.write('router-pages', [configMap('router-pages', 'drycc', { '404.txt': 'nobody' })])
    const { ports } = await folder.start()
    await eventually(async () => (await text('down.test')) === 'down R20' && (await text('other.test')) === 'nobody')
    await folder.write('pages', [configMap('pages', 'down', { '503.txt': 'still down' })])
    await eventually(async () => (await text('down.test')) === 'still down')
    await rm(join(folder.path, 'pages.json'))
    await eventually(async () => /R20/.test(await text('down.test')))
    await folder.write('late', [configMap('pages', 'down', { 'error.txt': 'late' })])
    await eventually(async () => (await text('down.test')) === 'late')
    const routes = JSON.parse((await get(ports.admin, 'admin', '/routes')).body)
    assert.deepEqual(routes.apps.find((app: { service: string }) => app.service === 'down/down').faults, [])
  })

  test('loses no request while the table changes 200 times', async () => {
    const { ports } = await folder.start()
    const agent = new Agent({ keepAlive: true, maxSockets: 8 })
    const load = new AbortController()
    const statuses = new Map<number, number>()
    const clients = Array.from({ length: 8 }, async () => {
      while (!load.signal.aborted) {
        const { status } = await get(ports.http, 'shop.test', '/', agent)
        statuses.set(status, (statuses.get(status) ?? 0) + 1)
      }
    })
    const version = Number(/table_version (\d+)/.exec((await get(ports.admin, 'admin', '/metrics')).body)?.[1])
    for (let change = 0; change < 200; change++) {
      await folder.write('more', [service('more', { domains: `more${change}.test` }), slice('more')])
      await folder.write('shop', [service('shop', { domains: 'shop.test', tcpTimeout: String(change + 1) }), slice('shop')])
      if (change % 20 === 0) await eventually(async () => (await get(ports.http, `more${change}.test`)).status === 200)
    }
    await eventually(async () => (await get(ports.http, 'more199.test')).status === 200)
    load.abort()
    await Promise.all(clients)
    agent.destroy()
    assert.deepEqual([...statuses.keys()], [200])
    assert.ok(statuses.get(200)! > 100)
    assert.ok(Number(/table_version (\d+)/.exec((await get(ports.admin, 'admin', '/metrics')).body)?.[1]) >= version + 10)
  })

  for (const type of ['kubernetes.io/tls', 'Opaque']) {
    test(`serves a certificate of type ${type} by SNI within a second of its Secret`, async () => {
      const { ports } = await folder.start()
      await folder.write('shop', [service('shop', { domains: 'shop.test', certificates: 'shop.test:www' }), slice('shop')])
      const pair = selfSigned({ names: ['shop.test'], days: 2 })
      const began = performance.now()
      await folder.write('certificate', [secret('www-cert', 'shop', type, pair)])
      await eventually(async () => (await getTls(ports.https, 'shop.test')).fingerprint === fingerprint(pair.certificate))
      assert.ok(performance.now() - began < 1000)
      assert.notEqual((await getTls(ports.https, 'other.test')).fingerprint, fingerprint(pair.certificate))
    })
  }

  test('shows the platform certificate for every other name, and a new one at once', async () => {
    const [first, second] = [selfSigned({ names: ['*.test'], days: 2 }), selfSigned({ names: ['*.test'], days: 2 })]
    await folder.write('platform', [secret('drycc-router-platform-cert', 'drycc', 'kubernetes.io/tls', first)])
    const { ports } = await folder.start()
    assert.equal((await getTls(ports.https, 'shop.test')).fingerprint, fingerprint(first.certificate))
    await folder.write('platform', [secret('drycc-router-platform-cert', 'drycc', 'kubernetes.io/tls', second)])
    await eventually(async () => (await getTls(ports.https, 'shop.test')).fingerprint === fingerprint(second.certificate))
    await eventually(async () => (await getTls(ports.https, '')).fingerprint === fingerprint(second.certificate))
  })

  test('opens the git port when there is a builder', async () => {
    const builder = createTcpServer(socket => socket.pipe(socket))
    await new Promise<void>(resolve => builder.listen(0, '127.0.0.1', resolve))
    const router = await folder.start()
    assert.equal(router.ports['git'], undefined)
    await folder.write('builder', [
      { ...service('drycc-builder', {}, 'drycc'), spec: { ports: [{ name: 'ssh', port: 2222 }] } },
      slice('drycc-builder', (builder.address() as AddressInfo).port, 'drycc', 'ssh'),
    ])
    await eventually(async () => router.ports['git'] !== undefined)
    const socket = connectTcp(router.ports['git']!, '127.0.0.1')
    socket.write('hello')
    const answer = await new Promise(resolve => socket.once('data', bytes => resolve(String(bytes))))
    assert.equal(answer, 'hello')
    socket.destroy()
    await new Promise(resolve => builder.close(resolve))
  })

  test('is not ready before the first whole reading', async () => {
    const gate = Promise.withResolvers<void>()
    const held = createTcpServer()
    await new Promise<void>(resolve => held.listen(0, '127.0.0.1', resolve))
    const port = (held.address() as AddressInfo).port
    await new Promise(resolve => held.close(resolve))
    const hold = (api: KubernetesApi) => ({ ...api, list: async (...args) => gate.promise.then(() => api.list(...args)) }) as KubernetesApi
    const starting = folder.start({ ROUTER_HEALTH_PORT: String(port) }, hold)
    const health = () =>
      get(port, 'x', '/healthz').then(
        ({ status }) => status,
        () => 0,
      )
    await eventually(async () => (await health()) !== 0)
    assert.equal(await health(), 503)
    gate.resolve()
    const { ports } = await starting
    assert.equal(await health(), 200)
    assert.equal((await get(port, 'x', '/metrics')).status, 404)
    assert.equal((await get(ports.admin, 'x', '/readyz')).status, 200)
  })

  test('keeps serving while the API server is away, and starts from the table of the last run', async () => {
    const state = join(folder.path, '.state')
    const first = await folder.start({ ROUTER_STATE: state })
    assert.equal((await get(first.ports.http, 'shop.test')).status, 200)
    await first.stop()
    const away = Promise.withResolvers<never>()
    const lines: string[] = []
    const second = await folder.start({ ROUTER_STATE: state }, api => ({ ...api, list: () => away.promise }), lines)
    assert.equal((await get(second.ports.http, 'shop.test')).status, 200)
    assert.ok(lines.some(line => line.includes('serving the table of the last run')))
    away.reject(new Error('still away'))
  })

  test('serves on while the API server is away, and follows one that comes back put back to earlier versions', async () => {
    await folder.write('gone', [service('gone', { domains: 'gone.test' }), slice('gone')])
    const away = new Error('connection refused')
    let current: KubernetesApi | undefined
    // A watch of a server that goes away ends with an error, whatever it was about to say.
    const cuts = new Set<(error: Error) => void>()
    async function* watch(...[resource, options]: Parameters<KubernetesApi['watch']>) {
      const cut = Promise.withResolvers<never>()
      cut.promise.catch(() => {})
      cuts.add(cut.reject)
      if (!current) throw away
      const events = current.watch(resource, options)[Symbol.asyncIterator]()
      for (;;) {
        const next = await Promise.race([events.next(), cut.promise])
        if (next.done) return
        yield next.value
      }
    }
    const { ports } = await folder.start({}, api => {
      current = api
      const list: KubernetesApi['list'] = async (...args) => {
        if (!current) throw away
        return current.list(...args)
      }
      return { ...api, list, watch: watch as KubernetesApi['watch'] }
    })
    // Many versions are written, so that the next server begins far below them.
    for (let version = 0; version < 5; version++)
      await folder.write('shop', [service('shop', { domains: `shop.test,v${version}.test` }), slice('shop')])
    await eventually(async () => (await get(ports.http, 'v4.test')).status === 200)
    current = undefined
    for (const cut of cuts) cut(away)
    await rm(join(folder.path, 'gone.json'))
    await folder.write('shop', [service('shop', { domains: 'shop.test,back.test' }), slice('shop')])
    for (const host of ['shop.test', 'v4.test', 'gone.test']) assert.equal((await get(ports.http, host)).status, 200, host)
    const restored = await openManifests(folder.path, { log: silentLog })
    current = restored
    await eventually(async () => (await get(ports.http, 'back.test')).status === 200)
    await eventually(async () => (await get(ports.http, 'gone.test')).status === 404 && (await get(ports.http, 'v4.test')).status === 404)
    await folder.write('late', [service('late', { domains: 'late.test' }), slice('late')])
    await eventually(async () => (await get(ports.http, 'late.test')).status === 200)
    await restored.close()
  })

  test('serves https from the table of the last run where a key sealed it', async () => {
    const pair = selfSigned({ names: ['shop.test'], days: 2 })
    await folder.write('shop', [service('shop', { domains: 'shop.test', certificates: 'shop.test:www' }), slice('shop')])
    await folder.write('certificate', [secret('www-cert', 'shop', 'kubernetes.io/tls', pair)])
    const env = { ROUTER_STATE: join(folder.path, '.state'), ROUTER_STATE_KEY: randomBytes(32).toString('hex') }
    const first = await folder.start(env)
    assert.equal((await getTls(first.ports.https, 'shop.test')).fingerprint, fingerprint(pair.certificate))
    await first.stop()
    const away = Promise.withResolvers<never>()
    const second = await folder.start(env, api => ({ ...api, list: () => away.promise }))
    assert.deepEqual(await getTls(second.ports.https, 'shop.test'), { status: 200, fingerprint: fingerprint(pair.certificate) })
    away.reject(new Error('still away'))
  })

  test('tells a fault once in the log, as an Event on its Service, and in /routes', async () => {
    const events: unknown[] = []
    const lines: string[] = []
    const keep = async (resource: { kind: string }, object: unknown) => void (resource.kind === 'Event' && events.push(object)) as never
    const { ports } = await folder.start({}, api => ({ ...api, create: keep }), lines)
    await folder.write('bad', [service('bad', { domains: 'bad.test,b_d', 'nginx.proxyBuffers.size': '4k' }), slice('bad')])
    await eventually(async () => (await get(ports.http, 'bad.test')).status === 200)
    await eventually(async () => events.length > 0)
    const [event] = events as { involvedObject: { name: string }; message: string; metadata: { namespace: string } }[]
    assert.deepEqual([event?.involvedObject.name, event?.metadata.namespace], ['bad', 'bad'])
    assert.match(event!.message, /Cannot read domain "b_d"/)
    await folder.write('bad', [service('bad', { domains: 'bad.test,b_d,c.test', 'nginx.proxyBuffers.size': '4k' }), slice('bad')])
    await eventually(async () => (await get(ports.http, 'c.test')).status === 200)
    assert.equal(lines.filter(line => line.includes('annotation refused')).length, 1)
    assert.equal(lines.filter(line => line.includes('without effect')).length, 1)
    const { apps } = JSON.parse((await get(ports.admin, 'x', '/routes?faults')).body)
    assert.deepEqual([apps.length, apps[0].service, apps[0].faults.length, apps[0].ignored], [1, 'bad/bad', 1, ['nginx.proxyBuffers.size']])
    const why = JSON.parse((await get(ports.admin, 'x', '/why?host=Bad.Test:80&path=/')).body)
    assert.deepEqual([why.outcome, why.service, why.pattern], ['forward', 'bad/bad', 'bad.test'])
  })

  test('listens on all the addresses that it is given, on one port each', { skip: !hasIpv6() }, async () => {
    const { ports } = await folder.start({ ROUTER_BIND: '127.0.0.1,::1' })
    for (const host of ['127.0.0.1', '::1']) {
      const socket = connectTcp(ports.http, host)
      socket.end('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
      const [bytes] = await once(socket, 'data')
      assert.match(String(bytes), /200 OK/, host)
      socket.destroy()
    }
    const both = await folder.start({ ROUTER_BIND: '::' })
    for (const host of ['127.0.0.1', '::1']) {
      const socket = connectTcp(both.ports.http, host)
      await once(socket, 'connect')
      socket.destroy()
    }
  })

  test('knows clients of both families on one socket: lists name them in their own form', { skip: !hasIpv6() }, async () => {
    await folder.write('six', [service('six', { domains: 'six.test', whitelist: '::1' }), slice('six')])
    await folder.write('four', [service('four', { domains: 'four.test', whitelist: '127.0.0.1' }), slice('four')])
    const { ports } = await folder.start({ ROUTER_BIND: '::' })
    const status = async (host: string, name: string) => {
      const socket = connectTcp(ports.http, host)
      socket.end(`GET / HTTP/1.1\r\nHost: ${name}\r\nConnection: close\r\n\r\n`)
      const [bytes] = await once(socket, 'data')
      socket.destroy()
      return Number(String(bytes).slice(9, 12))
    }
    assert.deepEqual([await status('::1', 'six.test'), await status('::1', 'four.test')], [200, 403])
    assert.deepEqual([await status('127.0.0.1', 'six.test'), await status('127.0.0.1', 'four.test')], [403, 200])
  })

  test('serves on for ROUTER_DRAIN_DELAY after it has said that it is not ready, then takes nobody more', async () => {
    const { ports, stop } = await folder.start({ ROUTER_DRAIN_DELAY: '700ms' })
    assert.equal((await get(ports.health, 'x', '/healthz')).status, 200)
    const stopped = stop()
    assert.equal((await get(ports.health, 'x', '/healthz')).status, 503)
    assert.equal((await get(ports.http, 'shop.test')).status, 200)
    await stopped
    await assert.rejects(get(ports.http, 'shop.test'), { code: 'ECONNREFUSED' })
  })

  test('refuses a taken port, and lets go of the others', async () => {
    const { ports } = await folder.start()
    await assert.rejects(folder.start({ ROUTER_HTTP_PORT: String(ports.http) }), { code: 'EADDRINUSE' })
  })
})

function hasIpv6(): boolean {
  return Object.values(networkInterfaces()).some(list => list?.some(({ address }) => address === '::1'))
}

/** A folder of manifests, and the routers that read it. */
class Folder {
  readonly path: string
  readonly #stops: (() => Promise<unknown>)[] = []

  private constructor(path: string) {
    this.path = path
  }

  static async open() {
    return new Folder(await mkdtemp(join(tmpdir(), 'router-')))
  }

  async write(name: string, objects: unknown[]) {
    await writeFile(join(this.path, `.${name}`), JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }))
    await rename(join(this.path, `.${name}`), join(this.path, `${name}.json`))
  }

  async start(env: Record<string, string> = {}, wrap = (api: KubernetesApi): KubernetesApi => api, lines?: string[]) {
    const names = ['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN']
    const free = Object.fromEntries(names.map(name => [`ROUTER_${name}_PORT`, '0']))
    const config = routerConfig({
      ...free,
      ROUTER_BIND: '127.0.0.1',
      ROUTER_WORKERS: '1',
      ROUTER_ACCESS_LOG: 'off',
      ROUTER_DRAIN_TIMEOUT: '1s',
      ...env,
    })
    const log = lines ? createLog({ role: 'router', write: line => lines.push(line) }) : silentLog
    const api = await openManifests(this.path, { log })
    this.#stops.push(() => api.close())
    const router = await startRouter(config, wrap(api), log, new AbortController().signal)
    this.#stops.push(() => router.stop())
    return router as unknown as Running & { ports: { http: number; https: number; health: number; admin: number; git?: number } }
  }

  async close() {
    for (const stop of this.#stops.reverse()) await stop()
    await rm(this.path, { recursive: true })
  }
}

function service(name: string, annotations: Record<string, string>, namespace = name) {
  const prefixed = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`router.drycc.cc/${key}`, value]))
  const labels = { 'router.drycc.cc/routable': 'true', app: name }
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name, namespace, labels, annotations: prefixed },
    spec: { ports: [{ name: 'http', port: 80 }] },
  }
}

function slice(name: string, port = appPort, namespace = name, portName = 'http') {
  const metadata = { name: `${name}-1`, namespace, labels: { 'kubernetes.io/service-name': name } }
  return {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4' },
    ports: [{ name: portName, port }],
    endpoints: [{ addresses: ['127.0.0.1'] }],
  }
}

function deployment(annotations: Record<string, string>) {
  const prefixed = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`router.drycc.cc/${key}`, value]))
  const metadata = { name: 'drycc-router', namespace: 'drycc', annotations: prefixed }
  return { apiVersion: 'apps/v1', kind: 'Deployment', metadata, spec: {} }
}

function configMap(name: string, namespace: string, data: Record<string, string>, labels = {}) {
  return { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace, labels }, data }
}

function secret(name: string, namespace: string, type: string, pair: { certificate: string; key: string }) {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    type,
    metadata: { name, namespace },
    stringData: { 'tls.crt': pair.certificate, 'tls.key': pair.key },
  }
}

function get(port: number, host: string, path = '/', agent?: Agent): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers: { host }, agent: agent ?? false }, response => {
      response.setEncoding('utf8')
      let body = ''
      response.on('data', chunk => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

function getTls(port: number, servername: string): Promise<{ status: number; fingerprint: string }> {
  return new Promise((resolve, reject) => {
    const socket = connectTls({ host: '127.0.0.1', port, servername, rejectUnauthorized: false })
    let text = ''
    socket.on('secureConnect', () => socket.write(`GET / HTTP/1.1\r\nHost: ${servername}\r\nConnection: close\r\n\r\n`))
    socket.on('data', chunk => (text += chunk))
    socket.on('error', reject)
    const raw = () => socket.getPeerX509Certificate()?.fingerprint256 ?? ''
    let shown = ''
    socket.once('secureConnect', () => (shown = raw()))
    socket.on('close', () => resolve({ status: Number(text.slice(9, 12)), fingerprint: shown }))
  })
}

function fingerprint(pem: string): string {
  return new X509Certificate(pem).fingerprint256
}

/** Asks again at once until it is so; five seconds are far more than anything here needs. */
async function eventually(isSo: () => Promise<boolean>) {
  const deadline = performance.now() + 5000
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, 'it did not come about in time')
    await new Promise(resolve => setImmediate(resolve))
  }
}
