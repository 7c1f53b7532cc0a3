import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Service } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { ok, startBed, startHttpApp, type TestApp } from '../../router/serve/testbed.ts'
import { readApp } from '../../router/table/app.ts'
import { TableBuilder } from '../../router/table/build.ts'
import { endpoint } from '../../router/table/route.ts'
import { readSettings } from '../../router/table/settings.ts'
import { Table } from '../../router/table/table.ts'

type Class = 'honoured' | 'ignored' | 'default is all there is'

/** Each row of the router's own Deployment, with a value that is not its default and what becomes of it. */
const ROUTER_ROWS: readonly (readonly [name: string, value: string, what: Class])[] = [
  ['workerProcesses', '3', 'honoured'],
  ['maxWorkerConnections', '2048', 'honoured'],
  ['trafficStatusZoneSize', '2m', 'ignored'],
  ['defaultTimeout', '60s', 'honoured'],
  ['serverNameHashMaxSize', '1024', 'ignored'],
  ['serverNameHashBucketSize', '128', 'ignored'],
  ['requestIDs', 'True', 'honoured'],
  ['requestStartHeader', 'true', 'honoured'],
  ['gzip.enabled', 'false', 'honoured'],
  ['gzip.compLevel', '9', 'honoured'],
  ['gzip.disable', 'msie7', 'ignored'],
  ['gzip.httpVersion', '1.0', 'honoured'],
  ['gzip.minLength', '1', 'honoured'],
  ['gzip.proxied', 'off', 'honoured'],
  ['gzip.types', 'text/x-own', 'honoured'],
  ['gzip.vary', 'off', 'honoured'],
  ['bodySize', '2m', 'honoured'],
  ['largeHeaderBuffersCount', '2', 'honoured'],
  ['largeHeaderBuffersSize', '16k', 'honoured'],
  ['proxyRealIpCidrs', '192.0.2.0/24,2001:db8::/32', 'honoured'],
  ['errorLogLevel', 'warn', 'honoured'],
  ['platformDomain', 'Apps.Example.COM', 'honoured'],
  ['useProxyProtocol', 'true', 'honoured'],
  ['disableServerTokens', 'true', 'ignored'],
  ['enforceWhitelists', 'true', 'honoured'],
  ['defaultWhitelist', '192.0.2.1', 'honoured'],
  ['whitelistMode', 'override', 'honoured'],
  ['enableRegexDomains', 'true', 'honoured'],
  ['http2Enabled', 'false', 'honoured'],
  ['logFormat', '$status', 'honoured'],
  ['ssl.enforce', 'TRUE', 'honoured'],
  ['ssl.protocols', 'TLSv1.3', 'honoured'],
  ['ssl.ciphers', '[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-RSA-AES128-GCM-SHA256]', 'honoured'],
  ['ssl.sessionCache', 'shared:x:1m', 'ignored'],
  ['ssl.sessionTimeout', '1h', 'honoured'],
  ['ssl.useSessionTickets', 'false', 'honoured'],
  ['ssl.bufferSize', '8k', 'ignored'],
  ['ssl.hsts.enabled', 'true', 'honoured'],
  ['ssl.hsts.maxAge', '5', 'default is all there is'],
  ['ssl.hsts.includeSubDomains', 'true', 'default is all there is'],
  ['ssl.hsts.preload', 'true', 'default is all there is'],
  ['ssl.earlyDataMethods', '', 'default is all there is'],
  ['ssl.earlyDataMethods', 'GET|HEAD', 'ignored'],
  ['proxyBuffers.enabled', 'true', 'ignored'],
  ['proxyBuffers.number', '4', 'ignored'],
  ['proxyBuffers.size', '8k', 'ignored'],
  ['proxyBuffers.busySize', '16k', 'ignored'],
  ['referrerPolicy', 'no-referrer', 'honoured'],
  ['loadTcellModule', 'true', 'ignored'],
  ['globalTcellAppID', 'x', 'ignored'],
]

