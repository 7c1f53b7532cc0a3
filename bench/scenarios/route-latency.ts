import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { readCredentials } from '../../kernel/kubernetes/credentials.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'

const APP_COUNT = 1000
const PATCH_COUNT = 200
const NAMESPACE_COUNT = 10
const ROOT = join(import.meta.dirname, '../..')

export const name = 'route-latency'

/**
 * From the call that patches an annotation to the first request that the new route answers: API emulator, router and this client are processes
 * of their own, the router with as many workers as a cluster would give it.
 */
export async function run(): Promise<{ title: string; columns: string[]; rows: (string | number)[][]; note?: string }> {
  const home = await mkdtemp(join(tmpdir(), 'route-latency-'))
  const app = createServer((_, response) => response.end('app'))
  const children: ChildProcess[] = []
  try {
    await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve))
    await startRole(children, 'embedded/api-server/main.ts', { APISERVER_HOME: home, APISERVER_PORT: '0' })
    const KUBECONFIG = join(home, 'kubeconfig')
    const api = connectKubernetes(await readCredentials({ KUBECONFIG }))
    await createApps(api, (app.address() as AddressInfo).port)
    const rows: (string | number)[][] = []
    for (const workers of ['1', '2']) {
      const began = performance.now()
      const router = await startRole(children, 'router/main.ts', { ...ROUTER_ENV, KUBECONFIG, ROUTER_WORKERS: workers })
      const startMs = performance.now() - began
      const tookMs = await measure(api, router.ports['http']!)
      rows.push([`${workers} ${workers === '1' ? 'worker' : 'workers'}`, ...summarise(tookMs), round(startMs)])
      router.process.kill('SIGTERM')
    }
    await api.close()
    return {
      title: `Annotation patched → first request by the new route, ${APP_COUNT} apps, ${PATCH_COUNT} times`,
      columns: ['router', 'median ms', 'p99 ms', 'max ms', 'start to ready ms'],
      rows,
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    app.close()
    await rm(home, { recursive: true, force: true })
  }
}

const ROUTER_ENV = {
  ...Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(port => [`ROUTER_${port}_PORT`, '0'])),
  ROUTER_BIND: '127.0.0.1',
  ROUTER_ACCESS_LOG: 'off',
}

async function startRole(children: ChildProcess[], file: string, env: Record<string, string>) {
  const child = spawn(process.execPath, [join(ROOT, file)], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  children.push(child)
  const { ports } = await new Promise<{ ports: Record<string, number> }>((resolve, reject) => {
    child.once('message', message => resolve(message as never))
    child.once('exit', code => reject(new Error(`${file} ended with code ${code}`)))
  })
  return { process: child, ports }
}

async function createApps(api: KubernetesApi, port: number): Promise<void> {
  for (let index = 0; index < NAMESPACE_COUNT; index++) await api.create(RESOURCES.namespaces, { metadata: { name: `team-${index}` } })
  const pending = Array.from({ length: APP_COUNT }, (_, index) => index)
  const create = async () => {
    for (let index = pending.pop(); index !== undefined; index = pending.pop()) {
      const metadata = { name: `app-${index}`, namespace: `team-${index % NAMESPACE_COUNT}` }
      await api.create<Service>(RESOURCES.services, {
        metadata: {
          ...metadata,
          labels: { 'router.drycc.cc/routable': 'true' },
          annotations: { 'router.drycc.cc/domains': `app-${index}.example.com` },
        },
        spec: { ports: [{ name: 'http', port: 80 }] },
      })
      await api.create<EndpointSlice>(RESOURCES.endpointSlices, {
        metadata: { ...metadata, labels: { 'kubernetes.io/service-name': metadata.name } },
        addressType: 'IPv4',
        endpoints: [{ addresses: ['127.0.0.1'], conditions: { ready: true } }],
        ports: [{ name: 'http', port, protocol: 'TCP' }],
      })
    }
  }
  await Promise.all(Array.from({ length: 16 }, create))
}

async function measure(api: KubernetesApi, port: number): Promise<number[]> {
  const agent = new Agent({ keepAlive: true })
  const tookMs: number[] = []
  for (let round = 0; round < PATCH_COUNT; round++) {
    const index = (round * 7) % APP_COUNT
    const host = `moved-${round}-${port}.example.com`
    const body = { metadata: { annotations: { 'router.drycc.cc/domains': host } } }
    const began = performance.now()
    const patched = api.patch(RESOURCES.services, `team-${index % NAMESPACE_COUNT}`, `app-${index}`, { type: 'merge', body })
    while ((await status(port, host, agent)) !== 200)
      if (performance.now() - began > 10_000) throw new Error(`The route of ${host} never came`)
    tookMs.push(performance.now() - began)
    await patched
  }
  agent.destroy()
  return tookMs
}

function status(port: number, host: string, agent: Agent): Promise<number> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, headers: { host }, agent }, response => {
      response.resume()
      response.on('end', () => resolve(response.statusCode ?? 0))
    })
    sent.on('error', reject)
    sent.end()
  })
}

function summarise(values: number[]): number[] {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(Math.ceil(sorted.length * share), sorted.length) - 1]!
  return [at(0.5), at(0.99), at(1)].map(round)
}

function round(ms: number): number {
  return Math.round(ms * 10) / 10
}
