import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from './annotations.ts'

suite('Annotations', () => {
  test('reads both families, the preferred one first', () => {
    const both = { 'router.deis.io/a': 'deis', 'router.drycc.cc/a': 'drycc', 'router.deis.io/b': 'only deis', other: 'x' }
    assert.equal(new Annotations(both, 'router.drycc.cc/').text('a'), 'drycc')
    assert.equal(new Annotations(both, 'router.deis.io/').text('a'), 'deis')
    assert.equal(new Annotations(both, 'router.drycc.cc/').text('b'), 'only deis')
    assert.equal(new Annotations(both, 'router.drycc.cc/').text('other'), undefined)
  })

  test('takes an empty value for an absent one', () => {
    const annotations = new Annotations({ 'router.drycc.cc/a': ' ' }, 'router.drycc.cc/')
    assert.equal(annotations.text('a'), undefined)
    assert.equal(annotations.items('a', String), undefined)
    assert.deepEqual(annotations.faults, [])
  })

  test('one() falls back to the last good value where it cannot read, and says so', () => {
    const annotations = new Annotations({ 'router.drycc.cc/n': 'x' }, 'router.drycc.cc/')
    assert.equal(annotations.one('n', 1, refuse, 7), 7)
    assert.equal(annotations.one('absent', 1, refuse, 7), 1)
    assert.deepEqual(annotations.faults, [{ key: 'n', value: 'x', message: 'Refused "x"' }])
  })

  test('items() drops empty items and only those that cannot be read', () => {
    const annotations = new Annotations({ 'router.drycc.cc/l': 'a, bad,, b ,' }, 'router.drycc.cc/')
    assert.deepEqual(
      annotations.items('l', item => (item === 'bad' ? refuse(item) : item)),
      ['a', 'b'],
    )
    assert.deepEqual(
      annotations.faults.map(fault => fault.value),
      ['bad'],
    )
  })

  test('faultUnread() names what nobody asked for', () => {
    const annotations = new Annotations({ 'router.drycc.cc/domains': 'a', 'router.drycc.cc/domain': 'b' }, 'router.drycc.cc/')
    annotations.text('domains')
    annotations.faultUnread()
    assert.deepEqual(
      annotations.faults.map(fault => fault.key),
      ['domain'],
    )
  })
})

function refuse(text: string): never {
  throw new RangeError(`Refused "${text}"`)
}
