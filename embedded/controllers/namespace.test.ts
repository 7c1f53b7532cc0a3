import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RESOURCES, type Resource } from '../../kernel/kubernetes/objects.ts'
import type { MemoryApi } from './testing/memory-api.ts'
import { deployment, isRolledOut, pods, startWorld } from './testing/world.ts'

suite('a namespace that is deleted', () => {
  test('goes with all that is in it, of every kind, within a second', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await fill(api)
    await until(() => isRolledOut(api), 'rollout')
    const began = performance.now()
    await api.delete(RESOURCES.namespaces, '', 'shop')
    await until(() => api.all(RESOURCES.namespaces).length === 0, 'gone')
    assert.ok(performance.now() - began < 1000)
    for (const resource of (Object.values(RESOURCES) as Resource[]).filter(({ namespaced }) => namespaced))
      assert.deepEqual(api.all(resource), [], resource.plural)
  })

  test('waits for the grace of its pods, and says for what it waits', async () => {
    await using world = await startWorld({ holdDeletes: true })
    const { api, until } = world
    await api.create(RESOURCES.deployments, deployment({ replicas: 2 }))
    await until(() => isRolledOut(api), 'rollout')
    await api.delete(RESOURCES.namespaces, '', 'shop')
    const remaining = () => api.all(RESOURCES.namespaces)[0]?.status?.conditions?.find(({ type }) => type === 'NamespaceContentRemaining')
    await until(() => remaining()?.message === 'Some resources are remaining: pods. has 2 resource instances', 'a condition')
    assert.ok(pods(api).every(pod => pod.metadata.deletionTimestamp))
    for (const pod of pods(api)) await api.delete(RESOURCES.pods, 'shop', pod.metadata.name, { gracePeriodSeconds: 0 })
    await until(() => api.all(RESOURCES.namespaces).length === 0, 'gone')
  })

  test('waits for finalizers of others', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.configMaps, { metadata: { name: 'held', namespace: 'shop', finalizers: ['example.com/hold'] } })
    await api.delete(RESOURCES.namespaces, '', 'shop')
    const finalizers = () =>
      api.all(RESOURCES.namespaces)[0]?.status?.conditions?.find(({ type }) => type === 'NamespaceFinalizersRemaining')
    await until(() => finalizers()?.status === 'True', 'a condition')
    assert.equal(finalizers()?.message, 'Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances')
    await api.patch(RESOURCES.configMaps, 'shop', 'held', { type: 'merge', body: { metadata: { finalizers: [] } } })
    await until(() => api.all(RESOURCES.namespaces).length === 0, 'gone')
  })

  test('goes also when the controllers are restarted in the middle', async () => {
    await using world = await startWorld({ holdDeletes: true })
    const { api, until, restart } = world
    await api.create(RESOURCES.deployments, deployment())
    await until(() => isRolledOut(api), 'rollout')
    await api.delete(RESOURCES.namespaces, '', 'shop')
    await until(() => pods(api).every(pod => pod.metadata.deletionTimestamp), 'pods on their way out')
    await restart()
    for (const pod of pods(api)) await api.delete(RESOURCES.pods, 'shop', pod.metadata.name, { gracePeriodSeconds: 0 })
    await until(() => api.all(RESOURCES.namespaces).length === 0, 'gone')
  })

  test('takes nothing of another namespace with it', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.namespaces, { metadata: { name: 'other' } })
    await api.create(RESOURCES.configMaps, { metadata: { name: 'kept', namespace: 'other' } })
    await fill(api)
    await api.delete(RESOURCES.namespaces, '', 'shop')
    await until(() => api.all(RESOURCES.namespaces).length === 1, 'gone')
    assert.deepEqual(
      api.all(RESOURCES.configMaps).map(({ metadata }) => metadata.namespace),
      ['other'],
    )
  })
})

/** A Deployment, its Service, and twenty objects more. */
async function fill(api: MemoryApi): Promise<void> {
  const namespace = 'shop'
  await api.create(RESOURCES.deployments, deployment())
  await api.create(RESOURCES.services, { metadata: { name: 'web', namespace }, spec: { selector: { app: 'web' }, ports: [{ port: 80 }] } })
  for (let index = 0; index < 10; index++) {
    await api.create(RESOURCES.configMaps, { metadata: { name: `config-${index}`, namespace } })
    await api.create(RESOURCES.secrets, { metadata: { name: `secret-${index}`, namespace } })
  }
}
