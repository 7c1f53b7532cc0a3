import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { AppSeries } from './app-series.ts'

const MINUTES = 60_000

suite('AppSeries', () => {
  test('names the busiest, and the sum is always that of all', () => {
    const apps = new AppSeries(2, 0)
    assert.deepEqual(shown(apps, { a: 1, b: 5, c: 3, d: 5 }), { b: 5, d: 5, '(other)': 4 })
  })

  test('lets none of its series fall when an app gets a place later', () => {
    const apps = new AppSeries(2, 0)
    assert.deepEqual(shown(apps, { a: 4 }), { a: 4 })
    assert.deepEqual(shown(apps, { a: 4, b: 2, c: 9 }), { a: 4, c: 9, '(other)': 2 })
    assert.deepEqual(shown(apps, { a: 4, b: 5, c: 9 }, 9 * MINUTES), { a: 4, c: 9, '(other)': 5 })
    assert.deepEqual(shown(apps, { a: 4, b: 10, c: 20 }, 11 * MINUTES), { b: 0, c: 20, '(other)': 14 })
    assert.deepEqual(shown(apps, { a: 5, b: 12, c: 20 }, 12 * MINUTES), { b: 2, c: 20, '(other)': 15 })
  })

  test('leaves an app its place while nobody has twice its requests', () => {
    const apps = new AppSeries(1, 0)
    shown(apps, { a: 10, b: 1 })
    assert.deepEqual(shown(apps, { a: 20, b: 20 }, 11 * MINUTES), { a: 20, '(other)': 20 })
    assert.deepEqual(shown(apps, { a: 25, b: 30 }, 22 * MINUTES), { b: 0, '(other)': 55 })
  })

  test('names nobody where that is wished', () => {
    assert.deepEqual(shown(new AppSeries(0, 0), { a: 1, b: 2 }), { '(other)': 3 })
    assert.deepEqual(shown(new AppSeries(0, 0), {}), {})
  })
})

/** Requests by series, and nothing lost. */
function shown(apps: AppSeries, requests: Record<string, number>, nowMs = 0): Record<string, number> {
  const totals = new Map(Object.entries(requests).map(([app, count]) => [app, [0, count, 0, 0, 0, 0]]))
  const series = Object.fromEntries(apps.series(totals, nowMs).map(([app, numbers]) => [app, numbers[1] as number]))
  const sum = (counts: Record<string, number>) => Object.values(counts).reduce((total, count) => total + count, 0)
  assert.equal(sum(series), sum(requests))
  return series
}
