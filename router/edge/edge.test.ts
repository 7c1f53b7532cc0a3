import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ok, startBed, startHttpApp } from '../serve/testbed.ts'
import { Annotations } from '../table/annotations.ts'
import { readEdge, reviveEdge } from '../table/edge.ts'
import { addressMatcher, type Policy, type RouterSettings } from '../table/route.ts'

const LOOPBACK = addressMatcher(['127.0.0.0/8'])
const DOMAINS = ['shop.test', 'www.shop.test']

suite('x-deny', () => {
  const deny = { 'x-deny': '127.0.0.0/9, 2001:db8::/32' }
  test('goes before the list of those allowed, and before all else', async () => {
    const text = await ask(deny, get(), { policy: { allow: LOOPBACK, maintenance: true, sslEnforce: true } })
    assert.match(text, /^HTTP\/1\.1 403 .*R12/s)
    assert.doesNotMatch(text, /Location/)
  })
  test('lets others in', async () => assert.match(await ask({ 'x-deny': '10.0.0.0/8' }, get()), /^HTTP\/1\.1 200 /))
  test('means the client that a trusted proxy names, IPv6 too', async () => {
    const settings = { trusted: LOOPBACK }
    assert.match(await ask(deny, get('X-Forwarded-For: 2001:DB8::1\r\n'), { settings }), /^HTTP\/1\.1 403 /)
    assert.match(await ask(deny, get('X-Forwarded-For: 192.0.2.1\r\n'), { settings }), /^HTTP\/1\.1 200 /)
  })
  test('is not talked away by a client that nobody trusts', async () => {
    const settings = { trusted: addressMatcher([]) }
    assert.match(await ask(deny, get('X-Forwarded-For: 192.0.2.1\r\n'), { settings }), /^HTTP\/1\.1 403 /)
  })
})

suite('x-canonical-host', () => {
  const canonical = { 'x-canonical-host': 'www.shop.test' }
  test('keeps path, query and port', async () => {
    const text = await ask(canonical, get('', '//evil.test/a?b=c#d'.replace('#d', ''), 'shop.test:8080'))
    assert.match(text, /^HTTP\/1\.1 301 .*\r\nLocation: http:\/\/www\.shop\.test:8080\/\/evil\.test\/a\?b=c\r\n/s)
  })
  test('keeps the method of a POST: 308', async () =>
    assert.match(await ask(canonical, get().replace('GET', 'POST')), /^HTTP\/1\.1 308 Permanent Redirect\r\n/))
  test('is no redirect to itself', async () => assert.match(await ask(canonical, get('', '/', 'WWW.shop.test')), /^HTTP\/1\.1 200 /))
  test('comes after https, which stays on its host for the preload list', async () =>
    assert.match(await ask(canonical, get(), { policy: { sslEnforce: true } }), /\r\nLocation: https:\/\/shop\.test\/\r\n/))
  test('is of https where the client was', async () => {
    const text = await ask(canonical, get('X-Forwarded-Proto: https\r\n'), { settings: { trusted: LOOPBACK } })
    assert.match(text, /\r\nLocation: https:\/\/www\.shop\.test\/\r\n/)
  })
})

suite('x-redirects', () => {
  const moved = { 'x-redirects': '/old /new 302, /blog https://blog.test/x 308' }
  test('sends on with what is below and the query', async () => {
    assert.match(await ask(moved, get('', '/old/a?b=c')), /^HTTP\/1\.1 302 Found\r\nLocation: \/new\/a\?b=c\r\n/)
    assert.match(await ask(moved, get('', '/blog?b')), /^HTTP\/1\.1 308 .*\r\nLocation: https:\/\/blog\.test\/x\?b\r\n/s)
  })
  test('leads to no other host, whatever the path', async () => {
    const text = await ask({ 'x-redirects': '/old /' }, get('', '/old//evil.test/%0d%0aX:y'))
    assert.match(text, /\r\nLocation: \/evil\.test\/%0d%0aX:y\r\n/)
  })
  test('leaves the rest to the app', async () => assert.match(await ask(moved, get('', '/older')), /^HTTP\/1\.1 200 /))
})

