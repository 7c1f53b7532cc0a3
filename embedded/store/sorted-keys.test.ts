import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SortedKeys } from './sorted-keys.ts'

suite('SortedKeys', () => {
  const filled = (...names: string[]) => {
    const keys = new SortedKeys()
    for (const name of names) keys.add(name)
    return keys
  }

  test('gives keys in byte order, each once', () => {
    assert.deepEqual(filled('b/x', 'a/y', 'a-b/x', 'a/y').range('', ''), ['a-b/x', 'a/y', 'b/x'])
  })
  test('range() holds only what starts with the prefix', () => {
    const keys = filled('a/x', 'a/y', 'ab/x', 'a-/x', 'b/x')
    assert.deepEqual(keys.range('a/', ''), ['a/x', 'a/y'])
    assert.deepEqual(keys.range('zz/', ''), [])
  })
  test('range() goes on behind a key, there or gone', () => {
    const keys = filled('a/x', 'a/y', 'a/z', 'b/x')
    assert.deepEqual(keys.range('a/', 'a/x'), ['a/y', 'a/z'])
    assert.deepEqual(keys.range('a/', 'a/xx'), ['a/y', 'a/z'])
    assert.deepEqual(keys.range('', 'a/z'), ['b/x'])
    assert.deepEqual(keys.range('b/', 'a/z'), ['b/x'])
  })
  test('delete() takes one key and does not mind a missing one', () => {
    const keys = filled('a', 'b', 'c')
    keys.delete('b')
    keys.delete('zz')
    assert.deepEqual(keys.range('', ''), ['a', 'c'])
  })
})
