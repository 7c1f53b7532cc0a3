import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, suite, test } from 'node:test'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { readCredentials } from '../../kernel/kubernetes/credentials.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { openImageStore } from '../images/store.ts'
import { startKubelet } from './start.ts'
import { WEB_APP } from './test-node.ts'

/** A Kubernetes beside the checkout that starts with one command, and a network namespace for the addresses of its pods. */
const SHARED = resolve(import.meta.dirname, '../../../shared/kubernetes')
const [START, POD_NETWORK] = [join(SHARED, 'start.mjs'), join(SHARED, 'pod-network')]
const INSIDE = 'DRYCC_TEST_INSIDE_POD_NETWORK'
const POD_CIDR = '10.244.0.0/16'

if (process.env[INSIDE]) suite('startKubelet() on a real control plane', { timeout: 100_000 }, insideCases)
else
  test('startKubelet() on a real control plane', { skip: whyNot(), timeout: 120_000 }, async () => {
    const { NODE_TEST_CONTEXT: _, ...env } = process.env
    const inner = spawn(POD_NETWORK, [process.execPath, import.meta.filename], {
      env: { ...env, [INSIDE]: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    for (const stream of [inner.stdout, inner.stderr]) stream.on('data', text => (output += text))
    const [code] = await once(inner, 'close')
    assert.equal(code, 0, output)
  })

function whyNot(): string | false {
  if (process.env['DRYCC_TEST_REAL_KUBERNETES'] === '0') return 'DRYCC_TEST_REAL_KUBERNETES is 0'
  if (process.platform !== 'linux' || process.arch !== 'x64') return 'needs Linux on x86-64'
  if (!existsSync(START)) return 'no real Kubernetes with a scheduler and controllers is at hand'
  return spawnSync(POD_NETWORK, ['true']).status === 0 ? false : 'this user may not make a network namespace'
}

function insideCases(): void {
  const namespace = 'default'
  let dir: string
  let cluster: ChildProcess
  let api: KubernetesApi
  let kubelet: Awaited<ReturnType<typeof startKubelet>>
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drycc-real-'))
    cluster = spawn(process.execPath, [START, '--controllers'], { stdio: ['pipe', 'pipe', 'inherit'] })
    const [line] = (await once(createInterface({ input: cluster.stdout! }), 'line')) as [string]
    api = connectKubernetes(await readCredentials({ KUBECONFIG: (JSON.parse(line) as { kubeconfig: string }).kubeconfig }))
    const images = openImageStore(join(dir, 'images'))
    const tree = await mkdtemp(join(dir, 'tree-'))
    await writeFile(join(tree, 'server.js'), WEB_APP)
    const { digest } = await images.put(tree, { command: ['node', 'server.js'] })
    await images.tag('embedded/web', 'v1', digest)
    kubelet = await startKubelet({ api, log: silentLog, home: join(dir, 'kubelet'), images, nodeName: 'real', podCidr: POD_CIDR })
    await kubelet.registered
  })
  after(async () => {
    await kubelet.stop()
    await api.close()
    cluster.stdin!.end()
    await once(cluster, 'exit')
    await rm(dir, { recursive: true, force: true })
  })

  const template = (version: string) => ({
    metadata: { labels: { app: 'web', version } },
    spec: {
      terminationGracePeriodSeconds: 5,
      containers: [
        {
          ...{ name: 'web', image: 'embedded/web:v1', ports: [{ containerPort: 5000 }] },
          env: [
            { name: 'PORT', value: '5000' },
            { name: 'VERSION', value: version },
          ],
          readinessProbe: { httpGet: { path: '/', port: 5000 } },
        },
      ],
    },
  })
  const endpoints = async () => {
    const { items } = await api.list(RESOURCES.endpointSlices, { namespace, labelSelector: 'kubernetes.io/service-name=web' })
    return items.flatMap(slice => slice.endpoints ?? [])
  }
  const rolledOut = async (generation: number | undefined) =>
    await until(async () => {
      const { status } = await api.get(RESOURCES.deployments, namespace, 'web')
      return (
        status?.observedGeneration === generation &&
        status?.updatedReplicas === 2 &&
        status?.availableReplicas === 2 &&
        status?.replicas === 2
      )
    })

  test('its scheduler binds, its controllers roll out, its slices hold the pods', async () => {
    await api.create(RESOURCES.services, {
      metadata: { namespace, name: 'web' },
      spec: { selector: { app: 'web' }, ports: [{ port: 80, targetPort: 5000 }] },
    })
    const made = await api.create(RESOURCES.deployments, {
      metadata: { namespace, name: 'web' },
      spec: { replicas: 2, selector: { matchLabels: { app: 'web' } }, template: template('1') },
    })
    await rolledOut(made.metadata.generation)
    await until(async () => (await endpoints()).filter(({ conditions }) => conditions?.ready).length === 2)
    const answers = await Promise.all(
      (await endpoints()).map(async ({ addresses }) => (await (await fetch(`http://${addresses[0]}:5000/`)).json()) as { pod: string }),
    )
    assert.equal(new Set(answers.map(({ pod }) => pod)).size, 2)
  })

  test('rolls over to the next version and clears the old pods away', async () => {
    const body = { spec: { template: template('2') } }
    const changed = await api.patch(RESOURCES.deployments, namespace, 'web', { type: 'strategic', body })
    await rolledOut(changed.metadata.generation)
    await until(async () => {
      const { items } = await api.list(RESOURCES.pods, { namespace, labelSelector: 'app=web' })
      return items.length === 2 && items.every(({ metadata }) => metadata.labels?.['version'] === '2')
    })
  })

  test('completes a Job, and fails one that fails', async () => {
    for (const [name, code] of [
      ['good', 0],
      ['bad', 3],
    ] as const) {
      const command = ['/bin/sh', '-c', `exit ${code}`]
      const spec = { restartPolicy: 'Never', containers: [{ name: 'main', image: 'embedded/web:v1', command }] }
      await api.create(RESOURCES.jobs, { metadata: { namespace, name }, spec: { backoffLimit: 0, template: { spec } } })
      await until(async () => {
        const { status } = await api.get(RESOURCES.jobs, namespace, name)
        return status?.conditions?.some(({ type, status }) => type === (code === 0 ? 'Complete' : 'Failed') && status === 'True')
      })
    }
  })

  test('leaves nothing when all is deleted', async () => {
    await api.delete(RESOURCES.deployments, namespace, 'web', { propagationPolicy: 'Background' })
    for (const name of ['good', 'bad']) await api.delete(RESOURCES.jobs, namespace, name, { propagationPolicy: 'Background' })
    await until(async () => (await api.list(RESOURCES.pods, { namespace })).items.length === 0)
  })
}

/** Asks again until it holds; the test's time limit ends it otherwise. */
async function until(holds: () => Promise<boolean | undefined>): Promise<void> {
  while (!(await holds())) await new Promise(done => setTimeout(done, 50))
}
