import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { limitsOf, shareOf } from '../serve/limits.ts'
import { ok, type RawClient, startApp, startBed, startHttpApp, type TestApp, tableOf, until } from '../serve/testbed.ts'
import type { EdgeSpec } from '../table/edge.ts'
import { parseRate } from '../table/extensions/rate-limit.ts'
import { addressMatcher } from '../table/route.ts'

const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const get = (fields: string) => GET.replace('\r\n\r\n', `\r\nConnection: close\r\n${fields}\r\n`)

suite('x-rate-limit', () => {
  test('429 R15 with Retry-After, on the same connection and on another; the app sees nothing of it', async () => {
    await using world = await start({ clientRate: parseRate('2/m') })
    const client = world.bed.send(GET + GET + GET)
    assert.match(await client.until('R15'), /200 OK.*200 OK.*HTTP\/1\.1 429 Too Many Requests\r\n.*\r\nRetry-After: 30\r\n/s)
    assert.match(await world.bed.exchange(get('')), /^HTTP\/1\.1 429 /)
    assert.equal(world.app.received.join('').match(/GET/g)?.length, 2)
    client.destroy()
  })
  test('counts the client that a trusted proxy names', async () => {
    await using world = await start({ clientRate: parseRate('1/h') }, { trusted: addressMatcher(['127.0.0.0/8']) })
    const ask = (address: string) => world.bed.exchange(get(`X-Forwarded-For: ${address}\r\n`))
    assert.match(await ask('192.0.2.1'), /^HTTP\/1\.1 200 /)
    assert.match(await ask('192.0.2.2'), /^HTTP\/1\.1 200 /)
    assert.match(await ask('192.0.2.1'), /^HTTP\/1\.1 429 /)
  })
  test('goes on over a change of the table', async () => {
    await using world = await start({ clientRate: parseRate('1/h'), appRate: parseRate('1/h') })
    assert.match(await world.bed.exchange(get('')), /^HTTP\/1\.1 200 /)
    world.bed.table = { ...world.bed.table, version: 2 }
    assert.match(await world.bed.exchange(get('')), /^HTTP\/1\.1 429 /)
  })
  test('of the whole app counts all clients', async () => {
    await using world = await start({ appRate: parseRate('1/h') }, { trusted: addressMatcher(['127.0.0.0/8']) })
    assert.match(await world.bed.exchange(get('X-Forwarded-For: 192.0.2.1\r\n')), /^HTTP\/1\.1 200 /)
    assert.match(await world.bed.exchange(get('X-Forwarded-For: 192.0.2.2\r\n')), /^HTTP\/1\.1 429 /)
  })
})

suite('An app that hangs', () => {
  test('gets no more requests than it may have in flight: 503 R22 at once, and is served again as they end', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { appRequestsMax: 3 } })
    const hanging = [bed.send(GET), bed.send(GET), bed.send(GET)]
    await until(() => app.received.join('').split('GET').length === 4, 'three requests at the app')
    assert.match(await bed.exchange(get('')), /^HTTP\/1\.1 503 .*\r\nRetry-After: 2\r\n.*R22/s)
    hanging[0]!.reset()
    app.sockets[1]!.write(ok('at last'))
    await hanging[1]!.until('at last')
    const load = bed.table.match('shop.test', '/')!.load
    await until(() => load.requests === 1, 'one request in flight')
    const next = bed.send(GET)
    await until(() => load.requests === 2, 'the next request in flight')
    for (const client of [...hanging, next]) client.reset()
    await until(() => load.requests === 0 && load.connections === 0, 'nothing left')
  })
  test('does not slow another', async () => {
    await using hanging = await startApp(() => {})
    await using well = await startHttpApp(() => ok('well'))
    await using bed = await startBed({
      apps: { 'hangs.test': hanging, 'shop.test': well },
      limits: { appRequestsMax: 2 },
    })
    const clients = Array.from({ length: 6 }, () => bed.send(GET.replace('shop', 'hangs')))
    const refused = clients.map(client =>
      client.until('HTTP/1.1 503').then(
        () => client,
        () => undefined,
      ),
    )
    assert.match(await bed.exchange(get('')), /well$/)
    await until(() => clients.filter(client => client.text.includes('R22')).length === 4, 'four refusals')
    for (const client of clients) client.destroy()
    await Promise.all(refused)
  })
  test('has half of the connections where there are fewer', () => {
    assert.deepEqual(
      [{}, { connectionsMax: 9712 }, { connectionsMax: 9712, appRequestsMax: 9000 }].map(given => limitsOf(given).appRequestsMax),
      [25_000, 4856, 9000],
    )
    assert.deepEqual([4, 140, 1000].map(shareOf), [64, 70, 500])
  })
  test('its own number is divided among the workers', async () => {
    await using app = await startApp(() => {})
    const policies = { 'shop.test': { edge: { requestsMax: 3 } } }
    await using bed = await startBed({ apps: { 'shop.test': app }, policies, workers: 2 })
    const hanging = [bed.send(GET), bed.send(GET)]
    await until(() => bed.table.match('shop.test', '/')!.load.requests === 2, 'two requests')
    assert.match(await bed.exchange(get('')), /^HTTP\/1\.1 503 .*R22/s)
    for (const client of hanging) client.destroy()
  })
})

suite('x-connections-max', () => {
  test('counts idle connections and upgraded ones, lets go of those that close or turn to another app', async () => {
    await using app = await startHttpApp(request =>
      /upgrade/i.test(request.head) ? 'HTTP/1.1 101 S\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n' : ok('hello'),
    )
    await using bed = await startBed({
      apps: { 'shop.test': app, 'other.test': app },
      policies: { 'shop.test': { edge: { connectionsMax: 2 } } },
    })
    const ask = async (text: string, expected: string): Promise<RawClient> => {
      const client = bed.send(text)
      await client.until(expected)
      return client
    }
    const idle = await ask(GET, 'hello')
    const upgraded = await ask(get('').replace('close', 'upgrade\r\nUpgrade: websocket'), '101')
    assert.match(await bed.exchange(get('')), /^HTTP\/1\.1 503 .*R22/s)
    idle.send(GET)
    await idle.until(text => text.split('hello').length === 3)
    idle.send(GET.replace('shop', 'other'))
    await idle.until(text => text.split('hello').length === 4)
    const next = await ask(GET, 'hello')
    assert.match(await bed.exchange(get('')), /^HTTP\/1\.1 503 .*R22/s)
    upgraded.reset()
    const load = bed.table.match('shop.test', '/')!.load
    await until(() => load.connections === 1, 'one connection')
    assert.match(await bed.exchange(get('')), /^HTTP\/1\.1 200 /)
    for (const client of [idle, next]) client.destroy()
    await until(() => load.connections === 0 && load.requests === 0, 'nothing left')
  })
})

async function start(edge: Pick<EdgeSpec, 'clientRate' | 'appRate'>, settings = {}) {
  const app: TestApp = await startHttpApp(() => ok('hello'))
  const options = { apps: { 'shop.test': app }, policy: { edge }, settings }
  const bed = await startBed(options)
  bed.table = tableOf(options)
  return {
    ...{ app, bed },
    async [Symbol.asyncDispose]() {
      await bed[Symbol.asyncDispose]()
      await app[Symbol.asyncDispose]()
    },
  }
}
