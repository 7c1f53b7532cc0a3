import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Endpoint, endpoint } from '../table/route.ts'
import { choose } from './balance.ts'

const A = endpoint('10.0.0.1', 80)
const B = endpoint('10.0.0.2', 80)
const C = endpoint('10.0.0.3', 80)

suite('choose()', () => {
  test('takes none where there is none, or none that serves', () => {
    assert.equal(choose([], loads({})), undefined)
    assert.equal(choose([{ ...A, serving: false }], loads({})), undefined)
    assert.equal(
      choose(
        [
          { ...A, serving: false },
          { ...B, serving: false },
        ],
        loads({}),
      ),
      undefined,
    )
  })
  test('takes the only one, ejected or not', () => assert.equal(choose([A], loads({}, [A])), A))
  test('spreads evenly among equals', () => {
    const counts = tally([A, B, C], {})
    for (const { key } of [A, B, C]) assert.ok((counts[key] ?? 0) > 800, JSON.stringify(counts))
  })
  test('prefers the less loaded', () => {
    const counts = tally([A, B], { [A.key]: 5 })
    // A only when it is drawn twice.
    assert.ok((counts[A.key] ?? 0) < 900 && (counts[B.key] ?? 0) > 2100, JSON.stringify(counts))
  })
  test('passes over what failed lately, is going away or does not serve', () => {
    assert.deepEqual(Object.keys(tally([A, B], {}, [A])), [B.key])
    assert.deepEqual(Object.keys(tally([{ ...A, terminating: true }, B], {})), [B.key])
    assert.deepEqual(Object.keys(tally([{ ...A, serving: false }, B], {})), [B.key])
  })
  test('takes what failed lately, or is going away, when there is nothing else', () => {
    assert.equal(Object.keys(tally([A, B], {}, [A, B])).length, 2)
    assert.deepEqual(
      Object.keys(
        tally(
          [
            { ...A, terminating: true },
            { ...B, serving: false },
          ],
          {},
        ),
      ),
      [A.key],
    )
  })
  test('uses what failed lately too when hardly anything else is left', () => {
    const all = Array.from({ length: 10 }, (_, index) => endpoint(`10.0.1.${index}`, 80))
    assert.equal(Object.keys(tally(all, {}, all.slice(0, 8))).length, 10)
    assert.equal(Object.keys(tally(all, {}, all.slice(0, 7))).length, 3)
    for (let round = 0; round < 200; round++) {
      const second = choose(all, loads({}, all.slice(0, 8)), all[9])
      assert.equal(second, all[8], 'a second attempt goes where it is safe')
    }
  })
  test('avoids the endpoint that was just tried', () => {
    for (let round = 0; round < 50; round++) assert.notEqual(choose([A, B, C], loads({}), A), A)
    assert.equal(choose([A], loads({}), A), A)
  })
})

function loads(active: Record<string, number>, ejected: readonly Endpoint[] = []) {
  return { load: (one: Endpoint) => active[one.key] ?? 0, isEjected: (one: Endpoint) => ejected.some(other => other.key === one.key) }
}

function tally(endpoints: Endpoint[], active: Record<string, number>, ejected: readonly Endpoint[] = []): Record<string, number> {
  const counts: Record<string, number> = {}
  for (let round = 0; round < 3000; round++) {
    const key = choose(endpoints, loads(active, ejected))?.key as string
    counts[key] = (counts[key] ?? 0) + 1
  }
  return counts
}
