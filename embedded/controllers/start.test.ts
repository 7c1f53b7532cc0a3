import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { Backoff } from '../../kernel/backoff.ts'
import { find, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { readCredentials } from '../../kernel/kubernetes/credentials.ts'
import { type Informer, startInformer } from '../../kernel/kubernetes/informer.ts'
import { type KubernetesObject, RESOURCES, type Resource } from '../../kernel/kubernetes/objects.ts'
import { Stack } from '../../kernel/lifecycle.ts'
import { silentLog } from '../../kernel/log.ts'
import { startApiServer } from '../api-server/server.ts'
import { startControllers } from './start.ts'
import { startFakeNode } from './testing/fake-node.ts'
import { deployment } from './testing/world.ts'

suite('startControllers() over the emulator', () => {
  test('rolls out, serves, follows readiness at once, and clears a namespace of twenty objects away within a second', async () => {
    await using fixture = await startFixture()
    const { api, node, watch } = fixture
    const deployments = await watch(RESOURCES.deployments)
    const slices = await watch(RESOURCES.endpointSlices)
    const namespaces = await watch(RESOURCES.namespaces)
    const readyCount = () =>
      slices
        .list()
        .flatMap(slice => slice.endpoints ?? [])
        .filter(({ conditions }) => conditions?.ready).length

    await api.create(RESOURCES.namespaces, { metadata: { name: 'shop' } })
    const ports = [{ name: 'http', port: 80, targetPort: 5000 }]
    await api.create(RESOURCES.services, { metadata: { name: 'web', namespace: 'shop' }, spec: { selector: { app: 'web' }, ports } })
    await api.create(RESOURCES.deployments, deployment())
    await deployments.until(() => deployments.get('shop/web')?.status?.availableReplicas === 3, late())
    await slices.until(() => readyCount() === 3, late())

    const [pod] = (await api.list(RESOURCES.pods, { namespace: 'shop' })).items
    const began = performance.now()
    await node.setReady(pod!, false)
    await slices.until(() => readyCount() === 2, late())
    assert.ok(performance.now() - began < 500)

    for (let index = 0; index < 20; index++) await api.create(RESOURCES.configMaps, { metadata: { name: `c${index}`, namespace: 'shop' } })
    const deletedAt = performance.now()
    await api.delete(RESOURCES.namespaces, '', 'shop')
    await namespaces.until(() => namespaces.get('shop') === undefined, late())
    assert.ok(performance.now() - deletedAt < 1000)
    assert.deepEqual((await api.list(RESOURCES.pods)).items, [])
  })

  test('takes up its work where it was when the API server was killed and comes back', async () => {
    await using fixture = await startFixture({ isForked: true })
    const { api, watch, killServer } = fixture
    const deployments = await watch(RESOURCES.deployments)
    await api.create(RESOURCES.namespaces, { metadata: { name: 'shop' } })
    await api.create(RESOURCES.deployments, deployment({ replicas: 5 }))
    await killServer()
    await deployments.until(() => deployments.get('shop/web')?.status?.availableReplicas === 5, late())
    assert.equal((await api.list(RESOURCES.pods)).items.length, 5)
  })

  test('puts a template back, leaves nothing behind an owner, and ends a Job', async () => {
    await using fixture = await startFixture()
    const { api, node, watch } = fixture
    const deployments = await watch(RESOURCES.deployments)
    const pods = await watch(RESOURCES.pods)
    const jobs = await watch(RESOURCES.jobs)
    await api.create(RESOURCES.namespaces, { metadata: { name: 'shop' } })
    await api.create(RESOURCES.deployments, deployment())
    const isRevision = (revision: string) => {
      const { metadata, status } = deployments.get('shop/web') ?? {}
      const isObserved =
        metadata?.annotations?.['deployment.kubernetes.io/revision'] === revision && status?.observedGeneration === metadata.generation
      return isObserved && status?.updatedReplicas === 3 && status.availableReplicas === 3 && status.replicas === 3
    }
    for (const [revision, image] of [
      ['1', 'web:1'],
      ['2', 'web:2'],
      ['3', 'web:1'],
    ] as const) {
      const body = { spec: { template: { spec: { containers: [{ name: 'web', image }] } } } }
      await api.patch(RESOURCES.deployments, 'shop', 'web', { type: 'strategic', body })
      await deployments.until(() => isRevision(revision), late())
    }
    assert.equal((await api.list(RESOURCES.replicaSets)).items.length, 2)
    await api.delete(RESOURCES.deployments, 'shop', 'web', { propagationPolicy: 'Foreground' })
    await deployments.until(() => deployments.size === 0, late())
    assert.deepEqual((await api.list(RESOURCES.replicaSets)).items, [])

    const template = { spec: { restartPolicy: 'Never', containers: [{ name: 'task', image: 'x' }] } }
    await api.create(RESOURCES.jobs, { metadata: { name: 'task', namespace: 'shop' }, spec: { template } })
    const running = () => pods.list().find(({ status }) => status?.phase === 'Running')
    await pods.until(() => running() !== undefined, late())
    await node.finish(running()!, 0)
    await jobs.until(() => jobs.get('shop/task')?.status?.conditions?.some(({ type }) => type === 'Complete') === true, late())
    assert.equal(jobs.get('shop/task')?.status?.succeeded, 1)
  })
})

suite('the controllers’ process', () => {
  test('says when it is ready, works, and ends when its parent lets go of it', async () => {
    await using fixture = await startFixture({ withControllers: false })
    const { api, kubeconfig, watch } = fixture
    const child = fork(join(import.meta.dirname, 'main.ts'), {
      env: { ...process.env, KUBECONFIG: kubeconfig },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    try {
      const [message] = await once(child, 'message', { signal: late() })
      assert.equal((message as { ready: boolean }).ready, true)
      const sets = await watch(RESOURCES.replicaSets)
      await api.create(RESOURCES.namespaces, { metadata: { name: 'shop' } })
      await api.create(RESOURCES.deployments, deployment())
      await sets.until(() => sets.size === 1, late())
      child.disconnect()
      const [code] = await once(child, 'exit', { signal: late() })
      assert.equal(code, 0)
    } finally {
      child.kill('SIGKILL')
    }
    assert.ok(await find(api, RESOURCES.deployments, 'shop', 'web'))
  })
})

/** Fails a wait that takes too long. */
function late(): AbortSignal {
  return AbortSignal.timeout(15_000)
}

/** An emulator with its own home, controllers and a node. */
async function startFixture({ withControllers = true, isForked = false } = {}) {
  const running = new Stack(silentLog)
  const home = await mkdtemp(join(tmpdir(), 'controllers-'))
  running.add('home', { stop: () => rm(home, { recursive: true, force: true }) })
  const server = isForked ? await forkServer(home) : { ...(await startApiServer({ home })), kill: async () => {} }
  running.add('api server', server)
  const api: KubernetesApi = connectKubernetes(await readCredentials({ KUBECONFIG: server.kubeconfig }))
  running.add('client', { stop: () => api.close() })
  if (withControllers) running.add('controllers', await startControllers(api, { log: silentLog }))
  const node = running.add('node', await startFakeNode(api))
  const watch = async <T extends KubernetesObject>(resource: Resource<T>): Promise<Informer<T>> => {
    const backoff = new Backoff({ minMs: 20, maxMs: 200 })
    const informer = running.add('informer', startInformer(api, resource, { log: silentLog, backoff }))
    await informer.synced
    return informer
  }
  const { kubeconfig, kill: killServer } = server
  return { api, node, kubeconfig, watch, killServer, [Symbol.asyncDispose]: () => running.stop() }
}

/** The emulator as a process of its own, which can be killed and comes back on the same port. */
async function forkServer(home: string) {
  let port = 0
  let child: ChildProcess
  const start = async () => {
    const env = { ...process.env, APISERVER_HOME: home, APISERVER_PORT: String(port) }
    child = fork(join(import.meta.dirname, '../api-server/main.ts'), { env, stdio: ['ignore', 'ignore', 'ignore', 'ipc'] })
    const [message] = await once(child, 'message', { signal: late() })
    port = (message as { ports: { https: number } }).ports.https
  }
  const end = async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
  }
  await start()
  const kill = async () => {
    await end()
    await start()
  }
  return { kubeconfig: join(home, 'kubeconfig'), stop: end, kill }
}
