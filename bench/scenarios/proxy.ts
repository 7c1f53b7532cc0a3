import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import type { BenchTable } from '../main.ts'
import type { LoadOrder, LoadResult } from '../proxy/load.ts'

export const name = 'proxy'

const ROUNDS = 5
const WARM_UP_MS = 700
const ROUND_MS = 1200
const CONNECTIONS = 64

/** A proxy in front of the origin, in a process of its own. */
interface Peer {
  readonly name: string
  readonly file: string
  readonly env?: Record<string, string>
}

const PEERS: readonly Peer[] = [
  { name: 'ours', file: 'ours.ts' },
  { name: 'ours with the access log', file: 'ours.ts', env: { ACCESS_LOG: 'classic' } },
  { name: 'net relay, no parsing', file: 'net-relay.ts' },
  { name: 'http-proxy, keep-alive', file: 'http-proxy.ts', env: { KEEP_ALIVE: 'yes' } },
  { name: 'http-proxy as it comes', file: 'http-proxy.ts' },
]

const HEAD = 'Host: app.test\r\nUser-Agent: bench\r\nAccept: */*\r\n'
const WORK: Record<string, { request: string; bodyBytes: number }> = {
  'GET 100 B': { request: `GET /100 HTTP/1.1\r\n${HEAD}\r\n`, bodyBytes: 100 },
  'POST 10 KB': { request: `POST /2 HTTP/1.1\r\n${HEAD}Content-Length: 10240\r\n\r\n${'x'.repeat(10_240)}`, bodyBytes: 2 },
  'GET 100 KB': { request: `GET /102400 HTTP/1.1\r\n${HEAD}\r\n`, bodyBytes: 102_400 },
}

// As the router starts its workers (see ARCHITECTURE.md, performance); the same for every peer.
const NODE_FLAGS = ['--max-semi-space-size=64', '--min-semi-space-size=64', '--single-threaded-gc']

/** CPU time of proxies per request, user and system, in interleaved rounds over keep-alive connections. */
export async function run(): Promise<BenchTable> {
  const folder = join(import.meta.dirname, '..', 'proxy')
  const origin = await start(join(folder, 'origin.ts'), {})
  const load = await start(join(folder, 'load.ts'), {})
  const peers = []
  for (const peer of PEERS) {
    peers.push({
      ...peer,
      ...(await start(join(folder, peer.file), { ...peer.env, ORIGIN_PORT: String(origin.port) })),
      times: new Map<string, number[]>(),
    })
  }
  try {
    for (let round = -1; round < ROUNDS; round++) {
      for (const [title, work] of Object.entries(WORK)) {
        for (const peer of peers) {
          const order = { port: peer.port, connections: CONNECTIONS, durationMs: round < 0 ? WARM_UP_MS : ROUND_MS, ...work }
          const cpu = await microsecondsPerRequest(peer.child, load.child, order)
          if (round >= 0) peer.times.set(title, [...(peer.times.get(title) ?? []), cpu])
        }
      }
    }
  } finally {
    for (const { child } of [origin, load, ...peers]) child.disconnect()
  }
  const columns = ['µs of CPU per request', ...Object.keys(WORK).flatMap(title => [title, 'times ours'])]
  const ours = peers[0]?.times
  const rows = peers.map(peer => [
    peer.name,
    ...Object.keys(WORK).flatMap(title => {
      const time = median(peer.times.get(title))
      return [time.toFixed(1), (time / median(ours?.get(title))).toFixed(2)]
    }),
  ])
  return {
    title: `A proxy’s own CPU time, ${CONNECTIONS} keep-alive connections, medians of ${ROUNDS} interleaved rounds`,
    columns,
    rows,
    note: 'Compare rows, not machines: the ratio is what holds.',
  }
}

async function microsecondsPerRequest(proxy: ChildProcess, load: ChildProcess, order: LoadOrder): Promise<number> {
  const before = await ask<{ cpu: NodeJS.CpuUsage }>(proxy, 'cpu')
  const { requests, errors } = await ask<LoadResult>(load, order)
  const after = await ask<{ cpu: NodeJS.CpuUsage }>(proxy, 'cpu')
  if (errors > 0) throw new Error(`Cannot measure: ${errors} of ${requests} requests failed`)
  return (after.cpu.user + after.cpu.system - before.cpu.user - before.cpu.system) / requests
}

async function start(file: string, env: Record<string, string>): Promise<{ child: ChildProcess; port: number }> {
  const child = fork(file, { env: { ...process.env, ...env }, execArgv: NODE_FLAGS, stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
  const { port } = await new Promise<{ port: number }>((resolve, reject) => {
    child.once('message', message => resolve(message as { port: number }))
    child.once('exit', code => reject(new Error(`Cannot start ${file}: it ended with ${code}`)))
  })
  return { child, port }
}

function ask<T>(child: ChildProcess, message: unknown): Promise<T> {
  return new Promise(resolve => {
    child.once('message', answer => resolve(answer as T))
    child.send(message as object)
  })
}

function median(values: readonly number[] = []): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