/** The same for a Service. */
const APP_ROWS: readonly (readonly [name: string, value: string, what: Class])[] = [
  ['domains', 'shop.test,www.shop.test', 'honoured'],
  ['regexDomain', 'shop.test[0-9]', 'default is all there is'],
  ['certificates', 'shop.test:www', 'default is all there is'],
  ['whitelist', '192.0.2.1,2001:db8::/32', 'honoured'],
  ['connectTimeout', '10', 'honoured'],
  ['tcpTimeout', '1200s', 'honoured'],
  ['maintenance', 'True', 'honoured'],
  ['referrerPolicy', 'origin', 'honoured'],
  ['ssl.enforce', 'True', 'honoured'],
  ['ssl.hsts.maxAge', '5', 'ignored'],
  ['ssl.protocols', 'TLSv1', 'ignored'],
  ['nginx.proxyBuffers.size', '8k', 'ignored'],
  ['tcellAppID', 'x', 'ignored'],
]

suite('Annotations of the router (contract, section 2)', () => {
  const usual = effect({})
  for (const family of ['router.drycc.cc/', 'router.deis.io/'])
    for (const [name, value, what] of ROUTER_ROWS)
      test(`${family}nginx.${name}=${value}: ${what}`, () => {
        const now = effect({ [`${family}nginx.${name}`]: value })
        assert.deepEqual(now.faults, [])
        assert.equal(now.ignored.includes(`nginx.${name}`), what === 'ignored')
        if (what === 'honoured') assert.notDeepEqual(now.table, usual.table)
        else assert.deepEqual(now.table, usual.table)
      })
  for (const [name, value, what] of ROUTER_ROWS.filter(([, , kind]) => kind !== 'ignored')) {
    if (value === '') continue
    test(`nginx.${name}: what cannot be read is told, and the last good value stays`, () => {
      // HSTS is one value out of four.
      const others = name.startsWith('ssl.hsts.') ? { 'router.drycc.cc/nginx.ssl.hsts.enabled': 'true' } : {}
      const read = (text: string, before?: ReturnType<typeof readSettings>) =>
        readSettings({ ...others, [`router.drycc.cc/nginx.${name}`]: text }, 'router.drycc.cc/', before)
      const was = read(value)
      for (const bad of ['$no_such', '$no_such,$nor_this']) {
        const { faults, ...now } = read(bad, was)
        assert.ok(faults.length > 0 && faults.every(({ key }) => key === `nginx.${name}`), what)
        assert.deepEqual(now, (({ faults: _faults, ...rest }) => rest)(was))
        // A second bad value finds the same good one.
        assert.deepEqual(read('$never', read(bad, was)).settings, was.settings)
      }
    })
  }
  test('HSTS has the code’s default, not the README’s, and turns https on', () => {
    const { policy } = readSettings({ 'router.drycc.cc/nginx.ssl.hsts.enabled': 'true' }, 'router.drycc.cc/')
    assert.deepEqual([policy.hsts, policy.sslEnforce], ['max-age=15552000', true])
    const all = { enabled: 'true', maxAge: '5', includeSubDomains: 'true', preload: 'true' }
    const entries = Object.entries(all).map(([key, value]) => [`router.drycc.cc/nginx.ssl.hsts.${key}`, value])
    assert.equal(readSettings(Object.fromEntries(entries), 'router.drycc.cc/').policy.hsts, 'max-age=5; includeSubDomains; preload')
  })
  test('the default service needs its switch and its address, and its name is spelt in two ways', () => {
    const of = (values: Record<string, string>) =>
      readSettings(
        Object.fromEntries(Object.entries(values).map(([key, value]) => [`router.deis.io/nginx.${key}`, value])),
        'router.deis.io/',
      ).settings.defaultService
    assert.equal(of({ defaultServiceIP: '192.0.2.1' }), undefined)
    for (const spelling of ['defaultAppName', 'DefaultAppName']) {
      const route = of({ defaultServiceEnabled: 'true', defaultServiceIP: '192.0.2.1', [spelling]: 'landing' })
      assert.deepEqual([route?.app, route?.endpoints[0]?.key], ['landing', '192.0.2.1:80'])
    }
  })
  test('a web application firewall that does not exist is told loudly', () =>
    assert.match(effect({ 'router.drycc.cc/nginx.loadModsecurityModule': 'true' }).faults[0]!.message, /requests are not filtered/))
  test('768 connections are nobody’s choice', () =>
    assert.deepEqual(effect({ 'router.drycc.cc/nginx.maxWorkerConnections': '768' }).table, usual.table))
  test('on conflict the configured family wins', () => {
    const both = { 'router.deis.io/nginx.bodySize': '2m', 'router.drycc.cc/nginx.bodySize': '3m' }
    const read = (family: 'router.deis.io/' | 'router.drycc.cc/') => readSettings(both, family).policy.bodyBytesMax
    assert.deepEqual([read('router.deis.io/'), read('router.drycc.cc/')], [2 * 1024 ** 2, 3 * 1024 ** 2])
  })
})

