import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Annotations } from '../annotations.ts'
import { readCompression } from './compression.ts'

suite('readCompression()', () => {
  const read = (text: string, lastGood = {}) => {
    const annotations = new Annotations({ 'router.drycc.cc/x-compression': text }, 'router.drycc.cc/')
    return { wish: readCompression(annotations, lastGood), faults: annotations.faults.map(fault => fault.message) }
  }
  for (const [text, wish] of [
    ['off', { codings: [] }],
    ['on', {}],
    ['', undefined],
    ['br, gzip,', { codings: ['br', 'gzip'] }],
    ['GZIP,gzip', { codings: ['gzip'] }],
    ['min=1k', { minLengthBytes: 1024 }],
    ['gzip, min=0', { codings: ['gzip'], minLengthBytes: 0 }],
  ] as const) {
    test(`${JSON.stringify(text)}`, () => assert.deepEqual(read(text), { wish, faults: [] }))
  }
  for (const text of ['deflate', 'off, gzip', 'gzip, min=much', 'true']) {
    test(`${JSON.stringify(text)} is a fault that says what to write, and the last good value stays`, () => {
      const { wish, faults } = read(text, { codings: ['br'] })
      assert.deepEqual(wish, { codings: ['br'] })
      assert.match(faults[0] as string, /write off, on, or a list of zstd, br, gzip and min=1k$/)
    })
  }
})
