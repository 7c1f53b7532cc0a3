import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Allowance } from './allowance.ts'

suite('Allowance', () => {
  test('grants a burst, then its pace, to each of them', () => {
    const allowance = new Allowance({ perSecond: 2, burst: 3 })
    const taken = (name: string, ms: number, times = 10) =>
      Array.from({ length: times }, () => allowance.take(name, ms)).filter(Boolean).length
    assert.equal(taken('a', 1000), 3)
    assert.equal(taken('a', 1400), 0)
    assert.equal(taken('b', 1400), 3)
    assert.equal(taken('a', 2000), 2)
    assert.equal(taken('a', 100_000), 3)
    assert.equal(taken('a', 0), 0)
  })
})
