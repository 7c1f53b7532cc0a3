import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { addressMatcher, endpoint, type Policy, type RouterSettings } from '../table/route.ts'
import { type BedOptions, ok, startBed, startHttpApp, tableOf, testRoute } from './testbed.ts'

const get = (fields = '', target = '/') => `GET ${target} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n${fields}\r\n`
const LOOPBACK = addressMatcher(['127.0.0.0/8'])

suite('handle() answers by itself', () => {
  const answers: Record<string, { policy?: Partial<Policy>; request?: string; expected: RegExp; not?: RegExp }> = {
    'an address that is not on the list: 403 R12': {
      policy: { allow: addressMatcher(['10.0.0.0/8']) },
      expected: /^HTTP\/1\.1 403 .*R12/s,
    },
    'such an address before all else, maintenance and https among it': {
      policy: { allow: addressMatcher(['::1']), maintenance: true, sslEnforce: true },
      expected: /^HTTP\/1\.1 403 /,
      not: /Location/,
    },
    'not an address that is on the list': { policy: { allow: LOOPBACK }, expected: /^HTTP\/1\.1 200 / },
    'an app in maintenance: 503 R21': {
      policy: { maintenance: true },
      request: get('Accept: text/html\r\n'),
      expected: /^HTTP\/1\.1 503 .*<title>Site Maintenance<.*R21/s,
    },
    'maintenance before https': { policy: { maintenance: true, sslEnforce: true }, expected: /^HTTP\/1\.1 503 / },
    'http where https is enforced: 301, the target byte for byte': {
      policy: { sslEnforce: true },
      request: get('', '//a/..%2F?b=%0d%0aX:y'),
      expected: /^HTTP\/1\.1 301 Moved Permanently\r\nLocation: https:\/\/shop\.test\/\/a\/\.\.%2F\?b=%0d%0aX:y\r\n/,
    },
    'a Referrer-Policy on errors too': {
      policy: { referrerPolicy: 'no-referrer', maintenance: true },
      expected: /\r\nReferrer-Policy: no-referrer\r\n/,
    },
    'no HSTS on plain http': { policy: { hsts: 'max-age=1' }, expected: /^HTTP\/1\.1 200 /, not: /Strict/ },
    'a body that is announced as too large: 413 R43': {
      policy: { bodyBytesMax: 3 },
      request: 'POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: 4\r\n\r\nabcd',
      expected: /^HTTP\/1\.1 413 .*R43/s,
    },
    'HEAD without the page, but with its length': {
      policy: { maintenance: true },
      request: get().replace('GET', 'HEAD'),
      expected: /\r\nContent-Length: [1-9]\d*\r\nConnection: close\r\n\r\n$/,
    },
  }
  for (const [name, { policy, request = get(), expected, not }] of Object.entries(answers)) {
    test(name, async () => {
      const text = await ask({ ...(policy ? { policy } : {}) }, request)
      assert.match(text, expected)
      if (not) assert.doesNotMatch(text, not)
    })
  }
  test('a request that has come back thrice: 508 R13', async () => {
    assert.match(await ask({}, get('CDN-Loop: other\r\nCDN-Loop: drycc, drycc\r\n')), /^HTTP\/1\.1 200 /)
    assert.match(await ask({}, get('CDN-Loop: drycc, other, drycc,drycc\r\n')), /^HTTP\/1\.1 508 .*R13/s)
  })
  test('a router that is an app of itself: 508, not a circle', async () => {
    await using bed = await startBed()
    bed.table = tableOf({ apps: { 'shop.test': [endpoint('127.0.0.1', bed.port)] } })
    assert.match(await bed.exchange(get()), /^HTTP\/1\.1 508 /)
  })
  test('http with the port at which clients reach https', async () => {
    await using app = await startHttpApp(() => ok(''))
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { sslEnforce: true }, httpsPort: 8443 })
    assert.match(await bed.exchange(get('', '/a').replace('shop.test', 'shop.test:8080')), /\r\nLocation: https:\/\/shop\.test:8443\/a\r\n/)
  })
  test('an app without endpoints: 503 R20', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [] }, policy: { sslEnforce: true } })
    assert.match(await bed.exchange(get()), /^HTTP\/1\.1 503 .*R20/s)
  })
  test('an unknown host, and no Host at all: 404 R10, never a redirect', async () => {
    await using bed = await startBed()
    assert.match(await bed.exchange(get()), /^HTTP\/1\.1 404 .*R10/s)
    assert.match(await bed.exchange('GET / HTTP/1.0\r\n\r\n'), /^HTTP\/1\.1 404 /)
  })
  test('CONNECT and TRACE: 405 with Allow', async () => {
    await using bed = await startBed()
    assert.match(await bed.exchange('TRACE / HTTP/1.1\r\nHost: a\r\nCookie: secret\r\n\r\n'), /^HTTP\/1\.1 405 .*\r\nAllow: GET/s)
    assert.match(await bed.exchange('CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n'), /^HTTP\/1\.1 405 /)
  })
  test('/healthz of the default vhost: 200, empty', async () => {
    await using bed = await startBed({ settings: { referrerPolicy: 'same-origin' } })
    const text = await bed.exchange('GET /healthz HTTP/1.1\r\nHost: 10.0.0.1\r\nConnection: close\r\n\r\n')
    assert.equal(
      text,
      'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nReferrer-Policy: same-origin\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    )
  })
  test('not /healthz of an app', async () => assert.match(await ask({}, get('', '/healthz')), /seen \/healthz$/))
  test('unknown hosts from the default service where there is one', async () => {
    await using app = await startHttpApp(() => ok('default'))
    await using bed = await startBed({ settings: { defaultService: testRoute('default', app, {}) } })
    assert.match(await bed.exchange(get()), /default$/)
  })
})

