import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseAccepted } from './accept.ts'

suite('parseAccepted()', () => {
  const read = (text: string) => Object.fromEntries(parseAccepted(text).map(({ name, weight }) => [name, weight]))
  test('reads names in lower case and weights with three digits', () =>
    assert.deepEqual(read('GZIP;q=0.5,br ; Q=1.000, *;q=0'), { gzip: 0.5, br: 1, '*': 0 }))
  test('leaves parameters out that are no weight', () => assert.deepEqual(read('text/html;level=1;q=0.4'), { 'text/html': 0.4 }))
  test('leaves entries out that it cannot read', () => assert.deepEqual(read('a;q=2, b;q=-1, c;q=, d;q=0.1234, ,;, e'), { e: 1 }))
  test('reads no more than two thousand characters', () => {
    assert.ok(parseAccepted('gzip;q=0.1,'.repeat(20_000)).length < 200)
  })
})
