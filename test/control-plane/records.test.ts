import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import type { App } from '../../control-plane/domain/app.ts'
import { EMPTY_CONFIG } from '../../control-plane/domain/config.ts'
import type { Release } from '../../control-plane/domain/release.ts'
import { openRecords, type Records } from '../../control-plane/records.ts'
import { startApiServer } from '../../embedded/api-server/server.ts'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { createLog, silentLog } from '../../kernel/log.ts'

suite('control plane: records of two replicas', { timeout: 30_000 }, () => {
  let stop: () => Promise<void>
  let api: KubernetesApi
  let one: Records
  let two: Records
  const lines: string[] = []
  before(async () => {
    const server = await startApiServer()
    const { token, authority } = server.credentials
    api = connectKubernetes({ server: server.url, ca: authority.certificate, verify: true, token: () => token, namespace: 'default' })
    const options = { namespace: 'drycc', platformDomain: 'localhost' }
    one = await openRecords(api, { ...options, log: createLog({ role: 'test', write: line => lines.push(line) }) })
    two = await openRecords(api, { ...options, log: silentLog })
    stop = async () => {
      await Promise.all([one.stop(), two.stop()])
      await api.close()
      await server.stop()
    }
    await api.create(RESOURCES.namespaces, { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'shop' } })
    await one.apps.create(app())
  })
  after(() => stop())

  test('lose no change when both write at once, and read what they wrote', async () => {
    const names = Array.from({ length: 12 }, (_, place) => `user${place}`)
    await Promise.all(
      names.map((name, place) =>
        [one, two]
          [place % 2]!.apps.update('shop', ({ collaborators }) => ({ collaborators: [...collaborators, name] }))
          .then(() => {
            assert.ok([one, two][place % 2]!.apps.get('shop')?.collaborators.includes(name))
          }),
      ),
    )
    assert.deepEqual([...(await one.apps.update('shop', () => ({}))).collaborators].sort(), [...names].sort())
  })

  test('give a release number, a name, a domain to one of them', async () => {
    const releases = await Promise.all([one, two, one, two].map(records => records.releases.create(release(1))))
    assert.equal(releases.filter(Boolean).length, 1)
    const domain = { domain: 'a.example', app: 'shop', owner: 'bob', created: '', updated: '' }
    const domains = await Promise.all([one, two].map(records => records.domains.create(domain)))
    assert.deepEqual([...domains].sort(), [false, true])
    const claims = await Promise.all(['x', 'y'].map((holder, place) => [one, two][place]!.claims.take('test', 'name', holder, () => false)))
    assert.deepEqual([...claims].sort(), [false, true])
  })

  test('take over a claim whose holder made nothing of it, once that is old', async () => {
    await one.claims.take('test', 'old', 'dead', () => false)
    assert.equal(await one.claims.take('test', 'old', 'alive', () => false), false)
    const { items } = await api.list(RESOURCES.configMaps, { namespace: 'drycc', labelSelector: 'drycc.cc/record=claim' })
    const map = items.find(({ data }) => data?.['claim']?.includes('"old"'))!
    const claim = { ...JSON.parse(map.data!['claim']!), created: new Date(Date.now() - 60_000).toISOString() }
    await api.update(RESOURCES.configMaps, { ...map, data: { claim: JSON.stringify(claim) } })
    assert.equal(await one.claims.take('test', 'old', 'alive', holder => holder === 'dead'), false)
    assert.equal(await one.claims.take('test', 'old', 'alive', () => false), true)
  })

  test('keep how a release ended although its Secret is immutable', async () => {
    await one.releases.create(release(2))
    await two.releases.fail('shop', 2, 'failed', 'because')
    assert.equal(two.releases.get('shop', 2)?.failed, true)
    assert.equal(two.releases.current('shop')?.version, 1)
    const secret = await api.get(RESOURCES.secrets, 'shop', 'shop-release-v2')
    assert.equal(secret.immutable, true)
  })

  test('keep the newest releases and the one that runs', async () => {
    for (const version of [3, 4, 5]) await one.releases.create(release(version))
    await one.releases.prune('shop', 2, 1)
    assert.deepEqual(
      one.releases.list('shop').map(({ version }) => version),
      [5, 4, 1],
    )
  })

  test('leave out what is none, and say so', async () => {
    const metadata = { name: 'broken', namespace: 'drycc', labels: { 'drycc.cc/record': 'user' } }
    await api.create(RESOURCES.secrets, { apiVersion: 'v1', kind: 'Secret', metadata, data: { user: 'bm9uc2Vuc2U=' } })
    await one.apps.update('shop', () => ({}))
    while (!lines.some(line => line.includes('record is malformed'))) await new Promise(resolve => setTimeout(resolve, 5))
    assert.deepEqual(one.users.list(), [])
  })
})

function app(): App {
  const row = { uuid: '', owner: 'bob', created: '', updated: '' }
  return {
    ...row,
    id: 'shop',
    collaborators: [],
    formation: {},
    deployed: 0,
    settings: { ...row, maintenance: false, routable: true, whitelist: [], autoscale: {}, label: {} },
    tls: { ...row, https_enforced: null },
  }
}

function release(version: number): Release {
  const row = { uuid: '', owner: 'bob', created: '', updated: '' }
  return { ...row, app: 'shop', version, summary: '', failed: false, config: { ...row, ...EMPTY_CONFIG } }
}
