import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { selfSigned } from '../../kernel/x509.ts'
import type { Fault } from '../../router/table/annotations.ts'
import { TableBuilder } from '../../router/table/build.ts'
import { Table } from '../../router/table/table.ts'

const PREFIX = 'router.drycc.cc/'

/** Values that no reader of an annotation may fall over; whatever it makes of them concerns one app. */
const VALUES = [
  '',
  ' ',
  ',',
  ',,,',
  'yes',
  '-1',
  '1e9',
  '0x10',
  '99999999999999999999',
  'NaN',
  '{"a":1}',
  'a\0b',
  'a\nb',
  "shop.test;} location / { return 200 'x'; }",
  '$host',
  '%{jndi:ldap://evil.test}',
  '../../etc/passwd',
  '__proto__',
  'constructor',
  '*',
  '*.*',
  '~^.*$',
  '\u202e\ud800',
  '::/0/0',
  '0.0.0.0/33',
  '\\',
  ':',
  'a:b:c',
  '%',
  'x'.repeat(256 * 1024),
  `${'a.'.repeat(100_000)}test`,
  Array.from({ length: 5000 }, (_, index) => `bad_${index}`).join(),
]
const APP_KEYS = (
  'domains regexDomain certificates whitelist connectTimeout tcpTimeout maintenance disableRequestStartHeader referrerPolicy ssl.enforce ' +
  'proxyDomain proxyLocations nginx.proxyBuffers.size ssl.protocols ssl.hsts.maxAge x-acme-challenges x-certificates-on-demand x-allow x-deny x-canonical-host x-redirects x-hsts x-cors-origins x-cors-methods ' +
  'x-cors-max-age x-rate-limit x-requests-max x-basic-auth no.such.key __proto__'
).split(' ')
const ROUTER_KEYS = (
  'platformDomain defaultTimeout requestIDs gzip.enabled gzip.compLevel gzip.types gzip.proxied bodySize largeHeaderBuffersCount ' +
  'largeHeaderBuffersSize proxyRealIpCidrs useProxyProtocol enforceWhitelists defaultWhitelist whitelistMode enableRegexDomains ' +
  'defaultServiceEnabled defaultServiceIP http2Enabled logFormat ssl.enforce ssl.protocols ssl.ciphers ssl.sessionTimeout ssl.hsts.enabled ' +
  'ssl.hsts.maxAge referrerPolicy workerProcesses maxWorkerConnections'
).split(' ')

suite('Annotations that nobody should write', () => {
  test('on an app cost that app alone: every key with every value', () => {
    const cluster = new Cluster()
    cluster.service('good', { domains: 'good.test' })
    cluster.build()
    for (const key of APP_KEYS)
      for (const value of VALUES) {
        cluster.service('bad', { domains: 'bad.test', [key]: value })
        cluster.build()
        assert.equal(cluster.table.match('good.test', '/x')?.app, 'good', `${key}: ${value.slice(0, 40)}`)
        if (key !== 'domains') assert.equal(cluster.table.match('bad.test', '/')?.app, 'bad', `${key}: ${value.slice(0, 40)}`)
        assert.equal(cluster.table.match('', '/'), undefined)
        assert.equal(cluster.table.match('anything.else.test', '/'), undefined)
      }
    assert.deepEqual(
      [...cluster.faults.keys()].filter(key => key !== 'bad/bad'),
      [],
    )
  })

  test('on the router leave every app where it is', () => {
    const cluster = new Cluster()
    cluster.service('good', { domains: 'good.test' })
    cluster.build()
    for (const key of ROUTER_KEYS)
      for (const value of VALUES) {
        cluster.router({ [`nginx.${key}`]: value })
        cluster.build()
        assert.equal(cluster.table.match('good.test', '/x')?.app, 'good', `${key}: ${value.slice(0, 40)}`)
      }
    cluster.router({})
    cluster.build()
    assert.equal(cluster.table.match('elsewhere.test', '/'), undefined)
  })

  test('that name another namespace’s certificate do not get it', () => {
    const cluster = new Cluster()
    const { certificate, key } = selfSigned({ names: ['victim.test'], days: 1 })
    cluster.secrets.set('victim/www-cert', {
      data: { 'tls.crt': Buffer.from(certificate).toString('base64'), 'tls.key': Buffer.from(key).toString('base64') },
    })
    cluster.service('victim', { domains: 'victim.test', certificates: 'victim.test:www' })
    for (const name of ['victim/www', '../victim/www', 'www', 'victim%2fwww', 'victim.www'])
      cluster.service(`thief${cluster.count}`, {
        domains: `thief${cluster.count}.test`,
        certificates: `thief${cluster.count}.test:${name}`,
      })
    cluster.build()
    assert.equal(cluster.table.certificate('victim.test')?.chain, certificate)
    for (let index = 1; index < cluster.count; index++) assert.equal(cluster.table.certificate(`thief${index}.test`), undefined)
  })

  test('that claim a neighbour’s domain or paths do not get them while he is there', () => {
    const cluster = new Cluster()
    cluster.service('victim', { domains: 'victim.test,victim' })
    cluster.service('thief', { domains: 'victim.test,VICTIM,*.test,victim.test.', proxyDomain: 'victim.test', proxyLocations: '/,/login' })
    cluster.build()
    for (const host of ['victim.test', 'victim.apps.test'])
      for (const path of ['/', '/login', '/%6cogin', '//login', '/x/../login'])
        assert.equal(cluster.table.match(host, path)?.app, 'victim', `${host}${path}`)
    assert.ok((cluster.faults.get('thief/thief')?.length ?? 0) >= 3)
  })
})

