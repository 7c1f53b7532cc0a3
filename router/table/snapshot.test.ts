import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { allowedSecrets } from './snapshot.ts'

suite('allowedSecrets()', () => {
  const keys = (namespace: string, count: number) => Array.from({ length: count }, (_, index) => `${namespace}/s${index}`)
  test('leaves places for others, however many Secrets one namespace names', () =>
    assert.deepEqual(allowedSecrets([...keys('greedy', 500), 'shop/users'], []), [...keys('greedy', 10), 'shop/users']))
  test('counts those that are watched already, and never exceeds them all', () => {
    assert.deepEqual(allowedSecrets(['a/x', 'b/x'], keys('a', 10)), ['b/x'])
    const many = Array.from({ length: 30 }, (_, index) => keys(`n${index}`, 5)).flat()
    assert.equal(allowedSecrets(many, keys('a', 10)).length, 90)
  })
})
