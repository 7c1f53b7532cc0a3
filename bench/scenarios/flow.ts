import { join } from 'node:path'
import { type Child, Children } from '../children.ts'
import type { BenchTable } from '../main.ts'
import type { LoadOrder } from '../proxy/load.ts'
import { HAPROXY, isAvailable, NGINX, OURS, type RunningPeer } from '../proxy/peers.ts'
import { measure } from '../round.ts'
import { usageOf } from '../usage.ts'

export const name = 'flow'

const GIGABYTE = 1024 ** 3
const MEGABYTE = 1024 ** 2
const BYTES_PER_SECOND = 250 * MEGABYTE
const HEAD = 'Host: app-0.test\r\nUser-Agent: bench\r\n'

/** Whether a proxy's memory stays as it is while one side is much faster than the other. */
export async function run(): Promise<BenchTable> {
  using children = new Children()
  const { folder } = children
  const origin = await children.fork(join(import.meta.dirname, '../proxy/origin.ts'), {}, 'load')
  const load = await children.fork(join(import.meta.dirname, '../proxy/load.ts'), {}, 'load')
  const rows: string[][] = []
  for (const peer of [OURS, NGINX, HAPROXY]) {
    if (!isAvailable(peer)) {
      rows.push([peer.name, 'not installed', '', '', ''])
      continue
    }
    const running = await peer.start(children, { originPort: origin.port, folder })
    const { port } = running.child
    const short = { port, requests: [`GET /100 HTTP/1.1\r\n${HEAD}\r\n`], bodyBytes: 100 }
    await measure(running, load, { kind: 'keep-alive', connections: 64, durationMs: 1500, ...short })
    const down = await watch(running, load, {
      kind: 'download',
      port,
      requests: [`GET /stream/${GIGABYTE} HTTP/1.1\r\n${HEAD}\r\n`],
      bodyBytes: GIGABYTE,
      bytesPerSecond: BYTES_PER_SECOND,
    })
    const up = await watch(running, load, {
      kind: 'upload',
      port,
      head: `POST /slow?${BYTES_PER_SECOND} HTTP/1.1\r\n${HEAD}Content-Length: ${GIGABYTE}\r\n\r\n`,
      bodyBytes: GIGABYTE,
    })
    rows.push([peer.name, ...down, ...up])
  }
  return {
    title: `1 GB through a proxy while the receiving side takes at most ${BYTES_PER_SECOND / MEGABYTE} MB/s: memory before, and how far it rose, in MB`,
    columns: ['', 'download: before', 'risen by', 'upload: before', 'risen by'],
    rows,
  }
}

async function watch(peer: RunningPeer, load: Child, order: LoadOrder): Promise<[before: string, risen: string]> {
  const resident = () => usageOf(peer.child.pid).residentBytes
  const before = resident()
  let most = before
  const timer = setInterval(() => {
    most = Math.max(most, resident())
  }, 20)
  try {
    await measure(peer, load, order)
  } finally {
    clearInterval(timer)
  }
  return [(before / MEGABYTE).toFixed(1), ((most - before) / MEGABYTE).toFixed(1)]
}
