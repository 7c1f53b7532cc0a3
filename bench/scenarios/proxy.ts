import { closeSync, openSync } from 'node:fs'
import { join } from 'node:path'
import { type Child, Children } from '../children.ts'
import type { BenchTable } from '../main.ts'
import type { LoadOrder } from '../proxy/load.ts'
import { isAvailable, OURS_WITH_LOG, PEERS, type Peer, type RunningPeer } from '../proxy/peers.ts'
import { measure, median, ratio } from '../round.ts'
import { usageOf } from '../usage.ts'

export const name = 'proxy'

const ROUND_COUNT = 5
const WARM_UP_MS = 600
const ROUND_MS = 350
const UNCOUNTED = 2500
const HELD_COUNT = 5000
const HEAD = 'Host: app-0.test\r\nUser-Agent: bench\r\nAccept: */*\r\n'
const MEGABYTE = 1024 ** 2

interface Column {
  readonly title: string
  order(port: number, durationMs: number): LoadOrder
  /** What one request stands for: itself, or so many MB. */
  readonly units: number
  readonly warmUpMs?: number
  readonly roundMs?: number
}

const COLUMNS: readonly Column[] = [
  // V8 goes on making code better for some 100,000 requests; what is compared first is what a proxy does all day.
  { ...keepAlive('GET 100 B', `GET /100 HTTP/1.1\r\n${HEAD}\r\n`, 100), warmUpMs: 4000, roundMs: 1000 },
  keepAlive('GET 100 KB', `GET /102400 HTTP/1.1\r\n${HEAD}\r\n`, 102_400),
  { ...keepAlive('POST 10 KB', `POST /2 HTTP/1.1\r\n${HEAD}Content-Length: 10240\r\n\r\n${'x'.repeat(10_240)}`, 2), warmUpMs: 2000 },
  {
    title: 'WebSocket message',
    order: (port, durationMs) => ({ kind: 'websocket', port, durationMs, connections: 64, messageBytes: 64 }),
    units: 1,
  },
  { ...keepAlive('10 MB, each MB', `GET /${10 * MEGABYTE} HTTP/1.1\r\n${HEAD}\r\n`, 10 * MEGABYTE, 4), units: 10 },
  {
    title: 'new connection',
    order: (port, durationMs) => ({
      kind: 'connect',
      port,
      durationMs,
      connections: 16,
      requests: [`GET /100 HTTP/1.1\r\n${HEAD}Connection: close\r\n\r\n`],
      bodyBytes: 100,
    }),
    units: 1,
    // A busy router gets as many in some seconds.
    warmUpMs: 4000,
  },
]

/** What was found of one peer. */
interface Run {
  readonly peer: Peer
  readonly running: RunningPeer
  /** Microseconds by column and round. */
  readonly cpu: number[][]
  readonly perSecond: number[]
  kilobytes: number
}

/** CPU time of proxies for each kind of work, and memory of idle connections; every peer that is installed, in interleaved rounds. */
export async function run(): Promise<BenchTable[]> {
  using children = new Children()
  const { folder } = children
  const log = openSync(join(folder, 'access.log'), 'a')
  try {
    const origin = await children.fork(join(import.meta.dirname, '../proxy/origin.ts'), {}, 'load')
    const load = await children.fork(join(import.meta.dirname, '../proxy/load.ts'), {}, 'load')
    const runs: Run[] = []
    const absent = new Map<Peer, string>()
    for (const peer of PEERS) {
      const options = { originPort: origin.port, folder, ...(peer === OURS_WITH_LOG && { accessLogFd: log }) }
      try {
        if (!isAvailable(peer)) throw new Error('not installed')
        runs.push({ peer, running: await peer.start(children, options), cpu: COLUMNS.map(() => []), perSecond: [], kilobytes: Number.NaN })
      } catch (error) {
        absent.set(peer, (error as Error).message)
      }
    }
    for (let round = -1; round < ROUND_COUNT; round++) {
      for (const [index, column] of COLUMNS.entries()) {
        for (const { peer, running, cpu, perSecond } of runs) {
          const { warmUpMs = WARM_UP_MS, roundMs = ROUND_MS } = column
          const order = column.order(running.child.port, round < 0 ? warmUpMs : roundMs)
          const cost = await measure(running, load, order).catch(error => {
            if (peer === PEERS[0]) throw error
            process.stderr.write(`${peer.name}, ${column.title}: ${(error as Error).message}\n`)
          })
          if (round < 0 || !cost) continue
          cpu[index]?.push(cost.cpuMicroseconds / column.units)
          if (column.units > 1) perSecond.push((cost.requests * column.units) / cost.seconds)
        }
      }
    }
    for (const run of runs) run.kilobytes = await idleKilobytes(run.running, load)
    const ours = runs[0]?.cpu ?? []
    return [
      {
        title: `µs of a proxy’s own CPU time, one core, one worker; medians of ${ROUND_COUNT} interleaved rounds. In brackets: how often ours does the same in that time`,
        columns: ['', ...COLUMNS.map(column => column.title), 'MB/s', `KB each of ${HELD_COUNT} idle connections`],
        rows: PEERS.map(peer => {
          const found = runs.find(run => run.peer === peer)
          if (!found) return [peer.name, absent.get(peer) ?? '', ...COLUMNS.map(() => '')]
          const cells = found.cpu.map((values, index) => `${median(values).toFixed(1)} (${ratio(ours[index] ?? [], values).toFixed(2)})`)
          return [peer.name, ...cells, median(found.perSecond).toFixed(0), found.kilobytes.toFixed(1)]
        }),
        note: 'All but Hephy’s nginx and http-proxy as it comes keep connections to the app; ours makes request ids and counts for /metrics. Compare rows, not machines: the ratio is what holds.',
      },
    ]
  } finally {
    closeSync(log)
  }
}

/**
 * What an idle connection that has served a request adds to the memory of the proxy. The first of them fill what earlier work has left free and
 * are not counted; other requests pass before both readings, so that what stays has left the young generation of those that collect garbage.
 */
async function idleKilobytes(peer: RunningPeer, load: Child): Promise<number> {
  const { port } = peer.child
  const hold = async (connections: number) => {
    await measure(peer, load, { kind: 'hold', port, connections, requests: [`GET /100 HTTP/1.1\r\n${HEAD}\r\n`], bodyBytes: 100 })
    await load.ask(COLUMNS[0]?.order(port, ROUND_MS) as LoadOrder)
    return usageOf(peer.child.pid).residentBytes
  }
  const before = await hold(UNCOUNTED)
  const after = await hold(HELD_COUNT)
  await load.ask({ kind: 'release' } satisfies LoadOrder)
  return Math.max(0, after - before) / 1024 / HELD_COUNT
}

function keepAlive(title: string, request: string, bodyBytes: number, connections = 64): Column {
  return {
    title,
    order: (port, durationMs) => ({ kind: 'keep-alive', port, durationMs, connections, requests: [request], bodyBytes }),
    units: 1,
  }
}