suite('Error pages', () => {
  for (const [accept, type, part] of [
    ['', 'text/plain', 'There is no app at this address (R10)'],
    ['Accept: */*\r\n', 'text/plain', '(R10)'],
    ['Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\n', 'text/html', '<dd>R10</dd>'],
    ['Accept: application/json\r\n', 'application/json', '"code":"R10","status":404'],
    ['Accept: application/vnd.api+json, text/html\r\n', 'application/json', '"R10"'],
    ['Accept: text/html, application/json\r\n', 'text/html', 'R10'],
  ] as const) {
    test(`come as ${type} for ${JSON.stringify(accept)}`, async () => {
      await using bed = await startBed()
      const text = await bed.exchange(get(accept))
      assert.match(text, new RegExp(`\r\nContent-Type: ${type}`))
      assert.ok(text.includes(part), text)
      const body = text.slice(text.indexOf('\r\n\r\n') + 4)
      assert.equal(Number(/Content-Length: (\d+)/.exec(text)?.[1]), body.length)
    })
  }
  test('name neither address nor software', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [] } })
    assert.doesNotMatch(await bed.exchange(get()), /Server:|127\.0|node|drycc/i)
  })
})

suite('What an app is told', () => {
  test('an untrusted client’s words are replaced', async () => {
    const head = await headOf(
      { settings: { trusted: addressMatcher([]) } },
      'X-Forwarded-For: 6.6.6.6\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Host: evil\r\nForwarded: for=6.6.6.6\r\nX-Real-IP: 6.6.6.6\r\nX-SSL-Client-Verify: SUCCESS\r\nX-Request-Start: t=0\r\n',
    )
    assert.equal(
      head,
      'GET / HTTP/1.1\r\nHost: shop.test\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\nCDN-Loop: drycc\r\n\r\n',
    )
  })
  test('a trusted proxy’s words count: the rightmost address that is not trusted, the last scheme', async () => {
    const head = await headOf(
      { settings: { trusted: addressMatcher(['127.0.0.0/8', '10.0.0.0/8']) } },
      'X-Forwarded-For: 6.6.6.6, 203.0.113.9, ::ffff:10.1.1.1\r\nX-Forwarded-Proto: http, https\r\nX-Forwarded-Port: 8443\r\nX-Forwarded-Host: a.example\r\n',
    )
    assert.match(
      head,
      /\r\nX-Forwarded-For: 203\.0\.113\.9\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 8443\r\nCDN-Loop: drycc\r\nX-Forwarded-Host: a\.example\r\n/,
    )
  })
  for (const [words, address] of [
    ['nonsense', '127.0.0.1'],
    ['203.0.113.9, nonsense', '127.0.0.1'],
    ['010.0.0.1', '127.0.0.1'],
    ['2001:db8::7', '2001:db8::7'],
    ['10.0.0.1', '10.0.0.1'],
    ['', '127.0.0.1'],
  ] as const) {
    test(`of X-Forwarded-For: ${words}`, async () => {
      const head = await headOf({ settings: { trusted: addressMatcher(['127.0.0.0/8', '10.0.0.0/8']) } }, `X-Forwarded-For: ${words}\r\n`)
      assert.ok(head.includes(`X-Forwarded-For: ${address}\r\n`), head)
    })
  }
  test('a whitelist sees the resolved client', async () => {
    const options = { policy: { allow: addressMatcher(['203.0.113.0/24']) }, settings: { trusted: LOOPBACK } }
    assert.match(await ask(options, get('X-Forwarded-For: 203.0.113.9\r\n')), /^HTTP\/1\.1 200 /)
    assert.match(await ask(options, get('X-Forwarded-For: 203.0.113.9, 198.51.100.1\r\n')), /^HTTP\/1\.1 403 /)
    assert.match(
      await ask({ ...options, settings: { trusted: addressMatcher([]) } }, get('X-Forwarded-For: 203.0.113.9\r\n')),
      /^HTTP\/1\.1 403 /,
    )
  })
  test('https behind a trusted proxy needs no redirect, and gets HSTS; ws is sent to wss', async () => {
    const options = { policy: { sslEnforce: true, hsts: 'max-age=5' }, settings: { trusted: LOOPBACK } }
    assert.match(await ask(options, get('X-Forwarded-Proto: https\r\n')), /^HTTP\/1\.1 200 .*Strict-Transport-Security: max-age=5\r\n/s)
    assert.match(await ask(options, get('X-Forwarded-Proto: ws\r\n')), /\r\nLocation: wss:\/\/shop\.test\/\r\n/)
    assert.match(
      await ask({ ...options, settings: { trusted: addressMatcher([]) } }, get('X-Forwarded-Proto: https\r\n')),
      /^HTTP\/1\.1 301 /,
    )
  })
  test('ids: always a new one, the correlation goes on, both on the answer', async () => {
    const seen: string[] = []
    await using app = await startHttpApp(request => {
      seen.push(request.head)
      return ok('')
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { requestIds: true } })
    const text = await bed.exchange(get('X-Request-Id: mine\r\nX-Correlation-Id: chain\r\n'))
    const id = /\r\nX-Request-Id: ([0-9a-f]{32})\r\n/.exec(seen[0] as string)?.[1]
    assert.ok(id)
    assert.ok(seen[0]?.includes(`X-Correlation-Id: chain,${id}\r\n`))
    assert.doesNotMatch(seen[0] as string, /mine/)
    assert.ok(text.includes(`X-Request-Id: ${id}\r\nX-Correlation-Id: chain,${id}\r\n`))
    assert.match(await bed.exchange(get().replace('shop.test', 'none')), /X-Request-Id: [0-9a-f]{32}\r\n/)
  })
  test('without ids of ours the client’s pass', async () =>
    assert.match(await headOf({}, 'X-Request-Id: mine\r\n'), /\r\nX-Request-Id: mine\r\n/))
  test('when the request began, where the app wants it', async () => {
    const head = await headOf({ policy: { requestStart: true }, settings: { trusted: LOOPBACK } }, 'X-Request-Start: t=0\r\n')
    const [, start] = /\r\nX-Request-Start: t=(\d+\.\d{3})\r\n/.exec(head) ?? []
    assert.ok(Math.abs(Number(start) - Date.now() / 1000) < 5)
    assert.equal(head.match(/Request-Start/g)?.length, 1)
  })
  test('Content-Length: 0 of a POST', async () => {
    await using app = await startHttpApp(() => ok(''))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    await bed.exchange('POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
    assert.match(app.received[0] as string, /\r\nContent-Length: 0\r\n\r\n$/)
  })
})

suite('The record of an exchange', () => {
  test('counts answers, bytes, errors and apps', async () => {
    await using app = await startHttpApp(() => ok('12345'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const text = (await bed.exchange(get())) + (await bed.exchange(get().replace('shop.test', 'none')))
    const stats = bed.server.stats()
    assert.deepEqual(stats.responses, [0, 1, 0, 1, 0])
    assert.equal(stats.bytesSent, text.length)
    assert.deepEqual(stats.errors, { R10: 1 })
    assert.deepEqual([...stats.apps.keys()], ['shop.test'])
    assert.equal(
      stats.latency.buckets.reduce((sum, count) => sum + count),
      2,
    )
    assert.equal(stats.connectionsAccepted, 2)
  })
})

async function ask(options: { policy?: Partial<Policy>; settings?: Partial<RouterSettings> }, request: string): Promise<string> {
  await using app = await startHttpApp(seen => ok(`seen ${seen.target}`))
  await using bed = await startBed({ apps: { 'shop.test': app }, ...options })
  return await bed.exchange(request)
}

async function headOf(options: BedOptions, fields: string): Promise<string> {
  await using app = await startHttpApp(() => ok(''))
  await using bed = await startBed({ apps: { 'shop.test': app }, ...options })
  await bed.exchange(get(fields))
  return app.received[0] as string
}
