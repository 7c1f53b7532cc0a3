import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseAddresses } from './addresses.ts'

suite('parseAddresses()', () => {
  test('reads addresses and networks, each once', () => {
    const addresses = ['1.2.3.4', '10.1.2.3/8', '::1', '2001:db8::/32', ' 1.2.3.4 ', '0.0.0.0/0']
    assert.deepEqual(parseAddresses({ addresses }), ['1.2.3.4', '10.1.2.3/8', '::1', '2001:db8::/32', '0.0.0.0/0'])
    assert.deepEqual(parseAddresses({ addresses: '1.2.3.4,5.6.7.8' }), ['1.2.3.4', '5.6.7.8'])
  })

  for (const bad of [
    '',
    'x',
    '1.2.3',
    '1.2.3.4/33',
    '::/129',
    '1.2.3.4/-1',
    '01.2.3.4',
    'fe80::1%eth0',
    '1.2.3.4 5.6.7.8',
    '1.2.3.4/8/8',
    5,
    null,
    {},
  ])
    test(`refuses ${JSON.stringify(bad)}`, () => assert.throws(() => parseAddresses({ addresses: [bad] }), /is not valid/))

  test('refuses what is no list, and one without end', () => {
    for (const addresses of [undefined, null, 5, {}]) assert.throws(() => parseAddresses({ addresses }), /required/)
    assert.throws(() => parseAddresses({ addresses: Array(1001).fill('1.2.3.4') }), /no more than 1000/)
  })
})
