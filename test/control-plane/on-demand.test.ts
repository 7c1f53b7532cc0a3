import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { suite, test } from 'node:test'
import { WANTED_NAMES } from '../../kernel/contract.ts'
import { find, modify } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { startWorld, type World } from './acme-world.ts'

const ON_DEMAND = 'router.drycc.cc/x-certificates-on-demand'

suite('Certificates on demand', { timeout: 300_000 }, () => {
  test('are off unless the operator has turned them on, and never without somebody to ask', async () => {
    await using off = await startWorld()
    const { status, body } = await off.post('shop', 'tls/', { certs_on_demand: true, on_demand_ask: '/may' })
    assert.equal(status, 400)
    assert.match(String(body.certs_on_demand), /operator of the platform has not turned certificates on demand on/)
    await using on = await startWorld({ CONTROLLER_ACME_ON_DEMAND: 'true' })
    assert.match(String((await on.post('shop', 'tls/', { certs_on_demand: true })).body.certs_on_demand), /set on_demand_ask/)
    for (const ask of ['http://ask.test/', 'https://127.0.0.1/', '//ask.test/', 'may'])
      assert.equal((await on.post('shop', 'tls/', { on_demand_ask: ask })).status, 400, ask)
    assert.equal((await on.post('shop', 'tls/', { certs_on_demand: true, on_demand_ask: '/may' })).status, 201)
    assert.equal((await on.annotations('shop'))[ON_DEMAND], 'own')
    assert.equal((await on.post('shop', 'tls/', { certs_on_demand: false })).status, 201)
    assert.equal((await on.annotations('shop'))[ON_DEMAND], undefined)
  })
  test('come to a name within a wildcard that the hook allows, and to no other', async () => {
    await using hook = await startHook()
    await using world = await startWorld({ CONTROLLER_ACME_ON_DEMAND: 'true', CONTROLLER_ACME_ASK_URL: `${hook.url}/ask?key=1` })
    const { bed, authority } = world
    hook.allowed.add('a.shop.test')
    await world.post('shop', 'domains/', { domain: '*.shop.test' })
    await world.post('shop', 'tls/', { certs_on_demand: true })
    await want(world, 'b.shop.test', 'a.shop.test', 'elsewhere.test', 'deep.shop.localhost')
    await world.isServed('shop', 'a.shop.test')
    await bed.until(() => hook.asked.length === 2)
    assert.deepEqual(hook.asked.toSorted(), ['/ask?key=1&domain=a.shop.test&app=shop', '/ask?key=1&domain=b.shop.test&app=shop'])
    assert.deepEqual(await domains(world), ['*.shop.test', 'a.shop.test (on demand)', 'shop'])
    assert.equal(authority.orders, 1)
    assert.ok(
      bed.lines.some(
        ({ text }) => text === "No certificate on demand for b.shop.test: The platform's hook answers 403, only 200 allows a certificate",
      ),
    )
    await bed.until(async () => Object.values(await answers(world)).filter(text => text.endsWith(' no')).length === 3)
    assert.doesNotMatch((await answers(world))['a.shop.test'] ?? '', / no$/)
    // The answer is kept, and what is there is not asked for.
    await want(world, 'b.shop.test', 'a.shop.test', 'c.shop.test')
    await bed.until(() => hook.asked.some(path => path.includes('c.shop.test')))
    assert.equal(hook.asked.length, 3)
  })
  test('go to an app’s own hook too, and all must allow them', async () => {
    await using operators = await startHook()
    await using own = await startHook()
    await using world = await startWorld({ CONTROLLER_ACME_ON_DEMAND: 'true', CONTROLLER_ACME_ASK_URL: operators.url })
    await world.bed.api.create(RESOURCES.endpointSlices, own.slice('shop'))
    operators.allowed.add('a.shop.test').add('b.shop.test')
    own.allowed.add('a.shop.test').add('c.shop.test')
    await world.post('shop', 'domains/', { domain: '*.shop.test' })
    await world.post('shop', 'tls/', { certs_on_demand: true, on_demand_ask: '/internal/may?token=x' })
    await want(world, 'c.shop.test', 'b.shop.test', 'a.shop.test')
    await world.isServed('shop', 'a.shop.test')
    await world.bed.until(() => operators.asked.length === 3 && own.asked.length === 2)
    assert.deepEqual(own.asked.toSorted(), ['/internal/may?token=x&domain=a.shop.test', '/internal/may?token=x&domain=b.shop.test'])
    assert.deepEqual(own.hosts, new Set(['shop.localhost']))
    assert.deepEqual(await domains(world), ['*.shop.test', 'a.shop.test (on demand)', 'shop'])
  })
  test('go for names that nobody has claimed to the app that the operator names', async () => {
    await using hook = await startHook()
    const env = { CONTROLLER_ACME_ON_DEMAND: 'true', CONTROLLER_ACME_ASK_URL: hook.url, CONTROLLER_ACME_ON_DEMAND_APP: 'shop' }
    await using world = await startWorld(env)
    for (const name of ['blog.test', 'www.shop.test', 'shop.localhost', 'a.shop.test']) hook.allowed.add(name)
    await world.create('other')
    await world.post('other', 'domains/', { domain: '*.shop.test' })
    await world.post('shop', 'tls/', { certs_on_demand: true })
    assert.equal((await world.annotations('shop'))[ON_DEMAND], 'any')
    await want(world, 'www.shop.test', 'other.localhost', 'localhost', '127.0.0.1', 'blog.test', 'UPPER.test', 'a_b.test', '*.test')
    await world.isServed('shop', 'blog.test')
    assert.deepEqual(hook.asked, ['/?domain=blog.test&app=shop'])
    assert.deepEqual(await domains(world), ['blog.test (on demand)', 'shop'])
  })
  test('leave nothing behind where they cannot be had, and are not tried again at once', async () => {
    await using hook = await startHook()
    const env = { CONTROLLER_ACME_ON_DEMAND: 'true', CONTROLLER_ACME_ASK_URL: hook.url, CONTROLLER_ACME_ON_DEMAND_APP: 'shop' }
    await using world = await startWorld(env)
    const { bed, authority, names } = world
    names.addresses.set('away.test', '127.0.0.2')
    hook.allowed.add('away.test').add('blog.test')
    await world.post('shop', 'tls/', { certs_on_demand: true })
    await want(world, 'away.test')
    await bed.until(() => bed.lines.some(({ text }) => text === 'domain away.test removed, as it came on demand and has no certificate'))
    assert.deepEqual(await domains(world), ['shop'])
    await bed.until(async () => (await answers(world))['away.test']?.endsWith(' no') === true)
    await want(world, 'away.test')
    await want(world, 'away.test', 'blog.test')
    await world.isServed('shop', 'blog.test')
    assert.equal(hook.asked.filter(path => path.includes('away.test')).length, 1)
    assert.equal(authority.orders, 1)
    // Its owner can have it.
    await world.create('other')
    assert.equal((await world.post('other', 'domains/', { domain: 'away.test' })).status, 201)
  })
  test('are asked for anew before they are renewed, and end where they are not allowed any more', async () => {
    await using hook = await startHook()
    await using world = await startWorld({ CONTROLLER_ACME_ON_DEMAND: 'true', CONTROLLER_ACME_ASK_URL: hook.url })
    const { bed, authority } = world
    for (const name of ['a.shop.test', 'b.shop.test']) hook.allowed.add(name)
    await world.post('shop', 'domains/', { domain: '*.shop.test' })
    await world.post('shop', 'tls/', { certs_on_demand: true })
    await want(world, 'a.shop.test', 'b.shop.test')
    for (const name of ['a.shop.test', 'b.shop.test']) await world.isServed('shop', name)
    hook.allowed.delete('b.shop.test')
    const before = await world.copyOf('shop', 'a.shop.test')
    // The answers of before are forgotten with the process.
    for (const name of ['a.shop.test', 'b.shop.test']) await world.edit(name, { renewAt: new Date(0).toISOString() })
    await bed.restart()
    await bed.until(async () => (await world.copyOf('shop', 'a.shop.test')).certificate !== before.certificate)
    const refused = /^No certificate for b\.shop\.test: The platform's hook answers 403, only 200 allows a certificate; next attempt/
    await bed.until(() => bed.lines.some(({ text }) => refused.test(text)))
    // It is served to its end, and no longer.
    await world.copyOf('shop', 'b.shop.test')
    const past = new Date(0).toISOString()
    await world.edit('b.shop.test', { renewAt: past, notAfter: past, nextAttemptAt: past })
    await bed.restart()
    await bed.until(async () => !(await domains(world)).some(domain => domain.startsWith('b.')))
    await bed.until(async () => (await world.secrets('shop')).length === 1)
    assert.equal(authority.orders, 3)
  })
  test('go with their wildcard, and stay with who adds them by name', async () => {
    await using hook = await startHook()
    await using world = await startWorld({ CONTROLLER_ACME_ON_DEMAND: 'true', CONTROLLER_ACME_ASK_URL: hook.url })
    for (const name of ['a.shop.test', 'b.shop.test']) hook.allowed.add(name)
    await world.post('shop', 'domains/', { domain: '*.shop.test' })
    await world.post('shop', 'tls/', { certs_on_demand: true })
    await want(world, 'a.shop.test', 'b.shop.test')
    for (const name of ['a.shop.test', 'b.shop.test']) await world.isServed('shop', name)
    const reasons = Object.fromEntries(
      (await world.tls('shop')).certificates.map((one: { domain: string; reason?: string }) => [one.domain, one.reason]),
    )
    assert.match(reasons['*.shop.test'], /^Each name within it gets a certificate when a client asks/)
    assert.equal(reasons['a.shop.test'], undefined)
    // By name it would have no certificate.
    assert.match(
      String((await world.post('shop', 'domains/', { domain: 'b.shop.test' })).body.domain),
      /came on demand\. .*drycc tls auto on/,
    )
    await world.post('shop', 'tls/', { certs_auto_enabled: true })
    assert.equal((await world.post('shop', 'domains/', { domain: 'b.shop.test' })).status, 201)
    await world.isServed('shop', 'b.shop.test')
    assert.equal(world.authority.orders, 2)
    await world.bed.call('DELETE', '/v2/apps/shop/domains/*.shop.test', { token: world.token })
    assert.deepEqual(await domains(world), ['b.shop.test', 'shop'])
  })
  test('wait for their time where a flood of names asks for them, and cost no more than the quota', async () => {
    await using hook = await startHook()
    const env = { CONTROLLER_ACME_ON_DEMAND: 'true', CONTROLLER_ACME_ASK_URL: hook.url, CONTROLLER_ACME_OWNER_ORDERS: '1' }
    await using world = await startWorld(env)
    const { bed, authority } = world
    await world.post('shop', 'domains/', { domain: '*.shop.test' })
    await world.post('shop', 'tls/', { certs_on_demand: true })
    await want(world, ...Array.from({ length: 100 }, (_, index) => `x${index}.shop.test`))
    await want(world, ...Array.from({ length: 100 }, (_, index) => `y${index}.shop.test`))
    await bed.until(() => bed.lines.some(({ text }) => /^Too many names are asked for at once: /.test(text)))
    await world.create('blog')
    await world.post('blog', 'domains/', { domain: '*.blog.test' })
    await world.post('blog', 'tls/', { certs_on_demand: true })
    hook.allowed.add('b.blog.test')
    world.names.addresses.set('b.blog.test', '127.0.0.1')
    await want(world, 'b.blog.test')
    await world.isServed('blog', 'b.blog.test')
    hook.allowed.add('a.shop.test')
    await want(world, 'a.shop.test', 'c.blog.test')
    await bed.until(() =>
      bed.lines.some(({ app, text }) => app === 'blog' && /^No certificate on demand before \S+: 1 a week are as many/.test(text)),
    )
    assert.equal(authority.orders, 1)
  })
})

