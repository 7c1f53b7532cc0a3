import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Backoff, delay } from './backoff.ts'

suite('Backoff', () => {
  test('grows by its factor up to its limit and starts again after a reset', () => {
    const backoff = new Backoff({ minMs: 100, maxMs: 500, jitter: 0 })
    assert.deepEqual([backoff.next(), backoff.next(), backoff.next(), backoff.next(), backoff.next()], [100, 200, 400, 500, 500])
    backoff.reset()
    assert.equal(backoff.next(), 100)
  })

  test('takes away at most its jitter', () => {
    const backoff = new Backoff({ minMs: 100, maxMs: 100, jitter: 0.5, random: () => 1 })
    assert.equal(backoff.next(), 50)
  })
})

suite('delay()', () => {
  test('ends at once when its signal fires', async () => {
    const stop = new AbortController()
    const waiting = delay(1 << 30, stop.signal)
    stop.abort()
    await waiting
  })
})
