import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Exchange } from './exchange.ts'
import { RecentRequests } from './recent-requests.ts'
import { ok, startBed, startHttpApp } from './testbed.ts'

suite('RecentRequests', () => {
  test('tells what became of each exchange, without its query and without credentials', async () => {
    await using app = await startHttpApp(({ target }) =>
      target === '/fine?token=s3cret' ? ok('fine') : 'HTTP/1.1 200 OK\r\nnonsense\r\n\r\n',
    )
    await using bed = await startBed({ apps: { 'shop.test': app, 'down.test': [] } })
    const request = (target: string, host: string) =>
      bed.exchange(
        `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nCookie: c=s3cret\r\nAuthorization: Basic YTpzM2NyZXQ=\r\nConnection: close\r\n\r\n`,
      )
    await request('/fine?token=s3cret', 'shop.test')
    await request('/bad', 'shop.test')
    await request('/x', 'down.test')
    const [bad, fine, ...more] = bed.server.recentRequests({ app: 'shop.test' })
    assert.deepEqual(more, [])
    assert.deepEqual(
      [fine?.method, fine?.host, fine?.path, fine?.status, fine?.code, fine?.endpoint, fine?.attempts, fine?.client],
      ['GET', 'shop.test', '/fine', 200, undefined, app.endpoint.key, 1, '127.0.0.1'],
    )
    assert.ok(Math.abs(Date.parse(fine?.time ?? '') - Date.now()) < 10_000)
    assert.ok((fine?.seconds ?? 0) >= (fine?.upstreamSeconds ?? 9))
    assert.deepEqual([bad?.status, bad?.code, bad?.path], [502, 'R34', '/bad'])
    assert.deepEqual(
      bed.server.recentRequests({ namespace: 'down.test' }).map(({ code, status }) => `${status} ${code}`),
      ['503 R20'],
    )
    assert.doesNotMatch(JSON.stringify(bed.server.recentRequests({})), /s3cret/)
  })

  test('keeps the last of an app in order, and each failure where good ones are too many', () => {
    const recent = new RecentRequests({ ofApp: 25, inAll: 100 })
    const count = 2000
    for (let index = 0; index < count; index++)
      recent.add(exchange('a', index, { status: index % 200 === 0 ? 502 : 200, endedAt: index / 10 }))
    const paths = recent.list({ app: 'a' }).map(({ path }) => Number(path.slice(1)))
    assert.equal(paths.length, 25)
    assert.deepEqual(
      paths,
      paths.toSorted((a, b) => b - a),
    )
    for (let index = 1000; index < count; index += 200) assert.ok(paths.includes(index), `${index}`)
  })

  test('keeps all of a page that somebody opens', () => {
    const recent = new RecentRequests()
    for (let index = 0; index < 30; index++) recent.add(exchange('a', index, { endedAt: 1000 }))
    assert.equal(recent.list({ app: 'a' }).length, 30)
  })

  test('has a bound, and gives the places of quiet apps to others', () => {
    const recent = new RecentRequests({ ofApp: 20, inAll: 200 })
    for (let round = 0; round < 50; round++) {
      for (let app = 0; app < 50; app++) {
        recent.add(exchange('busy', round, { endedAt: round * 1000 + app }))
        recent.add(exchange(`app${round}-${app}`, app, { endedAt: round * 1000 + app }))
      }
    }
    assert.ok(recent.list({}).length <= 200)
    assert.equal(recent.list({ app: 'busy' }).length, 10)
    assert.ok(recent.list({ app: 'app49-49' }).length > 0)
  })

  test('cuts what is too long', () => {
    const recent = new RecentRequests()
    recent.add(exchange('a', 0, { head: { method: 'M'.repeat(64), target: `/${'p'.repeat(5000)}?q`, host: 'h'.repeat(250) } as never }))
    const [{ method, path, host } = { method: '', path: '', host: '' }] = recent.list({ app: 'a' })
    assert.deepEqual([method.length, path.length, host.length], [12, 160, 64])
  })

  test('keeps none where none are wanted', () => {
    const recent = new RecentRequests({ ofApp: 0, inAll: 0 })
    recent.add(exchange('a', 0))
    assert.deepEqual(recent.list({}), [])
  })
})

function exchange(app: string, index: number, more: Partial<Exchange> = {}): Exchange {
  return {
    head: { method: 'GET', target: `/${index}?q=1`, host: 'shop.test' },
    route: { app, namespace: app },
    origin: { address: '192.0.2.1' },
    ...{ startedAt: 0, endedAt: 1, upstreamAt: 0, upstreamAnsweredAt: 0, status: 200, code: undefined, bytesSent: 10 },
    ...{ requestId: '', traceId: '', attempts: 1, endpoint: undefined },
    ...more,
  } as unknown as Exchange
}
