import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CODINGS } from '../table/extensions/compression.ts'
import { chooseCoding } from './coding.ts'

suite('chooseCoding()', () => {
  for (const [accept, expected] of [
    ['gzip, deflate, br, zstd', 'zstd'],
    ['gzip, deflate, br', 'br'],
    ['gzip', 'gzip'],
    ['X-GZIP', 'gzip'],
    ['deflate', undefined],
    ['', undefined],
    ['*', 'zstd'],
    ['*;q=0', undefined],
    ['gzip;q=0, *', 'zstd'],
    ['zstd;q=0, br;q=0, *', 'gzip'],
    ['gzip;q=0.9, zstd;q=0.8', 'gzip'],
    ['gzip;q=0', undefined],
    ['gzip;q=0.001', 'gzip'],
    ['identity', undefined],
    ['identity, gzip;q=0.5', undefined],
    ['identity;q=0.5, gzip;q=0.5', 'gzip'],
    ['identity;q=0, gzip;q=0.1', 'gzip'],
    ['identity;q=0', undefined],
    ['gzip;q=nonsense', undefined],
  ] as const) {
    test(`${expected ?? 'none'} for ${JSON.stringify(accept)}`, () => assert.equal(chooseCoding(accept, CODINGS), expected))
  }
  test('the order of what is on offer decides among equals', () => assert.equal(chooseCoding('gzip, br;q=1, zstd', ['gzip', 'br']), 'gzip'))
  test('remembers no more than it may, and answers rightly all the same', () => {
    for (let index = 0; index < 500; index++) assert.equal(chooseCoding(`gzip;q=0.${index % 9}1, x${index}`, CODINGS), 'gzip')
  })
})
