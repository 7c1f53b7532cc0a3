import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from '../annotations.ts'
import { findRedirect, parseCanonicalHost, readRedirects, redirectTarget } from './redirects.ts'

const DOMAINS = ['shop', 'shop.example.com', '*.any.example.com']

suite('readRedirects()', () => {
  for (const [name, text, path, target] of [
    ['a path and all below it', '/old /new', '/old/a/b', '/new/a/b'],
    ['whole segments only', '/old /new', '/older', undefined],
    ['the path with a slash behind it', '/old/ /new/', '/old/', '/new/'],
    ['an address elsewhere', '/blog https://blog.example.net', '/blog/2020/', 'https://blog.example.net/2020/'],
    ['never a host that grows', '/blog/ https://blog.example.net', '/blog/x', 'https://blog.example.net/x'],
    ['the longest', '/a /x, /a/b /y', '/a/b/c', '/y/c'],
    ['that very path alone', '=/ /home', '/', '/home'],
    ['nothing below that path', '=/ /home', '/a', undefined],
    ['everything, elsewhere', '/ https://new.example.net', '/a/b', 'https://new.example.net/a/b'],
    ['no address of another host: two slashes', '/old /', '/old//evil.example', '/evil.example'],
    ['no address of another host: a backslash', '/old /', '/old/\\evil.example', '/evil.example'],
    ['no address of another host: slash and backslash', '/old /', '/old//\\evil.example', '/evil.example'],
  ] as const) {
    test(`takes ${name}`, () => {
      const { redirects, faults } = read(text)
      assert.deepEqual(faults, [])
      const redirect = findRedirect(redirects, path)
      assert.equal(redirect && redirectTarget(redirect, path), target)
    })
  }
  for (const text of [
    '/old',
    'old /new',
    '/old new',
    '/old //evil.example',
    '/old /\\evil.example',
    '/old javascript:alert(1)',
    '/old https://',
    '/old https://user@example.net',
    '/old https://example.net:x/',
    '/old https://exa\r\nmple.net',
    '/old /new 200',
    '/old /new?a=b',
    '/a /a',
    '/a /a/b',
    '/ /home',
    '/a /b, /b /a',
    '/a/x /b/x, /b /a',
    '/a https://shop.example.com/a',
    '/a http://x.any.example.com/a/b',
  ]) {
    test(`refuses ${JSON.stringify(text)}`, () => {
      const { faults } = read(text)
      assert.ok(faults.length > 0)
      assert.match(faults[0]!.message, /Cannot/)
    })
  }
  test('keeps what is good beside what is not, and the last good where nothing is', () => {
    assert.deepEqual(
      read('/a /b, x, /c /d 302')
        .redirects.map(({ from, status }) => [from, status])
        .toSorted(),
      [
        ['/a', 301],
        ['/c', 302],
      ],
    )
    const { redirects } = read('/a /b')
    assert.deepEqual(read('x', redirects).redirects, redirects)
  })
  test('does not take a way through others for a circle', () =>
    assert.deepEqual(read('/a /b, /b /c, /c https://shop.example.net/a').faults, []))
})

suite('parseCanonicalHost()', () => {
  for (const host of ['shop.example.com', 'x.any.example.com', 'SHOP.platform.test'])
    test(`takes ${host}`, () => assert.equal(parseCanonicalHost(host, DOMAINS), host.toLowerCase()))
  for (const host of ['shop', 'evil.example', '*.any.example.com', 'a b', 'shop.example.com/x', 'shop.example.com:80'])
    test(`refuses ${host}`, () => assert.throws(() => parseCanonicalHost(host, DOMAINS), /Cannot/))
})

function read(text: string, lastGood?: ReturnType<typeof readRedirects>) {
  const annotations = new Annotations({ 'router.drycc.cc/x-redirects': text }, 'router.drycc.cc/')
  return { redirects: readRedirects(annotations, DOMAINS, lastGood) ?? [], faults: annotations.faults }
}