interface Hook extends AsyncDisposable {
  readonly url: string
  readonly allowed: Set<string>
  readonly asked: string[]
  readonly hosts: Set<string>
  /** Makes it a process of an app. */
  slice(app: string): Parameters<World['bed']['api']['create']>[1]
}

async function startHook(): Promise<Hook> {
  const allowed = new Set<string>()
  const asked: string[] = []
  const hosts = new Set<string>()
  const server = createServer((request, response) => {
    const { searchParams } = new URL(request.url ?? '', 'http://hook')
    asked.push(request.url ?? '')
    hosts.add(request.headers.host ?? '')
    response.writeHead(allowed.has(searchParams.get('domain') ?? '') ? 200 : 403).end('x'.repeat(1_000_000))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  return {
    ...{ url: `http://127.0.0.1:${port}`, allowed, asked, hosts },
    slice: app => ({
      apiVersion: 'discovery.k8s.io/v1',
      kind: 'EndpointSlice',
      metadata: { name: `${app}-by-hand`, namespace: app, labels: { 'kubernetes.io/service-name': app } },
      addressType: 'IPv4',
      ports: [{ name: 'http', port }],
      endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
    }),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
    },
  }
}

/** Says what a router says when clients ask for names. */
async function want({ bed }: World, ...names: string[]): Promise<void> {
  const data = Object.fromEntries(names.filter(name => /^[-._a-zA-Z0-9]+$/.test(name)).map(name => [name, new Date().toISOString()]))
  const map = { apiVersion: 'v1' as const, kind: 'ConfigMap' as const, metadata: { name: WANTED_NAMES, namespace: 'drycc' }, data }
  if (await find(bed.api, RESOURCES.configMaps, 'drycc', WANTED_NAMES))
    await modify(bed.api, RESOURCES.configMaps, 'drycc', WANTED_NAMES, standing => ({ ...standing, data }))
  else await bed.api.create(RESOURCES.configMaps, map)
}

async function answers({ bed }: World): Promise<Readonly<Record<string, string>>> {
  return (await bed.api.get(RESOURCES.configMaps, 'drycc', WANTED_NAMES)).data ?? {}
}

async function domains({ bed, token }: World): Promise<string[]> {
  const { body } = await bed.call('GET', '/v2/apps/shop/domains/', { token })
  return body.results.map((one: { domain: string; on_demand?: boolean }) => `${one.domain}${one.on_demand ? ' (on demand)' : ''}`)
}
