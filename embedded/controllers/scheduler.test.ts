import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Node, Pod } from 'kubernetes-types/core/v1'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { explainUnfit, unfitReason } from './node-fit.ts'
import { startFakeNode } from './testing/fake-node.ts'
import { change, pods, replicaSet, startWorld } from './testing/world.ts'

suite('the scheduler', () => {
  test('says on a pod and in an event why it has to wait, and binds it when a node fits', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const set = replicaSet(1)
    set.spec!.template!.spec!.nodeSelector = { disk: 'fast' }
    await api.create(RESOURCES.replicaSets, set)
    const waiting = () => pods(api)[0]?.status?.conditions?.find(condition => condition.type === 'PodScheduled')
    await until(() => waiting() !== undefined, 'a condition')
    assert.equal(waiting()?.reason, 'Unschedulable')
    assert.equal(waiting()?.message, "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector.")
    await until(() => api.all(RESOURCES.events).some(event => event.reason === 'FailedScheduling'), 'an event')
    await api.patch(RESOURCES.nodes, '', 'node-1', { type: 'merge', body: { metadata: { labels: { disk: 'fast' } } } })
    await until(() => pods(api)[0]?.spec?.nodeName === 'node-1', 'bound')
    await until(() => api.all(RESOURCES.events).some(event => event.reason === 'Scheduled'), 'an event of success')
  })

  test('spreads pods over the nodes that are ready', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const other = await startFakeNode(api, { name: 'node-2' })
    await api.create(RESOURCES.replicaSets, replicaSet(6))
    await until(() => pods(api).filter(pod => pod.spec?.nodeName).length === 6, 'bound')
    await other.stop()
    assert.equal(pods(api).filter(pod => pod.spec?.nodeName === 'node-2').length, 3)
  })

  test('passes a node by whose kubelet has stopped to renew its Lease', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const lease = (renewTime: string) => ({ metadata: { name: 'node-1', namespace: 'kube-node-lease' }, spec: { renewTime } })
    await api.create(RESOURCES.leases, lease(new Date(Date.now() - 60_000).toISOString()))
    await api.create(RESOURCES.replicaSets, replicaSet(1))
    await until(() => pods(api)[0]?.status?.conditions?.[0]?.type === 'PodScheduled', 'refused')
    await api.update(RESOURCES.leases, lease(new Date().toISOString()))
    await until(() => pods(api)[0]?.spec?.nodeName !== undefined, 'bound')
  })

  test('leaves pods of another scheduler, and gated ones, alone', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const { containers } = replicaSet(1).spec!.template!.spec!
    await api.create(RESOURCES.pods, { metadata: { name: 'foreign', namespace: 'shop' }, spec: { containers, schedulerName: 'other' } })
    await api.create(RESOURCES.pods, {
      metadata: { name: 'gated', namespace: 'shop' },
      spec: { containers, schedulingGates: [{ name: 'x' }] },
    })
    await api.create(RESOURCES.pods, { metadata: { name: 'ours', namespace: 'shop' }, spec: { containers } })
    await until(() => pods(api).some(pod => pod.spec?.nodeName), 'bound')
    assert.deepEqual(
      pods(api)
        .filter(pod => pod.spec?.nodeName)
        .map(pod => pod.metadata.name),
      ['ours'],
    )
    await change(api, RESOURCES.pods, 'gated', { spec: { schedulingGates: null } })
    await until(() => pods(api).filter(pod => pod.spec?.nodeName).length === 2, 'gate lifted')
  })
})

suite('unfitReason()', () => {
  const requests = (memory: string): Pod => ({ spec: { containers: [{ name: 'a', resources: { requests: { memory } } }] } })
  test('adds up what the pods of a node ask for', () => {
    assert.equal(unfitReason(requests('1Gi'), node(), [requests('1Gi')], true), undefined)
    assert.equal(unfitReason(requests('1Gi'), node(), [requests('1Gi'), requests('512Mi')], true), 'Insufficient memory')
    assert.equal(
      unfitReason(
        requests('1'),
        node(),
        Array.from({ length: 3 }, () => requests('1')),
        true,
      ),
      'Too many pods',
    )
  })
  test('asks for what the node must be', () => {
    assert.equal(unfitReason({}, node({ ready: 'False' }), [], true), 'node(s) were not ready')
    assert.equal(unfitReason({}, node({ ready: 'Unknown' }), [], true), 'node(s) were not ready')
    assert.equal(unfitReason({}, node(), [], false), 'node(s) were not ready')
    assert.equal(unfitReason({}, node({ unschedulable: true }), [], true), 'node(s) were unschedulable')
  })
  test('lets only tolerant pods onto a tainted node', () => {
    const tainted = node({ taints: [{ key: 'gpu', value: 'yes', effect: 'NoSchedule' }] })
    const tolerant = (toleration: object): Pod => ({ spec: { containers: [], tolerations: [toleration] } })
    assert.equal(unfitReason({}, tainted, [], true), 'node(s) had untolerated taint(s)')
    assert.equal(unfitReason(tolerant({ key: 'gpu', value: 'no' }), tainted, [], true), 'node(s) had untolerated taint(s)')
    for (const toleration of [{ key: 'gpu', value: 'yes' }, { key: 'gpu', operator: 'Exists' }, { operator: 'Exists' }]) {
      assert.equal(unfitReason(tolerant(toleration), tainted, [], true), undefined)
    }
  })
  test('follows required node affinity, any of its terms', () => {
    const affine = (...values: string[]): Pod => {
      const nodeSelectorTerms = values.map(value => ({ matchExpressions: [{ key: 'zone', operator: 'In', values: [value] }] }))
      return {
        spec: { containers: [], affinity: { nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } } } },
      }
    }
    assert.equal(unfitReason(affine('a', 'b'), node({}, { zone: 'b' }), [], true), undefined)
    assert.ok(unfitReason(affine('a'), node({}, { zone: 'b' }), [], true))
  })
})

suite('explainUnfit()', () => {
  test('counts equal reasons', () => {
    assert.equal(
      explainUnfit(['Too many pods', 'node(s) were not ready', 'Too many pods']),
      '0/3 nodes are available: 1 node(s) were not ready, 2 Too many pods.',
    )
    assert.equal(explainUnfit([]), 'no nodes available to schedule pods')
  })
})

function node(
  options: { ready?: string; unschedulable?: boolean; taints?: { key: string; value: string; effect: string }[] } = {},
  labels = {},
): Node {
  const { ready = 'True', ...spec } = options
  return {
    metadata: { name: 'n', labels },
    spec,
    status: { conditions: [{ type: 'Ready', status: ready }], allocatable: { cpu: '2', memory: '2Gi', pods: '3' } },
  }
}
