import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { KubernetesError } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { isActive } from './pods.ts'
import type { MemoryApi } from './testing/memory-api.ts'
import { change, pods, replicaSet, startWorld } from './testing/world.ts'

suite('a ReplicaSet', () => {
  test('has as many pods as it asks for, named after it and owned by it', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.replicaSets, replicaSet(3))
    await until(() => counts(api).readyReplicas === 3, 'three ready')
    assert.ok(pods(api).every(pod => /^web-[a-z0-9]{5}$/.test(pod.metadata.name)))
    assert.equal(pods(api)[0]?.metadata.ownerReferences?.[0]?.uid, api.all(RESOURCES.replicaSets)[0]?.metadata.uid)
    assert.deepEqual([counts(api).replicas, counts(api).fullyLabeledReplicas, counts(api).availableReplicas], [3, 3, 3])
  })

  test('makes no pod twice while its informer lags', async () => {
    await using world = await startWorld()
    const { api, until } = world
    api.hold(RESOURCES.pods)
    await api.create(RESOURCES.replicaSets, replicaSet(3))
    for (let poke = 1; poke <= 5; poke++) {
      await until(() => counts(api).replicas === 3 && observed(api), 'three made')
      await change(api, RESOURCES.replicaSets, 'web', { spec: { minReadySeconds: poke } })
    }
    await until(() => observed(api), 'last poke observed')
    assert.equal(pods(api).length, 3)
    api.letGo(RESOURCES.pods)
    await until(() => counts(api).readyReplicas === 3, 'three ready')
    assert.equal(pods(api).length, 3)
  })

  test('deletes no pod too many while its informer lags', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.replicaSets, replicaSet(5))
    await until(() => counts(api).readyReplicas === 5, 'five ready')
    api.hold(RESOURCES.pods)
    await change(api, RESOURCES.replicaSets, 'web', { spec: { replicas: 3 } })
    for (let poke = 1; poke <= 5; poke++) {
      await until(() => counts(api).replicas === 3 && observed(api), 'two deleted')
      await change(api, RESOURCES.replicaSets, 'web', { spec: { minReadySeconds: poke } })
    }
    await until(() => observed(api), 'last poke observed')
    assert.equal(pods(api).filter(isActive).length, 3)
  })

  test('replaces a pod that was deleted and one that has ended', async () => {
    await using world = await startWorld()
    const { api, node, until } = world
    await api.create(RESOURCES.replicaSets, replicaSet(2))
    await until(() => counts(api).readyReplicas === 2, 'two ready')
    const [first, second] = pods(api)
    await api.delete(RESOURCES.pods, 'shop', first!.metadata.name)
    await node.finish(second!, 1)
    await until(() => pods(api).filter(isActive).length === 2 && counts(api).readyReplicas === 2, 'two new ones')
    assert.ok(
      pods(api)
        .filter(isActive)
        .every(pod => pod.metadata.uid !== first!.metadata.uid && pod.metadata.uid !== second!.metadata.uid),
    )
  })

  test('takes in a pod without an owner, and lets one go whose labels no longer match', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const { template } = replicaSet(1).spec!
    await api.create(RESOURCES.pods, { metadata: { name: 'stray', namespace: 'shop', labels: { app: 'web' } }, spec: template!.spec! })
    await api.create(RESOURCES.replicaSets, replicaSet(1))
    await until(() => counts(api).readyReplicas === 1, 'one ready')
    assert.deepEqual(
      pods(api).map(pod => [pod.metadata.name, pod.metadata.ownerReferences?.length]),
      [['stray', 1]],
    )
    await change(api, RESOURCES.pods, 'stray', { metadata: { labels: { app: 'debug' } } })
    await until(() => pods(api).length === 2 && counts(api).readyReplicas === 1, 'a replacement')
    assert.equal(pods(api).find(pod => pod.metadata.name === 'stray')?.metadata.ownerReferences?.length, 0)
  })

  test('says in a condition and an event why it cannot make pods, asks for one only, and goes on when it can', async () => {
    await using world = await startWorld()
    const { api, until } = world
    let refused = 0
    api.onWrite = ({ verb, resource }) => {
      if (verb !== 'create' || resource !== 'pods' || ++refused > 2) return
      throw new KubernetesError({ code: 403, reason: 'Forbidden', message: 'exceeded quota' })
    }
    const failures: unknown[] = []
    const { onChange } = api
    api.onChange = happening => {
      failures.push(
        ...(api.all(RESOURCES.replicaSets)[0]?.status?.conditions ?? []).map(({ type, reason }) => `${type} ${reason} after ${refused}`),
      )
      onChange(happening)
    }
    await api.create(RESOURCES.replicaSets, replicaSet(4))
    await until(() => counts(api).readyReplicas === 4, 'four ready')
    assert.equal(failures[0], 'ReplicaFailure FailedCreate after 1')
    assert.deepEqual(api.all(RESOURCES.replicaSets)[0]?.status?.conditions ?? [], [])
    await until(() => reasons(api).includes('FailedCreate') && reasons(api).includes('SuccessfulCreate'), 'events')
  })
})

function counts(api: MemoryApi) {
  return api.all(RESOURCES.replicaSets)[0]?.status ?? { replicas: 0 }
}

function observed(api: MemoryApi): boolean {
  return counts(api).observedGeneration === api.all(RESOURCES.replicaSets)[0]?.metadata.generation
}

function reasons(api: MemoryApi): (string | undefined)[] {
  return api.all(RESOURCES.events).map(event => event.reason)
}
