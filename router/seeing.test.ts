import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'

suite('What is seen of a router of two workers', { skip: process.platform !== 'linux' }, () => {
  let app: Server
  let folder: string
  let log: string
  let router: ChildProcess
  let ports: Record<string, number>

  before(async () => {
    app = createServer((_, response) => void response.end('app'))
    await new Promise<void>(resolve => app.listen(0, '127.0.0.1', resolve))
    folder = await mkdtemp(join(tmpdir(), 'seeing-'))
    log = join(folder, 'access.log')
    await writeFile(join(folder, 'shop.json'), manifests((app.address() as AddressInfo).port))
    router = spawn(process.execPath, [join(import.meta.dirname, 'main.ts')], {
      env: {
        PATH: process.env['PATH'],
        ...Object.fromEntries(['HTTP', 'HTTPS', 'GIT', 'HEALTH', 'ADMIN'].map(name => [`ROUTER_${name}_PORT`, '0'])),
        ...{ ROUTER_MANIFESTS: folder, ROUTER_BIND: '127.0.0.1', ROUTER_WORKERS: '2', ROUTER_ACCESS_LOG_FILE: log },
      },
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    })
    ;[{ ports }] = (await once(router, 'message')) as [{ ports: Record<string, number> }]
  })
  after(async () => {
    router.kill('SIGKILL')
    app.closeAllConnections()
    await new Promise(resolve => app.close(resolve))
    await rm(folder, { recursive: true })
  })

  const ask = (count: number) => Promise.all(Array.from({ length: count }, (_, index) => get(ports['http']!, 'shop.test', `/${index}`)))
  const metric = async (name: string) =>
    Number(new RegExp(`^${name} (\\S+)$`, 'm').exec((await get(ports['admin']!, 'x', '/metrics')).body)?.[1])
  const linesOf = async (file: string) => (await readFile(file, 'utf8').catch(() => '')).split('\n').slice(0, -1)

  test('every request of both is a line of one file, which SIGUSR1 lets go of after it was moved', async () => {
    await ask(40)
    await eventually(async () => (await linesOf(log)).length === 40)
    await rename(log, `${log}.1`)
    router.kill('SIGUSR1')
    await eventually(async () => (await readdir(folder)).includes('access.log'))
    await ask(40)
    await eventually(async () => (await linesOf(log)).length + (await linesOf(`${log}.1`)).length === 80)
    // A worker may have written by the old descriptor until it heard of it; from then on nothing is.
    const moved = (await linesOf(`${log}.1`)).length
    await ask(10)
    await eventually(async () => (await linesOf(log)).length === 90 - moved)
    for (const line of await linesOf(log)) assert.equal(line.split(' - ').length, 14, line)
  })

  test('/requests has what both remember, /why what both see', async () => {
    const { requests } = JSON.parse((await get(ports['admin']!, 'x', '/requests?namespace=shop')).body)
    assert.ok(requests.length > 2)
    assert.deepEqual([requests[0].app, requests[0].status, requests[0].host], ['shop', 200, 'shop.test'])
    assert.equal((await get(ports['admin']!, 'x', '/requests')).status, 400)
    const why = JSON.parse((await get(ports['admin']!, 'x', '/why?host=shop.test')).body)
    assert.deepEqual([why.outcome, why.endpoints.length, why.endpoints[0].ejectedBy], ['forward', 1, 0])
    assert.match((await get(ports['admin']!, 'x', '/why?host=shop.test&format=text')).body, /^shop\.test: goes to the app\n/)
  })

  test('no counter falls when a worker dies', async () => {
    await ask(20)
    const before = await metric('router_requests_total')
    assert.ok(before >= 110)
    const [victim] = await workersOf(router.pid!)
    process.kill(victim!, 'SIGKILL')
    await eventually(async () => (await metric('router_worker_restarts_total')) === 1)
    assert.ok((await metric('router_requests_total')) >= before)
    await eventually(async () => (await metric('router_workers')) === 2)
    assert.ok((await metric('router_requests_total')) >= before)
    assert.ok((await metric('router_worker_event_loop_delay_seconds{worker="1",quantile="0.5"}')) < 1)
  })

  test('nor when workers are replaced, and nothing of them is lost', async () => {
    const before = await metric('router_requests_total')
    const old = new Set(await workersOf(router.pid!))
    await ask(30)
    router.kill('SIGHUP')
    await eventually(async () => {
      const now = await workersOf(router.pid!)
      return now.length === 2 && now.every(pid => !old.has(pid))
    })
    assert.equal(await metric('router_requests_total'), before + 30)
  })
})

async function workersOf(parent: number): Promise<number[]> {
  return (await readFile(`/proc/${parent}/task/${parent}/children`, 'utf8')).split(' ').filter(Boolean).map(Number)
}

function manifests(port: number): string {
  const meta = { name: 'shop', namespace: 'shop' }
  const service = {
    ...{ apiVersion: 'v1', kind: 'Service', spec: { ports: [{ name: 'http', port: 80 }] } },
    metadata: {
      ...meta,
      labels: { 'router.drycc.cc/routable': 'true', app: 'shop' },
      annotations: { 'router.drycc.cc/domains': 'shop.test' },
    },
  }
  const slice = {
    ...{ apiVersion: 'discovery.k8s.io/v1', kind: 'EndpointSlice', addressType: 'IPv4' },
    metadata: { ...meta, labels: { 'kubernetes.io/service-name': 'shop' } },
    ports: [{ name: 'http', port }],
    endpoints: [{ addresses: ['127.0.0.1'] }],
  }
  return JSON.stringify({ apiVersion: 'v1', kind: 'List', items: [service, slice] })
}

function get(port: number, host: string, path: string): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port, path, headers: { host }, agent: false }, response => {
      response.setEncoding('utf8')
      let body = ''
      response.on('data', chunk => (body += chunk))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    sent.on('error', reject)
    sent.end()
  })
}

async function eventually(isSo: () => Promise<boolean>) {
  const deadline = performance.now() + 15_000
  while (!(await isSo())) {
    assert.ok(performance.now() < deadline, 'it did not come about in time')
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}
