import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Fleet } from './fleet.ts'
import { routerMetrics } from './metrics.ts'
import { ERRORS } from './serve/errors.ts'
import { APP_BUCKETS, LATENCY_BOUNDS, Tally, type TrafficStats } from './serve/stats.ts'
import { ok, startBed, startHttpApp } from './serve/testbed.ts'
import { AppLoad } from './table/app-load.ts'
import { TableBuilder } from './table/build.ts'
import { sumTraffic, TrafficTotals } from './traffic.ts'

suite('routerMetrics()', () => {
  test('sums what the workers count', async () => {
    const metrics = read(await metricsOf(worker(3, 'shop'), worker(4, 'cart')))
    assert.equal(metrics.get('router_requests_total'), 7)
    assert.equal(metrics.get('router_responses_total{class="2xx"}'), 7)
    assert.equal(metrics.get('router_app_responses_total{app="shop",class="2xx"}'), 3)
    assert.equal(metrics.get('router_app_responses_total{app="cart",class="2xx"}'), 4)
    assert.equal(metrics.get('router_errors_total{code="R10"}'), 2)
    assert.equal(metrics.get('router_errors_total{code="R20"}'), 0)
    assert.equal(metrics.get('router_workers'), 2)
  })

  test('writes histograms whose buckets add up, of each app too where that is asked for', async () => {
    const stats = worker(3, 'shop')
    stats.apps.set('shop', [0, 3, 0, 0, 0, 10, 1.5, 1, ...Array<number>(LATENCY_BOUNDS.length - 1).fill(0), 2])
    const metrics = read(await metricsOf(stats))
    for (const [name, labels] of [
      ['request_duration_seconds', ''],
      ['app_request_duration_seconds', 'app="shop",'],
    ]) {
      const buckets = [...metrics].filter(([key]) => key.startsWith(`router_${name}_bucket{`)).map(([, count]) => count)
      assert.equal(buckets.length, LATENCY_BOUNDS.length + 1)
      assert.deepEqual(
        buckets,
        buckets.toSorted((a, b) => a - b),
      )
      assert.equal(metrics.get(`router_${name}_bucket{${labels}le="+Inf"}`), 3)
      assert.equal(metrics.get(`router_${name}_count${labels && '{app="shop"}'}`), 3)
    }
    assert.equal(metrics.get('router_app_request_duration_seconds_sum{app="shop"}'), 1.5)
    assert.equal(APP_BUCKETS + LATENCY_BOUNDS.length + 1, stats.apps.get('shop')?.length)
  })

  test('is one text that a scraper can read, whatever an app is called', async () => {
    const metrics = read(await metricsOf(worker(1, 'a"b\\c\nd')))
    assert.equal(metrics.get('router_app_responses_total{app="a\\"b\\\\c\\nd",class="2xx"}'), 1)
  })

  test('stands before there is a fleet', async () => {
    const metrics = routerMetrics({ builder, fleet: () => undefined, configAgeSeconds: () => 1.5, apps: 100 })
    assert.equal(read(await metrics.text()).get('router_config_age_seconds'), 1.5)
  })

  test('has the same series whatever clients ask for', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { trusted: { check: () => true } } })
    const scrape = async () => read(await metricsOf(bed.server.stats()))
    const request = (method: string, path: string, host: string, client: string) =>
      `${method} ${path} HTTP/1.1\r\nHost: ${host}\r\nX-Forwarded-For: ${client}\r\nUser-Agent: ${path}\r\n`
    await bed.exchange(`${request('GET', '/', 'shop.test', '192.0.2.1')}Connection: close\r\n\r\n`)
    await bed.exchange(`${request('GET', '/', 'none.test', '192.0.2.1')}Connection: close\r\n\r\n`)
    const before = new Set((await scrape()).keys())
    const requests = Array.from({ length: 5000 }, (_, index) => {
      const [path, client] = [`/p${index}?q=${index}`, `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`]
      return request(`M${index}`, path, index % 2 ? 'shop.test' : `h${index}.test`, client)
    })
    await bed.exchange(`${requests.join('\r\n')}Connection: close\r\n\r\n`)
    const after = await scrape()
    assert.equal(after.get('router_requests_total'), 5002)
    assert.deepEqual(new Set(after.keys()), before)
    assert.ok(before.size < 250, `${before.size}`)
  })

  test('names so many apps only, and counts the others together', async () => {
    const stats = worker(1, 'app0')
    for (let index = 0; index < 100_000; index++) stats.apps.set(`app${index}`, [0, 1, 0, 0, 0, 7])
    const metrics = read(await metricsOf(stats))
    const apps = [...metrics].filter(([name]) => name.startsWith('router_app_responses_total'))
    assert.equal(apps.length, 101)
    assert.equal(
      apps.reduce((sum, [, count]) => sum + count, 0),
      100_000,
    )
    assert.equal(metrics.get('router_app_sent_bytes_total{app="(other)"}'), 7 * 99_900)
  })
})

