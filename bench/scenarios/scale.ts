import type { ChildProcess } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, type Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { BenchTable } from '../main.ts'
import type { ApiOrder } from '../scale/api-server.ts'
import { names, PLATFORM_DOMAIN } from '../scale/cluster.ts'
import { PauseReader } from '../scale/pauses.ts'
import { childrenOf, cpuMicroseconds, memoryOf } from '../scale/process.ts'
import { get, kubeconfig, portOf, quantile, ROUTER_ENV, round, start, startApp, until } from '../scale/world.ts'

export const name = 'scale'

const APP_COUNT = Number(process.env['SCALE_APPS'] ?? 10_000)
const CERTIFICATE_EACH = Number(process.env['SCALE_CERTIFICATE_EACH'] ?? 5)
const CHANGE_COUNT = 500
const CHANGES_PER_SECOND = 50
const LATENCY_COUNT = 300

/**
 * A router before a cluster of many apps: API server, router and apps are processes of their own, and the API is HTTP, so that what its
 * client costs is in. CPU time is of primary and one worker together, less what they cost idle.
 */
export async function run(): Promise<BenchTable> {
  const home = await mkdtemp(join(tmpdir(), 'scale-'))
  const apps = [await startApp('a'), await startApp('b')] as const
  const children: ChildProcess[] = []
  try {
    const api = await start(children, 'bench/scale/api-server.ts', {
      APPS: String(APP_COUNT),
      CERTIFICATE_EACH: String(CERTIFICATE_EACH),
      APP_PORT: String(portOf(apps[0])),
    })
    const KUBECONFIG = join(home, 'kubeconfig')
    await writeFile(KUBECONFIG, kubeconfig(Number(api.ports['port'])))
    const rows: Map<string, (string | number)[]> = new Map()
    for (const workers of ['1', '2']) {
      const env = {
        ...ROUTER_ENV,
        KUBECONFIG,
        ROUTER_WORKERS: workers,
        ROUTER_STATE: join(home, `state-${workers}`),
        POD_NAMESPACE: 'drycc',
      }
      const found = await measure(children, api.child, env, apps)
      for (const [title, value] of found) rows.set(title, [...(rows.get(title) ?? [title]), value])
    }
    return {
      title: `${APP_COUNT} apps, each with two endpoints, one in ${CERTIFICATE_EACH} with a certificate`,
      columns: ['', 'one process', 'primary and one of its workers'],
      rows: [...rows.values()],
      note: `Slices changed at ${CHANGES_PER_SECOND} a second, CPU less what idling takes; latency of ${LATENCY_COUNT}, one after the other.`,
    }
  } finally {
    for (const child of children) child.kill('SIGKILL')
    for (const app of apps) app.close()
    await rm(home, { recursive: true, force: true })
  }
}

