import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { type Changes, type Snapshot, TableBuilder } from './build.ts'
import type { Route } from './route.ts'
import { Table } from './table.ts'

const P = 'router.drycc.cc/'
const [pair, otherPair] = [selfSigned({ names: ['shop.test'], days: 30 }), selfSigned({ names: ['shop.test'], days: 30 })]

suite('TableBuilder.build()', () => {
  test('tells nothing when nothing that matters changed', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test' })
    assert.ok(world.build().delta)
    world.service('shop', { domains: 'shop.test' }, { resourceVersion: '99', labels: { note: 'x' } })
    assert.deepEqual(world.build(), { faults: [], areSecretsOthers: false })
  })

  test('a default service that is not there is a fault of the router, until it is', () => {
    const world = new World()
    const messages = ({ faults }: ReturnType<World['build']>) =>
      faults.filter(([key]) => key === '').map(([, list]) => list.map(fault => fault.message))
    world.router({ 'nginx.defaultServiceEnabled': 'true', 'nginx.defaultServiceIP': 'shop/shop' })
    assert.deepEqual(messages(world.build()), [['Cannot serve unknown hosts: there is no routable Service shop/shop']])
    world.service('shop', {})
    const healed = world.build()
    assert.deepEqual(messages(healed), [[]])
    assert.equal(healed.delta?.settings?.defaultService?.service, 'shop')
    world.remove('shop')
    const gone = world.build()
    assert.equal(messages(gone)[0]?.length, 1)
    assert.equal(gone.delta?.settings?.defaultService, undefined)
    world.router({ 'nginx.defaultServiceEnabled': 'true' })
    assert.deepEqual(messages(world.build()), [['There is no default service: name one in nginx.defaultServiceIP']])
  })

  test('an endpoint is told as that alone, and leaves all else of its route as it is', () => {
    const world = new World()
    for (let index = 0; index < 100; index++) world.service(`app${index}`, { domains: `app${index}.test` })
    world.build()
    const before = world.table.route('app7/app7')
    world.slice('app7', ['10.0.0.7'])
    const { delta } = world.build()
    assert.deepEqual([delta?.hosts, delta?.routes, delta?.endpoints?.map(([key]) => key)], [[], [], ['app7/app7']])
    const after = world.table.route('app7/app7')
    assert.deepEqual({ ...after, endpoints: [] }, { ...before, endpoints: [] })
    assert.equal(after?.load, before?.load)
    assert.deepEqual([after?.endpoints.length, world.table.version], [1, delta?.version])
    world.slice('app7', ['10.0.0.7'])
    assert.equal(world.build().delta, undefined)
  })

  test('slices of another shape are told as before, and those of nobody not at all', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test' })
    world.build()
    world.slice('shop', [null as never])
    world.slice('stranger', ['10.0.0.9'])
    const { delta, faults } = world.build()
    assert.deepEqual([delta, faults.map(([key]) => key)], [undefined, []])
    world.slice('shop', null as never)
    assert.deepEqual(
      world.build().faults.map(([key]) => key),
      ['shop/shop'],
    )
  })

  test('a removed Service gives its domain to the next', () => {
    const world = new World()
    world.service('old', { domains: 'a.test' }, { creationTimestamp: '2026-01-01T00:00:00Z' })
    world.service('new', { domains: 'a.test' }, { creationTimestamp: '2026-02-01T00:00:00Z' })
    const first = world.build()
    assert.deepEqual(
      first.faults.map(([key, faults]) => [key, faults.length]),
      [['new/new', 1]],
    )
    world.remove('old')
    const second = world.build()
    assert.deepEqual(second.delta?.hosts, [['a.test', { app: 'new/new' }]])
    assert.deepEqual(second.faults, [['new/new', []]])
  })

  test('a value that cannot be read stays what it last was, and the fault heals', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test', maintenance: 'true', tcpTimeout: '5', whitelist: '10.0.0.0/8' })
    world.build()
    world.service('shop', { domains: 'shop_test', maintenance: 'maybe', tcpTimeout: 'x', whitelist: 'x' })
    const broken = world.build()
    assert.equal(broken.delta, undefined)
    assert.deepEqual(
      broken.faults[0]?.[1].map(fault => fault.key),
      ['domains', 'tcpTimeout', 'whitelist', 'maintenance'],
    )
    world.service('shop', { domains: 'shop.test', maintenance: 'false', tcpTimeout: '5', whitelist: '10.0.0.0/8' })
    const healed = world.build()
    assert.deepEqual(healed.faults, [['shop/shop', []]])
    assert.equal(healed.delta?.routes[0]?.[1]?.policy.maintenance, false)
  })

  test('an app may take larger bodies than others, or any', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test' })
    world.service('photos', { domains: 'photos.test', 'x-body-size': '20m' })
    world.service('git', { domains: 'git.test', 'x-body-size': '0' })
    world.build()
    const limit = (host: string, path = '/') => world.table.match(host, path)?.policy.bodyBytesMax
    assert.deepEqual([limit('shop.test'), limit('photos.test'), limit('git.test')], [1024 ** 2, 20 * 1024 ** 2, 0])
  })

  test('a canary follows its Service, of the same namespace only, and a missing one is told', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test', 'x-canary': 'service=next weight=10', 'x-sticky-cookie': 'SRV' }, { uid: 'u-1' })
    world.service('next', {}, { namespace: 'other' })
    world.slice('next', ['10.9.9.9'], 'other')
    const first = world.build()
    assert.match(first.faults.find(([key]) => key === 'shop/shop')?.[1][0]?.message ?? '', /no Service shop\/next with the label/)
    const steering = () => world.table.match('shop.test', '/')?.steering
    assert.deepEqual([steering()?.canary, steering()?.sticky?.cookie], [undefined, 'SRV'])
    world.service('next', {}, { namespace: 'shop' })
    world.slice('next', ['10.0.0.7'], 'shop')
    assert.deepEqual(world.build().faults, [['shop/shop', []]])
    assert.deepEqual([steering()?.canary?.weight, steering()?.canary?.endpoints.map(({ key }) => key)], [10, ['10.0.0.7:5000']])
    world.slice('next', ['10.0.0.8'], 'shop')
    const { delta } = world.build()
    assert.deepEqual(
      delta?.routes.map(([key]) => key),
      ['shop/shop'],
    )
    assert.deepEqual(
      steering()?.canary?.endpoints.map(({ key }) => key),
      ['10.0.0.8:5000'],
    )
    assert.equal(steering()?.sticky?.tokens.size, 1)
    world.remove('next', 'shop')
    assert.equal(world.build().faults[0]?.[1].length, 1)
    assert.equal(steering()?.canary, undefined)
    assert.deepEqual(world.fresh().whole().routes, world.builder.whole().routes)
  })

  test('a canary of paths on another host follows its Service too', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test' })
    world.service(
      'api',
      { domains: 'api.test', proxyDomain: 'shop.test', proxyLocations: '/api', 'x-canary': 'service=next weight=1' },
      { namespace: 'shop' },
    )
    world.service('next', {}, { namespace: 'shop' })
    world.build()
    world.slice('next', ['10.0.0.7'], 'shop')
    world.build()
    const { canary } = world.table.match('shop.test', '/api')?.steering ?? {}
    assert.deepEqual(
      canary?.endpoints.map(({ key }) => key),
      ['10.0.0.7:5000'],
    )
    assert.equal(world.table.match('shop.test', '/')?.steering, undefined)
  })

  test('a Service is no canary of its own', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test', 'x-canary': 'service=shop weight=10' })
    assert.match(world.build().faults[0]?.[1][0]?.message ?? '', /it is the Service itself/)
  })

  test('an app over TLS trusts nobody until its authority is there, and follows it', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test', 'x-protocol': 'https ca=shop-ca' })
    world.slice('shop', ['10.0.0.1'])
    const first = world.build()
    assert.equal(first.areSecretsOthers, true)
    assert.deepEqual(world.wanted('shop/'), ['shop/shop-ca'])
    assert.match(first.faults[0]?.[1][0]?.message ?? '', /Secret shop\/shop-ca has none under ca\.crt/)
    const key = () => world.table.match('shop.test', '/')?.endpoints[0]?.key ?? ''
    const before = key()
    assert.match(before, /^https:\/\/10\.0\.0\.1:5000#/)
    world.authority('shop/shop-ca', pair.certificate)
    assert.deepEqual(world.build().faults, [['shop/shop', []]])
    const between = key()
    assert.notEqual(between, before)
    world.authority('shop/shop-ca', otherPair.certificate)
    world.build()
    assert.notEqual(key(), between, 'no connection of the old authority is used again')
    world.service('shop', { domains: 'shop.test' })
    world.build()
    assert.equal(key(), '10.0.0.1:5000')
    assert.deepEqual(world.wanted('shop/'), [])
  })

  test('an app of HTTP/2 is spoken to as its port or its annotation says, and so is its canary', () => {
    const world = new World()
    const endpoint = (host: string) => world.table.match(host, '/')?.endpoints[0]
    world.service('shop', { domains: 'shop.test', 'x-canary': 'service=next weight=1' })
    world.service('next', { 'x-protocol': 'grpc' }, { namespace: 'shop' })
    world.slice('shop', ['10.0.0.1'])
    world.slice('next', ['10.0.0.7'], 'shop')
    world.build()
    assert.deepEqual([endpoint('shop.test')?.key, endpoint('shop.test')?.http2], ['10.0.0.1:5000', undefined])
    const [canary] = world.table.match('shop.test', '/')?.steering?.canary?.endpoints ?? []
    assert.deepEqual([canary?.key, canary?.http2], ['h2c://10.0.0.7:5000', true])
    world.service('shop', { domains: 'shop.test' }, {}, 'kubernetes.io/h2c')
    assert.deepEqual(world.build().faults, [])
    assert.deepEqual([endpoint('shop.test')?.key, endpoint('shop.test')?.http2], ['h2c://10.0.0.1:5000', true])
    world.service('shop', { domains: 'shop.test', 'x-protocol': 'http' }, {}, 'kubernetes.io/h2c')
    world.build()
    assert.equal(endpoint('shop.test')?.key, '10.0.0.1:5000')
    world.service('shop', { domains: 'shop.test', 'x-protocol': 'h2 insecure name=pod.test' })
    world.build()
    const secure = endpoint('shop.test')
    assert.match(secure?.key ?? '', /^h2:\/\/10\.0\.0\.1:5000#/)
    assert.deepEqual([secure?.http2, secure?.tls?.verify, secure?.tls?.name], [true, false, 'pod.test'])
  })

  test('an object of another shape keeps its last good route, hurts nobody else, and heals', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test' })
    world.slice('shop', ['10.0.0.1'])
    world.build()
    world.slice('shop', undefined as never)
    world.service('other', { domains: 'other.test' })
    const broken = world.build()
    assert.deepEqual(
      broken.faults.map(([key, faults]) => [key, faults[0]?.key]),
      [['shop/shop', 'object']],
    )
    assert.equal(world.table.match('shop.test', '/')?.endpoints[0]?.key, '10.0.0.1:5000')
    assert.equal(world.table.match('other.test', '/')?.app, 'other')
    world.slice('shop', ['10.0.0.2'])
    assert.deepEqual(world.build().faults, [['shop/shop', []]])
    assert.equal(world.table.match('shop.test', '/')?.endpoints[0]?.key, '10.0.0.2:5000')
  })

  test('a certificate appears with its Secret, stays while the Secret is broken, goes with it', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test', certificates: 'shop.test:www' })
    world.build()
    assert.deepEqual(world.wanted('shop/'), ['shop/www-cert'])
    const shown = () => world.table.certificate('shop.test')?.chain
    world.secret('shop/www-cert', pair)
    world.build()
    assert.equal(shown(), pair.certificate)
    world.secret('shop/www-cert', { certificate: 'garbage', key: 'garbage' })
    assert.match(world.build().faults[0]![1][0]!.message, /Could not load/)
    assert.equal(shown(), pair.certificate)
    world.secret('shop/www-cert', otherPair)
    assert.deepEqual(world.build().faults, [['shop/shop', []]])
    assert.equal(shown(), otherPair.certificate)
    world.secret('shop/www-cert', undefined)
    world.build()
    assert.equal(shown(), undefined)
  })

  test('the platform certificate is for everybody without one, in the preferred spelling', () => {
    const world = new World()
    world.service('shop', { domains: 'shop.test' })
    world.build()
    world.secret('drycc/deis-router-platform-cert', pair)
    world.build()
    assert.equal(world.table.certificate('shop.test')?.chain, pair.certificate)
    world.secret('drycc/drycc-router-platform-cert', otherPair)
    world.build()
    assert.equal(world.table.defaultCertificate?.chain, otherPair.certificate)
  })

  test('another platform domain moves all short names', () => {
    const world = new World()
    world.service('shop', { domains: 'shop' })
    world.router({ 'nginx.platformDomain': 'one.test' })
    world.build()
    world.router({ 'nginx.platformDomain': 'two.test' })
    world.build()
    assert.equal(world.table.match('shop.one.test', '/'), undefined)
    assert.equal(world.table.match('shop.two.test', '/')?.app, 'shop')
  })

  test('a delegate reaches its host when either changes, and leaves with itself', () => {
    const world = new World()
    world.service('api', { domains: 'api', proxyDomain: 'shop.test', proxyLocations: '/api' }, { namespace: 'shop' })
    assert.match(world.build().faults[0]![1][0]!.message, /no app has it/)
    world.service('shop', { domains: 'shop.test' })
    assert.deepEqual(world.build().faults, [['shop/api', []]])
    world.slice('api', ['10.0.0.9'], 'shop')
    world.build()
    assert.equal(world.table.match('shop.test', '/api/x')?.endpoints[0]?.key, '10.0.0.9:5000')
    world.remove('api', 'shop')
    world.build()
    assert.equal(world.table.match('shop.test', '/api/x')?.app, 'shop')
  })

  test('by any order of changes it comes to the table of a fresh build', () => {
    const random = seeded(20_261_122)
    const world = new World()
    const pick = <T>(...items: T[]) => items[Math.floor(random() * items.length)]!
    let moves = 0
    for (let step = 0; step < 1500; step++) {
      const name = pick('a', 'b', 'c', 'd', 'e')
      const namespace = pick('one', 'two')
      const kind = random()
      if (kind < 0.15) world.remove(name, namespace)
      else if (kind < 0.6) world.slice(name, pick([], ['10.0.0.1'], ['10.0.0.2', '10.0.0.3']), namespace)
      else if (kind < 0.64) world.router({ 'nginx.platformDomain': pick('x.test', 'y.test', '') })
      else if (kind < 0.72) world.secret(`${namespace}/${pick('k', 'l')}-cert`, pick(pair, otherPair, undefined))
      else {
        const domains = pick('a', 'b,a.x.test', '*.x.test', 'c,d', 'e.y.test,a.y.test')
        const annotations = {
          domains,
          ...(random() < 0.4 && { proxyDomain: pick('a', 'b', 'e.y.test'), proxyLocations: pick('/', '/p,/q', '/q') }),
          ...(random() < 0.2 && { 'x-canary': `service=${pick('a', 'b', 'c')} weight=20` }),
          ...(random() < 0.2 && { 'x-sticky-cookie': 'stick' }),
          ...(random() < 0.2 && { 'x-protocol': pick('h2c', 'https insecure', 'h2 insecure', 'http') }),
          certificates: pick('', 'a.x.test:k', 'e.y.test:l'),
        }
        world.service(name, annotations, { namespace, creationTimestamp: `2026-01-0${pick(1, 2, 3)}T00:00:00Z` })
      }
      if (random() < 0.5 && world.build().delta?.endpoints) moves++
      if (step % 100 < 99) continue
      world.build()
      const fresh = world.fresh()
      const table = new Table().apply(fresh.whole())
      assert.deepEqual(sorted(world.builder), sorted(fresh))
      for (const [key] of fresh.whole().routes) assert.deepEqual(plain(world.table.route(key)), plain(table.route(key)))
      for (const host of ['a.x.test', 'a.y.test', 'b.x.test', 'z.x.test', 'e.y.test', 'c.q'])
        assert.deepEqual(plain(world.table.match(host, '/q')), plain(table.match(host, '/q')))
    }
    assert.ok(moves > 10, `${moves} changes of endpoints alone`)
  })

  test('10,000 Services are built in seconds, and one change in far less than a millisecond each', () => {
    const world = new World()
    for (let index = 0; index < 10_000; index++) {
      world.service(`app${index}`, { domains: `app${index},www${index}.test`, tcpTimeout: '60' })
      world.slice(`app${index}`, [`10.0.${index >> 8}.${index & 255}`])
    }
    const began = performance.now()
    world.build()
    const all = performance.now() - began
    const changing = performance.now()
    for (let index = 0; index < 500; index++) {
      world.slice(`app${index}`, ['10.9.9.9'])
      assert.equal(world.build().delta?.endpoints?.length, 1)
    }
    const each = (performance.now() - changing) / 500
    assert.ok(all < 5000 && each < 1, `${all} ms for all, ${each} ms for one`)
    assert.equal(world.table.match('www499.test', '/')?.endpoints[0]?.address, '10.9.9.9')
  })
})

