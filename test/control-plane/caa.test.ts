import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Caa } from '../../control-plane/acme/caa.ts'
import { startNameServer } from './name-server.ts'

const BOTH = ['http-01', 'tls-alpn-01'] as const
const OURS = { identities: ['ca.test', 'ca.example'], account: () => assert.fail('No record names an account') }

suite('Caa', () => {
  test('climbs to the nearest name that has records, past names that do not exist', async () => {
    await using names = await startNameServer()
    names.caa.set('shop.test', [{ flags: 0, tag: 'issue', value: 'other.test' }])
    const caa = new Caa([`127.0.0.1:${names.port}`])
    assert.match((await caa.permission('a.b.shop.test', OURS, BOTH)).why ?? '', /^The CAA records of shop\.test permit only other\.test/)
    assert.deepEqual(names.asked, ['a.b.shop.test', 'b.shop.test', 'shop.test'])
    names.caa.set('b.shop.test', [{ flags: 0, tag: 'issue', value: 'ca.test' }])
    assert.deepEqual(await caa.permission('a.b.shop.test', OURS, BOTH), { types: BOTH })
    assert.deepEqual(await caa.permission('www.elsewhere.test', OURS, BOTH), { types: BOTH })
  })
  test('asks nobody for an authority that does not say how it is called', async () => {
    await using names = await startNameServer()
    assert.deepEqual(await new Caa([`127.0.0.1:${names.port}`]).permission('shop.test', { ...OURS, identities: [] }, BOTH), { types: BOTH })
    assert.deepEqual(names.asked, [])
  })
  test('goes on where the name servers fail: the authority has its own', async () => {
    await using names = await startNameServer()
    names.failing.add('www.shop.test')
    names.caa.set('shop.test', [{ flags: 0, tag: 'issue', value: 'other.test' }])
    assert.deepEqual(await new Caa([`127.0.0.1:${names.port}`]).permission('www.shop.test', OURS, BOTH), { types: BOTH })
  })
})