/** One router's figures, in the order in which they are taken. */
async function measure(children: ChildProcess[], api: ChildProcess, env: Record<string, string>, apps: readonly [Server, Server]) {
  const found = new Map<string, string | number>()
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const [first, second] = apps.map(portOf) as [number, number]
  const began = performance.now()
  const router = await start(children, 'router/main.ts', env, ['--trace-gc'])
  const pauses = new PauseReader(router.child.stdout!)
  const port = router.ports['ports']?.['http'] as number
  const host = (index: number) => `${names(index).name}.${PLATFORM_DOMAIN}`
  await until(async () => (await get(port, host(APP_COUNT - 1), agent)).body === 'a')
  found.set('start to ready, s', round((performance.now() - began) / 1000))
  const pids = [router.child.pid!, ...childrenOf(router.child.pid!).slice(0, 1)]
  const memory = (title: string) => {
    const all = pids.map(memoryOf)
    const sum = (key: 'rss' | 'peak' | 'pss') => Math.round(all.reduce((total, one) => total + one[key], 0))
    const each = all.length > 1 ? ` (${all.map(one => Math.round(one.rss)).join(' + ')})` : ''
    found.set(`RSS ${title}, MB`, `${sum('rss')}${each}, PSS ${sum('pss')}, peak ${sum('peak')}`)
  }
  memory('when ready')
  found.set('CPU of the start, s', round(pids.reduce((total, pid) => total + cpuMicroseconds(pid), 0) / 1e6))
  await sleep(7000)
  memory('7 s later')

  const cpu = () => pids.reduce((total, pid) => total + cpuMicroseconds(pid), 0)
  const idleFrom = cpu()
  const seconds = CHANGE_COUNT / CHANGES_PER_SECOND
  await sleep(seconds * 1000)
  const idlePerMs = (cpu() - idleFrom) / (seconds * 1000)
  found.set('CPU idle, ms a second', round(idlePerMs))
  // There and back: the code is compiled while it runs for the first time, and what follows is what a change costs from then on.
  for (const [times, title] of [
    [1, `CPU per change, ms: the first ${CHANGE_COUNT}`],
    [3, `CPU per change, ms: the next ${3 * CHANGE_COUNT}`],
  ] as const) {
    const [cpuFrom, from] = [cpu(), performance.now()]
    for (let change = 0; change < times * CHANGE_COUNT; change++) {
      const target = title.includes('next') && Math.floor(change / CHANGE_COUNT) % 2 === 0 ? first : second
      await tell(api, { type: 'move', from: ((change % CHANGE_COUNT) * 7) % APP_COUNT, count: 1, port: target })
      await sleep(1000 / CHANGES_PER_SECOND)
    }
    await sleep(500)
    const own = cpu() - cpuFrom - idlePerMs * (performance.now() - from)
    found.set(title, round(own / 1000 / (times * CHANGE_COUNT)))
  }

  const tookMs: number[] = []
  for (let change = 0; change < LATENCY_COUNT; change++) {
    const index = (change * 13 + 5) % APP_COUNT
    const target = (await get(port, host(index), agent)).body === 'a' ? second : first
    const wanted = target === first ? 'a' : 'b'
    const changedAt = performance.now()
    const told = tell(api, { type: 'move', from: index, count: 1, port: target })
    await until(async () => (await get(port, host(index), agent)).body === wanted)
    tookMs.push(performance.now() - changedAt)
    await told
  }
  found.set('changed → served, p50 / p99 / max ms', [0.5, 0.99, 1].map(share => round(quantile(tookMs, share))).join(' / '))

  pauses.take()
  for (const target of [second, first]) {
    const { burstMs, quietMs } = await burst(api, port, target, agent, found)
    const rounded = [quantile(burstMs, 0.99), quantile(burstMs, 1)].map(round).join(' / ')
    found.set('requests meanwhile, p99 / max ms', rounded)
    found.set('… times those of as long a quiet', round(quantile(burstMs, 0.99) / quantile(quietMs, 0.99)))
  }
  const { young, whole } = pauses.take()
  found.set('longest collection then, ms: young / whole', `${round(young)} / ${round(whole)}`)
  await sleep(1000)
  memory('after 20,000 changes at once')
  await tell(api, { type: 'expire' })
  await sleep(8000)
  memory('after listing again')
  router.child.kill('SIGTERM')
  await new Promise(resolve => router.child.once('exit', resolve))
  agent.destroy()
  return found
}

/** Moves every app at once. @returns how long requests took meanwhile, and in as long a time after */
async function burst(api: ChildProcess, port: number, target: number, agent: Agent, found: Map<string, string | number>) {
  const last = APP_COUNT - 1
  const host = `${names(last).name}.${PLATFORM_DOMAIN}`
  const before = (await get(port, host, agent)).body
  const ask = async (tookMs: number[]) => {
    const sentAt = performance.now()
    const { body } = await get(port, host, agent)
    tookMs.push(performance.now() - sentAt)
    return body
  }
  const [burstMs, quietMs]: [number[], number[]] = [[], []]
  const began = performance.now()
  const told = tell(api, { type: 'move', from: 0, count: APP_COUNT, port: target })
  await until(async () => (await ask(burstMs)) !== before)
  const took = performance.now() - began
  found.set('all slices changed at once → all served, s', round(took / 1000))
  await told
  await sleep(500)
  const quietFrom = performance.now()
  while (performance.now() - quietFrom < took) await ask(quietMs)
  return { burstMs, quietMs }
}

function tell(api: ChildProcess, order: ApiOrder): Promise<unknown> {
  return new Promise(resolve => {
    api.once('message', resolve)
    api.send(order)
  })
}
