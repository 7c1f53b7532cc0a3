import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { controlPlaneConfig } from '../../control-plane/config.ts'
import { startControlPlane } from '../../control-plane/start.ts'
import { modify } from '../../kernel/kubernetes/api.ts'
import { hashName } from '../../kernel/kubernetes/names.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { Running } from '../../kernel/lifecycle.ts'
import { silentLog } from '../../kernel/log.ts'
import { routerConfig } from '../../router/config.ts'
import { startRouter } from '../../router/primary.ts'
import { type Bed, startBed } from '../control-plane/bed.ts'
import { startNameServer } from '../control-plane/name-server.ts'
import { freePort, type Pebble, startPebble, whyNoPebble } from './pebble.ts'

// Everything is real but Kubernetes, which is the emulator: the certificate authority, which refuses every fifth good nonce, looks at challenges
// on the router's ports.

const missing = whyNoPebble()
if (missing) test('automatic certificates of a real authority', { skip: missing }, () => {})
else
  suite('Automatic certificates of a real authority', { timeout: 180_000 }, () => {
    for (const challenge of ['http-01', 'tls-alpn-01'])
      test(`come over ${challenge}, and are shown`, async () => {
        await using world = await startWorld({ CONTROLLER_ACME_CHALLENGE: challenge })
        await world.want('www.shop.test')
        const { authorized, names } = await world.shown('www.shop.test')
        assert.ok(authorized)
        assert.equal(names, 'DNS:www.shop.test')
      })
    test('come over TLS by itself where port 80 leads elsewhere', async () => {
      await using world = await startWorld({ CONTROLLER_ACME_HTTP_PORT: String(await freePort()) })
      await world.want('www.shop.test')
      assert.ok((await world.shown('www.shop.test')).authorized)
    })
    test('come with an external account, and without say that one is wanted', async () => {
      const hmacKey = Buffer.alloc(48, 7).toString('base64url')
      const env = { CONTROLLER_ACME_EAB_KEY_ID: 'kid-1', CONTROLLER_ACME_EAB_HMAC_KEY: hmacKey }
      await using world = await startWorld(env, { 'kid-1': hmacKey })
      await world.want('www.shop.test')
      assert.ok((await world.shown('www.shop.test')).authorized)
      await using poor = await startWorld({}, { 'kid-1': hmacKey })
      await poor.want('www.shop.test')
      await poor.says(/^No certificate for www\.shop\.test: This certificate authority wants an external account/)
    })
    test('are ordered once by three control planes, of which the one that works ends in the middle', async () => {
      await using world = await startWorld()
      const { bed, pebble } = world
      for (let count = 0; count < 2; count++) await world.startAnotherControlPlane()
      const domains = Array.from({ length: 4 }, (_, index) => `www${index}.shop.test`)
      await world.want(...domains)
      for (const domain of domains) assert.ok((await world.shown(domain)).authorized)
      // The one that works ends in the middle of more; another takes over.
      const more = Array.from({ length: 4 }, (_, index) => `more${index}.shop.test`)
      for (const domain of more) await bed.call('POST', '/v2/apps/shop/domains/', { token: world.token, body: { domain } })
      await bed.restart()
      for (const domain of more) assert.ok((await world.shown(domain)).authorized)
      const orders = pebble.lines.filter(line => /Added order "/.test(line)).length
      assert.equal(orders, 8)
    })
    test('are renewed under load, and nobody notices', async () => {
      await using world = await startWorld()
      await world.want('www.shop.test')
      const { serial } = await world.shown('www.shop.test')
      const load = world.load('www.shop.test', 50)
      await load.answers(20, () => true)
      await world.renew('www.shop.test')
      await load.answers(20, shown => shown !== serial)
      const answers = await load.stop()
      assert.deepEqual(new Set(answers.map(({ what }) => what)), new Set(['200 true']))
      assert.equal(new Set(answers.map(answer => answer.serial)).size, 2)
    })
    test('come on demand while a client waits, one for all who come, and to no name that the hook denies', async () => {
      await using hook = await startHook(name => name === 'a.shop.test')
      const CONTROLLER_ACME_ASK_URL = hook.url
      await using world = await startWorld({ CONTROLLER_ACME_ON_DEMAND: 'true', CONTROLLER_ACME_ASK_URL })
      const { bed, pebble, token } = world
      await bed.call('POST', '/v2/apps/shop/domains/', { token, body: { domain: '*.shop.test' } })
      assert.equal((await bed.call('POST', '/v2/apps/shop/tls/', { token, body: { certs_on_demand: true } })).status, 201)
      const clients = await Promise.all(Array.from({ length: 10 }, () => world.shown('a.shop.test')))
      for (const { status, authorized, names } of clients) assert.deepEqual([status, authorized, names], [200, true, 'DNS:a.shop.test'])
      assert.equal(new Set(clients.map(({ serial }) => serial)).size, 1)
      assert.equal((await world.ask('b.shop.test')).authorized, false)
      assert.deepEqual(hook.asked, ['a.shop.test', 'b.shop.test'])
      assert.equal(pebble.lines.filter(line => /Added order "/.test(line)).length, 1)
    })
    test('are not to be had where the authority sees something else', async () => {
      await using world = await startWorld({ CONTROLLER_ACME_PRECHECK: 'false' })
      world.names.addresses.set('away.shop.test', '127.0.0.2')
      await world.want('away.shop.test')
      await world.says(/^No certificate for away\.shop\.test: .*(?:Connection|connection|refused|dial).*; next attempt at /)
    })
  })

interface World extends AsyncDisposable {
  readonly bed: Bed
  readonly pebble: Pebble
  readonly names: Awaited<ReturnType<typeof startNameServer>>
  readonly token: string
  want(...domains: string[]): Promise<void>
  /** What the router shows for a domain, once it shows a certificate for it. */
  shown(domain: string): Promise<Shown>
  /** What one client is shown. */
  ask(domain: string): Promise<Shown>
  says(text: RegExp): Promise<void>
  load(domain: string, perSecond: number): Load
  renew(domain: string): Promise<void>
  startAnotherControlPlane(): Promise<void>
}

interface Load {
  /** Resolves when so many answers came with a certificate whose serial number is one of those. */
  answers(count: number, isOne: (serial: string) => boolean): Promise<void>
  stop(): Promise<readonly Answer[]>
}

interface Answer {
  /** Status, and whether the certificate is to be trusted; or what went wrong. */
  readonly what: string
  readonly serial: string
}

interface Shown {
  readonly status: number
  readonly authorized: boolean
  readonly names: string
  readonly serial: string
}

/** A hook that says who may have a certificate. */
async function startHook(isAllowed: (name: string) => boolean) {
  const asked: string[] = []
  const server = createServer((request, response) => {
    const name = new URL(request.url ?? '', 'http://hook').searchParams.get('domain') ?? ''
    asked.push(name)
    response.writeHead(isAllowed(name) ? 200 : 404).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    ...{ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/may`, asked },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

async function startWorld(env: Record<string, string> = {}, externalAccounts?: Record<string, string>): Promise<World> {
  const names = await startNameServer('127.0.0.1')
  const [httpPort, httpsPort] = [await freePort(), await freePort()]
  const pebble = await startPebble({ httpPort, tlsPort: httpsPort, dnsPort: names.port, ...(externalAccounts && { externalAccounts }) })
  const settings = {
    CONTROLLER_ACME_DIRECTORIES: pebble.url,
    CONTROLLER_ACME_CA_FILE: pebble.ca,
    CONTROLLER_ACME_EMAIL: 'operator@shop.test',
    CONTROLLER_ACME_HTTP_PORT: String(httpPort),
    CONTROLLER_ACME_HTTPS_PORT: String(httpsPort),
    CONTROLLER_ACME_RESOLVERS: `127.0.0.1:${names.port}`,
    ...env,
  }
  const bed = await startBed(settings)
  const app = createServer((_, response) => response.end('hello')).listen(0, '127.0.0.1')
  await once(app, 'listening')
  const config = routerConfig({
    ...{ ROUTER_HTTP_PORT: String(httpPort), ROUTER_HTTPS_PORT: String(httpsPort), ROUTER_BIND: '127.0.0.1', ROUTER_WORKERS: '1' },
    ...{ ROUTER_GIT_PORT: '0', ROUTER_HEALTH_PORT: '0', ROUTER_ADMIN_PORT: '0', ROUTER_ACCESS_LOG: 'off' },
  })
  const router = await startRouter(config, bed.api, silentLog, new AbortController().signal)
  const root = await pebble.root()
  const token = await bed.register('admin')
  await bed.call('POST', '/v2/apps/', { token, body: { id: 'shop' } })
  await bed.api.create(RESOURCES.endpointSlices, {
    apiVersion: 'discovery.k8s.io/v1',
    kind: 'EndpointSlice',
    metadata: { name: 'shop-by-hand', namespace: 'shop', labels: { 'kubernetes.io/service-name': 'shop' } },
    addressType: 'IPv4',
    ports: [{ name: 'http', port: (app.address() as AddressInfo).port }],
    endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
  })
  const ask = async (domain: string): Promise<Shown> => {
    const request = httpsRequest({
      ...{ host: '127.0.0.1', port: httpsPort, servername: domain, headers: { host: domain }, ca: root },
      ...{ agent: false, rejectUnauthorized: false },
    })
    const [response] = await once(request.end(), 'response')
    const socket = response.socket as TLSSocket
    const { subjectaltname = '', serialNumber } = socket.getPeerCertificate()
    response.resume()
    await once(response, 'end')
    return { status: response.statusCode, authorized: socket.authorized, names: subjectaltname, serial: serialNumber }
  }
  const others: Running[] = []
  const world: World = {
    ...{ bed, pebble, names, token, ask },
    async want(...domains) {
      for (const domain of domains) await bed.call('POST', '/v2/apps/shop/domains/', { token, body: { domain } })
      const { status, text } = await bed.call('POST', '/v2/apps/shop/tls/', { token, body: { certs_auto_enabled: true } })
      assert.equal(status, 201, text)
    },
    async shown(domain) {
      let seen: Shown | undefined
      const late = AbortSignal.timeout(40_000)
      while (!seen?.names.includes(domain)) {
        if (late.aborted) assert.fail(`No certificate for ${domain}: ${bed.lines.map(({ text }) => text).join('\n')}`)
        await new Promise(resolve => setTimeout(resolve, 20))
        seen = await ask(domain)
      }
      return seen
    },
    says: text => bed.until(() => bed.lines.some(line => text.test(line.text))),
    load(domain, perSecond) {
      const answers: Answer[] = []
      const open = new Set<Promise<unknown>>()
      const timer = setInterval(() => {
        const asked = ask(domain).then(
          ({ status, authorized, serial }) => answers.push({ what: `${status} ${authorized}`, serial }),
          (error: unknown) => answers.push({ what: String(error), serial: 'none' }),
        )
        open.add(asked)
        void asked.finally(() => open.delete(asked))
      }, 1000 / perSecond)
      return {
        answers: (count, isOne) => bed.until(() => answers.filter(({ serial }) => isOne(serial)).length >= count),
        async stop() {
          clearInterval(timer)
          await Promise.all(open)
          return answers
        },
      }
    },
    async renew(domain) {
      // The control plane may write at the same time.
      await modify(bed.api, RESOURCES.secrets, 'drycc', hashName('automatic', domain), secret => {
        const record = JSON.parse(Buffer.from(secret.data?.['automatic'] ?? '', 'base64').toString())
        const next = { ...record, renewAt: new Date().toISOString(), nextAttemptAt: undefined }
        return { ...secret, data: { automatic: Buffer.from(JSON.stringify(next)).toString('base64') } }
      })
      await bed.restart()
    },
    async startAnotherControlPlane() {
      const own = { CONTROLLER_PORT: '0', CONTROLLER_BIND: '127.0.0.1', ...settings }
      const acmeTimes = { publishedMs: 500, settleMs: 0, leaseMs: 1_000 }
      others.push(await startControlPlane({ api: bed.api, config: controlPlaneConfig(own), log: silentLog, acmeTimes }))
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(others.map(other => other.stop()))
      await router.stop()
      app.closeAllConnections()
      app.close()
      await bed.stop()
      await pebble[Symbol.asyncDispose]()
      await names[Symbol.asyncDispose]()
    },
  }
  return world
}
