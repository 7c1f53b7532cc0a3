import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ReceiveWindow } from './receive-window.ts'
import { ResetStreams } from './reset-streams.ts'

suite('ReceiveWindow', () => {
  test('grows again in steps of half of it, never beyond what it was', () => {
    const window = new ReceiveWindow(100)
    assert.equal(window.take(60), true)
    assert.deepEqual([window.release(49), window.left], [0, 40])
    assert.deepEqual([window.release(11), window.left], [60, 100])
    assert.deepEqual([window.release(0), window.left], [0, 100])
  })
  test('tells when more has come than it holds', () => {
    const window = new ReceiveWindow(100)
    assert.equal(window.take(100), true)
    assert.equal(window.take(1), false)
  })
})

suite('ResetStreams', () => {
  test('takes as much as the window of a stream held, of the latest', () => {
    const streams = new ResetStreams(2)
    streams.add(1, 10)
    assert.deepEqual([streams.has(1), streams.take(1, 6), streams.take(1, 5), streams.take(1, 4)], [true, true, false, true])
    streams.add(3, 0)
    streams.add(5, 1)
    assert.deepEqual(
      [1, 3, 5].map(id => streams.has(id)),
      [false, true, true],
    )
    assert.equal(streams.take(1, 1), false)
  })
})
