import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { TLS_POLICIES } from '../../tls/policies.ts'
import { Annotations } from '../annotations.ts'
import { readTls } from './tls.ts'

const read = (values: Record<string, string>, was?: ReturnType<typeof readTls>) => {
  const source = Object.fromEntries(Object.entries(values).map(([key, value]) => [`router.drycc.cc/${key}`, value]))
  const annotations = new Annotations(source, 'router.drycc.cc/')
  return { tls: readTls(annotations, was), faults: annotations.faults.map(({ key, value }) => [key, value]) }
}

suite('readTls()', () => {
  test('is Mozilla’s intermediate policy where nothing is said', () => {
    const { tls, faults } = read({})
    assert.deepEqual(tls, {
      policy: 'intermediate',
      ...TLS_POLICIES.intermediate,
      unknownNames: 'default',
      sessionTickets: true,
      sessionTimeoutSeconds: 600,
    })
    assert.deepEqual(faults, [])
  })

  for (const name of ['modern', 'old'] as const)
    test(`takes the policy ${name}`, () => {
      const { tls, faults } = read({ 'x-tls-policy': name })
      assert.deepEqual({ ...tls, ...TLS_POLICIES[name] }, tls)
      assert.deepEqual(faults, [])
    })

  test('keeps the last good policy when the next is none', () => {
    const { tls, faults } = read({ 'x-tls-policy': 'paranoid' }, read({ 'x-tls-policy': 'modern' }).tls)
    assert.equal(tls.policy, 'modern')
    assert.deepEqual(faults, [['x-tls-policy', 'paranoid']])
  })

  for (const [policy, protocols, min, max, faultCount] of [
    ['intermediate', 'TLSv1.3', 'TLSv1.3', 'TLSv1.3', 0],
    ['intermediate', 'TLSv1.2', 'TLSv1.2', 'TLSv1.2', 0],
    ['intermediate', 'TLSv1 TLSv1.1 TLSv1.2 TLSv1.3', 'TLSv1.2', 'TLSv1.3', 1],
    ['intermediate', 'TLSv1', 'TLSv1.2', 'TLSv1.2', 1],
    ['modern', 'TLSv1.2 TLSv1.3', 'TLSv1.2', 'TLSv1.3', 0],
    ['old', 'TLSv1.1 TLSv1.2', 'TLSv1.1', 'TLSv1.2', 0],
    ['old', 'SSLv3 TLSv1', 'TLSv1', 'TLSv1', 1],
    ['old', 'SSLv3', 'TLSv1.2', 'TLSv1.2', 1],
  ] as const)
    test(`nginx.ssl.protocols "${protocols}" goes before ${policy}`, () => {
      const { tls, faults } = read({ 'x-tls-policy': policy, 'nginx.ssl.protocols': protocols })
      assert.deepEqual([tls.minVersion, tls.maxVersion, faults.length], [min, max, faultCount])
    })

  test('nginx.ssl.ciphers goes before the policy, without what nobody knows, and leaves TLS 1.3 its own', () => {
    const { tls, faults } = read({ 'nginx.ssl.ciphers': '[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:NO-SUCH:@SECLEVEL=0' })
    assert.match(tls.ciphers, /^TLS_AES_128_GCM_SHA256:.*:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-RSA-CHACHA20-POLY1305$/)
    assert.deepEqual(
      faults.map(([, value]) => value),
      ['NO-SUCH', '@SECLEVEL=0'],
    )
    assert.equal(
      read({ 'nginx.ssl.ciphers': 'TLS_AES_256_GCM_SHA384:ECDHE-RSA-AES256-GCM-SHA384' }).tls.ciphers.startsWith('TLS_AES_256'),
      true,
    )
  })
})
