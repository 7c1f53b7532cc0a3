import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isStatus } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { isActive, isReady } from './pods.ts'
import type { MemoryApi } from './testing/memory-api.ts'
import { change, deploy, deployment, isRolledOut, pods, startWorld, type World } from './testing/world.ts'

const SEED_COUNT = 12
const STEP_COUNT = 25
const LAGGING = [RESOURCES.pods, RESOURCES.replicaSets, RESOURCES.deployments, RESOURCES.endpointSlices] as const

suite('the controllers come to rest where they should', () => {
  for (let seed = 1; seed <= SEED_COUNT; seed++) {
    test(`after changes, kills, lagging watches and lost connections in disorder (${seed})`, async () => {
      await using world = await startWorld()
      const { api, until } = world
      const random = randomFrom(seed)
      api.onWrite = slowAndLossy(random)
      await storm(world, random)
      api.onWrite = () => {}
      for (const resource of LAGGING) api.letGo(resource)
      await change(api, RESOURCES.deployments, 'web', { spec: { paused: null, replicas: 4 } })
      // Pods that were made unready stay so until somebody says otherwise.
      const isSettled = () => {
        for (const pod of pods(api))
          if (pod.status?.phase === 'Running' && isActive(pod) && !isReady(pod)) void world.node.setReady(pod, true)
        return isRolledOut(api) && pods(api).length === 4 && readyEndpoints(api).length === 4
      }
      await until(isSettled, 'rest')

      const image = api.all(RESOURCES.deployments)[0]?.spec?.template.spec?.containers[0]?.image
      assert.ok(pods(api).every(pod => pod.spec?.containers[0]?.image === image))
      assert.deepEqual(
        readyEndpoints(api).sort(),
        pods(api)
          .map(({ metadata }) => metadata.uid)
          .sort(),
      )
      assert.ok(api.all(RESOURCES.replicaSets).length <= 3, 'one set a template')
      await api.delete(RESOURCES.namespaces, '', 'shop')
      await until(() => api.all(RESOURCES.namespaces).length === 0, 'namespace gone')
      assert.deepEqual([...api.all(RESOURCES.replicaSets), ...pods(api), ...api.all(RESOURCES.endpointSlices)], [])
    })
  }
})

/** Does what users, nodes and networks do, one thing after the other and never waiting for the end of it. */
async function storm(world: World, random: (below: number) => number): Promise<void> {
  const { api, node } = world
  const strategy =
    random(5) === 0
      ? { type: 'Recreate' }
      : { type: 'RollingUpdate', rollingUpdate: { maxSurge: random(3), maxUnavailable: 1 + random(2) } }
  await persist(() => api.create(RESOURCES.deployments, deployment({ strategy })))
  const ports = [{ port: 80, targetPort: 'http' }]
  await persist(() =>
    api.create(RESOURCES.services, { metadata: { name: 'web', namespace: 'shop' }, spec: { selector: { app: 'web' }, ports } }),
  )
  const anyPod = () => pods(api)[random(pods(api).length)]
  const turns: (() => Promise<unknown> | undefined | void)[] = [
    () => deploy(api, `web:${random(3)}`),
    () => change(api, RESOURCES.deployments, 'web', { spec: { replicas: random(7) } }),
    () => change(api, RESOURCES.deployments, 'web', { spec: { paused: random(2) === 0 } }),
    () => world.restart(),
    () => api.hold(LAGGING[random(LAGGING.length)]!),
    () => LAGGING.forEach(resource => api.letGo(resource)),
    () => {
      const pod = anyPod()
      return pod && api.delete(RESOURCES.pods, 'shop', pod.metadata.name)
    },
    () => {
      const pod = anyPod()
      return pod && node.setReady(pod, random(2) === 0)
    },
  ]
  for (let step = 0; step < STEP_COUNT; step++) {
    await persist(turns[random(turns.length)]!)
    for (let turn = random(30); turn > 0; turn--) await new Promise(setImmediate)
  }
}

/** A user whose connection breaks tries again; one who comes too late lets it be. */
async function persist(act: () => Promise<unknown> | undefined | void): Promise<void> {
  for (;;) {
    try {
      await act()
      return
    } catch (error) {
      if (isStatus(error, 404, 409)) return
      if ((error as { code?: unknown }).code !== 'ECONNRESET') throw error
    }
  }
}

/** Each write takes its own time, and one in 25 of those that controllers make is lost with its connection. */
function slowAndLossy(random: (below: number) => number): MemoryApi['onWrite'] {
  return async ({ verb, resource }) => {
    for (let turn = random(6); turn > 0; turn--) await new Promise(setImmediate)
    const isNodes = verb === 'delete' || (verb === 'patch' && resource === 'pods')
    if (!isNodes && random(25) === 0) throw Object.assign(new Error('reset'), { code: 'ECONNRESET' })
  }
}

/** Whole numbers from 0 that are always the same for a seed. */
function randomFrom(seed: number): (below: number) => number {
  let state = seed * 7919
  return below => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31
    return below === 0 ? 0 : (state >> 8) % below
  }
}

function readyEndpoints(api: MemoryApi): (string | undefined)[] {
  const endpoints = api.all(RESOURCES.endpointSlices).flatMap(slice => slice.endpoints)
  return endpoints.filter(endpoint => endpoint.conditions?.ready).map(endpoint => endpoint.targetRef?.uid)
}
