import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { fitName, hashName, isDnsLabel, isDnsSubdomain, isLabelValue } from './names.ts'

suite('names', () => {
  test('isDnsLabel() keeps to RFC 1123', () => {
    for (const name of ['a', '0', 'a-b', 'x'.repeat(63)]) assert.ok(isDnsLabel(name), name)
    for (const name of ['', '-a', 'a-', 'A', 'a.b', 'a_b', 'x'.repeat(64), 'a\n']) assert.ok(!isDnsLabel(name), name)
  })

  test('isDnsSubdomain() takes dots between labels', () => {
    for (const name of ['a.b', 'a-1.b2', 'a']) assert.ok(isDnsSubdomain(name), name)
    for (const name of ['a..b', '.a', 'a.', 'a.-b', `${'a.'.repeat(127)}`]) assert.ok(!isDnsSubdomain(name), name)
  })

  test('isLabelValue() takes the empty value', () => {
    for (const value of ['', 'a', 'A_b.c-1']) assert.ok(isLabelValue(value), value)
    for (const value of ['-a', 'a-', 'a b', 'x'.repeat(64)]) assert.ok(!isLabelValue(value), value)
  })

  test('hashName() gives a valid name for any text, the same each time', () => {
    assert.equal(hashName('domain', '*.Exämple.com'), hashName('domain', '*.Exämple.com'))
    assert.notEqual(hashName('domain', 'a'), hashName('domain', 'b'))
    assert.ok(isDnsLabel(hashName('domain', '\0')))
  })

  test('fitName() leaves room for the suffix and no hyphen before it', () => {
    assert.equal(fitName('shop', '-cert'), 'shop-cert')
    assert.equal(fitName(`${'a'.repeat(57)}-bbbb`, '-cert').length, 62)
  })
})
