import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formatReference, parseReference } from './reference.ts'

const digest = `sha256:${'ab'.repeat(32)}`

suite('parseReference()', () => {
  test('reads repository, tag and digest', () => {
    assert.deepEqual(parseReference('embedded/shop:git-0a1b2c3d'), { repository: 'embedded/shop', tag: 'git-0a1b2c3d' })
    assert.deepEqual(parseReference(`embedded/shop@${digest}`), { repository: 'embedded/shop', digest })
    assert.deepEqual(parseReference(`shop:v1@${digest}`), { repository: 'shop', tag: 'v1', digest })
  })
  test('takes latest where neither is given', () => assert.deepEqual(parseReference('shop'), { repository: 'shop', tag: 'latest' }))
  test('takes a port for part of the registry, not for a tag', () =>
    assert.deepEqual(parseReference('localhost:5000/a/b'), { repository: 'localhost:5000/a/b', tag: 'latest' }))
  for (const bad of [
    '',
    'Shop',
    '../x',
    'a//b',
    'a/../b',
    '/a',
    'a:',
    'a:.x',
    'a@sha256:12',
    `a:${'x'.repeat(129)}`,
    'a b',
    'a\n',
    'x'.repeat(256),
  ])
    test(`refuses ${JSON.stringify(bad.slice(0, 20))}`, () => assert.throws(() => parseReference(bad), RangeError))
})

suite('formatReference()', () => {
  for (const text of ['embedded/shop:v2', `embedded/shop@${digest}`, `shop:v1@${digest}`])
    test(`writes ${text.slice(0, 20)} back`, () => assert.equal(formatReference(parseReference(text)), text))
})
