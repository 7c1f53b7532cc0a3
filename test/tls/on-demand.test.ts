import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, beforeEach, suite, test } from 'node:test'
import { connect, type TLSSocket } from 'node:tls'
import { startApiServer } from '../../embedded/api-server/server.ts'
import { WANTED_DENIED, WANTED_NAMES } from '../../kernel/contract.ts'
import { find, type KubernetesApi, KubernetesError, modify, remove } from '../../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { createLog, silentLog } from '../../kernel/log.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { routerConfig } from '../../router/config.ts'
import { type RunningRouter, startRouter } from '../../router/primary.ts'

const NAMESPACE = 'drycc'
const PREFIX = 'router.drycc.cc/'

suite('Names on demand', { timeout: 300_000 }, () => {
  let api: KubernetesApi
  let stopServer: () => Promise<void>
  before(async () => {
    const server = await startApiServer()
    const { url, credentials } = server
    const ca = credentials.authority.certificate
    api = connectKubernetes({ server: url, ca, token: () => credentials.token, verify: true, namespace: NAMESPACE })
    for (const name of [NAMESPACE, 'shop']) await api.create(RESOURCES.namespaces, { metadata: { name } })
    stopServer = async () => {
      await api.close()
      await server.stop()
    }
  })
  after(() => stopServer())
  beforeEach(async () => {
    await remove(api, RESOURCES.configMaps, NAMESPACE, WANTED_NAMES)
    await remove(api, RESOURCES.services, 'shop', 'shop')
    await remove(api, RESOURCES.secrets, 'shop', 'one-cert')
    await write({ domains: '*.shop.test,exact.shop.test', 'x-certificates-on-demand': 'own' })
  })

  for (const workers of process.platform === 'linux' ? ['1', '2'] : ['1'])
    test(`wait for their certificate, all clients for one, with ROUTER_WORKERS=${workers}`, async () => {
      await using router = await start({ ROUTER_WORKERS: workers })
      const clients = Array.from({ length: 6 }, () => router.handshake('a.shop.test'))
      await until(async () => 'a.shop.test' in (await wanted()))
      await certify('a.shop.test')
      for (const client of clients) assert.deepEqual(await client, { names: ['DNS:a.shop.test'] })
      assert.deepEqual(Object.keys(await wanted()), ['a.shop.test'])
    })
  test('that are denied go on with the certificate of all, and are not asked for again at once', async () => {
    await using router = await start({ ROUTER_LIMIT_ON_DEMAND_WAIT: '60s' })
    const client = router.handshake('a.shop.test')
    await until(async () => 'a.shop.test' in (await wanted()))
    await deny('a.shop.test')
    assert.deepEqual(await client, { names: [] })
    const before = await wanted()
    assert.deepEqual(await router.handshake('a.shop.test'), { names: [] })
    assert.deepEqual(await wanted(), before)
  })
  test('go on when their time is over', async () => {
    await using router = await start({ ROUTER_LIMIT_ON_DEMAND_WAIT: '1ms' })
    assert.deepEqual(await router.handshake('a.shop.test'), { names: [] })
  })
  test('are told only where a certificate could be had', async () => {
    await using router = await start()
    for (const name of ['exact.shop.test', 'elsewhere.test', 'a_b.shop.test', 'shop.test', `${'x'.repeat(64)}.shop.test`])
      assert.deepEqual(await router.handshake(name), { names: [] }, name)
    await certify('*.shop.test')
    await until(async () => (await router.handshake('a.shop.test')).names?.[0] === 'DNS:*.shop.test')
    assert.equal(await find(api, RESOURCES.configMaps, NAMESPACE, WANTED_NAMES), undefined)
  })
  test('that nobody claims are told where an app takes them, and refused with an alert where the operator wishes', async () => {
    await write({ domains: 'exact.shop.test', 'x-certificates-on-demand': 'any' })
    await using router = await start()
    await router.refuseUnknown(async () => {
      const [denied, had] = [router.handshake('no.elsewhere.test'), router.handshake('www.elsewhere.test')]
      await until(async () => Object.keys(await wanted()).length === 2)
      await deny('no.elsewhere.test')
      assert.match((await denied).error ?? '', /unrecognized.name|alert/i)
      await certify('www.elsewhere.test')
      assert.deepEqual(await had, { names: ['DNS:www.elsewhere.test'] })
    })
  })
  test('wait up to a number, and leave their places when their clients go', async () => {
    // A handshake that waited so long would be cut.
    await using router = await start({ ROUTER_LIMIT_ON_DEMAND_WAITING_MAX: '2', ROUTER_LIMIT_ON_DEMAND_WAIT: '60s' })
    const stalled = [router.open('a.shop.test'), router.open('b.shop.test')]
    await until(async () => Object.keys(await wanted()).length === 2)
    assert.deepEqual(await router.handshake('c.shop.test'), { names: [] })
    for (const socket of stalled) socket.destroy()
    const late = await until(async () => {
      const name = `x${Math.random().toString(36).slice(2)}.shop.test`
      const client = router.handshake(name)
      const isHeld = await Promise.race([client.then(() => false), until(async () => name in (await wanted())).then(() => true)])
      return isHeld && { name, client }
    })
    await certify(late.name)
    assert.deepEqual(await late.client, { names: [`DNS:${late.name}`] })
  })
  test('do not let a flood fill the ConfigMap', async () => {
    await using router = await start({ ROUTER_LIMIT_ON_DEMAND_WAIT: '1ms' })
    for (let round = 0; round < 6; round++)
      await Promise.all(Array.from({ length: 50 }, (_, index) => router.handshake(`x${round}-${index}.shop.test`)))
    await until(async () => Object.keys(await wanted()).some(name => name.startsWith('x5-')))
    assert.ok(Object.keys(await wanted()).length <= 100)
  })
  test('are nobody’s wait where the router may not tell them, which it says once', async () => {
    const lines: string[] = []
    const refuse = async () => {
      throw new KubernetesError({ code: 403, reason: 'Forbidden', message: 'configmaps is forbidden' })
    }
    const readOnly = new Proxy(api, {
      get: (target, method: keyof KubernetesApi) => (method === 'create' || method === 'update' ? refuse : target[method].bind(target)),
    })
    const log = createLog({ role: 'test', write: line => lines.push(line) })
    await using router = await start({ ROUTER_LIMIT_ON_DEMAND_WAIT: '10ms' }, readOnly, log)
    for (const name of ['a.shop.test', 'b.shop.test']) assert.deepEqual(await router.handshake(name), { names: [] })
    await until(async () => lines.some(line => line.includes('certificates on demand cannot be asked for')))
    assert.equal(lines.filter(line => line.includes('on demand')).length, 1)
  })

  async function start(env: Record<string, string> = {}, over = api, log = silentLog) {
    const ports = Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0']))
    const own = {
      ROUTER_BIND: '127.0.0.1',
      ROUTER_WORKERS: '1',
      ROUTER_ACCESS_LOG: 'off',
      ROUTER_DRAIN_TIMEOUT: '1s',
      POD_NAMESPACE: NAMESPACE,
    }
    const config = routerConfig({ ...ports, ...own, ...env })
    const router: RunningRouter = await startRouter(config, over, log, new AbortController().signal)
    const port = router.ports!['https']!
    const open = (servername: string) => connect({ host: '127.0.0.1', port, servername, rejectUnauthorized: false }).on('error', () => {})
    return {
      open,
      handshake: (servername: string) => outcome(open(servername)),
      /** Runs something while names that nobody has are refused. */
      async refuseUnknown(work: () => Promise<void>) {
        const deployment = {
          ...({ apiVersion: 'apps/v1', kind: 'Deployment' } as const),
          metadata: { name: 'drycc-router', namespace: NAMESPACE, annotations: { [`${PREFIX}x-tls-unknown`]: 'refuse' } },
          spec: {
            selector: { matchLabels: { a: 'b' } },
            template: { metadata: { labels: { a: 'b' } }, spec: { containers: [{ name: 'a', image: 'b' }] } },
          },
        }
        await api.create(RESOURCES.deployments, deployment)
        // One that is no name of the public internet is never waited for.
        await until(async () => (await outcome(open('unknown'))).error !== undefined)
        await work().finally(() => remove(api, RESOURCES.deployments, NAMESPACE, 'drycc-router'))
      },
      [Symbol.asyncDispose]: () => router.stop(),
    }
  }

  async function write(annotations: Record<string, string>): Promise<void> {
    const own = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [PREFIX + key, value]))
    const standing = await find(api, RESOURCES.services, 'shop', 'shop')
    if (standing) {
      await modify(api, RESOURCES.services, 'shop', 'shop', service => ({
        ...service,
        metadata: { ...service.metadata, annotations: { ...service.metadata.annotations, ...own } },
      }))
      return
    }
    await api.create(RESOURCES.services, {
      ...({ apiVersion: 'v1', kind: 'Service' } as const),
      metadata: { name: 'shop', namespace: 'shop', labels: { [`${PREFIX}routable`]: 'true', app: 'shop' }, annotations: own },
      spec: { selector: { app: 'shop' }, ports: [{ name: 'http', port: 80 }] },
    })
  }

  /** As the control plane does when it has a certificate. */
  async function certify(name: string): Promise<void> {
    const { certificate, key } = selfSigned({ names: [name], days: 1 })
    await api.create(RESOURCES.secrets, {
      metadata: { name: 'one-cert', namespace: 'shop' },
      type: 'kubernetes.io/tls',
      stringData: { 'tls.crt': certificate, 'tls.key': key },
    })
    const { metadata } = await api.get(RESOURCES.services, 'shop', 'shop')
    const domains = new Set([...(metadata.annotations?.[`${PREFIX}domains`] ?? '').split(','), name])
    await write({ domains: [...domains].join(','), certificates: `${name}:one` })
  }

  async function wanted(): Promise<Readonly<Record<string, string>>> {
    return (await find(api, RESOURCES.configMaps, NAMESPACE, WANTED_NAMES))?.data ?? {}
  }

  async function deny(name: string): Promise<void> {
    const data = { [name]: `${new Date().toISOString()} ${WANTED_DENIED}` }
    await api.patch(RESOURCES.configMaps, NAMESPACE, WANTED_NAMES, { type: 'merge', body: { data } })
  }
})

/** The names on the certificate that was shown: none on the router's own. */
async function outcome(socket: TLSSocket): Promise<{ names?: string[]; error?: string }> {
  try {
    await once(socket, 'secureConnect')
    const names = (socket.getPeerCertificate().subjectaltname ?? '').split(', ').filter(name => name !== 'DNS:router.invalid')
    return { names }
  } catch (error) {
    return { error: (error as Error).message }
  } finally {
    socket.destroy()
  }
}

async function until<T>(condition: () => Promise<T | false | undefined>): Promise<T> {
  const late = AbortSignal.timeout(10_000)
  for (;;) {
    const found = await condition()
    if (found) return found
    late.throwIfAborted()
    await new Promise(resolve => setImmediate(resolve))
  }
}
