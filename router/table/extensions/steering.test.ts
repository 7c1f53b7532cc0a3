import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from '../annotations.ts'
import { readSteering, type SteeringWish } from './steering.ts'

suite('readSteering()', () => {
  test('has nothing where nothing is said', () => assert.deepEqual(read({}), [undefined, []]))
  test('reads a cookie and a canary', () =>
    assert.deepEqual(read({ 'x-sticky-cookie': 'SRV', 'x-canary': 'service=next weight=10 header=X-Canary cookie=canary' }), [
      { cookie: 'SRV', canary: { service: 'next', weight: 10, header: 'X-Canary', cookie: 'canary' } },
      [],
    ]))
  for (const bad of [
    'next',
    'service=next',
    'weight=10',
    'service=a service=b weight=1',
    'service=a weight=101',
    'service=A weight=1',
    'service=other/next weight=1',
    'service=a weight=1 header=X:Y',
    'service=a weight=1 header=.*',
  ]) {
    test(`refuses ${bad} and keeps what was good`, () => {
      const before = { canary: { service: 'next', weight: 5 } }
      const [wish, faults] = read({ 'x-canary': bad }, before)
      assert.deepEqual(wish, before)
      assert.equal(faults.length, 1)
    })
  }
  for (const bad of ['a b', 'a;b', 'a=b', 'ä', 'x'.repeat(65)]) {
    test(`refuses the cookie ${bad.slice(0, 10)}`, () => assert.equal(read({ 'x-sticky-cookie': bad })[0], undefined))
  }
})

function read(values: Record<string, string>, lastGood?: SteeringWish) {
  const prefixed = Object.fromEntries(Object.entries(values).map(([name, value]) => [`router.drycc.cc/${name}`, value]))
  const annotations = new Annotations(prefixed, 'router.drycc.cc/')
  return [readSteering(annotations, lastGood), annotations.faults.map(({ message }) => message)] as const
}
