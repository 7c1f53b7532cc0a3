import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { gunzipSync } from 'node:zlib'
import type { Service } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { ok, startApp, startHttpApp } from '../../router/serve/testbed.ts'
import { readApp } from '../../router/table/app.ts'
import { endpoint } from '../../router/table/route.ts'
import { parseTime } from '../../router/table/values.ts'
import { Cluster, get, judge, type Point, play } from './contract-cluster.ts'

const PAGE = 'The quick brown fox jumps over the lazy dog. '.repeat(100)
const GZIP = get('shop.test', 'Accept-Encoding: gzip\r\n')
const TLS = { serverName: 'shop.test' }
const body = (length: number) =>
  `POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: ${length}\r\n\r\n${'x'.repeat(length)}`
const chunked = (length: number) =>
  `POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n${length.toString(16)}\r\n${'x'.repeat(length)}\r\n0\r\n\r\n`
const unstated = `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n`

/** What the rows of section 2 (the router's Deployment) and 4 (Services) do, seen at the sockets; a row's values are in contract.test.ts. */
const POINTS: readonly Point[] = [
  // requestIDs stands in section 5.5.
  { point: 'requestStartHeader', says: 'off by default', appGetsNot: /X-Request-Start/i },
  {
    ...{ point: 'requestStartHeader', says: 't=<seconds.millis>, replacing a client’s', router: { 'nginx.requestStartHeader': 'true' } },
    ...{
      request: get('shop.test', 'X-Request-Start: t=1\r\n'),
      appGets: /\r\nX-Request-Start: t=\d{10}\.\d{3}\r\n/,
      appGetsNot: /t=1\r\n/,
    },
  },
  {
    ...{ point: 'disableRequestStartHeader', says: 'true opts out', router: { 'nginx.requestStartHeader': 'true' } },
    ...{ shop: { disableRequestStartHeader: 'True' }, appGetsNot: /X-Request-Start/i },
  },
  {
    ...{ point: 'disableRequestStartHeader', says: 'false does not (the README is wrong)', router: { 'nginx.requestStartHeader': 'true' } },
    ...{ shop: { disableRequestStartHeader: 'false' }, appGets: /\r\nX-Request-Start: t=/ },
  },

  { point: 'gzip.enabled', says: 'true by default', request: GZIP, answer: () => ok(PAGE), gets: /Content-Encoding: gzip/ },
  {
    ...{
      point: 'gzip.enabled',
      says: 'false: nothing is compressed, nothing varies',
      router: { 'nginx.gzip.enabled': 'False' },
      request: GZIP,
    },
    ...{ answer: () => ok(PAGE), getsNot: /Content-Encoding|Vary/ },
  },
  {
    ...{
      point: 'gzip.httpVersion',
      says: 'no compression for HTTP/1.0',
      request: 'GET / HTTP/1.0\r\nHost: shop.test\r\nAccept-Encoding: gzip\r\n\r\n',
    },
    ...{ answer: () => ok(PAGE), gets: /Vary/, getsNot: /Content-Encoding/ },
  },
  {
    ...{ point: 'gzip.httpVersion', says: 'but with 1.0', request: 'GET / HTTP/1.0\r\nHost: shop.test\r\nAccept-Encoding: gzip\r\n\r\n' },
    ...{ router: { 'nginx.gzip.httpVersion': '1.0' }, answer: () => ok(PAGE), gets: /Content-Encoding: gzip/ },
  },
  {
    point: 'gzip.minLength',
    says: 'below 256 by Content-Length: no',
    request: GZIP,
    answer: () => ok('x'.repeat(255)),
    getsNot: /Content-Encoding/,
  },
  {
    ...{ point: 'gzip.minLength', says: 'as it says', router: { 'nginx.gzip.minLength': '3' }, request: GZIP, answer: () => ok('xxx') },
    gets: /Content-Encoding: gzip/,
  },
  {
    point: 'gzip.minLength',
    says: 'an unknown length is compressed',
    request: GZIP,
    answer: () => unstated,
    gets: /Content-Encoding: gzip/,
  },
  {
    ...{
      point: 'gzip.proxied',
      says: 'any by default: requests with Via too',
      request: get('shop.test', 'Via: 1.1 a\r\nAccept-Encoding: gzip\r\n'),
    },
    ...{ answer: () => ok(PAGE), gets: /Content-Encoding: gzip/ },
  },
  {
    ...{ point: 'gzip.proxied', says: 'off: not those', request: get('shop.test', 'Via: 1.1 a\r\nAccept-Encoding: gzip\r\n') },
    ...{ router: { 'nginx.gzip.proxied': 'off' }, answer: () => ok(PAGE), gets: /Vary/, getsNot: /Content-Encoding/ },
  },
  {
    ...{
      point: 'gzip.types',
      says: 'those alone, and text/html',
      router: { 'nginx.gzip.types': 'text/css application/json' },
      request: GZIP,
    },
    ...{ answer: () => ok(PAGE), getsNot: /Content-Encoding|Vary/ },
  },
  {
    ...{ point: 'gzip.types', says: 'text/html is always among them', router: { 'nginx.gzip.types': 'text/css' }, request: GZIP },
    ...{ answer: () => ok(PAGE).replace('text/plain', 'text/html'), gets: /Content-Encoding: gzip/ },
  },
  {
    point: 'gzip.vary',
    says: 'stands on answers that are not compressed too',
    answer: () => ok(PAGE),
    gets: /\r\nVary: Accept-Encoding\r\n/,
  },
  {
    ...{ point: 'gzip.vary', says: 'off: nowhere', router: { 'nginx.gzip.vary': 'off' }, request: GZIP, answer: () => ok(PAGE) },
    ...{ gets: /Content-Encoding: gzip/, getsNot: /Vary/ },
  },

  { point: 'bodySize', says: '1m by default', request: body(1024 ** 2), gets: /^HTTP\/1\.1 200 / },
  {
    point: 'bodySize',
    says: 'a byte more is 413, before the app sees any',
    request: body(1024 ** 2 + 1),
    gets: /^HTTP\/1\.1 413 /,
    appGetsNothing: true,
  },
  { point: 'bodySize', says: 'as it says', router: { 'nginx.bodySize': '1k' }, request: body(1025), gets: /^HTTP\/1\.1 413 / },
  { point: 'bodySize', says: 'in chunks as well', router: { 'nginx.bodySize': '1k' }, request: chunked(1025), gets: /^HTTP\/1\.1 413 / },
  { point: 'bodySize', says: '0 is no limit', router: { 'nginx.bodySize': '0' }, request: body(2 * 1024 ** 2), gets: /^HTTP\/1\.1 200 / },
  {
    point: 'largeHeaderBuffers',
    says: '128 KB in all',
    request: get('shop.test', `${`A: ${'x'.repeat(6000)}\r\n`.repeat(21)}`),
    gets: /^HTTP\/1\.1 200 /,
  },
  {
    point: 'largeHeaderBuffers',
    says: 'more is 431',
    request: get('shop.test', `${`A: ${'x'.repeat(6000)}\r\n`.repeat(22)}`),
    gets: /^HTTP\/1\.1 431 /,
  },
  {
    ...{
      point: 'largeHeaderBuffers',
      says: 'count times size',
      router: { 'nginx.largeHeaderBuffersCount': '2', 'nginx.largeHeaderBuffersSize': '4K' },
    },
    ...{ request: get('shop.test', `A: ${'x'.repeat(8200)}\r\n`), gets: /^HTTP\/1\.1 431 / },
  },
  { point: 'large request line', says: '414', request: get('shop.test', '', `/${'x'.repeat(17_000)}`), gets: /^HTTP\/1\.1 414 / },
  {
    ...{
      point: 'proxyBuffers',
      says: 'response heads are not cut at their size',
      router: { 'nginx.proxyBuffers.enabled': 'true', 'nginx.proxyBuffers.size': '4k' },
    },
    ...{ answer: () => ok('', `X-Long: ${'x'.repeat(64 * 1024)}\r\n`), gets: /^HTTP\/1\.1 200 / },
  },
  {
    ...{ point: 'disableServerTokens', says: 'the router never names itself', isDown: true, getsNot: /\r\nServer:/i },
  },
  { point: 'disableServerTokens', says: 'an app may', answer: () => ok('', 'Server: own/1\r\n'), gets: /\r\nServer: own\/1\r\n/ },

  {
    point: 'referrerPolicy',
    says: 'on apps that set none',
    router: { 'nginx.referrerPolicy': 'same-origin' },
    gets: /\r\nReferrer-Policy: same-origin\r\n/,
  },
  {
    point: 'referrerPolicy',
    says: 'on the default vhost',
    router: { 'nginx.referrerPolicy': 'same-origin' },
    request: get('none.test'),
    gets: /Referrer-Policy: same-origin/,
  },
  {
    ...{
      point: 'referrerPolicy',
      says: 'the app’s overrides it',
      router: { 'nginx.referrerPolicy': 'same-origin' },
      shop: { referrerPolicy: 'origin' },
    },
    ...{ gets: /\r\nReferrer-Policy: origin\r\n/, getsNot: /same-origin/ },
  },
  {
    ...{
      point: 'referrerPolicy',
      says: 'and its `none` sends nothing',
      router: { 'nginx.referrerPolicy': 'same-origin' },
      shop: { referrerPolicy: 'none' },
    },
    getsNot: /Referrer-Policy/,
  },
  { point: 'referrerPolicy', says: 'the router’s `none` neither', router: { 'nginx.referrerPolicy': 'none' }, getsNot: /Referrer-Policy/ },

  ...(
    [
      [{}, 'max-age=15552000'],
      [{ 'nginx.ssl.hsts.maxAge': '31536000' }, 'max-age=31536000'],
      [{ 'nginx.ssl.hsts.includeSubDomains': 'true' }, 'max-age=15552000; includeSubDomains'],
      [{ 'nginx.ssl.hsts.preload': 'true' }, 'max-age=15552000; preload'],
      [{ 'nginx.ssl.hsts.includeSubDomains': 'True', 'nginx.ssl.hsts.preload': 'TRUE' }, 'max-age=15552000; includeSubDomains; preload'],
      [{ 'nginx.ssl.hsts.includeSubDomains': 'false', 'nginx.ssl.hsts.maxAge': '0' }, 'max-age=15552000'],
    ] as const
  ).map(([parts, value]) => ({
    ...{
      point: 'ssl.hsts',
      says: `${JSON.stringify(parts)} is ${value}`,
      router: { 'nginx.ssl.hsts.enabled': 'true', ...parts },
      way: TLS,
    },
    gets: new RegExp(`\r\nStrict-Transport-Security: ${value}\r\n`),
  })),
  {
    ...{ point: 'ssl.hsts', says: 'an app’s own parts are never used (contract, section 4)', way: TLS },
    ...{ shop: { 'ssl.hsts.enabled': 'true', 'ssl.hsts.maxAge': '5' }, getsNot: /Strict-Transport/ },
  },
  {
    point: 'ssl.earlyDataMethods',
    says: 'a client’s Early-Data never reaches an app',
    request: get('shop.test', 'Early-Data: 1\r\n'),
    appGetsNot: /Early-Data/i,
  },
  {
    ...{ point: 'ssl.earlyDataMethods', says: '"" breaks nothing', router: { 'nginx.ssl.earlyDataMethods': '' }, way: TLS },
    gets: /^HTTP\/1\.1 200 /,
  },
  {
    point: 'logFormat',
    says: 'replaces the line',
    router: { 'nginx.logFormat': '$app_name|$status|$http_user_agent' },
    logs: /^shop\|200\|-$/,
  },
  {
    ...{ point: 'logFormat', says: 'the default, written out, is the classic line' },
    router: {
      'nginx.logFormat':
        '[$time_iso8601] - $app_name - $remote_addr - $remote_user - $status - "$request" - $bytes_sent - "$http_referer" - "$http_user_agent" - "$server_name" - $upstream_addr - $http_host - $upstream_response_time - $request_time',
    },
    logs: /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\] - shop - 127\.0\.0\.1 - - - 200 - "GET \/ HTTP\/1\.1" - \d+ - "-" - "-" - "shop\.test" - 127\.0\.0\.1:\d+ - shop\.test - \d+\.\d{3} - \d+\.\d{3}$/,
  },
]

