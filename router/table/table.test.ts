import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Certificate } from '../tls/certificates.ts'
import { normalHost } from './host.ts'
import { DEFAULT_POLICY, type Policy } from './route.ts'
import type { HostSpec, RouteSpec, TableDelta } from './spec.ts'
import { Table } from './table.ts'

const { allow: _allow, edge: _edge, ...POLICY }: Policy = DEFAULT_POLICY

suite('Table.match()', () => {
  const table = tableOf({
    'shop.example.com': 'shop',
    '*.example.com': 'any',
    '*.deep.example.com': 'deep',
    'short.*': 'short',
    'short.dotted.*': 'dotted',
    '~^re[0-9]+\\.': 'regex',
    '~^re1\\.': 'later',
  })
  for (const [host, app] of [
    ['shop.example.com', 'shop'],
    ['x.example.com', 'any'],
    ['a.b.example.com', 'any'],
    ['x.deep.example.com', 'deep'],
    ['deep.example.com', 'any'],
    ['example.com', undefined],
    ['short.anything.test', 'short'],
    ['short.10.0.0.1.nip.io', 'short'],
    ['short.dotted.test', 'dotted'],
    ['short', undefined],
    ['short.example.com', 'any'],
    ['notshort.test', undefined],
    ['re1.test', 'later'],
    ['re12.test', 'regex'],
    ['are12.test', undefined],
    ['', undefined],
    ['*.example.com', 'any'],
    ['[::1]', undefined],
    ['.example.com', undefined],
  ] as const) {
    test(`"${host}" is ${app ?? "nobody's"}`, () => assert.equal(table.match(host, '/')?.app, app))
  }

  test('goes by the longest path prefix of the host', () => {
    const delta = deltaOf({ 'shop.example.com': 'shop' })
    const locations = ['/api/v2', '/api'].map(prefix => ({ prefix, route: route(`shop${prefix}`) }))
    const delegated = new Table().apply({ ...delta, routes: [['shop', { ...route('shop'), locations }]] })
    const app = (target: string) => delegated.match('shop.example.com', target)?.app
    assert.deepEqual(['/', '/api', '/api/v2/x?y', '/apix', '/ap'].map(app), ['shop', 'shop/api', 'shop/api/v2', 'shop/api', 'shop'])
  })
})

suite('Table.apply()', () => {
  test('leaves the table before as it was', () => {
    const before = tableOf({ 'a.test': 'a', '*.w.test': 'w' })
    const after = before.apply(deltaOf({ 'a.test': null, 'b.test': 'b', '*.w.test': null, '~^r\\.': 'r' }, 2))
    assert.deepEqual(
      [before, after].map(table => ['a.test', 'b.test', 'x.w.test', 'r.test'].map(host => table.match(host, '/')?.app)),
      [
        ['a', undefined, 'w', undefined],
        [undefined, 'b', undefined, 'r'],
      ],
    )
    assert.deepEqual([before.version, after.version, before.hostCount, after.hostCount], [1, 2, 2, 2])
  })

  test('a whole delta forgets what it does not name', () => {
    const table = tableOf({ 'a.test': 'a' }).apply({ ...deltaOf({ 'b.test': 'b' }), whole: true })
    assert.equal(table.match('a.test', '/'), undefined)
    assert.equal(table.match('b.test', '/')?.app, 'b')
  })

  test('keeps the routes that a delta does not name, the same objects', () => {
    const before = tableOf({ 'a.test': 'a', 'b.test': 'b' })
    const after = before.apply({ ...deltaOf({}), routes: [['a', route('a')]] })
    assert.equal(after.match('b.test', '/'), before.match('b.test', '/'))
    assert.notEqual(after.match('a.test', '/'), before.match('a.test', '/'))
  })

  test('keeps what an app has under way, also where it serves a path of another host', () => {
    const host = (version: number): TableDelta => {
      const api = { ...route('api'), endpoints: [] }
      const delta = deltaOf({ 'a.test': 'a/a' }, version)
      return { ...delta, routes: [['a/a', { ...route('a'), locations: [{ prefix: '/api', route: api }] }]] }
    }
    const before = new Table().apply(host(1))
    const loads = (table: Table) => ['/', '/api'].map(path => table.match('a.test', path)?.load)
    assert.notEqual(loads(before)[0], loads(before)[1])
    for (const after of [before.apply(host(2)), before.apply({ ...host(2), whole: true })])
      for (const [index, load] of loads(after).entries()) assert.equal(load, loads(before)[index])
    const own = before.apply({
      ...host(3),
      routes: [...host(3).routes, ['api/api', route('api')]],
      hosts: [['api.test', { app: 'api/api' }]],
    })
    assert.equal(own.match('api.test', '/')?.load, loads(own)[1])
  })

  test('compiles who may come in', () => {
    const allowed = { ...route('a'), policy: { ...POLICY, allow: ['10.0.0.0/8', '2001:db8::/32'] } }
    const { policy } = new Table().apply({ ...deltaOf({ 'a.test': 'a' }), routes: [['a', allowed]] }).match('a.test', '/')!
    const answers = ['10.1.2.3', '2001:db8::1', '11.0.0.1', '::1'].map(address => policy.allow?.check(address))
    assert.deepEqual(answers, [true, true, false, false])
  })

  test('10,000 hosts: finds each, and one change costs far less than a table', () => {
    const hosts = Object.fromEntries(Array.from({ length: 10_000 }, (_, index) => [`app-${index}.example.com`, `app-${index}`]))
    const table = tableOf(hosts)
    for (const [host, app] of Object.entries(hosts)) assert.equal(table.match(host, '/')?.app, app)
    let changed = table
    const began = performance.now()
    for (let index = 0; index < 1000; index++) changed = changed.apply({ ...deltaOf({}), routes: [[`app-${index}`, route('new')]] })
    const each = (performance.now() - began) / 1000
    assert.ok(each < 0.5, `${each} ms a change`)
    assert.equal(changed.match('app-999.example.com', '/')?.app, 'new')
    assert.equal(table.match('app-999.example.com', '/')?.app, 'app-999')
  })
})

