import { join } from 'node:path'
import { Children } from '../children.ts'
import type { BenchTable } from '../main.ts'
import type { LoadOrder } from '../proxy/load.ts'
import { Router } from '../proxy/router.ts'
import { measure, median, ratio } from '../round.ts'

export const name = 'routes'

const ROUND_COUNT = 7
const ROUND_MS = 400
const ROUTE_COUNTS = [10, 1_000, 10_000]
const CHANGES_PER_SECOND = 50
const HOST_COUNT = 10

// As many different ones for each table, as a head that comes again is read faster: what differs is to be the table alone.
const REQUESTS = Array.from({ length: 10_000 }, (_, index) => `GET /100 HTTP/1.1\r\nHost: HOST\r\nUser-Agent: bench ${index}\r\n\r\n`)

/**
 * Whether a request costs more in a large table, in one that changes all the time, and where all of its hosts are asked for: the first two
 * by ten hosts that stand far from each other, so that what differs is the table alone.
 */
export async function run(): Promise<BenchTable> {
  using children = new Children()
  const origin = await children.fork(join(import.meta.dirname, '../proxy/origin.ts'), {}, 'load')
  const load = await children.fork(join(import.meta.dirname, '../proxy/load.ts'), {}, 'load')
  const runs: { router: Router; routeCount: number; still: number[]; changing: number[]; spread: number[] }[] = []
  for (const routeCount of ROUTE_COUNTS) {
    const router = await Router.start(children, { originPort: origin.port, routeCount })
    runs.push({ router, routeCount, still: [], changing: [], spread: [] })
  }
  for (let round = -2; round < ROUND_COUNT; round++) {
    for (const { router, routeCount, still, changing, spread } of runs) {
      const ask = async (hostCount: number) => {
        const order: LoadOrder = {
          kind: 'keep-alive',
          port: router.child.port,
          connections: 64,
          durationMs: ROUND_MS,
          requests: REQUESTS.map(text =>
            text.replace('HOST', `app-${Math.floor((Math.floor(Math.random() * hostCount) * routeCount) / hostCount)}.test`),
          ),
          bodyBytes: 100,
        }
        return (await measure({ child: router.child, httpsPort: 0 }, load, order)).cpuMicroseconds
      }
      const quiet = await ask(HOST_COUNT)
      let changed = round * 1000
      const timer = setInterval(() => router.change(Math.abs(changed++ * 7)), 1000 / CHANGES_PER_SECOND)
      const busy = await ask(HOST_COUNT)
      clearInterval(timer)
      const all = await ask(routeCount)
      if (round < 0) continue
      still.push(quiet)
      changing.push(busy)
      spread.push(all)
    }
  }
  const least = runs[0]?.still ?? []
  return {
    title: `µs of a worker’s CPU time for a GET of 100 B, by the size of its table; medians of ${ROUND_COUNT} interleaved rounds. In brackets: of the first figure`,
    columns: ['routes', `${HOST_COUNT} hosts asked for`, `and ${CHANGES_PER_SECOND} changes a second`, 'all hosts asked for, at random'],
    rows: runs.map(({ routeCount, still, changing, spread }) => [
      routeCount,
      ...[still, changing, spread].map(values => `${median(values).toFixed(1)} (${ratio(least, values).toFixed(2)})`),
    ]),
    note: 'A change is another set of endpoints of one app, sent by the primary as a delta; what it costs to take it is part of the figure.',
  }
}
