import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect, createSecureContext } from 'node:tls'
import type { BenchTable } from '../main.ts'
import { names, PLATFORM_DOMAIN } from '../scale/cluster.ts'
import { childrenOf, cpuMicroseconds, memoryOf } from '../scale/process.ts'
import { get, kubeconfig, portOf, quantile, ROUTER_ENV, round, start, startApp, until } from '../scale/world.ts'

export const name = 'certificates'

const APP_COUNT = Number(process.env['SCALE_APPS'] ?? 10_000)
const HANDSHAKE_COUNT = 500
/** Certificates are read whole in the background meanwhile. */
const AFTER_MS = 15_000

/** What a certificate for each of many apps costs a router: its start, the first handshake of a name, its memory. */
export async function run(): Promise<BenchTable> {
  const home = await mkdtemp(join(tmpdir(), 'certificates-'))
  const app = await startApp('a')
  const children: ChildProcess[] = []
  const rows = new Map<string, (string | number)[]>()
  try {
    for (const certificateEach of [0, 1])
      for (const workers of ['1', '2']) {
        const env = { APPS: String(APP_COUNT), CERTIFICATE_EACH: String(certificateEach), APP_PORT: String(portOf(app)) }
        const api = await start(children, 'bench/scale/api-server.ts', env)
        const KUBECONFIG = join(home, 'kubeconfig')
        await writeFile(KUBECONFIG, kubeconfig(Number(api.ports['port'])))
        const found = await measure(children, { ...ROUTER_ENV, KUBECONFIG, ROUTER_WORKERS: workers, POD_NAMESPACE: 'drycc' })
        for (const [title, value] of found) rows.set(title, [...(rows.get(title) ?? [title]), value])
        api.child.disconnect()
      }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    app.close()
    await rm(home, { recursive: true, force: true })
  }
  return {
    title: `${APP_COUNT} apps without certificates of their own, and with one each: in one process, and in a primary with one of its workers`,
    columns: ['', 'without, one process', 'without, two', 'with, one process', 'with, two'],
    rows: [...rows.values()],
    note: `Handshakes of ${HANDSHAKE_COUNT} names, one after the other, each a second time at once; those without certificates have the router’s own.`,
  }
}

async function measure(children: ChildProcess[], env: Record<string, string>): Promise<Map<string, string | number>> {
  const found = new Map<string, string | number>()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const began = performance.now()
  const router = await start(children, 'router/main.ts', env)
  const ports = router.ports['ports'] ?? {}
  await until(async () => (await get(ports['http']!, `${names(APP_COUNT - 1).name}.${PLATFORM_DOMAIN}`, agent)).body === 'a')
  found.set('start to ready, s', round((performance.now() - began) / 1000))
  const pids = [router.child.pid!, ...childrenOf(router.child.pid!).slice(0, 1)]
  const cpuSeconds = () => round(pids.reduce((total, pid) => total + cpuMicroseconds(pid), 0) / 1e6)
  const megabytes = () => pids.map(pid => Math.round(memoryOf(pid).rss)).join(' + ')
  found.set('CPU of the start, s', cpuSeconds())
  found.set('RSS when ready, MB', megabytes())
  await sleep(AFTER_MS)
  found.set(`CPU ${AFTER_MS / 1000} s later, s`, cpuSeconds())
  const [first, second]: [number[], number[]] = [[], []]
  for (let index = 0; index < HANDSHAKE_COUNT; index++) {
    const { host } = names((index * 17) % APP_COUNT)
    first.push(await handshake(ports['https']!, host))
    second.push(await handshake(ports['https']!, host))
  }
  const times = (values: readonly number[]) => [0.5, 0.99].map(share => round(quantile(values, share))).join(' / ')
  found.set('first handshake of a name, p50 / p99 ms', times(first))
  found.set('second, p50 / p99 ms', times(second))
  found.set(`RSS after ${HANDSHAKE_COUNT} names, MB`, megabytes())
  agent.destroy()
  router.child.kill('SIGTERM')
  await new Promise(resolve => router.child.once('exit', resolve))
  return found
}

const secureContext = createSecureContext({ ca: [] })

/** @returns how long it took, in milliseconds */
function handshake(port: number, servername: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const began = performance.now()
    const socket = connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false, secureContext }, () => {
      resolve(performance.now() - began)
      socket.destroy()
    })
    socket.on('error', reject)
  })
}
