import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { scanJson } from './scan.ts'

suite('scanJson()', () => {
  for (const [text, wanted] of [
    ['{}', []],
    ['"a"', []],
    ['{"a":1,"b":{"a":2}}', []],
    ['{"a":1,"a":2}', ['a']],
    ['{"a":{"b":1,"b":2}}', ['a.b']],
    ['{"a":[{"b":1},{"c":1,"c":2}]}', ['a[1].c']],
    ['[[{"x":1,"x":1}]]', ['[0][0].x']],
    ['{"a" : 1 , "a" : 2}', ['a']],
    ['{"a":"a","b":"a\\":","a":1}', ['a']],
    ['{"\\u0061":1,"a":2}', ['a']],
    ['{"a":["a","a"]}', []],
    ['{"a":1,"a":2,"a":3}', ['a', 'a']],
  ] as const) {
    test(text, () => assert.deepEqual(scanJson(text).duplicates, wanted))
  }
  test('refuses what nests too deep for code that follows it', () => {
    assert.throws(() => scanJson('['.repeat(1000) + ']'.repeat(1000)), RangeError)
  })
})