suite('Annotations of a Service (contract, section 4)', () => {
  for (const [name, value, what] of APP_ROWS)
    test(`${name}=${value}: ${what}`, () => {
      const [now, usual] = [appOf({ [name]: value }), appOf({})]
      assert.deepEqual(
        now.faults.filter(({ key }) => key !== 'certificates'),
        [],
      )
      assert.equal(now.ignored.includes(name), what === 'ignored')
      if (what === 'honoured') assert.notDeepEqual([now.route, now.hosts], [usual.route, usual.hosts])
      else assert.deepEqual([now.route, now.hosts], [usual.route, usual.hosts])
    })
  test('a trailing comma is no domain, no network and no certificate', () => {
    const { faults, hosts, route } = appOf({ domains: 'shop.test,', whitelist: '192.0.2.1,', certificates: 'shop.test:www,' })
    assert.deepEqual([faults.map(({ key }) => key), hosts, route?.policy.allow], [['certificates'], ['shop.test'], ['192.0.2.1/32']])
  })
  for (const [name, value] of APP_ROWS.filter(([, , what]) => what !== 'ignored'))
    test(`${name}: what cannot be read is told, and the last good value stays`, () => {
      const bad = name === 'regexDomain' ? 'shop.test(' : '$no_such'
      const was = appOf({ [name]: value }, ON)
      const now = appOf({ [name]: value }, ON, { [name]: bad })
      assert.ok(now.faults.some(({ key }) => key === name))
      assert.deepEqual([now.route, now.hosts, now.certificates], [was.route, was.hosts, was.certificates])
    })
  test('proxyLocations: what cannot be read is told, and the last good paths stay', () => {
    const shop = (locations: string) => {
      const annotations = {
        'router.deis.io/domains': 'a.test',
        'router.deis.io/proxyDomain': 'b.test',
        'router.deis.io/proxyLocations': locations,
      }
      return { metadata: { uid: '', resourceVersion: '1', name: 'a', namespace: 'a', annotations }, spec: {} } as Stored<Service>
    }
    const was = readApp(shop('/a,b,/c'), 'router.drycc.cc/')
    assert.deepEqual(
      [was.proxyLocations, readApp(shop('b,c'), 'router.drycc.cc/', was).proxyLocations],
      [
        ['/a', '/c'],
        ['/a', '/c'],
      ],
    )
  })
  test('what is no value keeps its default, and is told', () => {
    for (const [name, value] of Object.entries({ connectTimeout: '0', tcpTimeout: '1.5', maintenance: 'yes', 'ssl.enforce': '1' })) {
      const { faults, route } = appOf({ [name]: value })
      assert.deepEqual([faults.map(({ key }) => key), route?.policy], [[name], appOf({}).route?.policy])
    }
  })
})

