import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { holds } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import { CONDUCT, type Conduct, type NodeAgent } from './node-agent.ts'
import { condition, isRolledOut, observe, observeGone, observeOne } from './observe.ts'
import { container, deployment, pod, replicaSet, template } from './samples.ts'

const REVISION = 'deployment.kubernetes.io/revision'

/** Deployments and ReplicaSets, with the controllers at work and an agent that runs their pods. */
export function deploymentCases(api: Api, agent: NodeAgent): void {
  /** A template whose containers do as told; another image is another revision. */
  const acting = (conduct: Conduct, image = 'registry.test/c:1') =>
    template({ containers: [container({ image })] }, { annotations: { [CONDUCT]: conduct } })

  /** A Deployment in a namespace of its own. */
  const ground = async (spec: Json = {}) => {
    const namespace = await api.namespace()
    const collection = at('deployments', namespace)
    const created = await api.must('POST', collection, deployment('d', spec))
    const change = async (patch: Json) => {
      const answer = await api.patch('strategic', `${collection}/d`, { spec: patch })
      assert.equal(answer.status, 200, answer.text)
      return answer.body
    }
    return {
      namespace,
      created,
      change,
      image: (image: string, conduct: Conduct = 'ready') =>
        change({ template: { metadata: { annotations: { [CONDUCT]: conduct } }, spec: { containers: [{ name: 'c', image }] } } }),
      settled: (fits: (object: Json) => unknown = isRolledOut) => observeOne(api, collection, 'd', fits),
      sets: async (): Promise<Json[]> => (await api.must('GET', at('replicasets', namespace))).items,
      pods: async (): Promise<Json[]> => (await api.must('GET', at('pods', namespace))).items,
    }
  }
  const revisions = (sets: Json[]) => Object.fromEntries(sets.map(set => [set.metadata.annotations[REVISION], set]))

  suite('a Deployment', () => {
    test('makes a ReplicaSet named after the hash of its template', async () => {
      const { created, settled, sets } = await ground({ replicas: 2 })
      await settled()
      const [set] = await sets()
      const hash = set.metadata.labels['pod-template-hash']
      assert.match(hash, /^[a-z0-9]{5,10}$/)
      assert.equal(set.metadata.name, `d-${hash}`)
      assert.deepEqual(set.metadata.ownerReferences, [
        { apiVersion: 'apps/v1', kind: 'Deployment', name: 'd', uid: created.metadata.uid, controller: true, blockOwnerDeletion: true },
      ])
      assert.deepEqual(set.spec.selector, { matchLabels: { app: 'a', 'pod-template-hash': hash } })
      assert.deepEqual(set.spec.template.metadata.labels, { app: 'a', 'pod-template-hash': hash })
      assert.equal(set.spec.replicas, 2)
      holds(set.metadata.annotations, {
        [REVISION]: '1',
        'deployment.kubernetes.io/desired-replicas': '2',
        'deployment.kubernetes.io/max-replicas': '3',
      })
    })
    test('whose ReplicaSet makes the pods', async () => {
      const { settled, sets, pods } = await ground({ replicas: 2 })
      await settled()
      const [set] = await sets()
      const made = await pods()
      assert.equal(made.length, 2)
      for (const each of made) {
        assert.match(each.metadata.name, new RegExp(`^${set.metadata.name}-[bcdfghjklmnpqrstvwxz2456789]{5}$`))
        assert.equal(each.metadata.generateName, `${set.metadata.name}-`)
        assert.deepEqual(each.metadata.labels, set.spec.template.metadata.labels)
        assert.deepEqual(each.metadata.ownerReferences, [
          {
            apiVersion: 'apps/v1',
            kind: 'ReplicaSet',
            name: set.metadata.name,
            uid: set.metadata.uid,
            controller: true,
            blockOwnerDeletion: true,
          },
        ])
      }
    })
    test('tells in its status how far it is', async () => {
      const { settled } = await ground({ replicas: 3 })
      const done = await settled(object => isRolledOut(object) && condition(object, 'Progressing')?.reason === 'NewReplicaSetAvailable')
      holds(done.status, {
        observedGeneration: 1,
        replicas: 3,
        updatedReplicas: 3,
        readyReplicas: 3,
        availableReplicas: 3,
        unavailableReplicas: undefined,
      })
      holds(condition(done, 'Available'), {
        status: 'True',
        reason: 'MinimumReplicasAvailable',
        message: 'Deployment has minimum availability.',
      })
      const progressing = condition(done, 'Progressing')
      assert.equal(progressing.status, 'True')
      assert.match(progressing.message, /^ReplicaSet "d-[a-z0-9]+" has successfully progressed\.$/)
      assert.equal(done.metadata.annotations[REVISION], '1')
    })
    test('is not available while its pods are not ready', async () => {
      const { namespace, settled } = await ground({ replicas: 2, template: acting('starting') })
      const waiting = await settled(object => object.status.unavailableReplicas === 2 && condition(object, 'Available'))
      holds(condition(waiting, 'Available'), {
        status: 'False',
        reason: 'MinimumReplicasUnavailable',
        message: 'Deployment does not have minimum availability.',
      })
      const started = await observe(
        api,
        at('pods', namespace),
        objects => objects.length === 2 && objects.every(each => condition(each, 'Ready')),
      )
      for (const each of started) await agent.setReady(each, true)
      const done = await settled()
      assert.equal(condition(done, 'Available').status, 'True')
    })
    test('scales up and down, on one ReplicaSet', async () => {
      const { namespace, change, settled, sets, pods } = await ground({ replicas: 1 })
      await settled()
      await api.patch('merge', at('deployments', namespace, 'd', 'scale'), { spec: { replicas: 4 } })
      await settled(object => object.spec.replicas === 4 && isRolledOut(object))
      assert.equal((await pods()).length, 4)
      await change({ replicas: 0 })
      await settled(object => object.spec.replicas === 0 && isRolledOut(object))
      await observe(api, at('pods', namespace), objects => objects.length === 0)
      assert.equal((await sets()).length, 1)
    })
    test('takes away first the pods that are not ready', async () => {
      const { namespace, change, settled, pods } = await ground({ replicas: 3 })
      await settled()
      const [first, ...others] = await pods()
      await agent.setReady(first, false)
      await settled(object => object.status.readyReplicas === 2)
      await change({ replicas: 2 })
      await observe(api, at('pods', namespace), objects => objects.length === 2)
      assert.deepEqual(
        (await pods()).map(each => each.metadata.name),
        others.map(each => each.metadata.name),
      )
    })
    test('replaces a pod that is deleted, and one that has failed', async () => {
      const { namespace, settled, pods } = await ground({ replicas: 2 })
      await settled()
      const [one, two] = await pods()
      await api.must('DELETE', at('pods', namespace, one.metadata.name))
      await agent.report(two, { phase: 'Failed', conditions: [{ type: 'Ready', status: 'False' }] })
      await observe(
        api,
        at('pods', namespace),
        objects =>
          objects.filter(
            each => each.status.phase === 'Running' && each.metadata.uid !== one.metadata.uid && each.metadata.uid !== two.metadata.uid,
          ).length === 2,
      )
      await settled()
    })
    test('rolls to a new template within maxUnavailable and maxSurge', async context => {
      const { namespace, image, settled, sets } = await ground({
        replicas: 4,
        strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } },
      })
      await settled()
      const open = async (plural: string) => {
        const { items, metadata } = await api.must('GET', at(plural, namespace))
        const watch = await api.watch(at(plural, namespace), { resourceVersion: metadata.resourceVersion })
        context.after(() => watch.close())
        return { watch, objects: new Map<string, Json>(items.map((item: Json) => [item.metadata.name, item])) }
      }
      const { watch: ofSets, objects: wanted } = await open('replicasets')
      const { watch: ofPods, objects: alive } = await open('pods')
      await image('registry.test/c:2')
      const done = await settled(object => isRolledOut(object) && object.metadata.generation === 2)
      assert.equal(done.metadata.annotations[REVISION], '2')
      // A ReplicaSet may lag behind what it is told, so the pods that stand are no measure of the surge: what is asked for is.
      for (let old = 4; old > 0; ) {
        const { object } = await ofSets.next()
        wanted.set(object.metadata.name, object)
        const sum = [...wanted.values()].reduce((all, set) => all + set.spec.replicas, 0)
        assert.ok(sum <= 5, `${sum} pods are asked for`)
        old = [...wanted.values()].find(set => set.metadata.annotations[REVISION] === '1')?.spec.replicas
      }
      for (let newest = 0; newest < 4; ) {
        const { type, object } = await ofPods.next()
        if (type === 'DELETED' || object.metadata.deletionTimestamp) alive.delete(object.metadata.name)
        else alive.set(object.metadata.name, object)
        const ready = [...alive.values()].filter(each => condition(each, 'Ready')?.status === 'True')
        assert.ok(ready.length >= 3, `${ready.length} ready pods`)
        newest = ready.filter(each => each.spec.containers[0].image === 'registry.test/c:2').length
      }
      const byRevision = revisions(await sets())
      assert.deepEqual([byRevision['1'].spec.replicas, byRevision['2'].spec.replicas], [0, 4])
    })
    test('rounds percentages: the surge up, what may be missing down', async () => {
      const { image, settled, sets } = await ground({
        replicas: 3,
        strategy: { rollingUpdate: { maxSurge: '34%', maxUnavailable: '34%' } },
      })
      await settled()
      await image('registry.test/c:2', 'starting')
      // Three replicas: surge 2, missing 1. So three of the new stand beside two of the old, and none of the new gets ready.
      await settled(object => object.status.observedGeneration === 2 && object.status.updatedReplicas === 3 && object.status.replicas === 5)
      const byRevision = revisions(await sets())
      assert.deepEqual([byRevision['1'].spec.replicas, byRevision['2'].spec.replicas], [2, 3])
    })
    test('keeps the old pods while the new do not get ready', async () => {
      const { image, settled, pods } = await ground({ replicas: 2, strategy: { rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } })
      await settled()
      await image('registry.test/c:2', 'starting')
      const stuck = await settled(
        object => object.status.observedGeneration === 2 && object.status.updatedReplicas === 1 && object.status.replicas === 3,
      )
      assert.deepEqual([stuck.status.availableReplicas, stuck.status.unavailableReplicas], [2, 1])
      const fresh = (await pods()).find(each => each.spec.containers[0].image === 'registry.test/c:2')
      await observeOne(api, at('pods', fresh.metadata.namespace), fresh.metadata.name, object => object.status.phase === 'Running')
      await agent.setReady(fresh, true)
      await settled(object => object.status.updatedReplicas === 2)
    })
    test('scales in the middle of a rollout in proportion', async () => {
      const { change, image, settled, sets } = await ground({
        replicas: 10,
        strategy: { rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } },
      })
      await settled()
      await image('registry.test/c:2', 'starting')
      await settled(object => object.status.updatedReplicas === 5 && object.status.replicas === 13)
      await change({ replicas: 15 })
      await settled(object => object.status.observedGeneration === 3 && object.status.replicas === 18)
      const byRevision = revisions(await sets())
      assert.deepEqual([byRevision['1'].spec.replicas, byRevision['2'].spec.replicas], [11, 7])
    })
    test('says ProgressDeadlineExceeded when nothing moves in time', async () => {
      const { settled } = await ground({ progressDeadlineSeconds: 1, template: acting('starting') })
      const late = await settled(object => condition(object, 'Progressing')?.reason === 'ProgressDeadlineExceeded')
      const { status, message } = condition(late, 'Progressing')
      assert.equal(status, 'False')
      assert.match(message, /^ReplicaSet "d-[a-z0-9]+" has timed out progressing\.$/)
    })
    test('goes back to an earlier template on the ReplicaSet that it had', async () => {
      const { image, settled, sets } = await ground({ template: acting('ready') })
      await settled()
      const [first] = await sets()
      await image('registry.test/c:2')
      await settled(object => isRolledOut(object) && object.metadata.annotations[REVISION] === '2')
      await image('registry.test/c:1')
      const back = await settled(object => isRolledOut(object) && object.metadata.annotations[REVISION] === '3')
      assert.equal(back.status.updatedReplicas, 1)
      const all = await sets()
      assert.equal(all.length, 2)
      const again = all.find(each => each.metadata.uid === first.metadata.uid)
      holds(again, {
        spec: { replicas: 1 },
        metadata: { annotations: { [REVISION]: '3', 'deployment.kubernetes.io/revision-history': '1' } },
      })
    })
    test('keeps no more old ReplicaSets than revisionHistoryLimit', async () => {
      const { namespace, image, settled } = await ground({ revisionHistoryLimit: 1 })
      await settled()
      for (const version of [2, 3, 4]) {
        await image(`registry.test/c:${version}`)
        await settled(object => isRolledOut(object) && object.metadata.annotations[REVISION] === `${version}`)
      }
      const kept = await observe(api, at('replicasets', namespace), objects => objects.length === 2)
      assert.deepEqual(Object.keys(revisions(kept)).sort(), ['3', '4'])
    })
    test('restarts when an annotation of its template changes, not when its own labels do', async () => {
      const { namespace, change, settled, sets } = await ground()
      await settled()
      await api.patch('merge', at('deployments', namespace, 'd'), { metadata: { labels: { a: 'b' }, annotations: { c: 'd' } } })
      await settled(object => object.status.observedGeneration === 2)
      assert.equal((await sets()).length, 1)
      await change({ template: { metadata: { annotations: { 'kubectl.kubernetes.io/restartedAt': '2026-01-01T00:00:00Z' } } } })
      await settled(object => isRolledOut(object) && object.metadata.annotations[REVISION] === '2')
      assert.equal((await sets()).length, 2)
    })
    test('that recreates has no old pod left before the first new one', async () => {
      const { namespace, image, settled } = await ground({
        replicas: 2,
        strategy: { type: 'Recreate', rollingUpdate: null },
        template: acting('linger'),
      })
      await settled()
      await image('registry.test/c:2')
      const leaving = await observe(api, at('pods', namespace), objects => objects.every(each => each.metadata.deletionTimestamp))
      assert.deepEqual(
        leaving.map(each => each.spec.containers[0].image),
        ['registry.test/c:1', 'registry.test/c:1'],
      )
      for (const each of leaving) await agent.release(each)
      await settled(object => isRolledOut(object) && object.metadata.annotations[REVISION] === '2')
    })
    test('that is paused scales but does not roll', async () => {
      const { change, image, settled, sets } = await ground()
      await settled()
      await change({ paused: true })
      await image('registry.test/c:2')
      await change({ replicas: 2 })
      const paused = await settled(object => object.status.observedGeneration === 4 && object.status.availableReplicas === 2)
      holds(condition(paused, 'Progressing'), { status: 'Unknown', reason: 'DeploymentPaused' })
      assert.deepEqual([(await sets()).length, paused.status.updatedReplicas], [1, undefined])
      await change({ paused: false })
      await settled(object => isRolledOut(object) && object.metadata.annotations[REVISION] === '2')
    })
    test('counts a pod as available only after minReadySeconds', async () => {
      const { settled, pods } = await ground({ minReadySeconds: 2 })
      const available = condition(await settled(), 'Available')
      const ready = condition((await pods())[0] as Json, 'Ready')
      assert.ok(Date.parse(available.lastTransitionTime) - Date.parse(ready.lastTransitionTime) >= 2000, JSON.stringify([ready, available]))
    })
  })

  suite('a ReplicaSet', () => {
    test('keeps its number of pods, and says so', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('replicasets', namespace), replicaSet('r', { replicas: 2 }))
      const { status } = await observeOne(api, at('replicasets', namespace), 'r', object => object.status.availableReplicas === 2)
      holds(status, { observedGeneration: 1, replicas: 2, readyReplicas: 2, fullyLabeledReplicas: 2 })
    })
    test('adopts pods that nobody owns', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('pods', namespace), pod('mine', {}, { labels: { app: 'a' } }))
      const { metadata } = await api.must('POST', at('replicasets', namespace), replicaSet('r', { replicas: 1 }))
      const owned = await observeOne(api, at('pods', namespace), 'mine', object => object.metadata.ownerReferences?.length === 1)
      assert.equal(owned.metadata.ownerReferences[0].uid, metadata.uid)
      await observeOne(api, at('replicasets', namespace), 'r', object => object.status.readyReplicas === 1)
      assert.equal((await api.must('GET', at('pods', namespace))).items.length, 1)
    })
    test('lets go of a pod whose labels no longer match, and makes another', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('replicasets', namespace), replicaSet('r', { replicas: 1 }))
      const [first] = await observe(api, at('pods', namespace), objects => objects.length === 1)
      await api.patch('merge', at('pods', namespace, first.metadata.name), { metadata: { labels: { app: 'free' } } })
      const both = await observe(
        api,
        at('pods', namespace),
        objects => objects.length === 2 && objects.every(each => each.metadata.labels.app !== 'free' || !each.metadata.ownerReferences),
      )
      assert.deepEqual(both.map(each => each.metadata.labels.app).sort(), ['a', 'free'])
    })
    test('that is deleted takes its pods along', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('replicasets', namespace), replicaSet('r', { replicas: 2 }))
      await observeOne(api, at('replicasets', namespace), 'r', object => object.status.readyReplicas === 2)
      await api.must('DELETE', at('replicasets', namespace, 'r'))
      await observeGone(api, at('replicasets', namespace), 'r')
      await observe(api, at('pods', namespace), objects => objects.length === 0)
    })
  })
}
