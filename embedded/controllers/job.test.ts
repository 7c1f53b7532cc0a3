import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Job } from 'kubernetes-types/batch/v1'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { TRACKING_FINALIZER } from './job-state.ts'
import { isActive } from './pods.ts'
import type { MemoryApi } from './testing/memory-api.ts'
import { change, pods, startWorld, type World } from './testing/world.ts'

suite('a Job', () => {
  test('runs as many pods at once as it may until enough have succeeded', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.jobs, job({ completions: 5, parallelism: 2 }))
    let most = 0
    for (let done = 0; done < 5; done++) {
      await until(() => running(api).length > 0 && (jobStatus(api).succeeded ?? 0) === done, `pod ${done}`)
      most = Math.max(most, pods(api).filter(isActive).length)
      await world.node.finish(running(api)[0]!, 0)
    }
    await until(() => said(api).includes('Complete CompletionsReached'), 'complete')
    assert.equal(most, 2)
    assert.equal(pods(api).length, 5)
    assert.deepEqual(said(api), ['SuccessCriteriaMet CompletionsReached', 'Complete CompletionsReached'])
    const { succeeded, active = 0, failed = 0, startTime, completionTime } = jobStatus(api)
    assert.deepEqual([succeeded, active, failed], [5, 0, 0])
    assert.ok(startTime && completionTime)
    assert.ok(pods(api).every(pod => !pod.metadata.finalizers?.includes(TRACKING_FINALIZER)))
    await until(() => api.all(RESOURCES.events).some(event => event.reason === 'Completed'), 'an event')
  })

  test('waits longer after each failure and fails after the last that is allowed', async () => {
    await using world = await startWorld()
    const { api, until, node, ahead } = world
    await api.create(RESOURCES.jobs, job({ backoffLimit: 1 }))
    await until(() => running(api).length === 1, 'first pod')
    await node.finish(running(api)[0]!, 1)
    await until(() => jobStatus(api).failed === 1, 'first failure counted')
    await poke(world)
    assert.equal(pods(api).length, 1, 'no second pod before ten seconds')
    ahead.ms = 11_000
    await poke(world)
    await until(() => running(api).length === 1, 'second pod')
    await node.finish(running(api)[0]!, 1)
    await until(() => said(api).includes('Failed BackoffLimitExceeded'), 'failed')
    assert.deepEqual(said(api), ['FailureTarget BackoffLimitExceeded', 'Failed BackoffLimitExceeded'])
    assert.equal(jobStatus(api).failed, 2)
  })

  test('counts a pod that was deleted before it ended as failed, once, and starts another', async () => {
    await using world = await startWorld()
    const { api, until, ahead, restart } = world
    await api.create(RESOURCES.jobs, job({}))
    await until(() => running(api).length === 1, 'first pod')
    await api.delete(RESOURCES.pods, 'shop', running(api)[0]!.metadata.name)
    await until(() => jobStatus(api).failed === 1, 'counted')
    await restart()
    ahead.ms = 11_000
    await poke(world)
    await until(() => running(api).length === 1, 'second pod')
    assert.equal(jobStatus(api).failed, 1)
  })

  test('neither loses nor repeats a count when the controllers are killed while they count', async () => {
    await using world = await startWorld()
    const { api, until, node, restart } = world
    await api.create(RESOURCES.jobs, job({ completions: 4, parallelism: 4 }))
    await until(() => running(api).length === 4, 'four pods')
    let isCut = true
    api.onWrite = ({ verb, resource }) => {
      if (isCut && verb === 'patch' && resource === 'pods') throw new Error('connection lost')
    }
    for (const pod of running(api)) {
      isCut = false
      const finished = node.finish(pod, 0)
      isCut = true
      await finished
    }
    await until(() => (jobStatus(api).uncountedTerminatedPods?.succeeded ?? []).length > 0, 'noted')
    isCut = false
    await restart()
    await until(() => said(api).includes('Complete CompletionsReached'), 'complete')
    assert.equal(jobStatus(api).succeeded, 4)
  })

  test('is stopped by its deadline, its pods with it', async () => {
    await using world = await startWorld()
    const { api, until, ahead } = world
    await api.create(RESOURCES.jobs, job({ activeDeadlineSeconds: 30 }))
    await until(() => running(api).length === 1, 'a pod')
    ahead.ms = 31_000
    await poke(world)
    await until(() => said(api).includes('Failed DeadlineExceeded'), 'failed')
    assert.equal(pods(api).filter(isActive).length, 0)
  })

  test('has no pods while it is suspended, and does not count those that it had', async () => {
    await using world = await startWorld()
    const { api, until, node } = world
    await api.create(RESOURCES.jobs, job({ activeDeadlineSeconds: 3600 }))
    await until(() => running(api).length === 1, 'a pod')
    await change(api, RESOURCES.jobs, 'task', { spec: { suspend: true } })
    await until(() => pods(api).length === 0 && said(api).includes('Suspended JobSuspended'), 'suspended')
    assert.equal(jobStatus(api).failed ?? 0, 0)
    await change(api, RESOURCES.jobs, 'task', { spec: { suspend: false } })
    await until(() => running(api).length === 1, 'a pod again')
    await node.finish(running(api)[0]!, 0)
    await until(() => said(api).includes('Complete CompletionsReached'), 'complete')
  })

  test('is removed with its pods some time after its end when it says so', async () => {
    await using world = await startWorld()
    const { api, until, node, ahead } = world
    await api.create(RESOURCES.jobs, job({ ttlSecondsAfterFinished: 60 }))
    await until(() => running(api).length === 1, 'a pod')
    await node.finish(running(api)[0]!, 0)
    await until(() => said(api).includes('Complete CompletionsReached'), 'complete')
    ahead.ms = 61_000
    await poke(world)
    await until(() => api.all(RESOURCES.jobs).length + pods(api).length === 0, 'gone')
  })

  test('lets its pods go when it is deleted in the middle', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.jobs, job({ parallelism: 2, completions: 2 }))
    await until(() => running(api).length === 2, 'pods')
    await api.delete(RESOURCES.jobs, 'shop', 'task', { propagationPolicy: 'Background' })
    await until(() => pods(api).length === 0, 'gone')
  })

  test('fails at once, and says why, when it asks for what embedded mode cannot do', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.jobs, job({ completionMode: 'Indexed', completions: 2 }))
    await until(() => said(api).includes('Failed NotSupported'), 'failed')
    assert.equal(pods(api).length, 0)
    assert.match(jobStatus(api).conditions?.[0]?.message ?? '', /completionMode: Indexed/)
  })
})

