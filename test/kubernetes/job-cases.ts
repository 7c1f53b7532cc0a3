import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { holds } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import { CONDUCT, type Conduct, type NodeAgent } from './node-agent.ts'
import { condition, observe, observeGone, observeOne } from './observe.ts'
import { job, template } from './samples.ts'

/** Jobs, with the controllers at work and an agent that ends their pods. */
export function jobCases(api: Api, agent: NodeAgent): void {
  const ground = async (conduct: Conduct, spec: Json = {}) => {
    const namespace = await api.namespace()
    const created = await api.must(
      'POST',
      at('jobs', namespace),
      job('j', { template: template({ restartPolicy: 'Never' }, { labels: {}, annotations: { [CONDUCT]: conduct } }), ...spec }),
    )
    return {
      namespace,
      created,
      settled: (fits: (object: Json) => unknown) => observeOne(api, at('jobs', namespace), 'j', fits),
      pods: (fits: (objects: Json[]) => unknown) => observe(api, at('pods', namespace), fits),
    }
  }
  const ended = (type: string) => (object: Json) => condition(object, type)?.status === 'True'

  suite('a Job', () => {
    test('makes a pod that carries its labels and its finalizer', async () => {
      const { created, pods } = await ground('ready')
      const [only] = await pods(objects => objects.length === 1)
      assert.match(only.metadata.name, /^j-[a-z0-9]{5}$/)
      holds(only.metadata.labels, { 'job-name': 'j', 'batch.kubernetes.io/controller-uid': created.metadata.uid })
      assert.deepEqual(only.metadata.ownerReferences, [
        { apiVersion: 'batch/v1', kind: 'Job', name: 'j', uid: created.metadata.uid, controller: true, blockOwnerDeletion: true },
      ])
      assert.deepEqual(only.metadata.finalizers, ['batch.kubernetes.io/job-tracking'])
    })
    test('tells while its pod runs', async () => {
      const { settled } = await ground('ready')
      const { status } = await settled(object => object.status.active === 1 && object.status.ready === 1)
      assert.ok(Date.parse(status.startTime))
      assert.equal(status.conditions, undefined)
    })
    test('is complete when its pod has succeeded', async () => {
      const { settled, pods } = await ground('succeed')
      const { status } = await settled(ended('Complete'))
      holds(status, { succeeded: 1, active: undefined, failed: undefined })
      assert.ok(Date.parse(status.completionTime) >= Date.parse(status.startTime))
      assert.equal(status.conditions.find((each: Json) => each.type === 'Complete').reason, 'CompletionsReached')
      const [only] = await pods(objects => objects.every(each => !each.metadata.finalizers))
      assert.equal(only.status.phase, 'Succeeded')
    })
    test('runs as many pods at once as it may, until enough have succeeded', async () => {
      const { namespace, settled, pods } = await ground('ready', { completions: 3, parallelism: 2 })
      const first = await pods(objects => objects.length === 2 && objects.every(each => each.status.phase === 'Running'))
      await agent.report(first[0], { phase: 'Succeeded' })
      await settled(object => object.status.succeeded === 1 && object.status.active === 2)
      const running = (await api.must('GET', at('pods', namespace))).items.filter((each: Json) => each.status.phase !== 'Succeeded')
      assert.equal(running.length, 2)
      for (const each of running) {
        await observeOne(api, at('pods', namespace), each.metadata.name, object => object.status.phase === 'Running')
        await agent.report(each, { phase: 'Succeeded' })
      }
      assert.equal((await settled(ended('Complete'))).status.succeeded, 3)
    })
    test('fails when its pods fail more often than backoffLimit', async () => {
      const { settled } = await ground('fail', { backoffLimit: 0 })
      const done = await settled(ended('Failed'))
      holds(condition(done, 'Failed'), { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' })
      holds(done.status, { failed: 1, active: undefined, completionTime: undefined })
    })
    test('tries again after a pod that failed', async () => {
      const { settled, pods } = await ground('fail', { backoffLimit: 1 })
      await settled(ended('Failed'))
      assert.equal((await pods(objects => objects.length === 2)).length, 2)
    })
    test('fails when it is not done by its deadline, and takes its pods away', async () => {
      const { settled, pods } = await ground('ready', { activeDeadlineSeconds: 1 })
      const done = await settled(ended('Failed'))
      holds(condition(done, 'Failed'), { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' })
      await pods(objects => objects.length === 0)
    })
    test('that is suspended has no pods until it is resumed', async () => {
      const { namespace, settled, pods } = await ground('succeed', { suspend: true })
      const waiting = await settled(ended('Suspended'))
      holds(condition(waiting, 'Suspended'), { reason: 'JobSuspended', message: 'Job suspended' })
      await pods(objects => objects.length === 0)
      await api.patch('merge', at('jobs', namespace, 'j'), { spec: { suspend: false } })
      await settled(ended('Complete'))
    })
    test('that is suspended on its way loses its pods, and starts anew when resumed', async () => {
      const { namespace, settled, pods } = await ground('ready')
      await settled(object => object.status.ready === 1)
      await api.patch('merge', at('jobs', namespace, 'j'), { spec: { suspend: true } })
      const waiting = await settled(ended('Suspended'))
      await pods(objects => objects.length === 0)
      assert.deepEqual([waiting.status.startTime, waiting.status.failed], [undefined, undefined])
      await api.patch('merge', at('jobs', namespace, 'j'), { spec: { suspend: false } })
      const again = await settled(object => object.status.ready === 1 && object.status.startTime)
      assert.equal(condition(again, 'Suspended').status, 'False')
    })
    test('goes by itself after ttlSecondsAfterFinished', async () => {
      const { namespace, pods } = await ground('succeed', { ttlSecondsAfterFinished: 1 })
      await observeGone(api, at('jobs', namespace), 'j')
      await pods(objects => objects.length === 0)
    })
    test('that is deleted in the background takes its pods along', async () => {
      const { namespace, pods } = await ground('ready')
      await pods(objects => objects.length === 1 && objects[0].status.phase === 'Running')
      await api.must('DELETE', at('jobs', namespace, 'j'), { propagationPolicy: 'Background' })
      await pods(objects => objects.length === 0)
    })
  })
}
