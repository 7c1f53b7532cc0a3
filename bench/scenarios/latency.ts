import { join } from 'node:path'
import { Children } from '../children.ts'
import type { BenchTable } from '../main.ts'
import type { LoadOrder } from '../proxy/load.ts'
import { HAPROXY, isAvailable, NGINX, OURS, type Peer, type RunningPeer } from '../proxy/peers.ts'
import { measure, median } from '../round.ts'

export const name = 'latency'

const ROUND_COUNT = 5
const ROUND_MS = 1500
const CONNECTIONS = 64
const WORK = { requests: ['GET /100 HTTP/1.1\r\nHost: app-0.test\r\nUser-Agent: bench\r\n\r\n'], bodyBytes: 100 }

type Percentile = 'p50' | 'p99' | 'p999'
const PERCENTILES: readonly Percentile[] = ['p50', 'p99', 'p999']

/** How long requests take at half the load that saturates: an open loop, each request timed from when it was due. */
export async function run(): Promise<BenchTable> {
  using children = new Children()
  const { folder } = children
  const origin = await children.fork(join(import.meta.dirname, '../proxy/origin.ts'), {}, 'load')
  const load = await children.fork(join(import.meta.dirname, '../proxy/load.ts'), {}, 'load')
  const peers = [OURS, NGINX, HAPROXY]
  const runs: { peer: Peer; running: RunningPeer; found: Record<Percentile, number[]> }[] = []
  for (const peer of peers.filter(isAvailable)) {
    const running = await peer.start(children, { originPort: origin.port, folder })
    runs.push({ peer, running, found: { p50: [], p99: [], p999: [] } })
  }
  let most = Number.POSITIVE_INFINITY
  for (const { running } of runs) {
    const order: LoadOrder = { kind: 'keep-alive', port: running.child.port, connections: CONNECTIONS, durationMs: ROUND_MS, ...WORK }
    const { requests, seconds } = await measure(running, load, order)
    most = Math.min(most, requests / seconds)
  }
  const perSecond = Math.round(most / 2)
  for (let round = -1; round < ROUND_COUNT; round++) {
    for (const { running, found } of runs) {
      const { port } = running.child
      const order: LoadOrder = { kind: 'paced', port, connections: CONNECTIONS, durationMs: ROUND_MS, perSecond, ...WORK }
      const { percentiles } = await measure(running, load, order)
      if (round >= 0 && percentiles) for (const percentile of PERCENTILES) found[percentile].push(percentiles[percentile])
    }
  }
  const haproxy = runs.find(({ peer }) => peer === HAPROXY)
  return {
    title: `Milliseconds from when a request is due to the end of its answer, at ${perSecond} a second, half of what the slowest of these can do; medians of ${ROUND_COUNT} interleaved rounds`,
    columns: ['', 'p50', 'p99', 'p99.9', 'p99.9 of HAProxy’s'],
    rows: peers.map(peer => {
      const found = runs.find(run => run.peer === peer)?.found
      if (!found) return [peer.name, 'not installed', '', '', '']
      const relation = haproxy ? (median(found.p999) / median(haproxy.found.p999)).toFixed(2) : ''
      return [peer.name, ...PERCENTILES.map(percentile => median(found[percentile]).toFixed(2)), relation]
    }),
    note: 'On a machine that does other work as well the last figures tell mostly of that.',
  }
}
