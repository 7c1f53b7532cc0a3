import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { App } from './app.ts'
import type { Domain } from './hostname.ts'
import { appOfName, hasRoom, onDemandOf, readAsk } from './on-demand.ts'

const app = (tls: Partial<App['tls']>, rest: Partial<App> = {}) => ({ id: 'shop', tls, ...rest }) as App
const on = { isOn: true, askUrl: 'http://ask.test/' }

suite('onDemandOf()', () => {
  test('is off unless operator and app want it', () => {
    assert.equal(onDemandOf(app({ certs_on_demand: true }), on), 'own')
    assert.equal(onDemandOf(app({ certs_on_demand: true }), { ...on, anyNameApp: 'shop' }), 'any')
    assert.equal(onDemandOf(app({ certs_on_demand: true }), { ...on, isOn: false }), undefined)
    assert.equal(onDemandOf(app({ certs_on_demand: false }), { ...on, anyNameApp: 'shop' }), undefined)
    assert.equal(onDemandOf(app({ certs_on_demand: true }, { deleting: true }), on), undefined)
  })
  test('is off where nobody is there to ask', () => {
    assert.equal(onDemandOf(app({ certs_on_demand: true }), { isOn: true }), undefined)
    assert.equal(onDemandOf(app({ certs_on_demand: true, on_demand_ask: '' }), { isOn: true }), undefined)
    assert.equal(onDemandOf(app({ certs_on_demand: true, on_demand_ask: '/may' }), { isOn: true }), 'own')
  })
})

suite('appOfName()', () => {
  const wildcards = new Map([
    ['*.shop.test', 'shop'],
    ['*.b.shop.test', 'blog'],
  ])
  const find = (domain: string) => (wildcards.has(domain) ? ({ domain, app: wildcards.get(domain) } as Domain) : undefined)
  test('is the app with the longest wildcard above it, else the one that gets the rest', () => {
    for (const [name, owner] of [
      ['a.shop.test', 'shop'],
      ['a.x.shop.test', 'shop'],
      ['a.b.shop.test', 'blog'],
      ['shop.test', 'rest'],
      ['elsewhere.test', 'rest'],
    ] as const)
      assert.equal(appOfName(name, find, 'rest'), owner, name)
    assert.equal(appOfName('elsewhere.test', find, undefined), undefined)
  })
})

suite('hasRoom()', () => {
  const domains = (count: number, onDemand?: true) => Array.from({ length: count }, () => ({ ...(onDemand && { onDemand }) }) as Domain)
  test('leaves room for domains that a person adds, and heeds how many an app can have', () => {
    assert.deepEqual([hasRoom(domains(199, true)), hasRoom(domains(200, true))], [true, false])
    assert.deepEqual([hasRoom([...domains(200), ...domains(55, true)]), hasRoom([...domains(200), ...domains(56, true)])], [true, false])
  })
})

suite('readAsk()', () => {
  for (const text of ['', '/may', '/may?key=1', 'https://shop.example.com/may?key=1'])
    test(`takes "${text}"`, () => assert.equal(readAsk(text), text))
  for (const text of [
    ...[
      'may',
      '//example.com/',
      '/\\example.com/',
      '/a b',
      '/\r\nX: y',
      'http://example.com/',
      'https://127.0.0.1/',
      'https://[::1]/',
      'https://localhost/',
    ],
    ...['https://u:p@example.com/', 'ftp://example.com/', 'https://10.1/', 'https://0x7f.1/', `/${'x'.repeat(1024)}`],
  ])
    test(`refuses ${JSON.stringify(text.slice(0, 30))}`, () => assert.throws(() => readAsk(text), { status: 400 }))
})
