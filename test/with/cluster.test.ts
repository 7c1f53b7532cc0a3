import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, suite, test } from 'node:test'
import { builderConfig } from '../../builder/config.ts'
import { startBuilder } from '../../builder/start.ts'
import { controlPlaneConfig } from '../../control-plane/config.ts'
import { startControlPlane } from '../../control-plane/start.ts'
import { openImageStore } from '../../embedded/images/store.ts'
import { startKubelet } from '../../embedded/kubelet/start.ts'
import { applyPlatform, PLATFORM_SERVICES, type ServedRole } from '../../embedded/platform-objects.ts'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { readCredentials } from '../../kernel/kubernetes/credentials.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { Stack } from '../../kernel/lifecycle.ts'
import { createLog } from '../../kernel/log.ts'
import { loggerConfig } from '../../logger/config.ts'
import { startLogger } from '../../logger/start.ts'
import { routerConfig } from '../../router/config.ts'
import { startRouter } from '../../router/primary.ts'
import { Person, type Repository, succeed } from '../platform/person.ts'
import { SAMPLE_APP } from '../platform/sample-app.ts'
import { httpGet, Load } from '../platform/traffic.ts'

// The roles on a real Kubernetes: its API server, controllers and scheduler, with our kubelet as its only node. A real API server takes no
// loopback addresses for endpoints, so all of it runs in a network namespace where 10.244.0.0/16 is local.

const START = resolve(import.meta.dirname, '../../../shared/kubernetes/start.mjs')
const NAMESPACE = 'ip link set lo up && ip route add local 10.244.0.0/16 dev lo && exec "$@"'
const POD_CIDR = '10.244.0.0/24'
const HERE = '10.244.1.1'

const missing = whatIsMissing()
if (missing) test('the whole path on a real cluster', { skip: missing }, () => {})
else if (process.env['DRYCC_POD_NETWORK'] === '1') inside()
else test('the whole path on a real cluster', runInside)