suite('Settings at work (contract, sections 2 and 4)', () => {
  for (const point of POINTS) test(`${point.point}: ${point.says}`, async () => judge(point, await play(point)))

  test('gzip.compLevel: 9 is smaller than 1', async () => {
    const sizes = await Promise.all(
      ['1', '9'].map(async level => {
        const words = Array.from({ length: 4000 }, (_, index) => `word${(index * index) % 997}`).join(' ')
        const { text } = await play({
          ...{ point: '', says: '', router: { 'nginx.gzip.compLevel': level }, request: GZIP },
          answer: () => ok(words).replace('text/plain', 'text/html'),
        })
        const bytes = Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')
        const whole = /chunked/.test(text) ? dechunk(bytes) : bytes
        assert.equal(gunzipSync(whole).toString(), words)
        return whole.length
      }),
    )
    assert.ok(sizes[1]! < sizes[0]!, `${sizes}`)
  })

  test('defaultTimeout ends an idle connection of a client', async () => {
    await using app = await startHttpApp(() => ok(''))
    await using cluster = await Cluster.start()
    cluster.router({ 'nginx.defaultTimeout': '60ms' })
    cluster.service('shop', { annotations: { domains: 'shop.test' }, at: [app.endpoint] })
    cluster.apply()
    const client = cluster.bed.send('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await client.until('200 OK')
    await client.ended
    assert.equal(client.how, 'fin')
  })

  test('useProxyProtocol: the header is required, the client is the one it names and X-Forwarded-For counts no more', async () => {
    await using app = await startHttpApp(() => ok('in'))
    await using cluster = await Cluster.start()
    cluster.router({ 'nginx.useProxyProtocol': 'true', 'nginx.proxyRealIpCidrs': '127.0.0.0/8' })
    cluster.service('shop', { annotations: { domains: 'shop.test', whitelist: '2001:db8::/64,203.0.113.7' }, at: [app.endpoint] })
    cluster.apply()
    const request = get('shop.test', 'X-Forwarded-For: 198.51.100.1\r\n')
    assert.equal(await cluster.ask(request), '')
    assert.match(await cluster.ask(`PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n${request}`), /in$/)
    assert.match(await cluster.ask(`PROXY TCP6 2001:DB8:0::7 ::1 4711 80\r\n${request}`), /in$/)
    assert.match(await cluster.ask(`PROXY TCP4 203.0.113.8 127.0.0.1 4711 80\r\n${request}`), / 403 /)
    const seen = app.received.join('')
    assert.match(seen, /\r\nX-Forwarded-For: 203\.0\.113\.7\r\n/)
    assert.match(seen, /\r\nX-Forwarded-For: 2001:db8::7\r\n/)
    assert.doesNotMatch(seen, /198\.51/)
  })

  for (const [http2Enabled, chosen] of [
    ['true', 'h2'],
    ['false', 'http/1.1'],
  ] as const)
    test(`http2Enabled=${http2Enabled}: ${chosen} is agreed on by ALPN`, async () => {
      await using cluster = await Cluster.start()
      cluster.router({ 'nginx.http2Enabled': http2Enabled })
      cluster.apply()
      const options = { port: cluster.bed.httpsPort, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['h2', 'http/1.1'] }
      const socket = connectTls(options)
      await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
      assert.equal(socket.alpnProtocol, chosen)
      socket.destroy()
    })

  test('h2c is not spoken on the http port', async () => {
    await using cluster = await Cluster.start()
    assert.match(await cluster.ask('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), /^HTTP\/1\.1 [45]\d\d /)
  })

  for (const [protocols, offered, refused] of [
    ['TLSv1.2', 'TLSv1.2', 'TLSv1.3'],
    ['TLSv1 TLSv1.1 TLSv1.2 TLSv1.3', 'TLSv1.3', 'TLSv1.1'],
    ['TLSv1.3', 'TLSv1.3', 'TLSv1.2'],
  ] as const)
    test(`ssl.protocols=${protocols}: ${offered} is spoken, ${refused} is not`, async () => {
      await using cluster = await Cluster.start()
      cluster.router({ 'nginx.ssl.protocols': protocols })
      cluster.apply()
      const shake = (version: typeof offered | typeof refused) =>
        new Promise<string>(resolve => {
          const versions = { minVersion: version, maxVersion: version, ciphers: 'DEFAULT@SECLEVEL=0' }
          const socket = connectTls({ port: cluster.bed.httpsPort, host: '127.0.0.1', rejectUnauthorized: false, ...versions })
          socket.once('secureConnect', () => {
            resolve(socket.getProtocol() ?? '')
            socket.destroy()
          })
          socket.once('error', () => resolve('refused'))
        })
      assert.deepEqual([await shake(offered), await shake(refused)], [offered, 'refused'])
    })

  test('maxWorkerConnections bounds the clients of a worker', async () => {
    await using app = await startApp(() => {})
    await using cluster = await Cluster.start()
    cluster.router({ 'nginx.maxWorkerConnections': '2', 'nginx.proxyRealIpCidrs': '127.0.0.1' })
    cluster.service('shop', { annotations: { domains: 'shop.test' }, at: [app.endpoint] })
    cluster.apply()
    const busy = [1, 2].map(() => cluster.bed.send('GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'))
    while (app.sockets.length < 2) await new Promise(setImmediate)
    assert.match(await cluster.ask(get()), /^HTTP\/1\.1 503 .*R51/s)
    for (const client of busy) client.destroy()
  })
})

suite('The builder’s Service (contract, section 3)', () => {
  const builderOf = (annotations: Record<string, string>, cluster: Cluster) =>
    cluster.service('drycc-builder', { namespace: 'drycc', annotations, at: [endpoint('127.0.0.1', 1)], port: 2222 })
  test('10 s to connect, 1200 s of silence, or what its annotations say', async () => {
    await using cluster = await Cluster.start()
    const times = () => {
      cluster.apply()
      const { connectTimeoutMs, idleTimeoutMs } = cluster.table.git!.policy
      return [connectTimeoutMs, idleTimeoutMs]
    }
    assert.equal(cluster.table.git, undefined)
    builderOf({}, cluster)
    assert.deepEqual(times(), [10_000, 1_200_000])
    builderOf({ 'nginx.connectTimeout': '20', 'nginx.tcpTimeout': '5m' }, cluster)
    assert.deepEqual(times(), [20_000, 300_000])
    builderOf({ 'nginx.connectTimeout': 'soon', 'nginx.tcpTimeout': '0' }, cluster)
    assert.deepEqual(times(), [20_000, 300_000])
    assert.deepEqual(
      cluster
        .apply()
        .get('')
        ?.map(({ key }) => key),
      ['drycc-builder nginx.connectTimeout', 'drycc-builder nginx.tcpTimeout'],
    )
    builderOf({ 'nginx.tcpTimeout': '6m' }, cluster)
    assert.deepEqual([times(), cluster.apply().get('')], [[10_000, 360_000], undefined])
  })
})

suite('Values (contract, section 1)', () => {
  for (const [text, ms] of [
    ['10', 10_000],
    ['500ms', 500],
    ['1s', 1000],
    ['1m', 60_000],
    ['1h', 3_600_000],
    ['1d', 86_400_000],
    ['1w', 604_800_000],
    ['1M', 2_592_000_000],
    ['1y', 31_536_000_000],
    ['20000', 20_000_000],
  ] as const)
    test(`time ${text} is ${ms} ms`, () => assert.equal(parseTime(text), ms))
  for (const text of ['0', '1.5', '-1', '1 s', 's', '', '01', '1S', '1H'])
    test(`time ${JSON.stringify(text)} is none`, () => assert.throws(() => parseTime(text), RangeError))

  const read = (annotations: Record<string, string>, labels?: Record<string, string>, namespace = 'ns') =>
    readApp(
      {
        metadata: { uid: '', resourceVersion: '1', name: 'svc', namespace, annotations, ...(labels && { labels }) },
        spec: {},
      } as Stored<Service>,
      'router.drycc.cc/',
    )
  for (const [labels, namespace, name] of [
    [{ app: 'shop' }, 'shop', 'shop'],
    [{ app: 'shop' }, 'team', 'team/shop'],
    [undefined, 'svc', 'svc'],
    [undefined, 'team', 'team/svc'],
    [{ app: '' }, 'team', 'team/svc'],
  ] as const)
    test(`an app with ${JSON.stringify(labels)} in ${namespace} is called ${name}`, () =>
      assert.equal(read({}, labels, namespace).name, name))
  for (const [prefix, text, isTrue] of [
    ['router.deis.io/', 'True', true],
    ['router.deis.io/', 'TRUE', true],
    ['router.drycc.cc/', 'true', true],
    ['router.drycc.cc/', 'False', false],
    ['router.deis.io/', '1', false],
    ['router.deis.io/', 'yes', false],
  ] as const)
    test(`${prefix}maintenance: ${text} is ${isTrue}`, () => assert.equal(read({ [`${prefix}maintenance`]: text }).maintenance, isTrue))
  for (const [domains, kept] of [
    ['foo', ['foo']],
    ['foo,', ['foo']],
    [' foo , www.example.com ', ['foo', 'www.example.com']],
    ['foo,foo_bar', ['foo']],
    ['*.example.com', ['*.example.com']],
    ['*', []],
    ['*.com.', []],
    ['example.com:80', []],
    ['example.c', []],
    ['FOO.Example.COM', ['foo.example.com']],
    ['xn--80ahd1agd.ru', ['xn--80ahd1agd.ru']],
    ['a,a', ['a']],
  ] as const)
    test(`domains “${domains}” are ${JSON.stringify(kept)}`, () =>
      assert.deepEqual(read({ 'router.deis.io/domains': domains }).domains, kept))
  test('a whitelist drops what is no network, keeps the rest and tells', () => {
    const { whitelist, faults } = read({ 'router.deis.io/whitelist': '1.2.3.4,1.2.3.41.2.3.5, 10.0.0.0/8,,2001:db8::/32,10.0.0.0/33' })
    assert.deepEqual(whitelist, ['1.2.3.4/32', '10.0.0.0/8', '2001:db8::/32'])
    assert.deepEqual(
      faults.map(({ value }) => value),
      ['1.2.3.41.2.3.5', '10.0.0.0/33'],
    )
  })
})

function dechunk(bytes: Buffer): Buffer {
  const pieces: Buffer[] = []
  for (let at = 0; ; ) {
    const end = bytes.indexOf('\r\n', at)
    const size = Number.parseInt(bytes.toString('latin1', at, end), 16)
    if (!(size > 0)) return Buffer.concat(pieces)
    pieces.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + 4 + size
  }
}
