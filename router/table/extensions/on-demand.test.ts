import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from '../annotations.ts'
import { readOnDemand } from './on-demand.ts'

const read = (text?: string, lastGood?: 'own' | 'any') => {
  const annotations = new Annotations(text === undefined ? {} : { 'router.drycc.cc/x-certificates-on-demand': text }, 'router.drycc.cc/')
  return { names: readOnDemand(annotations, lastGood), faults: annotations.faults.length }
}

suite('readOnDemand()', () => {
  test('is off unless it is written', () => assert.deepEqual(read(), { names: undefined, faults: 0 }))
  for (const [text, names] of [
    ['own', 'own'],
    ['any', 'any'],
    ['off', undefined],
  ] as const)
    test(`reads ${text}`, () => assert.deepEqual(read(text, 'any'), { names, faults: 0 }))
  test('says what to write, and keeps the last good value', () => {
    assert.deepEqual(read('yes'), { names: undefined, faults: 1 })
    assert.deepEqual(read('yes', 'own'), { names: 'own', faults: 1 })
  })
})
