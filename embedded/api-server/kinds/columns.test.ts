import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { firstOf, formatSelector, humanDuration, since } from './columns.ts'

suite('humanDuration()', () => {
  const S = 1000
  const M = 60 * S
  const H = 60 * M
  const D = 24 * H
  for (const [ms, wanted] of [
    [-5 * S, '<invalid>'],
    [-500, '0s'],
    [0, '0s'],
    [119 * S, '119s'],
    [2 * M, '2m'],
    [2 * M + 5 * S, '2m5s'],
    [10 * M + 5 * S, '10m'],
    [179 * M, '179m'],
    [3 * H, '3h'],
    [3 * H + 5 * M, '3h5m'],
    [8 * H + 5 * M, '8h'],
    [47 * H, '47h'],
    [2 * D, '2d'],
    [2 * D + 3 * H, '2d3h'],
    [8 * D + 3 * H, '8d'],
    [729 * D, '729d'],
    [730 * D, '2y'],
    [2 * 365 * D + 10 * D, '2y10d'],
    [9 * 365 * D, '9y'],
  ] as const) {
    test(`${ms} ms is ${wanted}`, () => assert.equal(humanDuration(ms), wanted))
  }
})

test('since() does not know a time that is not there', () => assert.equal(since(undefined, 0), '<unknown>'))

test('firstOf() cuts a long list and says by how much', () => {
  assert.equal(firstOf(['a', 'b', 'c', 'd', 'e'], 3), 'a,b,c + 2 more...')
  assert.equal(firstOf([], 3), '<unset>')
})

test('formatSelector() writes a selector as kubectl shows it', () => {
  const matchExpressions = [
    { key: 'x', operator: 'In', values: ['b', 'a'] },
    { key: 'y', operator: 'DoesNotExist' },
  ]
  assert.equal(formatSelector({ matchLabels: { q: 'w', a: 'b' }, matchExpressions }), 'a=b,q=w,x in (a,b),!y')
  assert.equal(formatSelector(undefined), '<none>')
})
