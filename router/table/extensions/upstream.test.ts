import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from '../annotations.ts'
import { readUpstream, type UpstreamWishes } from './upstream.ts'

suite('readUpstream()', () => {
  test('has nothing where nothing is said', () => assert.deepEqual(read({}), [{}, []]))
  test('reads shares and times', () =>
    assert.deepEqual(read({ 'x-retry-budget': '5%', 'x-timeout-first-byte': '500ms', 'x-timeout-request': '2m' }), [
      { retryPercent: 5, firstByteTimeoutMs: 500, requestTimeoutMs: 120_000 },
      [],
    ]))
  test('reads how much of a request is gathered', () => {
    assert.deepEqual(read({ 'x-request-buffering': '64k' })[0], { requestBufferBytes: 65_536 })
    assert.deepEqual(read({ 'x-request-buffering': 'off' }), [{}, []])
    assert.match(read({ 'x-request-buffering': '17m' })[1][0] ?? '', /write up to 16m, or off/)
  })
  test('reads a budget of none', () => assert.deepEqual(read({ 'x-retry-budget': 'off' })[0], { retryPercent: 0 }))
  test('keeps what was good, and says what to write', () => {
    const before = { retryPercent: 30, firstByteTimeoutMs: 7 }
    const [wishes, faults] = read({ 'x-retry-budget': '200%', 'x-timeout-first-byte': '0' }, before)
    assert.deepEqual(wishes, before)
    assert.deepEqual(faults, [
      'Cannot read number "200": write a whole number from 0 to 100',
      'Cannot read time "0": write it as 500ms, 10, 10s, 5m, 1h or 7d',
    ])
    assert.deepEqual(read({ 'x-retry-budget': '20' })[1], ['Cannot read share "20": write it as 20% or off'])
  })
})

function read(values: Record<string, string>, lastGood?: UpstreamWishes) {
  const prefixed = Object.fromEntries(Object.entries(values).map(([name, value]) => [`router.drycc.cc/${name}`, value]))
  const annotations = new Annotations(prefixed, 'router.drycc.cc/')
  return [readUpstream(annotations, lastGood), annotations.faults.map(({ message }) => message)] as const
}
