import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Deployment } from 'kubernetes-types/apps/v1'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { isActive, isReady, isTerminating } from './pods.ts'
import { REVISION_ANNOTATION } from './revision.ts'
import { readLimits } from './rollout.ts'
import type { MemoryApi } from './testing/memory-api.ts'
import { change, deploy, deployment, isRolledOut, pods, startWorld, status, type World } from './testing/world.ts'

suite('a rolling update', () => {
  const cases = [
    { replicas: 1, maxSurge: 1, maxUnavailable: 0 },
    { replicas: 3, maxSurge: '25%', maxUnavailable: '25%' },
    { replicas: 4, maxSurge: 0, maxUnavailable: 1 },
    { replicas: 5, maxSurge: '50%', maxUnavailable: 2 },
    { replicas: 10, maxSurge: 3, maxUnavailable: 0 },
    { replicas: 10, maxSurge: '100%', maxUnavailable: '100%' },
  ]
  for (const { replicas, ...rollingUpdate } of cases) {
    test(`of ${replicas} with surge ${rollingUpdate.maxSurge} and unavailable ${rollingUpdate.maxUnavailable} keeps both limits at every moment`, async () => {
      await using world = await startWorld()
      const { api, until } = world
      const wanted = deployment({ replicas, strategy: { type: 'RollingUpdate', rollingUpdate } })
      await api.create(RESOURCES.deployments, wanted)
      await until(() => isRolledOut(api), 'first rollout')
      const breaches = watchLimits(world, wanted)
      api.onWrite = unevenly()
      await deploy(api, 'web:2')
      await until(() => isRolledOut(api), 'second rollout')
      assert.deepEqual(breaches, [])
      assert.ok(
        pods(api)
          .filter(isActive)
          .every(pod => pod.spec?.containers[0]?.image === 'web:2'),
      )
    })
  }

  test('goes on after the controllers were killed at any point of it, within its limits', async () => {
    await using world = await startWorld()
    const { api, until, restart } = world
    const wanted = deployment({ replicas: 6, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 2, maxUnavailable: 1 } } })
    await api.create(RESOURCES.deployments, wanted)
    await until(() => isRolledOut(api), 'first rollout')
    const breaches = watchLimits(world, wanted)
    await deploy(api, 'web:2')
    for (let step = 1; step <= 5; step++) {
      await until(() => pods(api).filter(pod => pod.spec?.containers[0]?.image === 'web:2').length >= step, `${step} new pods`)
      await restart()
    }
    await until(() => isRolledOut(api), 'second rollout')
    assert.deepEqual(breaches, [])
    assert.equal(api.all(RESOURCES.replicaSets).length, 2)
  })

  test('does not replace pods that serve by ones that never get ready, and takes the broken ones away first', async () => {
    await using world = await startWorld({ isReady: pod => pod.spec?.containers[0]?.image !== 'web:broken' })
    const { api, until } = world
    const wanted = deployment({ replicas: 4, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 1 } } })
    await api.create(RESOURCES.deployments, wanted)
    await until(() => isRolledOut(api), 'first rollout')
    const breaches = watchLimits(world, wanted)
    await deploy(api, 'web:broken')
    await until(() => imageCount(api, 'web:broken') === 2, 'surge and unavailable used up')
    await deploy(api, 'web:3')
    await until(() => isRolledOut(api), 'rollout of the repaired template')
    assert.deepEqual(breaches, [])
    assert.equal(imageCount(api, 'web:broken'), 0)
  })

  test('shares a scale in its middle out among old and new pods', async () => {
    await using world = await startWorld({ isReady: pod => pod.spec?.containers[0]?.image !== 'web:2' })
    const { api, until } = world
    const strategy = { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } }
    await api.create(RESOURCES.deployments, deployment({ replicas: 10, strategy }))
    await until(() => isRolledOut(api), 'first rollout')
    await deploy(api, 'web:2')
    await until(() => imageCount(api, 'web:1') === 8 && imageCount(api, 'web:2') === 5, 'rollout stuck at 8 and 5')
    const breaches = watchLimits(world, deployment({ replicas: 10, strategy }))
    await change(api, RESOURCES.deployments, 'web', { spec: { replicas: 15 } })
    // 18 pods in all, 8:5 of them.
    await until(() => imageCount(api, 'web:1') === 11 && imageCount(api, 'web:2') === 7, 'scaled in proportion')
    assert.deepEqual(
      breaches.filter(breach => breach.startsWith('available')),
      [],
    )
    for (const pod of pods(api)) await world.node.setReady(pod, true)
    await deploy(api, 'web:3')
    await until(() => isRolledOut(api), 'last rollout')
    assert.equal(pods(api).filter(isActive).length, 15)
  })

  test('goes to nought and comes back', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.deployments, deployment())
    await until(() => isRolledOut(api), 'rollout')
    await change(api, RESOURCES.deployments, 'web', { spec: { replicas: 0 } })
    await until(() => isRolledOut(api) && pods(api).length === 0, 'no pods')
    await change(api, RESOURCES.deployments, 'web', { spec: { replicas: 2 } })
    await until(() => isRolledOut(api), 'two pods')
    assert.equal(pods(api).length, 2)
  })
})

