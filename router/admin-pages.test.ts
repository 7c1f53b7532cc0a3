import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { routesPage, whyPage } from './admin-pages.ts'
import type { Fleet } from './fleet.ts'
import { TableBuilder } from './table/build.ts'

const APP_COUNT = 10_000

suite('The admin pages, with 10,000 apps', () => {
  const builder = builderOf([
    ...Array.from({ length: APP_COUNT }, (_, index) => service(`app${index}`, `app${index}.test`)),
    service('late', 'app7.test', '2026-01-02T00:00:00Z'),
    service('odd', 'b_d'),
  ])
  const page = (path: string) => routesPage(builder, new URL(path, 'http://admin')).body as { apps: { service: string }[]; next?: string }

  test('/routes tells all of them, page by page, without stopping the loop for long', () => {
    const seen: string[] = []
    let after = ''
    let longestMs = 0
    do {
      const began = performance.now()
      const { apps, next = '' } = page(`/routes?after=${encodeURIComponent(after)}`)
      JSON.stringify(apps)
      longestMs = Math.max(longestMs, performance.now() - began)
      assert.ok(apps.length <= 500)
      seen.push(...apps.map(app => app.service))
      after = next
    } while (after !== '')
    assert.equal(new Set(seen).size, APP_COUNT + 2)
    assert.equal(seen.length, APP_COUNT + 2)
    // 50 ms on a machine that has nothing else to do.
    assert.ok(longestMs < 250, `${longestMs} ms`)
  })

  test('/routes picks', () => {
    assert.deepEqual(
      page('/routes?app=app77').apps.map(app => app.service),
      ['app77/app77'],
    )
    assert.deepEqual(
      page('/routes?service=late/late').apps.map(app => app.service),
      ['late/late'],
    )
    assert.deepEqual(
      page('/routes?faults').apps.map(app => app.service),
      ['late/late', 'odd/odd'],
    )
    assert.deepEqual([page('/routes?limit=2').apps.length, page('/routes?limit=2').next], [2, 'app1/app1'])
    assert.equal(page('/routes?limit=-1').apps.length, 500)
  })

  test('/why tells what comes close, and people in text', async () => {
    const why = async (host: string, more = '') => {
      const explanation = { host, outcome: '404', code: 'R10', reason: 'No app claims this host', conditions: [], tableVersion: 1 }
      const fleet = { ask: async () => [host === 'app7.test' ? { ...explanation, service: 'app7/app7' } : explanation] } as unknown as Fleet
      return (await whyPage(builder, fleet, new URL(`/why?host=${host}${more}`, 'http://admin'), '')).body as { nearMisses: string[] }
    }
    assert.deepEqual((await why('app7.test')).nearMisses, [
      'late/late: domains "app7.test": Cannot serve app7.test: the older Service app7/app7 has it',
    ])
    assert.deepEqual((await why('www.app7.test')).nearMisses, ['app7/app7 claims “app7.test”, not “www.app7.test”'])
    assert.match((await why('b_d.test')).nearMisses.join(), /router\.drycc\.cc\/routable/)
    assert.match((await why('odd.test')).nearMisses.join(), /odd\/odd: domains "b_d": Cannot read domain/)
    assert.match(String(await why('nobody.test', '&format=text')), /^nobody\.test: answered 404 \(R10\)\n {2}No app claims this host\n/)
  })

  test('/why says what it needs', async () => {
    const answer = (path: string) => whyPage(builder, undefined, new URL(path, 'http://admin'), '')
    assert.equal((await answer('/why')).status, 400)
    assert.equal((await answer('/why?host=a')).status, 503)
  })
})

function builderOf(services: ReturnType<typeof service>[]): TableBuilder {
  const builder = new TableBuilder({ family: 'router.drycc.cc/', namespace: 'drycc' })
  const byKey = new Map(services.map(one => [`${one.metadata.namespace}/${one.metadata.name}`, one]))
  const snapshot = {
    service: (key: string) => byKey.get(key),
    slices: () => [],
    secret: () => undefined,
    router: undefined,
    builder: undefined,
  }
  const changes = { slices: new Set<string>(), secrets: new Set<string>(), router: true, builder: true }
  builder.build(snapshot as never, { services: new Set(byKey.keys()), ...changes })
  return builder
}

function service(name: string, domains: string, creationTimestamp = '2026-01-01T00:00:00Z') {
  const annotations = { 'router.drycc.cc/domains': domains }
  return { metadata: { name, namespace: name, labels: { app: name }, annotations, creationTimestamp }, spec: { ports: [{ port: 80 }] } }
}
