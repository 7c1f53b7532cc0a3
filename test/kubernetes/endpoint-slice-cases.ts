import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { holds } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import { CONDUCT, type NodeAgent } from './node-agent.ts'
import { condition, observe, observeOne } from './observe.ts'
import { container, pod, service } from './samples.ts'

/** The EndpointSlices of a Service, with the controllers at work and an agent that runs the pods. */
export function endpointSliceCases(api: Api, agent: NodeAgent): void {
  const ground = async (spec: Json = {}) => {
    const namespace = await api.namespace()
    const made = await api.must(
      'POST',
      at('services', namespace),
      service('s', { selector: { app: 'a' }, ports: [{ name: 'http', port: 80, targetPort: 5000 }], ...spec }),
    )
    const run = async (name: string, conduct = 'ready', more: Json = {}) => {
      await api.must('POST', at('pods', namespace), pod(name, more, { labels: { app: 'a' }, annotations: { [CONDUCT]: conduct } }))
      return observeOne(api, at('pods', namespace), name, object => condition(object, 'Ready'))
    }
    /** Waits for the endpoints of all slices, by the name of their pods. */
    const endpoints = async (fits: (byPod: Record<string, Json>) => unknown): Promise<Record<string, Json>> => {
      const read = (slices: Json[]) =>
        Object.fromEntries(slices.flatMap(slice => slice.endpoints ?? []).map((each: Json) => [each.targetRef?.name, each]))
      return read(await observe(api, at('endpointslices', namespace), slices => fits(read(slices)), 'kubernetes.io/service-name=s'))
    }
    return { namespace, made, run, endpoints }
  }
  const conditions = (ready: boolean, serving: boolean, terminating: boolean) => ({ ready, serving, terminating })

  suite('EndpointSlices', () => {
    test('list the pods that a Service selects', async () => {
      const { namespace, made, run, endpoints } = await ground()
      const running = await run('p')
      const { p } = await endpoints(byPod => byPod['p'])
      holds(p, {
        addresses: [running.status.podIP],
        conditions: conditions(true, true, false),
        nodeName: agent.name,
        targetRef: { kind: 'Pod', namespace, name: 'p', uid: running.metadata.uid },
      })
      const [slice] = (await api.must('GET', at('endpointslices', namespace))).items
      assert.match(slice.metadata.name, /^s-[a-z0-9]{5}$/)
      assert.equal(slice.metadata.generateName, 's-')
      holds(slice.metadata.labels, {
        'kubernetes.io/service-name': 's',
        'endpointslice.kubernetes.io/managed-by': 'endpointslice-controller.k8s.io',
      })
      assert.deepEqual(slice.metadata.ownerReferences, [
        { apiVersion: 'v1', kind: 'Service', name: 's', uid: made.metadata.uid, controller: true, blockOwnerDeletion: true },
      ])
      assert.deepEqual([slice.addressType, slice.ports], ['IPv4', [{ name: 'http', port: 5000, protocol: 'TCP' }]])
    })
    test('are there, and empty, before there are pods', async () => {
      const { namespace } = await ground()
      const [slice] = await observe(api, at('endpointslices', namespace), slices => slices.length === 1)
      assert.deepEqual(slice.endpoints ?? [], [])
    })
    test('say which pods are not ready, and follow them', async () => {
      const { run, endpoints } = await ground()
      const waiting = await run('p', 'starting')
      assert.deepEqual((await endpoints(byPod => byPod['p']))['p'].conditions, conditions(false, false, false))
      await agent.setReady(waiting, true)
      await endpoints(byPod => byPod['p']?.conditions.ready)
      await agent.setReady(waiting, false)
      await endpoints(byPod => byPod['p']?.conditions.ready === false)
    })
    test('keep a pod that is going, as terminating but serving, until it has gone', async () => {
      const { namespace, run, endpoints } = await ground()
      const running = await run('p', 'linger')
      await run('q')
      await endpoints(byPod => byPod['p']?.conditions.ready && byPod['q']?.conditions.ready)
      await api.must('DELETE', at('pods', namespace, 'p'))
      const { p } = await endpoints(byPod => byPod['p']?.conditions.terminating)
      assert.deepEqual(p.conditions, conditions(false, true, true))
      await agent.release(running)
      assert.deepEqual(Object.keys(await endpoints(byPod => !byPod['p'])), ['q'])
    })
    test('leave out pods that have ended', async () => {
      const { run, endpoints } = await ground()
      const running = await run('p')
      await endpoints(byPod => byPod['p'])
      await agent.report(running, { phase: 'Succeeded', conditions: [{ type: 'Ready', status: 'False' }] })
      await endpoints(byPod => !byPod['p'])
    })
    test('follow the labels of pods and the selector of the Service', async () => {
      const { namespace, run, endpoints } = await ground()
      await run('p')
      await endpoints(byPod => byPod['p'])
      await api.patch('merge', at('pods', namespace, 'p'), { metadata: { labels: { app: 'b' } } })
      await endpoints(byPod => !byPod['p'])
      await api.patch('merge', at('services', namespace, 's'), { spec: { selector: { app: 'b' } } })
      await endpoints(byPod => byPod['p'])
    })
    test('follow the ports of the Service', async () => {
      const { namespace, run, endpoints } = await ground()
      await run('p')
      await endpoints(byPod => byPod['p'])
      await api.patch('merge', at('services', namespace, 's'), { spec: { ports: [{ name: 'http', port: 80, targetPort: 6000 }] } })
      await observe(api, at('endpointslices', namespace), slices =>
        slices.some(each => each.endpoints?.length && each.ports?.[0]?.port === 6000),
      )
    })
    test('find a named target port in each pod', async () => {
      const { namespace, run } = await ground({ ports: [{ port: 80, targetPort: 'web' }] })
      await run('p', 'ready', { containers: [container({ ports: [{ name: 'web', containerPort: 5001 }] })] })
      await run('q', 'ready', { containers: [container({ ports: [{ name: 'web', containerPort: 5002 }] })] })
      const slices = await observe(api, at('endpointslices', namespace), all => all.flatMap(each => each.endpoints ?? []).length === 2)
      const byPod = Object.fromEntries(
        slices.flatMap(slice => (slice.endpoints ?? []).map((each: Json) => [each.targetRef.name, slice.ports])),
      )
      assert.deepEqual(byPod, { p: [{ name: '', port: 5001, protocol: 'TCP' }], q: [{ name: '', port: 5002, protocol: 'TCP' }] })
    })
    test('call every pod ready for a Service that publishes addresses before they are', async () => {
      const { run, endpoints } = await ground({ publishNotReadyAddresses: true })
      await run('p', 'starting')
      assert.deepEqual((await endpoints(byPod => byPod['p']))['p'].conditions, conditions(true, false, false))
    })
    test('of a headless Service say so', async () => {
      const { namespace } = await ground({ clusterIP: 'None' })
      const [slice] = await observe(api, at('endpointslices', namespace), slices => slices.length === 1)
      assert.equal(slice.metadata.labels['service.kubernetes.io/headless'], '')
    })
    test('are not made for a Service without a selector', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('services', namespace), service('bare'))
      await api.must('POST', at('services', namespace), service('full', { selector: { app: 'a' } }))
      const slices = await observe(api, at('endpointslices', namespace), all => all.length > 0)
      assert.deepEqual(
        slices.map(each => each.metadata.labels['kubernetes.io/service-name']),
        ['full'],
      )
    })
    test('go with their Service', async () => {
      const { namespace, endpoints } = await ground()
      await endpoints(() => true)
      await observe(api, at('endpointslices', namespace), slices => slices.length === 1)
      await api.must('DELETE', at('services', namespace, 's'))
      await observe(api, at('endpointslices', namespace), slices => slices.length === 0)
    })
    test('are made again when someone deletes them', async () => {
      const { namespace } = await ground()
      const [slice] = await observe(api, at('endpointslices', namespace), slices => slices.length === 1)
      await api.must('DELETE', at('endpointslices', namespace, slice.metadata.name))
      await observe(api, at('endpointslices', namespace), slices => slices.length === 1 && slices[0].metadata.uid !== slice.metadata.uid)
    })
  })
}
