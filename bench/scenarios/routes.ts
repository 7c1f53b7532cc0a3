import { join } from 'node:path'
import { Children } from '../children.ts'
import type { BenchTable } from '../main.ts'
import type { LoadOrder } from '../proxy/load.ts'
import { HAPROXY, isAvailable, NGINX, type RunningPeer } from '../proxy/peers.ts'
import { Router } from '../proxy/router.ts'
import { measure, median, ratio } from '../round.ts'

export const name = 'routes'

const ROUND_COUNT = 7
const ROUND_MS = 400
const ROUTE_COUNTS = [10, 1_000, 10_000]
const PEERS = [NGINX, HAPROXY]
const CHANGES_PER_SECOND = 50
const HOST_COUNT = 10
// V8 goes on making code better for some 100,000 requests.
const WARM_UP_ROUNDS = 6

// As many different ones for each table, as a head that comes again is read faster: what differs is to be the table alone.
const REQUESTS = Array.from({ length: 10_000 }, (_, index) => `GET /100 HTTP/1.1\r\nHost: HOST\r\nUser-Agent: bench ${index}\r\n\r\n`)

/** What was found of one table of one proxy. */
interface Run {
  readonly title: string
  readonly peer: RunningPeer
  readonly routeCount: number
  /** Changes its table; peers read a configuration when they start. */
  readonly change?: (index: number) => void
  readonly still: number[]
  readonly changing: number[]
  readonly spread: number[]
}

/**
 * Whether a request costs more in a large table, in one that changes all the time, and where all of its hosts are asked for: the first two
 * by ten hosts that stand far from each other, so that what differs is the table alone. The last is a question to the processor's cache as
 * well, so peers are asked it too.
 */
export async function run(): Promise<BenchTable> {
  using children = new Children()
  const { folder } = children
  const origin = await children.fork(join(import.meta.dirname, '../proxy/origin.ts'), {}, 'load')
  const load = await children.fork(join(import.meta.dirname, '../proxy/load.ts'), {}, 'load')
  const runs: Run[] = []
  for (const routeCount of ROUTE_COUNTS) {
    const router = await Router.start(children, { originPort: origin.port, routeCount })
    const peer = { child: router.child, httpsPort: 0 }
    const change = (index: number) => router.change(index)
    runs.push({ title: 'ours', peer, routeCount, change, still: [], changing: [], spread: [] })
  }
  for (const routeCount of [ROUTE_COUNTS[0]!, ROUTE_COUNTS.at(-1)!]) {
    for (const program of PEERS.filter(isAvailable)) {
      const peer = await program.start(children, { originPort: origin.port, folder, hostCount: routeCount })
      runs.push({ title: program.name, peer, routeCount, still: [], changing: [], spread: [] })
    }
  }
  for (let round = -WARM_UP_ROUNDS; round < ROUND_COUNT; round++) {
    for (const { peer, routeCount, change, still, changing, spread } of runs) {
      const ask = async (hostCount: number) => (await measure(peer, load, order(peer, routeCount, hostCount))).cpuMicroseconds
      const quiet = await ask(HOST_COUNT)
      let changed = round * 1000
      const timer = change && setInterval(() => change(Math.abs(changed++ * 7)), 1000 / CHANGES_PER_SECOND)
      const busy = change && (await ask(HOST_COUNT))
      clearInterval(timer)
      const all = await ask(routeCount)
      if (round < 0) continue
      still.push(quiet)
      if (busy !== undefined) changing.push(busy)
      spread.push(all)
    }
  }
  const cell = (run: Run, values: readonly number[]) => {
    const least = runs.find(({ title }) => title === run.title)?.still ?? []
    return values.length === 0 ? '' : `${median(values).toFixed(1)} (${ratio(least, values).toFixed(2)})`
  }
  return {
    title: `µs of a proxy’s CPU time for a GET of 100 B, by the size of its table; medians of ${ROUND_COUNT} interleaved rounds. In brackets: of its first figure`,
    columns: [
      '',
      'routes',
      `${HOST_COUNT} hosts asked for`,
      `and ${CHANGES_PER_SECOND} changes a second`,
      'all hosts asked for, at random',
    ],
    rows: runs.map(run => [run.title, run.routeCount, cell(run, run.still), cell(run, run.changing), cell(run, run.spread)]),
    note: 'A change is another set of endpoints of one app, sent by the primary as a delta; what it costs to take it is part of the figure.',
  }
}

function order({ child }: RunningPeer, routeCount: number, hostCount: number): LoadOrder {
  const host = () => `app-${Math.floor((Math.floor(Math.random() * hostCount) * routeCount) / hostCount)}.test`
  const requests = REQUESTS.map(text => text.replace('HOST', host()))
  return { kind: 'keep-alive', port: child.port, connections: 64, durationMs: ROUND_MS, requests, bodyBytes: 100 }
}