suite('Behaviour (contract, section 5)', () => {
  test('a short domain answers for any parent where there is no platform domain, and for that one where there is', () => {
    const host = (router: Record<string, string>, name: string) => appOf({ domains: 'shop' }, router).table.match(name, '/')?.app
    assert.deepEqual([host({}, 'shop.10.0.0.1.nip.io'), host({}, 'shopping.test')], ['shop', undefined])
    const platform = { 'router.drycc.cc/nginx.platformDomain': 'apps.test' }
    assert.deepEqual([host(platform, 'shop.apps.test'), host(platform, 'shop.other.test')], ['shop', undefined])
  })
  test('the app sees its host in lower case and without port, the path as it came, and one client', async () => {
    const head = await seen('GET //a/../%2f?b HTTP/1.1\r\nHost: SHOP.test:8080\r\nX-Forwarded-For: 1.2.3.4\r\nConnection: close\r\n\r\n')
    assert.match(head, /^GET \/\/a\/\.\.\/%2f\?b HTTP\/1\.1\r\nHost: shop\.test\r\n/)
    assert.match(head, /\r\nX-Forwarded-For: 127\.0\.0\.1\r\n/)
  })
  test('Early-Data, TE, Keep-Alive and names with a dot or an underscore do not reach the app', async () => {
    const head = await seen(
      'GET / HTTP/1.1\r\nHost: shop.test\r\nEarly-Data: 1\r\nTE: trailers\r\nKeep-Alive: 5\r\nX_A: 1\r\nX.B: 1\r\nX-C: 1\r\nConnection: close\r\n\r\n',
    )
    assert.doesNotMatch(head, /early-data|\r\nte:|keep-alive|x_a|x\.b/i)
    assert.match(head, /\r\nX-C: 1\r\n/)
  })
  test('any method but TRACE and CONNECT passes', async () => {
    assert.match(await seen('PROPFIND / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'), /^PROPFIND /)
    assert.match(await ask('TRACE / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 405 /)
  })
  test('connect refused is 502', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [endpoint('127.0.0.1', 1)] } })
    assert.match(await bed.exchange('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 502 /)
  })
})

/** What the annotations of the Deployment make of the router and of an app with every kind of domain. */
function effect(annotations: Record<string, string>) {
  const { faults, ignored, good: _good, ...read } = readSettings(annotations, 'router.drycc.cc/')
  return { faults, ignored, table: read }
}

const ON = { 'router.drycc.cc/nginx.enableRegexDomains': 'true' }

/** @param then what the Service says later */
function appOf(annotations: Record<string, string>, router: Record<string, string> = {}, then?: Record<string, string>) {
  const serviceOf = (wish: Record<string, string>, resourceVersion: string) => {
    const prefixed = Object.entries({ domains: 'shop.test', ...wish }).map(([key, value]) => [`router.deis.io/${key}`, value])
    const metadata = { uid: '', resourceVersion, name: 'shop', namespace: 'shop', annotations: Object.fromEntries(prefixed) }
    return { metadata, spec: { ports: [{ name: 'http', port: 80 }] } } as Stored<Service>
  }
  let service = serviceOf(annotations, '1')
  const builder = new TableBuilder({ family: 'router.drycc.cc/', namespace: 'drycc' })
  const none: ReadonlySet<string> = new Set()
  const build = () =>
    builder.build(
      {
        service: key => (key === 'shop/shop' ? service : undefined),
        slices: () => [],
        secret: () => undefined,
        router,
        builder: undefined,
      },
      { services: new Set(['shop/shop']), slices: none, secrets: none, router: true, builder: false },
    )
  build()
  if (then) {
    service = serviceOf(then, '2')
    build()
  }
  const { faults, ignored, hosts, route } = builder.report().apps[0]!
  return { faults, ignored, hosts, route, certificates: builder.wantedSecrets(), table: new Table().apply(builder.whole()) }
}

/** What reached the app of a request. */
async function seen(request: string): Promise<string> {
  await using app: TestApp = await startHttpApp(() => ok(''))
  await using bed = await startBed({ apps: { 'shop.test': app } })
  await bed.exchange(request)
  return app.received[0] ?? ''
}

async function ask(request: string): Promise<string> {
  await using app = await startHttpApp(() => ok(''))
  await using bed = await startBed({ apps: { 'shop.test': app } })
  return await bed.exchange(request)
}
