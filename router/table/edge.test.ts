import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from './annotations.ts'
import { Cors, delegateEdge, type EdgeSpec, readEdge } from './edge.ts'
import { parseHsts, wantsHttps } from './extensions/hsts.ts'

suite('readEdge()', () => {
  test('is nothing for an app without extensions', () => assert.equal(read({}).edge, undefined))
  test('drops a bad network and keeps the others; of none that can be read the last stay', () => {
    const { edge, faults } = read({ 'x-deny': '10.0.0.0/8, x, 2001:db8::/32' })
    assert.deepEqual([edge?.deny, faults.length], [['10.0.0.0/8', '2001:db8::/32'], 1])
    assert.deepEqual(read({ 'x-deny': 'x' }, edge).edge, edge)
  })
  test('lets no origin be any with credentials', () => {
    const { edge, faults } = read({ 'x-cors-origins': '*', 'x-cors-credentials': 'true' })
    assert.deepEqual([edge?.cors?.credentials, faults.map(fault => fault.key)], [false, ['x-cors-credentials']])
  })
  test('refuses what is no origin, and names that would break a header', () => {
    const { edge, faults } = read({
      'x-cors-origins': 'https://a.test, null, a.test, https://a.test/x, https://*, https://*.test, https://x\r\ny.test',
      'x-cors-methods': 'GET, P\r\nUT',
    })
    assert.deepEqual([edge?.cors?.origins, edge?.cors?.methods, faults.length], [['https://a.test'], ['GET'], 7])
  })
})

suite('Cors.allows()', () => {
  const cors = new Cors(read({ 'x-cors-origins': 'https://a.test:443, http://a.test:8080, https://*.b.test, app://x' }).edge!.cors!)
  for (const [origin, allowed] of [
    ['https://a.test', true],
    ['http://a.test', false],
    ['http://a.test:8080', true],
    ['https://a.test.evil.test', false],
    ['https://x.b.test', true],
    ['https://x.y.b.test', true],
    ['https://b.test', false],
    ['https://.b.test', false],
    ['https://evil.test/.b.test', false],
    ['https://evil.test#.b.test', false],
    ['https://evilb.test', false],
    ['https://*.b.test', false],
    ['app://x', true],
    ['null', false],
  ] as const) {
    test(`${origin}: ${allowed}`, () => assert.equal(cors.allows(origin), allowed))
  }
})

suite('delegateEdge()', () => {
  test('joins what is denied, leads by the host, and leaves the rest to the delegate', () => {
    const cors = read({ 'x-cors-origins': 'https://a.test' }).edge!.cors!
    const host: EdgeSpec = { deny: ['10.0.0.0/8'], canonicalHost: 'www.shop.test' }
    const own: EdgeSpec = { deny: ['11.0.0.0/8'], canonicalHost: 'api.test', redirects: [], cors }
    assert.deepEqual(delegateEdge(host, own), { deny: ['10.0.0.0/8', '11.0.0.0/8'], canonicalHost: 'www.shop.test', cors })
    assert.equal(delegateEdge(undefined, undefined), undefined)
  })
})

suite('parseHsts()', () => {
  for (const [text, value] of [
    ['off', 'off'],
    ['max-age=0', 'max-age=0'],
    ['max-age=31536000;includeSubdomains ; preload', 'max-age=31536000; includeSubDomains; preload'],
  ] as const)
    test(`"${text}" is "${value}"`, () => assert.equal(parseHsts(text), value))
  for (const text of ['', 'max-age', 'max-age=-1', 'preload', 'max-age=1; preload; includeSubDomains', 'max-age=1\r\nX: y'])
    test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => parseHsts(text), /Cannot read/))
  test('asks for https unless it is taken back', () =>
    assert.deepEqual(['off', 'max-age=0', 'max-age=1', undefined].map(wantsHttps), [false, false, true, false]))
})

function read(values: Record<string, string>, lastGood?: EdgeSpec) {
  const entries = Object.entries(values).map(([key, value]) => [`router.drycc.cc/${key}`, value])
  const annotations = new Annotations(Object.fromEntries(entries), 'router.drycc.cc/')
  return { edge: readEdge(annotations, { namespace: 'shop', domains: ['shop.test'] }, lastGood), faults: annotations.faults }
}
