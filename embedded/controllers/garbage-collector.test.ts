import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { controllerReference, RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import type { MemoryApi } from './testing/memory-api.ts'
import { change, deployment, isRolledOut, pods, startWorld } from './testing/world.ts'

suite('the garbage collector', () => {
  test('clears a Deployment’s sets and pods away after it (Background)', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.deployments, deployment())
    await until(() => isRolledOut(api), 'rollout')
    await api.delete(RESOURCES.deployments, 'shop', 'web', { propagationPolicy: 'Background' })
    assert.equal(api.all(RESOURCES.deployments).length, 0)
    await until(() => api.all(RESOURCES.replicaSets).length + pods(api).length === 0, 'all gone')
  })

  test('lets the owner go last, from the bottom up (Foreground)', async () => {
    await using world = await startWorld({ holdDeletes: true })
    const { api, until } = world
    await api.create(RESOURCES.deployments, deployment({ replicas: 2 }))
    await until(() => isRolledOut(api), 'rollout')
    await api.delete(RESOURCES.deployments, 'shop', 'web', { propagationPolicy: 'Foreground' })
    await until(() => pods(api).every(pod => pod.metadata.deletionTimestamp), 'pods on their way out')
    assert.equal(pods(api).length, 2)
    assert.equal(api.all(RESOURCES.deployments).length + api.all(RESOURCES.replicaSets).length, 2)
    for (const pod of pods(api)) await api.delete(RESOURCES.pods, 'shop', pod.metadata.name, { gracePeriodSeconds: 0 })
    await until(() => api.all(RESOURCES.deployments).length + api.all(RESOURCES.replicaSets).length === 0, 'owners gone')
  })

  test('lets dependents live without their owner (Orphan)', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.deployments, deployment())
    await until(() => isRolledOut(api), 'rollout')
    await api.delete(RESOURCES.deployments, 'shop', 'web', { propagationPolicy: 'Orphan' })
    await until(() => api.all(RESOURCES.deployments).length === 0, 'owner gone')
    assert.deepEqual(
      api.all(RESOURCES.replicaSets).map(set => set.metadata.ownerReferences),
      [[]],
    )
    assert.equal(pods(api).filter(pod => !pod.metadata.deletionTimestamp).length, 3)
  })

  test('deletes what names an owner that never was, or is another by now', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const owner = await configMap(api, 'owner')
    await configMap(api, 'stale', [{ ...controllerReference(RESOURCES.configMaps, owner), uid: 'former' }])
    await configMap(api, 'lost', [{ ...controllerReference(RESOURCES.configMaps, owner), name: 'nobody', uid: 'nobody' }])
    await configMap(api, 'kept', [controllerReference(RESOURCES.configMaps, owner)])
    await until(() => names(api).join() === 'kept,owner', 'two gone')
  })

  test('keeps an object while one of its owners is there, without the reference to the other', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const [first, second] = [await configMap(api, 'first'), await configMap(api, 'second')]
    const references = [first, second].map(owner => ({ ...controllerReference(RESOURCES.configMaps, owner), controller: false }))
    await configMap(api, 'shared', references)
    await api.delete(RESOURCES.configMaps, 'shop', 'first')
    const shared = () => api.all(RESOURCES.configMaps).find(({ metadata }) => metadata.name === 'shared')
    await until(() => shared()?.metadata.ownerReferences?.length === 1, 'one reference left')
    await api.delete(RESOURCES.configMaps, 'shop', 'second')
    await until(() => names(api).length === 0, 'gone')
  })

  test('asks the API server itself before it deletes: an owner that its views lack may be there', async () => {
    await using world = await startWorld()
    const { api, until } = world
    api.hold(RESOURCES.secrets)
    const owner = await api.create(RESOURCES.secrets, { metadata: { name: 'owner', namespace: 'shop' } })
    await configMap(api, 'kept', [controllerReference(RESOURCES.secrets, owner)])
    const canary = await configMap(api, 'canary-owner')
    await configMap(api, 'canary', [{ ...controllerReference(RESOURCES.configMaps, canary), uid: 'nobody' }])
    await until(() => !names(api).includes('canary'), 'the collector has been by')
    assert.ok(names(api).includes('kept'))
  })

  test('does not delete an object that was taken in meanwhile', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const [owner, heir] = [await configMap(api, 'owner'), await configMap(api, 'heir')]
    await configMap(api, 'child', [controllerReference(RESOURCES.configMaps, owner)])
    api.hold(RESOURCES.configMaps)
    await change(api, RESOURCES.configMaps, 'child', { metadata: { ownerReferences: [controllerReference(RESOURCES.configMaps, heir)] } })
    await api.delete(RESOURCES.configMaps, 'shop', 'owner')
    api.letGo(RESOURCES.configMaps)
    const canary = await configMap(api, 'canary', [{ ...controllerReference(RESOURCES.configMaps, owner), uid: 'nobody' }])
    await until(() => !names(api).includes(canary.metadata.name), 'the collector has been by')
    assert.ok(names(api).includes('child'))
  })

  test('takes up after a restart what it had not ended', async () => {
    await using world = await startWorld()
    const { api, until, restart } = world
    await api.create(RESOURCES.deployments, deployment())
    await until(() => isRolledOut(api), 'rollout')
    await api.delete(RESOURCES.deployments, 'shop', 'web')
    await restart()
    await until(() => api.all(RESOURCES.replicaSets).length + pods(api).length === 0, 'all gone')
  })
})

function configMap(api: MemoryApi, name: string, ownerReferences: ReturnType<typeof controllerReference>[] = []): Promise<Stored> {
  return api.create(RESOURCES.configMaps, { metadata: { name, namespace: 'shop', ownerReferences } })
}

function names(api: MemoryApi): string[] {
  return api
    .all(RESOURCES.configMaps)
    .map(({ metadata }) => metadata.name)
    .sort()
}
