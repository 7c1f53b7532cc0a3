import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { writeProxyHeader } from './proxy-header.ts'
import { readProxyHeader } from './proxy-protocol.ts'

suite('writeProxyHeader()', () => {
  const cases: readonly [string, string, string][] = [
    ['192.0.2.7', '10.0.0.1', '192.0.2.7'],
    ['2001:db8::7', '2001:db8::1', '2001:db8::7'],
    ['::1', '::1', '::1'],
    ['1:2:3:4:5:6:7:8', '::', '1:2:3:4:5:6:7:8'],
    ['192.0.2.7', '2001:db8::1', '192.0.2.7'],
    ['64:ff9b::192.0.2.7', '10.0.0.1', '64:ff9b::c000:207'],
  ]
  for (const [source, destination, read] of cases) {
    test(`${source} to ${destination} is read again`, () => {
      const header = writeProxyHeader({ address: source, port: 54_321 }, { address: destination, port: 2222 })
      assert.deepEqual(readProxyHeader(header), { bytes: header.length, address: read, port: 54_321 })
    })
  }
  test('is what the specification says, byte for byte', () => {
    const header = writeProxyHeader({ address: '192.0.2.7', port: 258 }, { address: '10.0.0.1', port: 2222 })
    assert.equal(header.toString('hex'), '0d0a0d0a000d0a515549540a2111000cc00002070a000001010208ae')
  })
})