suite('Table.certificate()', () => {
  const table = tableOf({ 'plain.test': 'a' }).apply({
    ...deltaOf({}),
    hosts: [
      ['own.test', { app: 'a', certificate: 'ns/own' }],
      ['*.wild.test', { app: 'a', certificate: 'ns/wild' }],
    ],
    certificates: ['ns/own', 'ns/wild', 'ns/default'].map(key => [key, { id: key } as Certificate]),
    defaultCertificate: 'ns/default',
  })
  for (const [name, key] of [
    ['own.test', 'ns/own'],
    ['x.wild.test', 'ns/wild'],
    ['plain.test', 'ns/default'],
    ['unknown.test', 'ns/default'],
    ['', 'ns/default'],
  ] as const) {
    test(`"${name}" is shown ${key}`, () => assert.equal(table.certificate(name)?.id, key))
  }
  test('shows none where the router has none', () => assert.equal(tableOf({}).certificate('x.test'), undefined))
})

suite('normalHost()', () => {
  for (const [text, host] of [
    ['Shop.Example.COM', 'shop.example.com'],
    ['shop.example.com:8080', 'shop.example.com'],
    ['shop.example.com.', 'shop.example.com'],
    ['shop.example.com.:80', 'shop.example.com'],
    ['bücher.example', 'xn--bcher-kva.example'],
    ['[::1]:8080', '[::1]'],
    ['[2001:DB8::1]', '[2001:db8::1]'],
    ['10.0.0.1:80', '10.0.0.1'],
    ['', ''],
    ['a b', ''],
    ['a/b', ''],
  ] as const) {
    test(`"${text}" is "${host}"`, () => assert.equal(normalHost(text), host))
  }
})

function route(app: string): RouteSpec {
  return { app, namespace: app, service: app, policy: POLICY, endpoints: [], locations: [] }
}

function deltaOf(hosts: Record<string, string | null>, version = 1): TableDelta {
  const apps = [...new Set(Object.values(hosts))].filter(app => app !== null)
  return {
    version,
    whole: false,
    hosts: Object.entries(hosts).map(([pattern, app]): [string, HostSpec | null] => [pattern, app === null ? null : { app }]),
    routes: apps.map(app => [app, route(app)]),
    certificates: [],
  }
}

function tableOf(hosts: Record<string, string>): Table {
  return new Table().apply(deltaOf(hosts))
}