/** A small cluster, and the table that a worker makes of what the builder tells. */
class World {
  builder = new TableBuilder({ family: P, namespace: 'drycc' })
  table = new Table()
  #services = new Map<string, Stored<Service>>()
  #slices = new Map<string, EndpointSlice[]>()
  #secrets = new Map<string, Secret>()
  #router: Record<string, string> = {}
  #changes = { services: new Set<string>(), slices: new Set<string>(), secrets: new Set<string>(), router: true, builder: true }

  service(name: string, annotations: Record<string, string>, metadata: Partial<Stored['metadata']> = {}, appProtocol?: string) {
    const namespace = metadata.namespace ?? name
    const prefixed = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [P + key, value]))
    const service = {
      metadata: { uid: '', resourceVersion: '1', ...metadata, name, namespace, annotations: prefixed },
      spec: { ports: [{ name: 'http', port: 80, ...(appProtocol !== undefined && { appProtocol }) }] },
    }
    this.#services.set(`${namespace}/${name}`, service as Stored<Service>)
    this.#changes.services.add(`${namespace}/${name}`)
  }

  remove(name: string, namespace = name) {
    this.#services.delete(`${namespace}/${name}`)
    this.#changes.services.add(`${namespace}/${name}`)
  }

  slice(name: string, addresses: string[], namespace = name) {
    const slice = {
      addressType: 'IPv4',
      ports: [{ name: 'http', port: 5000 }],
      endpoints: addresses ? addresses.map(address => ({ addresses: [address] })) : [{}],
    }
    this.#slices.set(`${namespace}/${name}`, [slice as EndpointSlice])
    this.#changes.slices.add(`${namespace}/${name}`)
  }

  secret(key: string, keyPair: { certificate: string; key: string } | undefined) {
    const encode = (text: string) => Buffer.from(text).toString('base64')
    if (keyPair) this.#secrets.set(key, { data: { 'tls.crt': encode(keyPair.certificate), 'tls.key': encode(keyPair.key) } })
    else this.#secrets.delete(key)
    this.#changes.secrets.add(key)
  }

  authority(key: string, certificate: string) {
    this.#secrets.set(key, { data: { 'ca.crt': Buffer.from(certificate).toString('base64') } })
    this.#changes.secrets.add(key)
  }

  router(annotations: Record<string, string>) {
    this.#router = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [P + key, value]))
    this.#changes.router = true
  }

  wanted(prefix: string) {
    return [...this.builder.wantedSecrets()].filter(key => key.startsWith(prefix))
  }

  build() {
    const result = this.builder.build(this.#snapshot(), this.#changes)
    this.#changes = { services: new Set(), slices: new Set(), secrets: new Set(), router: false, builder: false }
    if (result.delta) this.table = this.table.apply(result.delta)
    return result
  }

  fresh(): TableBuilder {
    const builder = new TableBuilder({ family: P, namespace: 'drycc' })
    const changes: Changes = {
      services: new Set(this.#services.keys()),
      slices: new Set(),
      secrets: new Set(this.#secrets.keys()),
      router: true,
      builder: true,
    }
    builder.build(this.#snapshot(), changes)
    return builder
  }

  #snapshot(): Snapshot {
    return {
      service: key => this.#services.get(key),
      slices: key => this.#slices.get(key) ?? [],
      secret: key => this.#secrets.get(key),
      router: this.#router,
      builder: undefined,
    }
  }
}

function sorted(builder: TableBuilder) {
  const { routes, hosts, certificates, settings } = builder.whole()
  const byKey = (list: readonly (readonly [string, unknown])[]) => list.toSorted(([a], [b]) => (a < b ? -1 : 1))
  return { routes: byKey(routes), hosts: byKey(hosts), certificates: byKey(certificates), settings, report: builder.report() }
}

/** A worker's route without what goes on beside the table. */
function plain(route: Route | undefined): object | undefined {
  if (!route) return undefined
  const { load: _load, locations, ...rest } = route
  return { ...rest, locations: locations.map(location => ({ ...location, route: plain(location.route) })) }
}

/** Mulberry32: the same steps at every run. */
function seeded(seed: number) {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
