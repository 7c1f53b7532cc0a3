import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Fleet } from './fleet.ts'
import { routerMetrics } from './metrics.ts'
import { LATENCY_BOUNDS, Tally } from './serve/stats.ts'
import { TableBuilder } from './table/build.ts'

suite('routerMetrics()', () => {
  test('sums what the workers count', async () => {
    const text = await metricsOf(worker(3, 'shop'), worker(4, 'cart'))
    assert.match(text, /^router_requests_total 7$/m)
    assert.match(text, /^router_responses_total\{class="2xx"\} 7$/m)
    assert.match(text, /^router_app_responses_total\{app="shop",class="2xx"\} 3$/m)
    assert.match(text, /^router_app_responses_total\{app="cart",class="2xx"\} 4$/m)
    assert.match(text, /^router_errors_total\{code="R10"\} 2$/m)
    assert.match(text, /^router_workers 2$/m)
  })

  test('writes a histogram whose buckets add up', async () => {
    const text = await metricsOf(worker(3, 'shop'))
    const buckets = [...text.matchAll(/_duration_seconds_bucket\{le="([^"]+)"\} (\d+)/g)].map(([, bound, count]) => [bound, Number(count)])
    assert.equal(buckets.length, LATENCY_BOUNDS.length + 1)
    assert.deepEqual(
      [buckets[0], buckets.at(-1)],
      [
        ['0.005', 3],
        ['+Inf', 3],
      ],
    )
    assert.match(text, /_duration_seconds_count 3$/m)
  })

  test('is one text that a scraper can read, whatever an app is called', async () => {
    const text = await metricsOf(worker(1, 'a"b\\c\nd'))
    for (const line of text.split('\n').filter(Boolean))
      assert.match(line, /^(# (HELP|TYPE) .+|[a-zA-Z_:][\w:]*(\{([a-z_]+="([^"\\\n]|\\["\\n])*",?)+\})? -?[\d.e+-]+(Inf|NaN)?)$/)
    assert.ok(text.includes('app="a\\"b\\\\c\\nd"'))
  })

  test('stands before there is a fleet', async () => {
    const metrics = routerMetrics({ builder, fleet: () => undefined, configAgeSeconds: () => 1.5 })
    assert.match(await metrics.text(), /^router_config_age_seconds 1\.5$/m)
  })
})

const builder = new TableBuilder({ family: 'router.drycc.cc/', namespace: 'drycc' })

function worker(requests: number, app: string) {
  const { stats } = new Tally()
  stats.requests = requests
  stats.responses[1] = requests
  stats.latency[0] = requests
  stats.errors.R10 = 1
  stats.apps[app] = { responses: [0, requests, 0, 0, 0], bytesSent: 10 }
  return stats
}

function metricsOf(...stats: ReturnType<typeof worker>[]): Promise<string> {
  const fleet = { serving: stats.length, wanted: stats.length, restarts: 0, stats: async () => stats } as unknown as Fleet
  return routerMetrics({ builder, fleet: () => fleet, configAgeSeconds: () => 0 }).text()
}
