import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type KubernetesApi, KubernetesError } from '../../kernel/kubernetes/api.ts'
import { silentLog } from '../../kernel/log.ts'
import type { Certificate } from '../tls/certificates.ts'
import { ExpiryWatch } from './expiry.ts'

const DAY_MS = 86_400_000
const NOW = Date.parse('2030-01-10T12:00:00Z')

suite('ExpiryWatch', () => {
  const certificate = (id: string, days: number): Certificate => ({ id, chain: '', key: '', names: [], notAfterMs: NOW + days * DAY_MS })

  /** @param names of Events that stand already, and those that come */
  function watch(certificates: Record<string, Certificate>, names = new Map<string, string>()) {
    const time = { now: NOW }
    const create = async (_: unknown, event: { metadata: { name: string }; message: string }) => {
      const { name } = event.metadata
      if (names.has(name)) throw new KubernetesError({ code: 409, reason: 'AlreadyExists', message: '' })
      names.set(name, event.message)
    }
    const options = { log: silentLog, certificates: () => Object.entries(certificates), uid: () => 'uid', now: () => time.now }
    return { names, time, expiry: new ExpiryWatch({ create } as unknown as KubernetesApi, options) }
  }

  test('tells of those that expire within 14 days or have expired, and of no other', async () => {
    const { names, expiry } = watch({
      ...{ 'a/late-cert': certificate('1', 13.5), 'a/fine-cert': certificate('2', 15) },
      'b/gone-cert': certificate('3', -2),
    })
    expiry.look()
    await expiry.stop()
    assert.deepEqual([...names.keys()], ['late-cert.expiry-2030-01-10', 'gone-cert.expiry-2030-01-10'])
    assert.match(names.get('late-cert.expiry-2030-01-10')!, /expires in 13 days, on 2030-01-24/)
    assert.match(names.get('gone-cert.expiry-2030-01-10')!, /expired on 2030-01-08/)
  })

  test('tells once a day, however often it looks and whoever else does', async () => {
    const all = { 'a/late-cert': certificate('1', 5) }
    const first = watch(all)
    const second = watch(all, first.names)
    for (const { expiry } of [first, second, first]) expiry.look()
    await Promise.all([first.expiry.stop(), second.expiry.stop()])
    assert.equal(first.names.size, 1)
    first.time.now += DAY_MS
    first.expiry.look()
    await first.expiry.stop()
    assert.equal(first.names.size, 2)
  })
})
