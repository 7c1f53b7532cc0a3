import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { holds, isFailure } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import { CONDUCT, type NodeAgent } from './node-agent.ts'
import { condition, isRolledOut, observe, observeGone, observeOne } from './observe.ts'
import { configMap, deployment, pod, template } from './samples.ts'

/** What goes along with an owner or a namespace, with the controllers at work. */
export function garbageCases(api: Api, agent: NodeAgent): void {
  const owner = (object: Json, more: Json = {}) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    name: object.metadata.name,
    uid: object.metadata.uid,
    ...more,
  })
  const rolledOut = async (spec: Json = {}) => {
    const namespace = await api.namespace()
    await api.must('POST', at('deployments', namespace), deployment('d', { replicas: 2, ...spec }))
    await observeOne(api, at('deployments', namespace), 'd', isRolledOut)
    return namespace
  }
  const emptied = (plural: string, namespace: string) => observe(api, at(plural, namespace), objects => objects.length === 0)

  suite('owners', () => {
    test('that go in the background take their dependents along, and theirs', async () => {
      const namespace = await rolledOut()
      await api.must('DELETE', at('deployments', namespace, 'd'), { propagationPolicy: 'Background' })
      isFailure(await api.get(at('deployments', namespace, 'd')), 404, 'NotFound')
      await emptied('replicasets', namespace)
      await emptied('pods', namespace)
    })
    test('that go in the foreground wait for their dependents', async () => {
      const namespace = await rolledOut({ template: template({}, { annotations: { [CONDUCT]: 'linger' } }) })
      await api.must('DELETE', at('deployments', namespace, 'd'), { propagationPolicy: 'Foreground' })
      const leaving = await observe(api, at('pods', namespace), objects => objects.every(each => each.metadata.deletionTimestamp))
      for (const plural of ['deployments', 'replicasets']) {
        const [waiting] = (await api.must('GET', at(plural, namespace))).items
        holds(waiting.metadata, { finalizers: ['foregroundDeletion'] })
        assert.ok(waiting.metadata.deletionTimestamp)
      }
      for (const each of leaving) await agent.release(each)
      await observeGone(api, at('deployments', namespace), 'd')
      assert.deepEqual((await api.must('GET', at('replicasets', namespace))).items, [])
    })
    test('that orphan leave their dependents, without a word of them', async () => {
      const namespace = await rolledOut()
      await api.must('DELETE', at('deployments', namespace, 'd'), { propagationPolicy: 'Orphan' })
      await observeGone(api, at('deployments', namespace), 'd')
      const [set] = (await api.must('GET', at('replicasets', namespace))).items
      assert.deepEqual([set.metadata.ownerReferences, set.spec.replicas], [undefined, 2])
      assert.equal((await api.must('GET', at('pods', namespace))).items.length, 2)
    })
    test('that come back adopt what they orphaned', async () => {
      const namespace = await rolledOut()
      const before = (await api.must('GET', at('pods', namespace))).items.map((each: Json) => each.metadata.uid)
      await api.must('DELETE', at('deployments', namespace, 'd'), { propagationPolicy: 'Orphan' })
      await observeGone(api, at('deployments', namespace), 'd')
      await api.must('POST', at('deployments', namespace), deployment('d', { replicas: 2 }))
      await observeOne(api, at('deployments', namespace), 'd', isRolledOut)
      assert.deepEqual(
        (await api.must('GET', at('pods', namespace))).items.map((each: Json) => each.metadata.uid),
        before,
      )
    })
    test('any object can be: it takes along what names it', async () => {
      const namespace = await api.namespace()
      const path = at('configmaps', namespace)
      const parent = await api.must('POST', path, configMap('parent'))
      await api.must('POST', path, configMap('child', {}, { ownerReferences: [owner(parent)] }))
      await api.must('POST', path, configMap('other'))
      await api.must('DELETE', `${path}/parent`)
      await observeGone(api, path, 'child')
      assert.equal((await api.get(`${path}/other`)).status, 200)
    })
    test('two of one object: it goes with the last', async () => {
      const namespace = await api.namespace()
      const path = at('configmaps', namespace)
      const [one, two] = [await api.must('POST', path, configMap('one')), await api.must('POST', path, configMap('two'))]
      await api.must('POST', path, configMap('child', {}, { ownerReferences: [owner(one), owner(two)] }))
      await api.must('DELETE', `${path}/one`)
      const child = await observeOne(api, path, 'child', object => object.metadata.ownerReferences.length === 1)
      assert.equal(child.metadata.ownerReferences[0].uid, two.metadata.uid)
      await api.must('DELETE', `${path}/two`)
      await observeGone(api, path, 'child')
    })
    test('that never were: their dependents go', async () => {
      const namespace = await api.namespace()
      const path = at('configmaps', namespace)
      const ghost = { metadata: { name: 'ghost', uid: '00000000-0000-4000-8000-000000000000' } }
      await api.must('POST', path, configMap('child', {}, { ownerReferences: [owner(ghost)] }))
      await observeGone(api, path, 'child')
    })
    test('of the name but another uid do not count', async () => {
      const namespace = await api.namespace()
      const path = at('configmaps', namespace)
      const first = await api.must('POST', path, configMap('parent'))
      await api.must('DELETE', `${path}/parent`)
      await api.must('POST', path, configMap('parent'))
      await api.must('POST', path, configMap('child', {}, { ownerReferences: [owner(first)] }))
      await observeGone(api, path, 'child')
    })
  })

  suite('a namespace that is deleted', () => {
    test('takes everything in it along, and goes', async () => {
      const namespace = await rolledOut()
      await api.must('POST', at('configmaps', namespace), configMap('x'))
      await api.must('POST', at('secrets', namespace), { metadata: { name: 's' } })
      await api.must('DELETE', at('namespaces', '', namespace))
      await observeGone(api, at('namespaces'), namespace)
      for (const plural of ['deployments', 'replicasets', 'pods', 'configmaps', 'secrets'])
        assert.deepEqual((await api.must('GET', at(plural, namespace))).items, [], plural)
    })
    test('waits for pods to end in their own time', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('pods', namespace), pod('p', {}, { annotations: { [CONDUCT]: 'linger' } }))
      await observeOne(api, at('pods', namespace), 'p', object => object.status.phase === 'Running')
      await api.must('DELETE', at('namespaces', '', namespace))
      const leaving = await observeOne(api, at('pods', namespace), 'p', object => object.metadata.deletionTimestamp)
      assert.equal(leaving.metadata.deletionGracePeriodSeconds, 30)
      assert.equal((await api.must('GET', at('namespaces', '', namespace))).status.phase, 'Terminating')
      await agent.release(leaving)
      await observeGone(api, at('namespaces'), namespace)
    })
    test('waits for finalizers, and says for which', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('configmaps', namespace), configMap('x', {}, { finalizers: ['a.test/b'] }))
      await api.must('DELETE', at('namespaces', '', namespace))
      const waiting = await observeOne(
        api,
        at('namespaces'),
        namespace,
        object => condition(object, 'NamespaceFinalizersRemaining')?.status === 'True',
      )
      holds(condition(waiting, 'NamespaceFinalizersRemaining'), {
        reason: 'SomeFinalizersRemain',
        message: 'Some content in the namespace has finalizers remaining: a.test/b in 1 resource instances',
      })
      holds(condition(waiting, 'NamespaceContentRemaining'), {
        status: 'True',
        reason: 'SomeResourcesRemain',
        message: 'Some resources are remaining: configmaps. has 1 resource instances',
      })
      await api.patch('merge', at('configmaps', namespace, 'x'), { metadata: { finalizers: null } })
      await observeGone(api, at('namespaces'), namespace)
    })
    test('can be made again then, and is empty', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('configmaps', namespace), configMap('x'))
      await api.must('DELETE', at('namespaces', '', namespace))
      await observeGone(api, at('namespaces'), namespace)
      await api.must('POST', at('namespaces'), { metadata: { name: namespace } })
      isFailure(await api.get(at('configmaps', namespace, 'x')), 404, 'NotFound')
    })
  })
}