function job(spec: Partial<Job['spec']>): Job {
  const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'task', image: 'x' }] } }
  return { metadata: { name: 'task', namespace: 'shop' }, spec: { template, ...spec } }
}

/** Makes the controller look at the Job again, and waits until it has. */
async function poke({ api, until }: World): Promise<void> {
  // A reconciliation of the same kind that comes after it ends with a write of its own.
  const name = `poke-${Math.random().toString(36).slice(2)}`
  await change(api, RESOURCES.jobs, 'task', { metadata: { labels: { poke: name } } })
  await api.create(RESOURCES.jobs, { ...job({ suspend: true }), metadata: { name, namespace: 'shop' } })
  const poked = () => api.all(RESOURCES.jobs).find(({ metadata }) => metadata.name === name)
  await until(() => (poked()?.status?.conditions ?? []).length > 0, 'poke')
  await api.delete(RESOURCES.jobs, 'shop', name)
}

function running(api: MemoryApi) {
  return pods(api).filter(pod => pod.status?.phase === 'Running' && !pod.metadata.deletionTimestamp)
}

function jobStatus(api: MemoryApi): NonNullable<Job['status']> {
  return api.all(RESOURCES.jobs).find(({ metadata }) => metadata.name === 'task')?.status ?? {}
}

function said(api: MemoryApi): string[] {
  return (jobStatus(api).conditions ?? []).filter(({ status }) => status === 'True').map(({ type, reason }) => `${type} ${reason}`)
}
