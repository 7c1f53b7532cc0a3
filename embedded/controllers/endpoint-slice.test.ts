import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Pod, Service } from 'kubernetes-types/core/v1'
import type { Endpoint } from 'kubernetes-types/discovery/v1'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { MemoryApi } from './testing/memory-api.ts'
import { change, pods, replicaSet, startWorld } from './testing/world.ts'

suite('the EndpointSlices of a Service', () => {
  test('follow its pods as they become ready, fail, leave and go', async () => {
    await using world = await startWorld({ holdDeletes: true })
    const { api, node, until } = world
    await api.create(RESOURCES.services, service())
    await until(() => slices(api).length === 1 && endpoints(api).length === 0, 'an empty slice')
    await api.create(RESOURCES.replicaSets, replicaSet(3))
    await until(() => readyCount(api) === 3, 'three ready')
    assert.equal(slices(api).length, 1)
    const [first, second] = pods(api)
    await node.setReady(first!, false)
    await until(() => readyCount(api) === 2, 'one not ready')
    await node.setReady(first!, true)
    await until(() => readyCount(api) === 3, 'ready again')
    await api.delete(RESOURCES.pods, 'shop', second!.metadata.name)
    await until(() => endpointOf(api, second!)?.conditions?.terminating === true, 'one terminating')
    assert.deepEqual(endpointOf(api, second!)?.conditions, { ready: false, serving: true, terminating: true })
    await api.delete(RESOURCES.pods, 'shop', second!.metadata.name, { gracePeriodSeconds: 0 })
    await until(() => endpointOf(api, second!) === undefined && readyCount(api) === 3, 'gone, and replaced')
  })

  test('carry the labels that tell whose they are, and belong to the Service', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.services, service({ clusterIP: 'None' }))
    await until(() => slices(api).length === 1, 'a slice')
    const { labels, ownerReferences, name } = slices(api)[0]!.metadata
    assert.match(name, /^web-/)
    assert.deepEqual(labels, {
      team: 'blue',
      'kubernetes.io/service-name': 'web',
      'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      'service.kubernetes.io/headless': '',
    })
    assert.equal(ownerReferences?.[0]?.uid, api.all(RESOURCES.services)[0]?.metadata.uid)
  })

  test('hold a hundred endpoints each, and a change touches one of them', async () => {
    await using world = await startWorld()
    const { api, node, until } = world
    await api.create(RESOURCES.replicaSets, replicaSet(230))
    await until(() => pods(api).filter(pod => pod.status?.podIP).length === 230, 'pods')
    await api.create(RESOURCES.services, service())
    await until(() => readyCount(api) === 230, 'all ready')
    assert.deepEqual(
      slices(api)
        .map(slice => slice.endpoints.length)
        .sort(),
      [100, 100, 30],
    )
    const versions = new Set(slices(api).map(slice => slice.metadata.resourceVersion))
    await node.setReady(pods(api)[7]!, false)
    await until(() => readyCount(api) === 229, 'one less')
    assert.equal(slices(api).filter(slice => !versions.has(slice.metadata.resourceVersion)).length, 1)
  })

  test('are one a pod where the kubelet gives each pod its own port', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.services, service())
    await api.create(RESOURCES.replicaSets, replicaSet(2))
    await until(() => readyCount(api) === 2, 'two ready')
    for (const [index, pod] of pods(api).entries()) {
      const annotations = { 'kubelet.drycc.cc/ports': JSON.stringify({ 5000: 31000 + index }) }
      await change(api, RESOURCES.pods, pod.metadata.name, { metadata: { annotations } })
    }
    await until(() => portNumbers(api).join() === '31000,31001', 'a slice each')
    assert.equal(readyCount(api), 2)
  })

  test('of other managers, and of a Service without a selector, are left alone', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const bare = { metadata: { name: 'outside', namespace: 'shop' }, spec: { ports: [{ port: 80 }] } }
    await api.create(RESOURCES.services, bare)
    for (const name of ['outside', 'web']) {
      await api.create(RESOURCES.endpointSlices, {
        metadata: { name: `${name}-mine`, namespace: 'shop', labels: { 'kubernetes.io/service-name': name } },
        addressType: 'IPv4',
        ports: [{ port: 9 }],
        endpoints: [{ addresses: ['10.9.9.9'] }],
      })
    }
    const before = slices(api).map(slice => slice.metadata.resourceVersion)
    await api.create(RESOURCES.services, service())
    await api.create(RESOURCES.replicaSets, replicaSet(1))
    await until(() => readyCount(api) === 1, 'the pod in a slice of its own')
    const foreign = slices(api).filter(slice => slice.metadata.name.endsWith('-mine'))
    assert.deepEqual(
      foreign.map(slice => slice.metadata.resourceVersion),
      before,
    )
    assert.equal(slices(api).length, 3)
  })

  test('come back when somebody deletes them, and follow a new selector and port', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.services, service())
    await api.create(RESOURCES.replicaSets, replicaSet(1))
    await until(() => readyCount(api) === 1, 'ready')
    await api.delete(RESOURCES.endpointSlices, 'shop', slices(api)[0]!.metadata.name)
    await until(() => readyCount(api) === 1, 'a new slice')
    await change(api, RESOURCES.services, 'web', { spec: { ports: [{ name: 'http', port: 80, targetPort: 7000 }] } })
    await until(() => portNumbers(api).join() === '7000', 'another port')
    await change(api, RESOURCES.services, 'web', { spec: { selector: { app: 'other' } } })
    await until(() => endpoints(api).length === 0, 'no endpoint')
    assert.equal(slices(api).length, 1)
  })
})

function service(spec: Service['spec'] = {}): Service {
  return {
    metadata: { name: 'web', namespace: 'shop', labels: { team: 'blue' } },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 5000 }], ...spec },
  }
}

function slices(api: MemoryApi) {
  return api.all(RESOURCES.endpointSlices)
}

function endpoints(api: MemoryApi): Endpoint[] {
  return slices(api).flatMap(slice => slice.endpoints)
}

function readyCount(api: MemoryApi): number {
  return endpoints(api).filter(endpoint => endpoint.conditions?.ready).length
}

function endpointOf(api: MemoryApi, { metadata }: Pod): Endpoint | undefined {
  return endpoints(api).find(endpoint => endpoint.targetRef?.uid === metadata?.uid)
}

function portNumbers(api: MemoryApi): (number | undefined)[] {
  return slices(api)
    .flatMap(slice => slice.ports?.map(({ port }) => port) ?? [])
    .sort()
}
