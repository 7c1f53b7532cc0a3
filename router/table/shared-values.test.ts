import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { shared } from './shared-values.ts'

suite('shared()', () => {
  test('gives one frozen object for all that are equal', () => {
    const one = shared({ a: [1, { b: 'x' }] })
    assert.equal(shared({ a: [1, { b: 'x' }] }), one)
    assert.notEqual(shared({ a: [1, { b: 'y' }] }), one)
    assert.throws(() => ((one.a[1] as { b: string }).b = 'z'), TypeError)
  })

  test('does not remember long values, and forgets the oldest of many', () => {
    const long = () => ({ text: 'x'.repeat(2000) })
    assert.notEqual(shared(long()), shared(long()))
    const first = shared({ number: 0 })
    for (let number = 1; number <= 2000; number++) shared({ number })
    assert.notEqual(shared({ number: 0 }), first)
  })
})