suite('a Deployment that recreates', () => {
  test('starts no new pod before the last old one is gone', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.deployments, deployment({ strategy: { type: 'Recreate' } }))
    await until(() => isRolledOut(api), 'first rollout')
    const mixed: string[] = []
    world.api.onChange = chain(world.api.onChange, () => {
      const images = new Set(pods(api).map(pod => pod.spec?.containers[0]?.image))
      if (images.size > 1) mixed.push([...images].join())
    })
    await deploy(api, 'web:2')
    await until(() => isRolledOut(api) && imageCount(api, 'web:2') === 3, 'second rollout')
    assert.deepEqual(mixed, [])
  })
})

suite('a Deployment’s status', () => {
  test('tells the story of a rollout in its conditions', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const reasons: string[] = []
    api.onChange = chain(api.onChange, () => {
      const said = conditions(api)
      if (said !== reasons.at(-1)) reasons.push(said)
    })
    await api.create(RESOURCES.deployments, deployment())
    await until(() => isRolledOut(api), 'rollout')
    assert.equal(reasons.at(-1), 'Available=True MinimumReplicasAvailable, Progressing=True NewReplicaSetAvailable')
    assert.ok(reasons.includes('Available=False MinimumReplicasUnavailable, Progressing=True NewReplicaSetCreated'))
    assert.ok(reasons.some(text => text.includes('ReplicaSetUpdated')))
    assert.deepEqual(
      [
        status(api).replicas,
        status(api).updatedReplicas,
        status(api).readyReplicas,
        status(api).availableReplicas,
        status(api).unavailableReplicas,
      ],
      [3, 3, 3, 3, 0],
    )
  })

  test('says when the deadline has passed, and takes it back when the rollout ends after all', async () => {
    await using world = await startWorld({ isReady: () => false })
    const { api, until, ahead } = world
    await api.create(RESOURCES.deployments, deployment({ progressDeadlineSeconds: 60 }))
    await until(() => (status(api).updatedReplicas ?? 0) === 3, 'three pods')
    ahead.ms = 62_000
    await change(api, RESOURCES.deployments, 'web', { metadata: { labels: { poke: '1' } } })
    await until(() => conditions(api).includes('Progressing=False ProgressDeadlineExceeded'), 'deadline exceeded')
    for (const pod of pods(api)) await world.node.setReady(pod, true)
    await until(() => conditions(api).includes('Progressing=True NewReplicaSetAvailable'), 'rollout ends')
  })

  test('does not let a pause count against the deadline', async () => {
    await using world = await startWorld()
    const { api, until, ahead } = world
    await api.create(RESOURCES.deployments, deployment({ progressDeadlineSeconds: 60, paused: true }))
    await until(() => conditions(api).includes('Progressing=Unknown DeploymentPaused'), 'paused')
    assert.equal(pods(api).length, 0)
    ahead.ms = 120_000
    await change(api, RESOURCES.deployments, 'web', { spec: { paused: null } })
    await until(() => isRolledOut(api), 'rollout')
    assert.ok(conditions(api).includes('Progressing=True NewReplicaSetAvailable'))
  })

  test('counts a pod as available only after minReadySeconds', async () => {
    await using world = await startWorld()
    const { api, until, ahead } = world
    await api.create(RESOURCES.deployments, deployment({ minReadySeconds: 30 }))
    await until(() => status(api).readyReplicas === 3, 'ready')
    assert.equal(status(api).availableReplicas ?? 0, 0)
    ahead.ms = 31_000
    await change(api, RESOURCES.replicaSets, api.all(RESOURCES.replicaSets)[0]!.metadata.name, { metadata: { labels: { poke: '1' } } })
    await until(() => status(api).availableReplicas === 3, 'available')
  })
})

