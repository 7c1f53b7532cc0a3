import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RetryBudget } from './retry-budget.ts'

suite('RetryBudget', () => {
  const take = (budget: RetryBudget, begun: number, now: number, percent = 20) => {
    let count = 0
    while (count < 10_000 && budget.take(begun, now, percent)) count++
    return count
  }
  test('gives an app with few requests ten in a window', () => {
    const budget = new RetryBudget()
    const now = performance.now()
    assert.equal(take(budget, 0, now), 10)
    assert.equal(take(budget, 0, now + 9_000), 0)
  })
  test('gives a share of the requests', () => {
    const budget = new RetryBudget()
    assert.equal(take(budget, 1000, performance.now()), 210)
    assert.equal(take(budget, 1100, performance.now()), 20)
  })
  test('is whole again after a while, but not of requests long ago', () => {
    const budget = new RetryBudget()
    const now = performance.now()
    take(budget, 1000, now)
    const left = take(budget, 1000, now + 1_000_000)
    assert.ok(left >= 9 && left <= 12, String(left))
  })
  test('of nothing gives nothing, of a hundred one for each', () => {
    const budget = new RetryBudget()
    assert.equal(take(budget, 100, performance.now(), 0), 0)
    assert.equal(take(budget, 100, performance.now(), 100), 110)
  })
})
