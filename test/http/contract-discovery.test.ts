import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, request } from 'node:http'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { openManifests } from '../../kernel/kubernetes/manifests.ts'
import { createLog } from '../../kernel/log.ts'
import { routerConfig } from '../../router/config.ts'
import { type RunningRouter, startRouter } from '../../router/primary.ts'
import { ok, startHttpApp } from '../../router/serve/testbed.ts'
import { issue } from '../tls/pki.ts'
import { Cluster, get } from './contract-cluster.ts'

/** Contract, sections 0, 1, 5.10 and 7: a whole router over the objects of a Deis cluster, as an operator who moves brings them. */
suite('Objects as Deis has them (contract, sections 1, 5.10 and 7)', () => {
  const platform = issue(undefined, ['platform.test'])
  const old = issue(undefined, ['old.test'])
  const app = createServer((incoming, response) => response.end(`app ${incoming.headers.host}`))
  const builder = createTcpServer(socket => socket.end('builder'))
  const events: { involvedObject: { name: string }; message: string }[] = []
  const lines: string[] = []
  let folder: string
  let router: RunningRouter
  let stop: () => Promise<void>

  const write = async (name: string, items: unknown[]) => {
    await writeFile(join(folder, `.${name}`), JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    await rename(join(folder, `.${name}`), join(folder, `${name}.json`))
  }
  const portOf = (server: { address(): unknown }) => (server.address() as AddressInfo).port
  const listen = (server: { listen(port: number, host: string, done: () => void): unknown }) =>
    new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const service = (
    name: string,
    annotations: Record<string, string>,
    labels: Record<string, string> = { 'router.deis.io/routable': 'true' },
  ) => [
    {
      ...{ apiVersion: 'v1', kind: 'Service', spec: { clusterIP: 'None', ports: [{ name: 'http', port: 80 }] } },
      metadata: { name, namespace: name, labels, annotations: prefixed(annotations), creationTimestamp: '2020-01-01T00:00:00Z' },
    },
    slice(name, name, 'http', portOf(app)),
  ]
  const deployment = (annotations: Record<string, string>) => ({
    ...{ apiVersion: 'apps/v1', kind: 'Deployment', spec: {} },
    metadata: { name: 'deis-router', namespace: 'deis', annotations: prefixed(annotations) },
  })
  const ask = (host: string, path = '/', port = router.ports!['http']!) =>
    new Promise<{ status: number; type: string; text: string }>((resolve, reject) => {
      request({ host: '127.0.0.1', port, path, headers: { host }, agent: false }, response => {
        let text = ''
        response.setEncoding('utf8').on('data', piece => (text += piece))
        response.on('end', () => resolve({ status: response.statusCode!, type: response.headers['content-type'] ?? '', text }))
      })
        .on('error', reject)
        .end()
    })
  const shows = async (host: string, status: number) => eventually(async () => (await ask(host)).status === status)

  before(async () => {
    await Promise.all([listen(app), listen(builder)])
    folder = await mkdtemp(join(tmpdir(), 'contract-'))
    await write('deployment', [deployment(SETTINGS)])
    await write('router', [
      secret('deis-router-platform-cert', 'deis', { 'tls.crt': platform.certificate, 'tls.key': platform.key }),
      secret('deis-router-dhparam', 'deis', { dhparam: 'any' }),
      {
        ...{ apiVersion: 'v1', kind: 'Service', metadata: { name: 'deis-builder', namespace: 'deis' } },
        spec: { ports: [{ name: 'ssh', port: 2222 }] },
      },
      slice('deis-builder', 'deis', 'ssh', portOf(builder)),
    ])
    await write('shop', service('shop', { domains: 'shop,shop.test' }))
    await write('old', [
      ...service('old', { domains: 'old.test', certificates: 'old.test:old' }),
      secret('old-cert', 'old', { cert: old.certificate, key: old.key }),
    ])
    const ports = Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0']))
    const env = { ...ports, ROUTER_BIND: '127.0.0.1', ROUTER_WORKERS: '1', ROUTER_ACCESS_LOG: 'off', ROUTER_DRAIN_TIMEOUT: '1s' }
    const config = routerConfig({
      ...env,
      ...{ ROUTER_MANIFESTS: folder, ROUTER_FAMILY: 'deis', ROUTER_OLD_CERTIFICATE_KEYS: 'true', POD_NAMESPACE: 'deis' },
    })
    const log = createLog({ role: 'test', write: line => lines.push(line) })
    const api = await openManifests(folder, { log })
    const create = async (resource: { kind: string }, object: unknown) =>
      void (resource.kind === 'Event' && events.push(object as never)) as never
    router = await startRouter(config, { ...api, create }, log, new AbortController().signal)
    stop = async () => {
      await router.stop()
      await api.close()
      app.close()
      builder.close()
      await rm(folder, { recursive: true })
    }
  })
  after(() => stop())

  test('1: a Service with router.deis.io/routable: "true", of any namespace; its short domain below the platform’s', async () => {
    assert.deepEqual([(await ask('shop.apps.test')).text, (await ask('shop.test')).text], ['app shop.apps.test', 'app shop.test'])
  })
  for (const [labels, status] of [
    [{ 'router.deis.io/routable': 'True' }, 404],
    [{ 'router.deis.io/routable': 'false' }, 404],
    [{ 'router.drycc.cc/routable': 'true' }, 200],
    [{}, 404],
  ] as const)
    test(`1: with the labels ${JSON.stringify(labels)} it is ${status}`, async () => {
      const name = `labelled${status}${Object.keys(labels).length}${Object.values(labels)[0] ?? ''}`.toLowerCase()
      await write(name, service(name, { domains: `${name}.test` }, labels))
      // A later one shows that the folder was read.
      await write(`${name}-after`, service(`${name}-after`, { domains: `${name}-after.test` }))
      await shows(`${name}-after.test`, 200)
      assert.equal((await ask(`${name}.test`)).status, status)
    })
  test('1: a headless Service is one as any other', async () => assert.equal((await ask('shop.test')).status, 200))
  test('1: the Deployment deis-router has the settings, deis-router-platform-cert the certificate', async () => {
    const routes = JSON.parse((await ask('x', '/routes', router.ports!['admin']!)).text)
    assert.deepEqual(routes.router.ignored, ['nginx.serverNameHashMaxSize'])
    assert.equal(lines.filter(line => line.includes('nginx.serverNameHashMaxSize')).length, 1)
    assert.equal(await shownAt(router.ports!['https']!, 'shop.test'), fingerprintOf(platform.certificate))
  })
  test('1, 7.6: Secrets with cert and key, behind their flag', async () =>
    assert.equal(await shownAt(router.ports!['https']!, 'old.test'), fingerprintOf(old.certificate)))
  test('1, 3: the Service deis-builder is reached at the git port', async () => {
    const socket = connect(router.ports!['git']!, '127.0.0.1')
    let text = ''
    for await (const piece of socket) text += piece
    assert.equal(text, 'builder')
  })
  test('5.10: the health port answers /healthz and nothing else, and never wants a PROXY header', async () => {
    const health = router.ports!['health']!
    const statuses = async () =>
      Promise.all(
        ['/healthz', '/healthz/', '/stats', '/nginx_status', '/metrics', '/routes', '/'].map(
          async path => (await ask('x', path, health)).status,
        ),
      )
    assert.deepEqual(await statuses(), [200, 200, 404, 404, 404, 404, 404])
    assert.match((await ask('x', '/healthz', health)).type, /^text\/plain/)
    await write('deployment', [deployment({ ...SETTINGS, 'nginx.useProxyProtocol': 'true', 'nginx.proxyRealIpCidrs': '127.0.0.1' })])
    await eventually(async () => (await ask('shop.test').catch(() => undefined)) === undefined)
    assert.deepEqual(await statuses(), [200, 200, 404, 404, 404, 404, 404])
    await write('deployment', [deployment(SETTINGS)])
    await eventually(async () => (await ask('shop.test').catch(() => undefined))?.status === 200)
  })
  test('7.2, 7.3: a broken app keeps its last good state, hurts nobody, and is told by an Event, by /routes and by a metric', async () => {
    await write('bad', service('bad', { domains: 'bad.test', maintenance: 'false' }))
    await shows('bad.test', 200)
    const wrong = { maintenance: 'perhaps', certificates: ',', whitelist: '127.0.0.1,', proxyDomain: 'nobody.test', proxyLocations: '/;}' }
    await write('bad', service('bad', { domains: 'bad.test,more.test,b_d,', ...wrong }))
    await shows('more.test', 200)
    assert.deepEqual([(await ask('bad.test')).status, (await ask('shop.test')).status, (await ask('apps.test')).status], [200, 200, 404])
    await eventually(async () => events.some(({ involvedObject, message }) => involvedObject.name === 'bad' && message.includes('b_d')))
    const { apps } = JSON.parse((await ask('x', '/routes?faults', router.ports!['admin']!)).text)
    assert.deepEqual(
      apps.map(({ service: key, faults }: { service: string; faults: { key: string }[] }) => [
        key,
        [...new Set(faults.map(fault => fault.key))].sort(),
      ]),
      [['bad/bad', ['domains', 'maintenance', 'proxyDomain', 'proxyLocations']]],
    )
    assert.match((await ask('x', '/metrics', router.ports!['admin']!)).text, /\nrouter_faulty_objects 1\n/)
  })
  test('7.4: of two apps with one domain the older keeps it, the other is told', async () => {
    await write('late', [
      ...service('late', { domains: 'shop.test,late.test' }).map(object =>
        object.kind === 'Service' ? { ...object, metadata: { ...object.metadata, creationTimestamp: '2024-01-01T00:00:00Z' } } : object,
      ),
    ])
    await shows('late.test', 200)
    await eventually(async () =>
      events.some(({ involvedObject, message }) => involvedObject.name === 'late' && message.includes('shop/shop')),
    )
  })
})

/** Contract, section 0, finding 2 and 3: what froze or crashed the original, each beside an app that must not notice. */
suite('What a tenant may write (contract, section 0)', () => {
  for (const [says, annotations, own] of [
    ['a trailing comma in certificates', { domains: 'bad.test', certificates: 'bad.test:x,' }, 200],
    ['a proxyDomain that names no app', { domains: 'bad.test', proxyDomain: 'nobody.test', proxyLocations: '/x' }, 200],
    ['a trailing comma in a whitelist', { domains: 'bad.test', whitelist: '127.0.0.1,' }, 200],
    ['a whitelist of what looks like an address', { domains: 'bad.test', whitelist: '1.2.3.41.2.3.5' }, 403],
    ['directives in proxyLocations', { domains: 'bad.test', proxyDomain: 'good.test', proxyLocations: '/ { return 200; } #' }, 200],
    // It is an expression like any other, and stands for the domain from then on (5.2).
    ['directives in regexDomain', { domains: 'bad.test', regexDomain: 'bad.test; return 200 x' }, 404],
    ['a trailing comma in domains', { domains: 'bad.test,' }, 200],
    ['nothing but commas in domains', { domains: ',,' }, 404],
  ] as const)
    test(says, async () => {
      await using app = await startHttpApp(() => ok('fine'))
      await using cluster = await Cluster.start()
      cluster.router({ 'nginx.platformDomain': 'apps.test', 'nginx.enableRegexDomains': 'true' })
      cluster.service('good', { annotations: { domains: 'good.test' }, at: [app.endpoint] })
      cluster.service('bad', { annotations, at: [app.endpoint] })
      cluster.apply()
      const status = async (host: string) => Number((await cluster.ask(get(host))).slice(9, 12))
      assert.deepEqual(
        [await status('good.test'), await status('bad.test'), await status('apps.test'), await status('unclaimed.apps.test')],
        [200, own, 404, 404],
      )
    })
  test('an ExternalName that names this machine: 503, and nobody is asked', async () => {
    await using secret = await startHttpApp(() => ok('metadata'))
    await using cluster = await Cluster.start()
    cluster.service('bad', { annotations: { domains: 'bad.test' }, externalName: '127.0.0.1', port: secret.endpoint.port })
    cluster.apply()
    assert.match(await cluster.ask(get('bad.test')), /^HTTP\/1\.1 503 /)
    assert.equal(secret.sockets.length, 0)
  })
  test('two delegates with one path: the older has it, the other is told', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using cluster = await Cluster.start()
    cluster.service('good', { annotations: { domains: 'good.test' }, at: [app.endpoint] })
    const wish = { proxyDomain: 'good.test', proxyLocations: '/x' }
    cluster.service('first', { namespace: 'good', annotations: { domains: 'a', ...wish }, at: [app.endpoint] })
    cluster.service('second', {
      namespace: 'good',
      annotations: { domains: 'b', ...wish },
      at: [app.endpoint],
      createdAt: '2024-01-01T00:00:00Z',
    })
    const faults = cluster.apply()
    assert.match(await cluster.ask(get('good.test', '', '/x')), /fine$/)
    assert.deepEqual([faults.get('good/first'), faults.get('good/second')?.map(({ key }) => key)], [undefined, ['proxyLocations']])
  })
  test('connections to an app are kept: two requests, one connection (finding 4)', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using cluster = await Cluster.start()
    cluster.service('good', { annotations: { domains: 'good.test' }, at: [app.endpoint] })
    cluster.apply()
    for (let count = 0; count < 2; count++) assert.match(await cluster.ask(get('good.test')), /fine$/)
    assert.equal(app.sockets.length, 1)
    assert.doesNotMatch(app.received[0] ?? '', /Connection: close/i)
  })
})

const SETTINGS = { 'nginx.platformDomain': 'apps.test', 'nginx.serverNameHashMaxSize': '1024' }

function prefixed(annotations: Record<string, string>) {
  return Object.fromEntries(Object.entries(annotations).map(([key, value]) => [`router.deis.io/${key}`, value]))
}

function slice(service: string, namespace: string, portName: string, port: number) {
  const metadata = { name: `${service}-1`, namespace, labels: { 'kubernetes.io/service-name': service } }
  const endpoints = [{ addresses: ['127.0.0.1'] }]
  return {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', metadata, addressType: 'IPv4' },
    ports: [{ name: portName, port }],
    endpoints,
  }
}

function secret(name: string, namespace: string, stringData: Record<string, string>) {
  return { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { name, namespace }, stringData }
}

async function shownAt(port: number, servername: string): Promise<string> {
  const socket = connectTls({ port, host: '127.0.0.1', servername, rejectUnauthorized: false })
  await once(socket, 'secureConnect')
  const { fingerprint256 } = socket.getPeerCertificate()
  socket.destroy()
  return fingerprint256
}

function fingerprintOf(certificate: string): string {
  return new X509Certificate(certificate).fingerprint256
}

async function eventually(holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 5000
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, 'it never came')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
