import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { NODE_NAME, TestNode, WEB_APP } from './test-node.ts'

const ports = [{ name: 'http', containerPort: 5000 }]
const probe = { httpGet: { path: '/ready', port: 5000 }, periodSeconds: 10 }

suite('startKubelet()', { timeout: 60_000 }, () => {
  let node: TestNode
  let kubelet: Awaited<ReturnType<TestNode['kubelet']>>
  before(async () => {
    node = await TestNode.start()
    kubelet = await node.kubelet()
  })
  after(async () => {
    await kubelet.stop()
    await node.stop()
  })

  test('registers a ready node with its log port and a Lease', async () => {
    const { status } = await node.api.get(RESOURCES.nodes, '', NODE_NAME)
    assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
    assert.equal(status?.daemonEndpoints?.kubeletEndpoint?.Port, kubelet.port)
    assert.ok(Number(status?.allocatable?.['cpu']) > 0)
    const lease = await node.api.get(RESOURCES.leases, 'kube-node-lease', NODE_NAME)
    assert.equal(lease.spec?.holderIdentity, NODE_NAME)
  })

  test('runs a web app on an own address and port and has it ready fast', async () => {
    const image = await node.image('web', { 'server.js': WEB_APP }, { command: ['node', 'server.js'] })
    await node.pod('web', [{ name: 'web', image, ports, readinessProbe: probe, env: [{ name: 'PORT', value: '5000' }] }])
    const pod = await node.untilReady('web')
    const body = (await (await fetch(node.address('web'))).json()) as { pod: string }
    assert.equal(body.pod, 'web')
    assert.match(pod.status!.podIP!, /^127\./)
    assert.equal(pod.status!.phase, 'Running')
    assert.equal(pod.status!.qosClass, 'BestEffort')
  })
})