suite('a Deployment’s revisions', () => {
  test('go up with each template, also when an old one comes back, whose former number is remembered', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.deployments, deployment())
    await until(() => isRolledOut(api), 'revision 1')
    for (const image of ['web:2', 'web:1']) {
      await deploy(api, image)
      await until(() => isRolledOut(api) && imageCount(api, image) === 3, image)
    }
    const sets = api.all(RESOURCES.replicaSets).map(set => set.metadata.annotations ?? {})
    assert.deepEqual(sets.map(annotations => annotations[REVISION_ANNOTATION]).sort(), ['2', '3'])
    assert.equal(sets.find(annotations => annotations[REVISION_ANNOTATION] === '3')?.['deployment.kubernetes.io/revision-history'], '1')
    assert.equal(api.all(RESOURCES.deployments)[0]?.metadata.annotations?.[REVISION_ANNOTATION], '3')
  })

  test('are kept as far back as revisionHistoryLimit says', async () => {
    await using world = await startWorld()
    const { api, until } = world
    await api.create(RESOURCES.deployments, deployment({ revisionHistoryLimit: 1 }))
    for (const image of ['web:2', 'web:3', 'web:4']) {
      await until(() => isRolledOut(api), `rollout before ${image}`)
      await deploy(api, image)
    }
    await until(() => isRolledOut(api) && api.all(RESOURCES.replicaSets).length === 2, 'clean-up')
    const revisions = api.all(RESOURCES.replicaSets).map(set => set.metadata.annotations?.[REVISION_ANNOTATION])
    assert.deepEqual(revisions.sort(), ['3', '4'])
  })

  test('carry on under another name when a stranger has taken it', async () => {
    await using world = await startWorld()
    const { api, until } = world
    api.onWrite = ({ verb, resource }) => {
      if (verb === 'create' && resource === 'deployments') api.onWrite = stealFirstSet
    }
    const stealFirstSet = async ({ verb, resource, name }: { verb: string; resource: string; name: string }) => {
      if (verb !== 'create' || resource !== 'replicasets') return
      api.onWrite = () => {}
      const { template } = deployment().spec!
      const labels = { app: 'other' }
      const spec = { replicas: 0, selector: { matchLabels: labels }, template: { ...template, metadata: { labels } } }
      await api.create(RESOURCES.replicaSets, { metadata: { name, namespace: 'shop', labels }, spec })
    }
    await api.create(RESOURCES.deployments, deployment())
    await until(() => isRolledOut(api), 'rollout')
    assert.equal(status(api).collisionCount, 1)
    assert.equal(api.all(RESOURCES.replicaSets).length, 2)
  })
})

suite('the ReplicaSets of a Deployment', () => {
  test('are taken in when they have no owner and let go when they no longer match', async () => {
    await using world = await startWorld()
    const { api, until } = world
    const { template, selector } = deployment().spec!
    await api.create(RESOURCES.replicaSets, {
      metadata: { name: 'web-old', namespace: 'shop', labels: { app: 'web' } },
      spec: { replicas: 2, selector, template },
    })
    await until(() => pods(api).length === 2, 'pods of the orphan')
    await api.create(RESOURCES.deployments, deployment())
    await until(() => isRolledOut(api), 'rollout')
    const adopted = api.all(RESOURCES.replicaSets)
    assert.deepEqual(
      adopted.map(set => [set.metadata.name, set.spec?.replicas]),
      [['web-old', 3]],
    )
    assert.equal(adopted[0]?.metadata.ownerReferences?.[0]?.kind, 'Deployment')
    await change(api, RESOURCES.replicaSets, 'web-old', { metadata: { labels: { app: 'free' } } })
    await until(() => api.all(RESOURCES.replicaSets).length === 2, 'a set of its own')
    assert.equal(api.all(RESOURCES.replicaSets).find(set => set.metadata.name === 'web-old')?.metadata.ownerReferences?.length, 0)
  })
})

/** Records each moment at which there are more pods, or fewer available ones, than the strategy allows. */
function watchLimits({ api }: World, wanted: Deployment): string[] {
  const { maxSurge, maxUnavailable } = readLimits(wanted)
  const breaches: string[] = []
  api.onChange = chain(api.onChange, () => {
    const desired = api.all(RESOURCES.deployments)[0]?.spec?.replicas ?? 0
    const active = pods(api).filter(isActive).length
    const available = pods(api).filter(pod => isReady(pod) && !isTerminating(pod)).length
    if (active > desired + maxSurge) breaches.push(`active ${active}`)
    if (available < Math.min(desired, wanted.spec!.replicas!) - maxUnavailable) breaches.push(`available ${available}`)
  })
  return breaches
}

/** Makes some writes slower than others, deletions of pods most of all, so that controllers overtake each other. */
function unevenly(): MemoryApi['onWrite'] {
  let seed = 1
  return async ({ verb, resource }) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31
    const turns = (seed % 5) + (verb === 'delete' && resource === 'pods' ? 10 : 0)
    for (let turn = 0; turn < turns; turn++) await new Promise(setImmediate)
  }
}

function chain(first: MemoryApi['onChange'], second: () => void): MemoryApi['onChange'] {
  return happening => {
    second()
    first(happening)
  }
}

function imageCount(api: MemoryApi, image: string): number {
  return pods(api).filter(pod => isActive(pod) && pod.spec?.containers[0]?.image === image).length
}

function conditions(api: MemoryApi): string {
  const said = status(api).conditions?.map(({ type, status, reason }) => `${type}=${status} ${reason}`) ?? []
  return said.sort().join(', ')
}
