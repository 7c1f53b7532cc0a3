import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { EndpointState } from './endpoint-state.ts'

suite('EndpointState', () => {
  test('is ejected at once when it refuses, and only after three in a row when it gives no answer', () => {
    const refuses = new EndpointState('a')
    assert.equal(refuses.failed(0, true), true)
    assert.equal(refuses.isEjected(300), true)
    const silent = new EndpointState('b')
    assert.deepEqual([silent.failed(0, false), silent.failed(0, false), silent.isEjected(0)], [false, false, false])
    assert.equal(silent.failed(0, false), true)
    assert.equal(silent.isEjected(0), true)
  })
  test('forgets failures that were not in a row', () => {
    const state = new EndpointState('a')
    for (let round = 0; round < 10; round++) {
      state.failed(0, false)
      state.failed(0, false)
      state.succeeded(0)
    }
    assert.equal(state.isEjected(0), false)
  })
  test('stays away twice as long each time, up to a bound, with jitter', () => {
    const state = new EndpointState('a')
    let now = 0
    const times = Array.from({ length: 12 }, () => {
      state.failed(now, true)
      const from = now
      while (state.isEjected(now)) now++
      return now - from
    })
    for (const [index, ms] of times.entries()) {
      const wanted = Math.min(30_000, 500 * 2 ** index)
      assert.ok(ms >= wanted * 0.75 - 1 && ms <= wanted * 1.25 + 1, `${index}: ${ms}`)
    }
    const firsts = new Set(
      Array.from({ length: 20 }, () => {
        const other = new EndpointState('b')
        other.failed(0, true)
        let at = 0
        while (other.isEjected(at)) at++
        return at
      }),
    )
    assert.ok(firsts.size > 3)
  })
  test('counts what was under way when it was ejected as one failure', () => {
    const state = new EndpointState('a')
    for (let count = 0; count < 100; count++) state.failed(0, true)
    assert.equal(state.isEjected(700), false)
  })
  test('lets one exchange try when it returns, and the others after its success', () => {
    const state = new EndpointState('a')
    state.failed(0, true)
    assert.equal(state.isEjected(1000), false)
    state.begin(1000)
    assert.equal(state.isEjected(1000), true)
    state.succeeded(1010)
    state.end()
    assert.equal(state.isEjected(1010), false)
  })
  test('lets another try when the first came to nothing either way', () => {
    const state = new EndpointState('a')
    state.failed(0, true)
    state.begin(1000)
    state.end()
    assert.equal(state.isEjected(1000), false)
    state.begin(1000)
    state.failed(1000, false)
    state.end()
    assert.equal(state.isEjected(1700), true)
  })
  test('counts for more while it grows warm', () => {
    const [warm, cold] = [new EndpointState('a'), new EndpointState('b')]
    cold.chill(0)
    for (const state of [warm, cold]) for (let count = 0; count < 4; count++) state.begin(0)
    assert.equal(warm.load(0, 1000), 4)
    assert.equal(cold.load(0, 1000), 49)
    assert.equal(cold.load(500, 1000), 9)
    assert.equal(cold.load(1000, 1000), 4)
    cold.chill(0)
    assert.equal(cold.load(0, 0), 4, 'no slow start')
  })
})
