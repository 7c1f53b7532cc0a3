import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { statedAddress } from './stated-address.ts'

suite('statedAddress()', () => {
  for (const [text, address] of [
    ['192.0.2.7', '192.0.2.7'],
    ['192.0.2.7:4711', '192.0.2.7'],
    ['2001:DB8:0:0::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8:0::0:1]:443', '2001:db8::1'],
    ['::ffff:192.0.2.7', '192.0.2.7'],
    ['0:0:0:0:0:FFFF:c000:0207', '192.0.2.7'],
    ['::1', '::1'],
    ['fe80::1%eth0', ''],
    ['[192.0.2.7]', ''],
    ['192.0.2.7:', ''],
    ['192.0.2.7:123456', ''],
    ['192.0.2', ''],
    ['010.0.0.1', ''],
    ['[::1', ''],
    ['unknown', ''],
    ['_hidden', ''],
    ['', ''],
  ] as const)
    test(`${JSON.stringify(text)} is ${address || 'none'}`, () => assert.equal(statedAddress(text), address))
})
