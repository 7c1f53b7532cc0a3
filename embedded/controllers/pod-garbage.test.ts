import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { startCluster } from './cluster.ts'
import { startPodGarbage } from './pod-garbage.ts'
import { MemoryApi } from './testing/memory-api.ts'
import { pods, replicaSet, startWorld } from './testing/world.ts'

suite('pod garbage', () => {
  test('of a node that has gone for good is ended and removed, and replaced elsewhere', async () => {
    await using world = await startWorld({ holdDeletes: true })
    const { api, node, until, ahead } = world
    await api.create(RESOURCES.replicaSets, replicaSet(2))
    await until(() => pods(api).every(pod => pod.status?.phase === 'Running'), 'two run')
    const lost = new Set(pods(api).map(pod => pod.metadata.uid))
    await api.delete(RESOURCES.nodes, '', node.name)
    ahead.ms = 41_000
    for (const pod of pods(api)) {
      await api.patch(RESOURCES.pods, 'shop', pod.metadata.name, { type: 'merge', body: { metadata: { labels: { poke: '1' } } } })
    }
    ahead.ms = 90_000
    for (const pod of pods(api)) {
      await api.patch(RESOURCES.pods, 'shop', pod.metadata.name, { type: 'merge', body: { metadata: { labels: { poke: '2' } } } })
    }
    await until(() => pods(api).length === 2 && pods(api).every(pod => !lost.has(pod.metadata.uid)), 'replaced')
    assert.ok(pods(api).every(pod => pod.spec?.nodeName === undefined))
  })

  test('keeps the newest of the pods that have ended', async () => {
    const api = new MemoryApi()
    const cluster = await startCluster(api, { log: silentLog, clock: { now: Date.now } })
    const garbage = startPodGarbage(cluster, { finishedCountMax: 2 })
    let nowMs = Date.now()
    api.now = () => nowMs
    const gone = new Promise<void>(resolve => {
      api.onChange = () => pods(api).length === 2 && pods(api)[0]?.metadata.name === 'c' && resolve()
    })
    for (const name of ['a', 'b', 'c', 'd']) {
      nowMs += 1000
      await api.create(RESOURCES.pods, { metadata: { name, namespace: 'shop' }, status: { phase: 'Succeeded' } })
    }
    await gone
    await garbage.stop()
    await cluster.stop()
  })
})