suite('Tally', () => {
  test('keeps a bound on what apps that come and go leave behind', () => {
    const tally = new Tally()
    for (let index = 0; index < 20_000; index++) {
      const exchange = { status: 200, bytesSent: 1, startedAt: 0, endedAt: 1, upstreamAnsweredAt: 0, connectMs: 0, attempts: 1 }
      tally.count({ ...exchange, route: { app: `app${index}`, load: new AppLoad() } } as never)
    }
    assert.equal(tally.stats.apps.size, 16_385)
    assert.equal(tally.stats.apps.get('(other)')?.[1], 20_000 - 16_384)
  })
})

suite('TrafficTotals', () => {
  test('keeps what a worker counted when it is gone, and none of its state', () => {
    const totals = new TrafficTotals<string>()
    const first = { ...worker(5, 'shop'), connectionsOpen: 3, connectionsAccepted: 4 }
    totals.note('first', first)
    totals.note('second', worker(2, 'shop'))
    assert.deepEqual([totals.sum().numbers.requests, totals.sum().numbers.connectionsOpen], [7, 3])
    totals.ended('first')
    totals.ended('first')
    totals.note('third', worker(1, 'shop'))
    const { numbers, apps } = totals.sum()
    assert.deepEqual([numbers.requests, numbers.connectionsOpen, numbers.connectionsAccepted], [8, 0, 4])
    assert.equal(apps.get('shop')?.[1], 8)
  })
})

const builder = new TableBuilder({ family: 'router.drycc.cc/', namespace: 'drycc' })

function worker(requests: number, app: string): TrafficStats {
  const { stats } = new Tally()
  stats.requests = requests
  stats.responses[1] = requests
  stats.latency.buckets[0] = requests
  stats.errors.R10 = 1
  stats.apps.set(app, [0, requests, 0, 0, 0, 10])
  stats.vitals = {
    ...{ worker: 1, loopDelaySeconds: { p50: 0, p99: 0.001, max: 0.5 } },
    ...{ residentBytes: 1, heapUsedBytes: 1, cpuSeconds: 1 },
  }
  return stats
}

function metricsOf(...stats: TrafficStats[]): Promise<string> {
  for (const [index, one] of stats.entries()) if (one.vitals) one.vitals = { ...one.vitals, worker: index + 1 }
  const fleet = { serving: stats.length, wanted: stats.length, restarts: 0, stats: async () => sumTraffic(stats) } as unknown as Fleet
  return routerMetrics({ builder, fleet: () => fleet, configAgeSeconds: () => 0, apps: 100 }).text()
}

/**
 * Reads the text exposition format 0.0.4 as strictly as it is written down: each family once, HELP and TYPE before its samples, all samples of a
 * family together, no series twice, labels escaped, counters whole and not negative, a histogram with its sum, its count and `+Inf`.
 *
 * @see https://prometheus.io/docs/instrumenting/exposition_formats/
 */
function read(text: string): Map<string, number> {
  const series = new Map<string, number>()
  const types = new Map<string, string>()
  const helps = new Set<string>()
  let family = ''
  assert.ok(text.endsWith('\n'))
  for (const line of text.slice(0, -1).split('\n')) {
    const help = /^# HELP ([a-zA-Z_:][a-zA-Z0-9_:]*) ((?:[^\\]|\\[\\n])+)$/.exec(line)
    const type = /^# TYPE ([a-zA-Z_:][a-zA-Z0-9_:]*) (counter|gauge|histogram|summary|untyped)$/.exec(line)
    if (help) {
      assert.ok(!helps.has(help[1]!) && !types.has(help[1]!), `${line}: again`)
      helps.add(help[1]!)
      continue
    }
    if (type) {
      assert.ok(helps.has(type[1]!) && !types.has(type[1]!), `${line}: again, or without help`)
      types.set(type[1]!, type[2]!)
      family = type[1]!
      continue
    }
    if (line === '') continue
    const sample =
      /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{([a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*"(?:,[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\\n]|\\["\\n])*")*)\})? (-?[0-9.]+(?:e[+-]?[0-9]+)?|NaN|[+-]Inf)$/.exec(
        line,
      )
    assert.ok(sample, `no sample: ${line}`)
    const [, name = '', labels = '', , value = ''] = sample
    const kind = types.get(family)
    const suffix = name.slice(family.length)
    assert.ok(
      name.startsWith(family) && (suffix === '' || (kind === 'histogram' && /^_(bucket|sum|count)$/.test(suffix))),
      `${line} in ${family}`,
    )
    assert.ok(!series.has(name + labels), `${line}: twice`)
    if (kind === 'counter') assert.ok(name.endsWith('_total') && Number(value) >= 0, line)
    series.set(name + labels, Number(value))
  }
  for (const [name, type] of types) {
    if (type !== 'histogram' || ![...series.keys()].some(key => key.startsWith(name))) continue
    assert.ok(
      [...series.keys()].some(key => key.startsWith(`${name}_bucket`) && key.includes('le="+Inf"')),
      `${name}: +Inf`,
    )
    assert.ok(
      [...series.keys()].some(key => key.startsWith(`${name}_sum`)) && [...series.keys()].some(key => key.startsWith(`${name}_count`)),
    )
  }
  assert.ok(Object.keys(ERRORS).length > 20)
  return series
}