/** Runs this file once more, in a namespace of its own. */
async function runInside(): Promise<void> {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const unshare = process.getuid?.() === 0 ? '-n' : '-rn'
  const command = [unshare, 'sh', '-c', NAMESPACE, 'pod-network', process.execPath, '--test', '--test-reporter=spec', import.meta.filename]
  const child = spawn('unshare', command, { env: { ...env, DRYCC_POD_NETWORK: '1' }, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', chunk => (output += chunk))
  const [code] = (await once(child, 'close')) as [number | null]
  assert.equal(code, 0, output)
}

function inside(): void {
  suite('the whole path on a real cluster', () => {
    const folder = mkdtempSync(join(tmpdir(), 'cl-'))
    const log = createLog({ role: 'test', level: 'error' })
    const stack = new Stack(log)
    let api: KubernetesApi
    let ports: Readonly<Record<string, number>>
    let ana: Person
    let shop: Repository

    before(async () => {
      api = await startCluster(stack)
      await applyPlatform(api, 'localhost')
      ports = await startRoles(api, stack, folder)
      const controller = { apiHost: 'drycc.localhost', ports: { 'http-port': ports['http']! }, folder }
      ana = new Person(controller, 'ana')
    })
    after(async () => {
      await stack.stop()
      rmSync(folder, { recursive: true, force: true })
    })
    const page = async () =>
      JSON.parse((await httpGet(ports['http']!, 'shop.localhost')).body) as { pod: string; release: string; greeting: string }

    test('a push becomes an app', async () => {
      await ana.settle()
      // Pods of a network of their own listen at their own address, at the port that their Service names.
      shop = await ana.repository('shop', {
        ...SAMPLE_APP,
        'server.js': SAMPLE_APP['server.js']!.replace('listen(PORT,', 'listen(PORT, process.env.HOST,'),
      })
      succeed(await shop.drycc('create', 'shop'))
      assert.match(succeed(await shop.git('push', 'drycc', 'main')).stderr, /Done, shop:v2 deployed/)
      assert.equal((await page()).release, 'v2')
    })

    test('config and scale roll out without a failed request', async () => {
      const load = new Load(ports['http']!, 'shop.localhost', 50)
      succeed(await shop.drycc('scale', 'web=3'))
      succeed(await shop.drycc('config:set', 'GREETING=hello'))
      assert.equal((await page()).greeting, 'hello')
      succeed(await shop.drycc('rollback', 'v2'))
      await load.end()
      assert.deepEqual(load.failures, [])
      assert.equal(succeed(await shop.drycc('ps')).stdout.match(/ up \(v4\)/g)?.length, 3)
    })

    test('the endpoints are those of a cluster', async () => {
      const { items } = await api.list(RESOURCES.endpointSlices, { namespace: 'shop' })
      const addresses = items.flatMap(({ endpoints }) => endpoints.flatMap(endpoint => endpoint.addresses))
      assert.ok(addresses.length >= 3)
      assert.ok(
        addresses.every(address => address.startsWith('10.244.0.')),
        addresses.join(),
      )
      assert.deepEqual([...new Set(items.flatMap(({ ports: list }) => list?.map(({ port }) => port)))], [5000])
    })

    test('a destroyed app is gone', async () => {
      succeed(await shop.drycc('destroy', '--confirm', 'shop'))
      assert.equal((await httpGet(ports['http']!, 'shop.localhost')).status, 404)
    })
  })
}

/** A real API server with its controllers and scheduler. */
async function startCluster(stack: Stack): Promise<KubernetesApi> {
  const child: ChildProcess = spawn(process.execPath, [START, '--controllers'], { stdio: ['pipe', 'pipe', 'inherit'] })
  stack.add('cluster', {
    async stop() {
      child.stdin!.end()
      if (child.exitCode === null) await once(child, 'exit')
    },
  })
  const [line] = (await once(createInterface({ input: child.stdout! }), 'line')) as [string]
  const { kubeconfig } = JSON.parse(line) as { kubeconfig: string }
  const api = connectKubernetes(await readCredentials({ KUBECONFIG: kubeconfig }))
  stack.add('client', { stop: () => api.close() })
  return api
}

async function startRoles(api: KubernetesApi, stack: Stack, folder: string): Promise<Readonly<Record<string, number>>> {
  const log = createLog({ role: 'test', level: 'error' })
  const images = join(folder, 'images')
  const store = await openImageStore(images)
  stack.add('kubelet', await startKubelet({ api, log, home: join(folder, 'pods'), images: store, nodeName: 'local', podCidr: POD_CIDR }))
  const control = await freePort()
  const router = await startRouter(
    routerConfig({
      ROUTER_BIND: '127.0.0.1',
      ROUTER_WORKERS: '1',
      ROUTER_ACCESS_LOG: 'off',
      ...freePorts('ROUTER', 'HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'),
    }),
    api,
    log,
    new AbortController().signal,
  )
  stack.add('router', router)
  const logger = stack.add(
    'logger',
    await startLogger({ api, log, config: loggerConfig({ LOGGER_BIND: HERE, LOGGER_PORT: '0', LOGGER_ADMIN_PORT: '0' }) }),
  )
  const config = controlPlaneConfig({
    CONTROLLER_PORT: String(control),
    CONTROLLER_BIND: HERE,
    CONTROLLER_ADMIN_PORT: '0',
    CONTROLLER_BUILDER_KEY: 'key',
    CONTROLLER_LOGGER_URL: `http://${HERE}:${logger.ports['http']}`,
    CONTROLLER_ROUTER_URL: `http://127.0.0.1:${router.ports!['http']}`,
    CONTROLLER_REGISTRATION: 'enabled',
    CONTROLLER_PUBLIC_HTTP_PORT: String(router.ports!['http']),
  })
  stack.add('control plane', await startControlPlane({ api, config, log }))
  const builder = await startBuilder({
    api,
    log,
    config: builderConfig({
      BUILDER_BIND: HERE,
      BUILDER_HOME: join(folder, 'builder'),
      BUILDER_KEY: 'key',
      BUILDER_CONTROLLER_URL: `http://${HERE}:${control}`,
      BUILDER_RUN_COMMAND: JSON.stringify([
        process.execPath,
        join(import.meta.dirname, '../../embedded/build-runner/main.ts'),
        '--images',
        images,
        '--cache',
        join(folder, 'cache'),
      ]),
      ...freePorts('BUILDER', 'SSH', 'HTTP', 'HEALTH'),
    }),
  })
  stack.add('builder', builder)
  await publish(api, 'control-plane', { http: control })
  await publish(api, 'builder', builder.ports)
  const known = async () => (await httpGet(router.ports!['http']!, 'drycc.localhost', '/v2/')).status === 401
  for (const deadline = performance.now() + 10_000; !(await known()); )
    assert.ok(performance.now() < deadline, 'the router does not find the control plane')
  return router.ports!
}

async function publish(api: KubernetesApi, role: ServedRole, bound: Readonly<Record<string, number>>): Promise<void> {
  const { service, ports } = PLATFORM_SERVICES[role]
  await api.create(RESOURCES.endpointSlices, {
    metadata: { namespace: 'drycc', name: `${service}-test`, labels: { 'kubernetes.io/service-name': service } },
    addressType: 'IPv4',
    endpoints: [{ addresses: [HERE], conditions: { ready: true } }],
    ports: Object.keys(ports).map(name => ({ name, port: bound[name]!, protocol: 'TCP' })),
  })
}

function freePorts(role: string, ...names: string[]): Record<string, string> {
  return Object.fromEntries(names.map(name => [`${role}_${name}_PORT`, '0']))
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, HERE)
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await new Promise(done => server.close(done))
  return port
}

function whatIsMissing(): string | undefined {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    return 'network namespaces are of Linux, and the Kubernetes at hand is for x86-64'
  if (!existsSync(START)) return 'no Kubernetes with a scheduler is at hand: shared/kubernetes beside the checkout has one'
  const namespace = spawnSync('unshare', [process.getuid?.() === 0 ? '-n' : '-rn', 'sh', '-c', NAMESPACE, 'pod-network', 'true'])
  return namespace.status === 0 ? undefined : 'no network namespace can be made here: it needs unshare, iproute2 and the right to'
}
