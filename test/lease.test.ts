import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { startApiServer } from '../embedded/api-server/server.ts'
import type { KubernetesApi } from '../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../kernel/kubernetes/client.ts'
import { withLease } from '../kernel/kubernetes/lease.ts'
import { RESOURCES } from '../kernel/kubernetes/objects.ts'
import { silentLog } from '../kernel/log.ts'

suite('withLease()', () => {
  let api: KubernetesApi
  let stop: () => Promise<void>
  before(async () => {
    const server = await startApiServer()
    api = connectKubernetes({
      server: server.url,
      ca: server.credentials.authority.certificate,
      token: () => server.credentials.token,
      verify: true,
      namespace: 'default',
    })
    stop = async () => {
      await api.close()
      await server.stop()
    }
  })
  after(() => stop())

  function contender(name: string, identity: string, durationMs: number) {
    const asked = new AbortController()
    const began = Promise.withResolvers<AbortSignal>()
    const options = { namespace: 'default', name, identity, log: silentLog, signal: asked.signal, durationMs }
    const done = withLease(api, options, async signal => {
      began.resolve(signal)
      await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
    })
    return {
      began: began.promise,
      async end() {
        asked.abort()
        await done
      },
    }
  }
  const holder = async (name: string) => (await api.get(RESOURCES.leases, 'default', name)).spec?.holderIdentity

  test('lets one of two work, and the other when it gives the Lease back', async () => {
    const first = contender('one', 'a', 300)
    await first.began
    const second = contender('one', 'b', 300)
    assert.equal(await holder('one'), 'a')
    await first.end()
    await second.began
    assert.equal(await holder('one'), 'b')
    await second.end()
    assert.equal(await holder('one'), '')
  })

  test('takes over from a holder that has gone silent', async () => {
    const spec = { holderIdentity: 'dead', leaseDurationSeconds: 1, renewTime: '2099-01-01T00:00:00.000000Z' }
    await api.create(RESOURCES.leases, { metadata: { namespace: 'default', name: 'two' }, spec })
    const heir = contender('two', 'a', 300)
    await heir.began
    const lease = await api.get(RESOURCES.leases, 'default', 'two')
    assert.deepEqual([lease.spec?.holderIdentity, lease.spec?.leaseTransitions], ['a', 1])
    await heir.end()
  })

  test('tells the work when another has taken the Lease', async () => {
    const first = contender('three', 'a', 300)
    const signal = await first.began
    const lease = await api.get(RESOURCES.leases, 'default', 'three')
    const lost = new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
    await api
      .update(RESOURCES.leases, { ...lease, metadata: { ...lease.metadata }, spec: { ...lease.spec, holderIdentity: 'thief' } })
      .catch(() => {})
    await lost
    await first.end()
  })
})
