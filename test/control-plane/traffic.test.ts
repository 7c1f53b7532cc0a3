import assert from 'node:assert/strict'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import type { RecentRequest, RouteExplanation } from '../../kernel/contract.ts'
import { type Bed, startBed } from './bed.ts'

const REQUEST: RecentRequest = {
  ...{ time: '2026-11-22T18:00:00.000Z', app: 'mine', client: '192.0.2.7', method: 'GET', host: 'mine.test', path: '/a', status: 200 },
  ...{ attempts: 1, bytes: 10, seconds: 0.01 },
}

suite('control plane: what the router knows of an app', { timeout: 60_000 }, () => {
  let bed: Bed
  let router: Server
  let answer: (path: string, query: URLSearchParams) => unknown
  let owner = ''
  let stranger = ''
  const get = (path: string, token = owner) => bed.call('GET', `/v2/apps/mine${path}`, { token })

  before(async () => {
    router = createServer((request, response) => {
      const url = new URL(request.url ?? '/', 'http://router')
      const value = answer(url.pathname, url.searchParams)
      response.writeHead(value === undefined ? 500 : 200, { 'content-type': 'application/json' }).end(JSON.stringify(value ?? null))
    })
    await new Promise<void>(resolve => router.listen(0, '127.0.0.1', resolve))
    bed = await startBed({
      CONTROLLER_PLATFORM_DOMAIN: 'apps.example.net',
      CONTROLLER_ROUTER_ADMIN_URL: `http://127.0.0.1:${(router.address() as AddressInfo).port}`,
    })
    await bed.register('admin')
    owner = await bed.register('owner')
    stranger = await bed.register('stranger')
    await bed.call('POST', '/v2/apps/', { token: owner, body: { id: 'mine' } })
    await bed.call('POST', '/v2/apps/mine/domains/', { token: owner, body: { domain: 'www.example.com' } })
  })
  after(async () => {
    await bed.stop()
    router.closeAllConnections()
    await new Promise(resolve => router.close(resolve))
  })

  test('tells the last requests of its own namespace, in pages, to whoever may use the app', async () => {
    answer = (path, query) => ({
      requests: [1, 2, 3].map(second => ({
        ...REQUEST,
        time: `2026-11-22T18:00:0${second}.000Z`,
        path: `${path}?${query.get('namespace')}`,
      })),
    })
    const { status, body } = await get('/requests/?limit=2')
    assert.deepEqual([status, body.count, body.results.length, body.results[0].time], [200, 3, 2, '2026-11-22T18:00:03.000Z'])
    assert.equal(body.results[0].path, '/requests?mine')
    assert.equal((await get('/requests/', stranger)).status, 403)
    assert.equal((await bed.call('GET', '/v2/apps/mine/requests/')).status, 401)
    assert.equal((await bed.call('GET', '/v2/apps/none/requests/', { token: owner })).status, 404)
    assert.equal((await bed.call('POST', '/v2/apps/mine/requests/', { token: owner })).status, 405)
  })

  test('tells of each domain whether it leads to the app, and nothing of another who has it', async () => {
    const asked: string[] = []
    const common = { conditions: [], endpoints: [{ endpoint: '10.0.0.1:80', active: 0, isEjected: false }] }
    answer = (_, query): RouteExplanation => {
      const host = query.get('host') ?? ''
      asked.push(`${host} ${query.get('scheme')} ${query.get('from')}`)
      return host === 'www.example.com'
        ? {
            ...{ host, outcome: '403', code: 'R12', reason: 'The whitelist does not hold 192.0.2.7', service: 'other/other', ...common },
            nearMisses: ['mine/mine: domains "www.example.com": the older Service has it', 'other/other: secret fault'],
          }
        : { host, outcome: 'forward', reason: 'fine', service: 'mine/mine', ...common, nearMisses: [] }
    }
    const { body } = await get('/routing/?from=192.0.2.7&scheme=https')
    assert.deepEqual(asked.sort(), ['mine.apps.example.net https 192.0.2.7', 'www.example.com https 192.0.2.7'])
    const [own, others] = body.results
    assert.deepEqual([own.domain, own.outcome, own.endpoints.length], ['mine', 'forward', 1])
    assert.deepEqual([others.reason, others.endpoints], ['Another app has this domain', undefined])
    assert.doesNotMatch(JSON.stringify(others), /other\/|whitelist/)
    assert.equal(others.nearMisses.length, 1)
    assert.equal((await get('/routing/', stranger)).status, 403)
  })

  test('says so when the router does not answer', async () => {
    answer = () => undefined
    const { status, body } = await get('/requests/')
    assert.deepEqual([status, body.detail], [503, 'No router answers, try again in a moment'])
  })
})
