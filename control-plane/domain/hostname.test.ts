import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { canonicalHost, overlaps, parseHostname } from './hostname.ts'

suite('parseHostname()', () => {
  const good: [string, string][] = [
    ['Foo.Example.com.', 'Foo.Example.com'],
    ['*.example.com', '*.example.com'],
    ['ünïcode.example', 'xn--ncode-cta3g.example'],
    ['例え.テスト', 'xn--r8jz45g.xn--zckzah'],
    ['single', 'single'],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    [`${'a'.repeat(63)}.example`, `${'a'.repeat(63)}.example`],
  ]
  for (const [text, expected] of good) test(`reads ${text.slice(0, 30)}`, () => assert.equal(parseHostname(text), expected))

  for (const text of [
    '',
    '.',
    '*',
    '*.',
    '**.example',
    'a.*',
    'a..b',
    'a_b.example',
    '-a.b',
    'a-.b',
    'a b',
    '1.2.3.4',
    'a.1',
    'ab--c.d',
    'xn--a.example\n',
    '[::1]',
    'a/b',
    'a:80',
    'a'.repeat(64),
    'ü'.repeat(2000),
  ])
    test(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => assert.throws(() => parseHostname(text), /Hostname|blank/))
})

suite('canonicalHost()', () => {
  const canonical = (domain: string) => canonicalHost(domain, 'Apps.example.net')
  test('is lower case', () => assert.equal(canonical('WWW.Foo.com'), 'www.foo.com'))
  test('drops the platform domain behind one label', () => assert.equal(canonical('shop.apps.EXAMPLE.net'), 'shop'))
  test('keeps it behind two, behind a wildcard and alone', () => {
    for (const domain of ['a.b.apps.example.net', '*.apps.example.net', 'apps.example.net']) assert.equal(canonical(domain), domain)
  })
})

suite('overlaps()', () => {
  test('is true for a wildcard and a name one label below it', () => {
    assert.equal(overlaps('*.foo.com', 'www.foo.com'), true)
    assert.equal(overlaps('www.foo.com', '*.foo.com'), true)
    assert.equal(overlaps('*.foo.com', 'a.b.foo.com'), false)
    assert.equal(overlaps('*.foo.com', 'foo.com'), false)
    assert.equal(overlaps('www.foo.com', 'foo.com'), false)
  })
})
