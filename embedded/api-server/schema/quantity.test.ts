import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { canonicalQuantity, compareQuantities } from './quantity.ts'

suite('canonicalQuantity()', () => {
  for (const [text, wanted] of [
    ['0', '0'],
    ['0.0', '0'],
    ['1', '1'],
    ['1.5', '1500m'],
    ['0.1', '100m'],
    ['100m', '100m'],
    ['1000m', '1'],
    ['.5', '500m'],
    ['5.', '5'],
    ['1024Ki', '1Mi'],
    ['1Gi', '1Gi'],
    ['1.5Gi', '1536Mi'],
    ['512', '512'],
    ['1023Ki', '1023Ki'],
    ['1000k', '1M'],
    ['1e3', '1e3'],
    ['1E3', '1e3'],
    ['12e6', '12e6'],
    ['-1.5', '-1500m'],
    ['+2', '2'],
    ['1n', '1n'],
    ['0.0000000001', '1n'],
    ['500Mi', '500Mi'],
    ['0.5Ki', '512'],
  ] as const) {
    test(`${text} is ${wanted}`, () => assert.equal(canonicalQuantity(text), wanted))
  }
  for (const text of ['', 'x', '1x', '1 Gi', '1KI', '--1', '1e', '1.2.3', 'Gi', '1mi', '.']) {
    test(`"${text}" is refused`, () => assert.throws(() => canonicalQuantity(text), /quantities must match/))
  }
})

test('compareQuantities() knows what is more, in any spelling', () => {
  assert.ok(compareQuantities('1Gi', '1000M') > 0)
  assert.ok(compareQuantities('500m', '0.5') === 0)
  assert.ok(compareQuantities('-1', '0') < 0)
})