suite('x-cors-…', () => {
  const cors = {
    'x-cors-origins': 'https://a.test',
    'x-cors-credentials': 'true',
    'x-cors-expose': 'X-Total',
    'x-cors-methods': 'GET, PUT',
    'x-cors-headers': 'X-Key',
    'x-cors-max-age': '1h',
  }
  const preflight = (origin: string) => get(`Origin: ${origin}\r\nAccess-Control-Request-Method: PUT\r\n`).replace('GET', 'OPTIONS')
  const from = (origin: string) => get(`Origin: ${origin}\r\n`)

  test('answer a preflight: 204, without the app', async () => {
    assert.equal(
      await ask(cors, preflight('https://a.test')),
      'HTTP/1.1 204 No Content\r\nAccess-Control-Allow-Methods: GET, PUT\r\nAccess-Control-Allow-Headers: X-Key\r\nAccess-Control-Max-Age: 3600\r\n' +
        'Access-Control-Allow-Origin: https://a.test\r\nAccess-Control-Allow-Credentials: true\r\nAccess-Control-Expose-Headers: X-Total\r\nVary: Origin\r\nConnection: close\r\n\r\n',
    )
  })
  test('allow a stranger nothing', async () => {
    for (const request of [preflight('https://evil.test'), from('https://evil.test'), from('null')]) {
      const text = await ask(cors, request)
      assert.doesNotMatch(text, /Allow-Origin/)
      assert.match(text, /\r\nVary: Origin\r\n/)
    }
  })
  test('leave OPTIONS that is no preflight to the app', async () =>
    assert.match(await ask(cors, get().replace('GET', 'OPTIONS')), /^HTTP\/1\.1 200 .*seen OPTIONS/s))
  test('replace the app’s own words, and keep its Vary', async () => {
    const text = await ask(cors, from('https://a.test'), {
      fields: 'access-control-allow-origin: *\r\nVary: Accept\r\nAccess-Control-Allow-Credentials: true\r\nX-A: b\r\n',
    })
    assert.deepEqual(text.match(/access-control-allow-[^\r]*/gi), [
      'Access-Control-Allow-Origin: https://a.test',
      'Access-Control-Allow-Credentials: true',
    ])
    assert.match(text, /\r\nVary: Accept\r\nX-A: b\r\n.*Vary: Origin\r\n/s)
  })
  test('are on errors of ours too', async () =>
    assert.match(
      await ask(cors, from('https://a.test'), { policy: { maintenance: true } }),
      /^HTTP\/1\.1 503 .*\r\nAccess-Control-Allow-Origin: https:\/\/a\.test\r\n/s,
    ))
  test('for any origin name none, and let nothing vary', async () => {
    const text = await ask({ 'x-cors-origins': '*' }, from('https://x.test'))
    assert.match(text, /\r\nAccess-Control-Allow-Origin: \*\r\n/)
    assert.doesNotMatch(text, /Vary|Credentials/)
  })
  test('that nobody asked for change nothing of an app’s own', async () =>
    assert.match(
      await ask({}, from('https://x.test'), { fields: 'Access-Control-Allow-Origin: *\r\n' }),
      /\r\nAccess-Control-Allow-Origin: \*\r\n/,
    ))
})

function get(fields = '', target = '/', host = 'shop.test'): string {
  return `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n${fields}\r\n`
}

interface World {
  readonly policy?: Partial<Policy>
  readonly settings?: Partial<RouterSettings>
  /** Of the app's answer. */
  readonly fields?: string
}

/** One request to an app with these annotations. */
async function ask(annotations: Record<string, string>, request: string, { policy, settings, fields }: World = {}): Promise<string> {
  const entries = Object.entries(annotations).map(([key, value]) => [`router.drycc.cc/${key}`, value])
  const spec = readEdge(new Annotations(Object.fromEntries(entries), 'router.drycc.cc/'), { namespace: 'shop', domains: DOMAINS })
  await using app = await startHttpApp(seen => ok(`seen ${seen.method} ${seen.target}`, fields))
  const edge = spec && { edge: reviveEdge(spec) }
  const apps = Object.fromEntries(DOMAINS.map(domain => [domain, app]))
  await using bed = await startBed({ apps, policy: { ...policy, ...edge }, ...(settings && { settings }) })
  return await bed.exchange(request)
}
