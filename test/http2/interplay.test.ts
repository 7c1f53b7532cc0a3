import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { FLAG, FRAME, PREFACE, SETTING } from '../../router/http2/frames.ts'
import { type Bed, type BedOptions, ok, startApp, startBed, startHttpApp, until } from '../../router/serve/testbed.ts'
import type { Credentials } from '../../router/table/credentials.ts'
import { Cors } from '../../router/table/edge.ts'
import { DEFAULT_SETTINGS } from '../../router/table/route.ts'
import { data, GET, headers, POST, RawHttp2, settings, windowUpdate } from './raw-client.ts'

const OPEN = FLAG.endHeaders
const pair = selfSigned({ names: ['shop.test'], days: 2 })
const tls = { key: pair.key, cert: pair.certificate }
const SLOW: Credentials = { id: 'slow', users: [['ann', '$2y$05$eT8WQy.fcdc.O4/cLbr.kO/0SFaY2gdZbDZosaQCaCur4uFfEI/2G']] }
const authorization = ['authorization', `Basic ${Buffer.from('ann:geheim').toString('base64')}`] as const

const CONNECT = [
  [':method', 'CONNECT'],
  [':protocol', 'websocket'],
  [':scheme', 'https'],
  [':path', '/ws'],
  [':authority', 'shop.test'],
  ['sec-websocket-version', '13'],
] as const

/** A bed with https, and clients that go with it. */
async function start(options: BedOptions): Promise<Bed & { client(first?: Uint8Array | null): RawHttp2 }> {
  const bed = await startBed({ tls, ...options })
  const clients: RawHttp2[] = []
  const stop = bed[Symbol.asyncDispose].bind(bed)
  return Object.assign(bed, {
    client(first?: Uint8Array | null) {
      const one = new RawHttp2(bed.httpsPort, first)
      clients.push(one)
      return one
    },
    async [Symbol.asyncDispose]() {
      for (const one of clients) one.destroy()
      await stop()
    },
  })
}

