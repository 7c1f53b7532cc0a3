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

/** Whether a request costs more in a large table, or in one that changes all the time. Requests go to all hosts in turn. */
export async function run(): Promise<BenchTable> {
  using children = new Children()
  const origin = await children.fork(join(import.meta.dirname, '../proxy/origin.ts'), {}, 'load')
  const load = await children.fork(join(import.meta.dirname, '../proxy/load.ts'), {}, 'load')
  const runs: { router: Router; routeCount: number; still: number[]; changing: number[] }[] = []
  for (const routeCount of ROUTE_COUNTS) {
    runs.push({ router: await Router.start(children, { originPort: origin.port, routeCount }), routeCount, still: [], changing: [] })
  }
  for (let round = -2; round < ROUND_COUNT; round++) {
    for (const { router, routeCount, still, changing } of runs) {
      const order: LoadOrder = {
        kind: 'keep-alive',
        port: router.child.port,
        connections: 64,
        durationMs: ROUND_MS,
        requests: Array.from(
          { length: routeCount },
          (_, index) => `GET /100 HTTP/1.1\r\nHost: app-${index}.test\r\nUser-Agent: bench\r\n\r\n`,
        ),
        bodyBytes: 100,
      }
      const quiet = await measure({ child: router.child, httpsPort: 0 }, load, order)
      let changed = round * 1000
      const timer = setInterval(() => router.change(Math.abs(changed++ * 7)), 1000 / CHANGES_PER_SECOND)
      const busy = await measure({ child: router.child, httpsPort: 0 }, load, order)
      clearInterval(timer)
      if (round < 0) continue
      still.push(quiet.cpuMicroseconds)
      changing.push(busy.cpuMicroseconds)
    }
  }
  const least = runs[0]?.still ?? []
  return {
    title: `µs of a worker’s CPU time for a GET of 100 B, by the size of its table; medians of ${ROUND_COUNT} interleaved rounds. In brackets: of the first figure`,
    columns: ['routes', 'table at rest', `${CHANGES_PER_SECOND} changes a second`],
    rows: runs.map(({ routeCount, still, changing }) => [
      routeCount,
      ...[still, changing].map(values => `${median(values).toFixed(1)} (${ratio(least, values).toFixed(2)})`),
    ]),
    note: 'A change is another set of endpoints of one app, sent by the primary as a delta; what it costs to take it is part of the figure.',
  }
}
