import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { guardedLookup, isPublicAddress, parseNetworks, publicOr } from './public-address.ts'

suite('isPublicAddress()', () => {
  for (const address of ['93.184.216.34', '1.1.1.1', '172.32.0.1', '2606:4700::1111', '2a00:1450:4001::8'])
    test(`${address} is`, () => assert.equal(isPublicAddress(address), true))
  for (const address of [
    ...['127.0.0.1', '127.255.255.254', '0.0.0.0', '10.1.2.3', '172.16.0.1', '172.31.255.255', '192.168.0.1', '169.254.169.254'],
    ...['100.64.0.1', '198.18.0.1', '192.0.2.1', '224.0.0.1', '255.255.255.255', '240.0.0.1'],
    ...['::', '::1', 'fe80::1', 'fc00::1', 'fd12::1', 'ff02::1', '::ffff:127.0.0.1', '::ffff:93.184.216.34', '::7f00:1', '64:ff9b::7f00:1'],
    ...['2002:7f00:1::', '2001::1', '2001:db8::1', 'fe80::1%lo', 'localhost', '', '127.1'],
  ])
    test(`${JSON.stringify(address)} is not`, () => assert.equal(isPublicAddress(address), false))
})

suite('guardedLookup()', () => {
  const resolve = (name: string, mayConnect: (address: string) => boolean, all: boolean) =>
    new Promise((done, fail) => guardedLookup(mayConnect)(name, { all }, (error, found) => (error ? fail(error) : done(found))))
  test('gives no address that is refused, asked for one or for all', async () => {
    await assert.rejects(resolve('localhost', isPublicAddress, true), /localhost has no address on the public internet/)
    await assert.rejects(resolve('localhost', isPublicAddress, false), /no address/)
  })
  test('gives those that are left', async () => {
    const found = await resolve('127.0.0.1', () => true, true)
    assert.deepEqual(found, [{ address: '127.0.0.1', family: 4 }])
    assert.equal(await resolve('127.0.0.1', () => true, false), '127.0.0.1')
  })
})

suite('parseNetworks() and publicOr()', () => {
  test('allow what is public, and the networks that are named', () => {
    const mayConnect = publicOr(parseNetworks('10.1.0.0/16, fd00::/8 ,'))
    for (const address of ['1.1.1.1', '10.1.2.3', 'fd12::1']) assert.equal(mayConnect(address), true, address)
    for (const address of ['10.2.0.1', '127.0.0.1', '::1', 'localhost', '']) assert.equal(mayConnect(address), false, address)
  })
  for (const text of ['10.0.0.0', '10.0.0.0/33', 'fd00::/129', 'example.com/8', '10.0.0.0/8/8x'])
    test(`refuse ${text}`, () => assert.throws(() => parseNetworks(text), /write it as 10\.0\.0\.0\/8/))
})