suite('Over HTTP/2', () => {
  for (const [name, fields, bodies] of [
    ['of a length', [...POST, authorization, ['content-length', '6']], ['abc', 'def']],
    ['of no length', [...POST, authorization], ['abc', 'def']],
    ['that is empty', [...POST, authorization], ['']],
  ] as const) {
    for (const requestBufferBytes of [undefined, 1000]) {
      test(`a body ${name} that is whole before the password is checked reaches the app${requestBufferBytes ? ', gathered' : ''}`, async () => {
        await using app = await startHttpApp(({ body }) => ok(`got ${body}`))
        const policy = { edge: { auth: 'shop/users' }, ...(requestBufferBytes && { requestBufferBytes }) }
        await using bed = await start({ apps: { 'shop.test': app }, policy, credentials: { 'shop/users': SLOW } })
        const one = bed.client()
        one.send(headers(1, fields as never, OPEN))
        await until(() => bed.server.stats().connectionsOpen === 1)
        for (const [index, body] of bodies.entries()) one.send(data(1, body, index === bodies.length - 1))
        await one.ended(1)
        assert.equal(one.body(1), `got ${bodies.join('')}`)
      })
    }
  }

  test('what cannot be served is told by the same page as over HTTP/1.1', async () => {
    await using bed = await start({ settings: { errorHeader: 'X-Drycc-Error' } })
    const one = bed.client().send(headers(1, [...GET, ['expect', 'miracles']]))
    await one.ended(1)
    const answer = await one.headersOf(1)
    assert.equal(answer?.fields?.[':status'], '417')
    assert.equal(answer?.fields?.['x-drycc-error'], 'R48')
    assert.match(answer?.fields?.['content-type'] ?? '', /^text\/plain/)
    assert.match(one.body(1), /R48/)
  })

  test('the rules of the edge answer as they do over HTTP/1.1', async () => {
    await using app = await startHttpApp(({ method }) =>
      method === 'HEAD'
        ? 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\n'
        : ok('z'.repeat(5000), 'ETag: "a"\r\nCache-Control: max-age=1\r\n'),
    )
    const cors = new Cors({ origins: ['https://a.test'], methods: ['GET'], headers: [], expose: [], credentials: false, maxAgeSeconds: 1 })
    const rate = { intervalMs: 3_600_000, burst: 1 }
    const gzip = { ...DEFAULT_SETTINGS.gzip, types: new Set(['text/plain']) }
    await using bed = await start({
      apps: { 'shop.test': app, 'away.test': app, 'rare.test': app, 'closed.test': app, 'secret.test': app },
      settings: { gzip, requestIds: true },
      policies: {
        'shop.test': { edge: { cors } },
        'away.test': { edge: { canonicalHost: 'www.away.test' } },
        'rare.test': { edge: { clientRate: rate } },
        'closed.test': { maintenance: true, hsts: 'max-age=9' },
        'secret.test': { edge: { auth: 'none/such' } },
      },
    })
    const one = bed.client()
    const ask = async (id: number, host: string, fields: readonly (readonly [string, string])[] = [], method = 'GET') => {
      const pseudo = GET.map(([name, value]) => [name, name === ':authority' ? host : name === ':method' ? method : value] as const)
      one.send(headers(id, [...pseudo, ...fields]))
      await one.ended(id)
      return (await one.headersOf(id))?.fields ?? {}
    }
    const small = await ask(1, 'shop.test', [['accept-encoding', 'br']])
    assert.deepEqual([small[':status'], small['content-encoding'], small['etag'], small['vary']], ['200', 'br', 'W/"a"', 'Origin'])
    assert.ok(one.body(1).length < 100)
    const head = await ask(3, 'shop.test', [['accept-encoding', 'br']], 'HEAD')
    assert.deepEqual([head['content-encoding'], head['content-length'], one.body(3)], ['br', undefined, ''])
    const origin = ['origin', 'https://a.test'] as const
    const preflight = await ask(5, 'shop.test', [origin, ['access-control-request-method', 'GET']], 'OPTIONS')
    assert.deepEqual([preflight[':status'], preflight['access-control-allow-origin']], ['204', 'https://a.test'])
    const moved = await ask(7, 'away.test')
    assert.deepEqual([moved[':status'], moved['location']], ['301', 'https://www.away.test/'])
    assert.equal((await ask(9, 'rare.test'))[':status'], '200')
    const late = await ask(11, 'rare.test')
    assert.equal(late[':status'], '429')
    assert.ok(Number(late['retry-after']) > 3500)
    const closed = await ask(13, 'closed.test', [['accept', 'application/json']])
    assert.deepEqual(
      [closed[':status'], closed['strict-transport-security'], closed['content-type']],
      ['503', 'max-age=9', 'application/json'],
    )
    assert.ok(one.body(13).includes(closed['x-request-id'] ?? 'no id'))
    assert.equal((await ask(15, 'secret.test'))[':status'], '503')
    for (const name of ['shop.test', 'away.test', 'rare.test', 'closed.test', 'secret.test'])
      assert.equal(bed.table.match(name, '/')?.load.requests, 0, name)
  })

  test('all bytes are counted of an answer that its client takes slowly', async () => {
    await using app = await startHttpApp(() => ok('x'.repeat(40_000)))
    await using bed = await start({ apps: { 'shop.test': app } })
    const one = bed.client(null).send(PREFACE, settings([SETTING.initialWindowSize, 1000]), headers(1, GET))
    await one.until(() => one.body(1).length === 1000)
    one.send(windowUpdate(1, 100_000))
    await one.ended(1)
    assert.equal(one.body(1).length, 40_000)
    await until(() => bed.server.stats().requests === 1)
    assert.ok(bed.server.stats().bytesSent > 40_000, `${bed.server.stats().bytesSent}`)
  })

  test('a client that opens its window by a byte now and then is cut off', async () => {
    await using app = await startHttpApp(() => ok('x'.repeat(200_000)))
    await using bed = await start({ apps: { 'shop.test': app }, limits: { sendStallMs: 200, bodyBytesPerSecondMin: 50 } })
    const one = bed.client(null).send(PREFACE, settings([SETTING.initialWindowSize, 0]), headers(1, GET))
    const timer = setInterval(() => one.send(windowUpdate(1, 1)), 50)
    const end = await one.wait(({ type, stream }) => type === FRAME.reset && stream === 1)
    clearInterval(timer)
    assert.equal(end?.type, FRAME.reset)
    assert.equal(bed.server.stats().errors.R49, 1)
  })

  test('WebSockets are ended one by one when the router drains', async () => {
    await using app = await startApp(socket => {
      socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'))
    })
    await using bed = await start({ apps: { 'shop.test': app } })
    const clients = Array.from({ length: 4 }, () => bed.client().send(headers(1, CONNECT, OPEN)))
    for (const one of clients) assert.equal((await one.headersOf(1))?.fields?.[':status'], '200')
    const beganAt = performance.now()
    const ends = clients.map(async one => {
      await one.ended(1)
      return performance.now() - beganAt
    })
    const drained = bed.server.drain(1000)
    const times = await Promise.all(ends)
    await drained
    assert.ok(Math.min(...times) < 500, `${times}`)
    for (const one of clients)
      assert.ok(one.frames.some(({ type, stream, flags }) => stream === 1 && type === FRAME.data && flags & FLAG.endStream))
  })
})