suite('A regular expression of an app', () => {
  const regex = (text: string) => {
    const cluster = new Cluster()
    cluster.router({ 'nginx.enableRegexDomains': 'true' })
    cluster.service('good', { domains: 'good.test' })
    cluster.service('shop', { domains: 'shop', regexDomain: text })
    cluster.build()
    assert.equal(cluster.table.match('good.test', '/')?.app, 'good')
    return cluster
  }
  for (const text of ['(shop|a|aa)+', '(a*)*shop', '(shop.*)*.*.*.*x', 'shop(a?){90}a{90}']) {
    test(`${text} is answered in linear time`, () => {
      const { table } = regex(text)
      const began = performance.now()
      for (let index = 0; index < 100; index++) table.match(`${'a'.repeat(240)}${index}!`, '/')
      assert.ok(performance.now() - began < 1000, `${performance.now() - began} ms`)
    })
  }
  for (const [text, why] of [
    ['(?=shop)', /error parsing/],
    ['(shop)\\1', /error parsing/],
    ['shop((a{0,99}){0,99}){0,99}', /error parsing/],
    [`shop${'(?:.{0,999})'.repeat(40)}`, /too complex/],
    [`shop${'a'.repeat(64 * 1024)}`, /more than 500 characters/],
  ] as const) {
    test(`${text.slice(0, 40)} is refused, and costs its app nothing else`, () => {
      const { faults, table } = regex(text)
      assert.match(faults.get('shop/shop')?.[0]?.message ?? '', why)
      assert.equal(table.match('shop.x.test', '/')?.app, 'shop')
    })
  }
})

/** Objects as the router sees them, and the table that comes of them. */
class Cluster {
  table = new Table()
  readonly faults = new Map<string, readonly Fault[]>()
  readonly secrets = new Map<string, Secret>()
  readonly #services = new Map<string, Stored<Service>>()
  readonly #changed = new Set<string>()
  #router: Record<string, string> = {}
  readonly #builder = new TableBuilder({ family: PREFIX, namespace: 'drycc' })

  get count(): number {
    return this.#services.size
  }

  service(name: string, annotations: Record<string, string>): void {
    const created = `2026-01-01T00:00:${String(this.#services.size).padStart(2, '0')}Z`
    const before = this.#services.get(`${name}/${name}`)
    this.#services.set(`${name}/${name}`, {
      metadata: {
        ...{ name, namespace: name, uid: name, resourceVersion: '1', labels: { app: name } },
        creationTimestamp: before?.metadata.creationTimestamp ?? created,
        annotations: Object.fromEntries(Object.entries(annotations).map(([key, value]) => [PREFIX + key, value])),
      },
      spec: { ports: [{ name: 'http', port: 80 }] },
    } as Stored<Service>)
    this.#changed.add(`${name}/${name}`)
  }

  router(annotations: Record<string, string>): void {
    this.#router = Object.fromEntries(Object.entries(annotations).map(([key, value]) => [PREFIX + key, value]))
  }

  build(): void {
    const snapshot = {
      service: (key: string) => this.#services.get(key),
      slices: () => [],
      secret: (key: string) => this.secrets.get(key),
      router: this.#router,
      builder: undefined,
    }
    const changes = {
      services: new Set(this.#changed),
      slices: new Set<string>(),
      secrets: new Set(this.secrets.keys()),
      router: true,
      builder: false,
    }
    this.#changed.clear()
    const { delta, faults } = this.#builder.build(snapshot, changes)
    if (delta) this.table = this.table.apply(delta)
    for (const [key, now] of faults) {
      if (now.length > 0 && key !== '') this.faults.set(key, now)
      else this.faults.delete(key)
    }
  }
}
