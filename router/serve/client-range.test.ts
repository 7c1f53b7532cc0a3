import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { clientRange } from './client-range.ts'

suite('clientRange()', () => {
  for (const [address, range] of [
    ['192.0.2.7', '192.0.2.7'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::'],
    ['2001:db8:1:2::6', '2001:db8:1:2::'],
    ['2001:DB8:0001:2::', '2001:db8:1:2::'],
    ['2001:db8::1', '2001:db8:0:0::'],
    ['::1', '0:0:0:0::'],
    ['64:ff9b::192.0.2.7', '64:ff9b:0:0::'],
    ['1:2:3:4:5:6:192.0.2.7', '1:2:3:4::'],
  ] as const)
    test(`${address} is one of ${range}`, () => assert.equal(clientRange(address), range))
})
