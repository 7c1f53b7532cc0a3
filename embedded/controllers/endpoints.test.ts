import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Pod, Service } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { buildEndpoints } from './endpoints.ts'

suite('buildEndpoints()', () => {
  test('makes a pod ready only while it is ready and stays, and serving as long as it is ready', () => {
    const conditions = (made: Stored<Pod>) => only(buildEndpoints(service(), [made])).conditions
    assert.deepEqual(conditions(pod({ ready: true })), { ready: true, serving: true, terminating: false })
    assert.deepEqual(conditions(pod({ ready: false })), { ready: false, serving: false, terminating: false })
    assert.deepEqual(conditions(pod({ ready: true, terminating: true })), { ready: false, serving: true, terminating: true })
    assert.deepEqual(conditions(pod({ ready: false, terminating: true })), { ready: false, serving: false, terminating: true })
  })
  test('says ready for all when the Service publishes addresses that are not', () => {
    const published = service({ publishNotReadyAddresses: true })
    assert.deepEqual(only(buildEndpoints(published, [pod({ ready: false })])).conditions, {
      ready: true,
      serving: false,
      terminating: false,
    })
  })
  test('leaves out pods that have ended or have no address', () => {
    const [group] = buildEndpoints(service(), [pod({ phase: 'Succeeded' }), pod({ phase: 'Failed' }), pod({ ip: '' })])
    assert.equal(group?.endpoints.size, 0)
  })
  test('names pod, node and zone', () => {
    const [group] = buildEndpoints(service(), [pod({})], node => `zone of ${node}`)
    assert.deepEqual([...group!.endpoints.values()][0], {
      addresses: ['10.0.0.1'],
      conditions: { ready: true, serving: true, terminating: false },
      nodeName: 'node-1',
      zone: 'zone of node-1',
      targetRef: { kind: 'Pod', namespace: 'shop', name: 'a', uid: 'a' },
    })
  })
  test('finds a named port in the pod, and groups pods where it differs', () => {
    const named = service({ ports: [{ name: 'web', port: 80, targetPort: 'http' }] })
    const groups = buildEndpoints(named, [pod({ name: 'a' }), pod({ name: 'b', containerPort: 6000 }), pod({ name: 'c' })])
    assert.deepEqual(
      groups.map(group => [group.ports[0]?.port, group.endpoints.size]),
      [
        [5000, 2],
        [6000, 1],
      ],
    )
  })
  test('has a side-car’s port too, and leaves a port out that the pod does not have', () => {
    const ports = [
      { name: 'metrics', port: 9000, targetPort: 'metrics' },
      { name: 'none', port: 1, targetPort: 'none' },
    ]
    const made = pod({})
    made.spec!.initContainers = [{ name: 's', restartPolicy: 'Always', ports: [{ name: 'metrics', containerPort: 9102 }] }]
    assert.deepEqual(buildEndpoints(service({ ports }), [made])[0]?.ports, [{ name: 'metrics', port: 9102, protocol: 'TCP' }])
  })
  test('follows the kubelet’s own port of each pod', () => {
    const pods = [
      pod({ name: 'a', mapped: '{"5000":31005}' }),
      pod({ name: 'b', mapped: '{"5000":31006}' }),
      pod({ name: 'c', mapped: 'x' }),
    ]
    const groups = buildEndpoints(service(), pods)
    assert.deepEqual(
      groups.map(group => [group.ports[0]?.port, [...group.endpoints.keys()]]),
      [
        [31005, ['a']],
        [31006, ['b']],
        [5000, ['c']],
      ],
    )
  })
  test('takes the service port where no target is given', () => {
    assert.equal(buildEndpoints(service({ ports: [{ port: 80 }] }), [pod({})])[0]?.ports[0]?.port, 80)
  })
  test('has a group for each family of addresses, empty where no pod has one', () => {
    const groups = buildEndpoints(service({ ipFamilies: ['IPv4', 'IPv6'] }), [pod({})])
    assert.deepEqual(
      groups.map(group => [group.addressType, group.endpoints.size]),
      [
        ['IPv4', 1],
        ['IPv6', 0],
      ],
    )
  })
})

function service(spec: Service['spec'] = {}): Stored<Service> {
  return {
    metadata: { name: 'web', namespace: 'shop', uid: 's', resourceVersion: '1' },
    spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 5000 }], ...spec },
  }
}

function pod(options: {
  name?: string
  ready?: boolean
  terminating?: boolean
  phase?: string
  ip?: string
  containerPort?: number
  mapped?: string
}): Stored<Pod> {
  const { name = 'a', ready = true, terminating, phase = 'Running', ip = '10.0.0.1', containerPort = 5000, mapped } = options
  return {
    metadata: {
      name,
      namespace: 'shop',
      uid: name,
      resourceVersion: '1',
      ...(terminating ? { deletionTimestamp: '2026-01-01T00:00:00Z' } : {}),
      ...(mapped ? { annotations: { 'kubelet.drycc.cc/ports': mapped } } : {}),
    },
    spec: { nodeName: 'node-1', containers: [{ name: 'web', ports: [{ name: 'http', containerPort }] }] },
    status: { phase, ...(ip ? { podIP: ip, podIPs: [{ ip }] } : {}), conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }] },
  }
}

function only(groups: ReturnType<typeof buildEndpoints>) {
  return [...groups[0]!.endpoints.values()][0]!
}
