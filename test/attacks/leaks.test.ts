import assert from 'node:assert/strict'
import { once } from 'node:events'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { type Timed, Wheel } from '../../router/http1/wheel.ts'
import { FLAG, FRAME } from '../../router/http2/frames.ts'
import type { Phases } from '../../router/serve/phases.ts'
import { ok, RawClient, startApp, startBed, startHttpApp, until } from '../../router/serve/testbed.ts'
import type { Policy, Route } from '../../router/table/route.ts'
import { data, GET, headers, POST, RawHttp2, reset } from '../http2/raw-client.ts'

// 31 broken exchanges each; more by hand, as LEAK_ROUNDS=400.
const ROUNDS = Number(process.env['LEAK_ROUNDS'] ?? 12)
const OPEN = FLAG.endHeaders
const pair = selfSigned({ names: ['shop.test'], days: 2 })
const TYPES = new Set(['text/plain'])
const at = (host: string, path: string, fields: readonly (readonly [string, string])[] = GET) =>
  fields.map(([name, value]) => [name, name === ':path' ? path : name === ':authority' ? host : value] as const)
const get = (path: string, host = 'shop.test', fields = '') => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`
const post = (path: string, host: string, fields: string) => `POST ${path} HTTP/1.1\r\nHost: ${host}\r\n${fields}\r\n`
const CONNECT = [[':method', 'CONNECT'], [':protocol', 'websocket'], ...GET.slice(1)] as const
const WEBSOCKET = 'Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n'
const BCRYPT = '$2y$05$eT8WQy.fcdc.O4/cLbr.kO/0SFaY2gdZbDZosaQCaCur4uFfEI/2G'

suite('After exchanges that were broken off in every way', () => {
  test('nothing is left: no request in flight, no deadline, no codec, no byte, no connection', async t => {
    const { arm } = Wheel.prototype
    const timers = new Set<Timed>()
    t.mock.method(Wheel.prototype, 'arm', function (this: Wheel, timed: Timed, ms: number) {
      timers.add(timed)
      arm.call(this, timed, ms)
    })
    const armed = () => [...timers].filter(({ wheelSlot }) => wheelSlot >= 0).map(timed => timed.constructor.name)
    await using app = await startApp((socket, index, self) => {
      socket.on('data', () => {
        const text = self.received[index] as string
        const head = text.slice(Math.max(0, text.lastIndexOf('\r\nHost: ') - 60))
        if (/\/hang/.test(head)) return
        if (/\/cut/.test(head)) socket.end('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nhalf')
        else if (/\/reset/.test(head)) socket.resetAndDestroy()
        else if (/\/junk/.test(head)) socket.write('HTTP/1.1 nonsense\r\n\r\n')
        else if (/\/ws/.test(head)) socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n')
        else if (/\/slow/.test(head))
          socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n${'x'.repeat(1000)}\r\n`)
        else if (/\/big/.test(head)) socket.write(ok('y'.repeat(3_000_000)))
      })
    })
    await using fine = await startHttpApp(() => ok('fine'))
    const gzip = {
      enabled: true,
      codings: ['zstd', 'br', 'gzip'] as const,
      level: 5,
      minLengthBytes: 1,
      types: TYPES,
      vary: true,
      proxied: true,
      minVersion: '1.1' as const,
    }
    const common: Partial<Policy> = { bodyBytesMax: 100_000, requestTimeoutMs: 60_000 }
    const faults: string[] = []
    await using bed = await startBed({
      tls: { key: pair.key, cert: pair.certificate },
      apps: { 'shop.test': app, 'gathers.test': app, 'guarded.test': app, 'brief.test': app, 'full.test': app, 'fine.test': fine },
      policy: common,
      policies: {
        'gathers.test': { ...common, requestBufferBytes: 20_000 },
        'guarded.test': { ...common, edge: { auth: 'shop/users' } },
        'brief.test': { ...common, requestTimeoutMs: 30 },
        'full.test': { ...common, edge: { requestsMax: 1 } },
      },
      credentials: { 'shop/users': { id: 'users', users: [['ann', BCRYPT]] } },
      settings: { gzip },
      limits: { lingerMs: 50, tickMs: 10, halfClosedMs: 100 },
      onError: (message, fields) => faults.push(`${message} ${String(fields?.['error'])}`),
    })
    const phases = bed.server as unknown as Phases
    const routes = ['shop', 'gathers', 'guarded', 'brief', 'full', 'fine'].map(name => bed.table.match(`${name}.test`, '/') as Route)

    const broken: readonly (readonly [string, string, RegExp | undefined])[] = [
      ['silent app', get('/hang'), undefined],
      ['cut answer', get('/cut', 'shop.test', 'Accept-Encoding: br\r\n'), /half|200/],
      ['cut plain answer', get('/cut'), /half/],
      ['reset app', get('/reset'), /502/],
      ['junk', get('/junk'), /502/],
      ['relay', get('/ws', 'shop.test', WEBSOCKET), /101/],
      ['half a compressed answer', get('/slow', 'shop.test', 'Accept-Encoding: zstd\r\n'), /200 OK/],
      ['half an answer', get('/slow'), /200 OK/],
      ['a large answer that nobody reads', get('/big'), undefined],
      ['half a body', `${post('/hang', 'shop.test', 'Content-Length: 5000\r\n')}x`, undefined],
      ['half a gathered body', `${post('/hang', 'gathers.test', 'Content-Length: 5000\r\n')}x`, undefined],
      ['a gathered body that runs over', post('/hang', 'gathers.test', 'Content-Length: 50000\r\n') + 'x'.repeat(30_000), undefined],
      [
        'a chunked body too large',
        `${post('/hang', 'gathers.test', 'Transfer-Encoding: chunked\r\n')}1ffff\r\n${'x'.repeat(0x1ffff)}`,
        /413|^$/,
      ],
      ['a broken chunk', `${post('/hang', 'gathers.test', 'Transfer-Encoding: chunked\r\n')}5\r\nhelloXX`, /400/],
      [
        'a password under way',
        get('/hang', 'guarded.test', `Authorization: Basic ${Buffer.from('ann:no').toString('base64')}\r\n`),
        undefined,
      ],
      ['its time over', get('/hang', 'brief.test'), /504/],
      ['its time over in the middle', get('/slow', 'brief.test'), /200 OK/],
      ['no place', get('/hang', 'full.test') + get('/hang', 'full.test'), undefined],
      ['half a head', 'GET / HTT', undefined],
      ['expecting', post('/hang', 'gathers.test', 'Content-Length: 5\r\nExpect: 100-continue\r\n'), /100 Continue/],
    ]
    const overHttp2 = [
      (id: number) => headers(id, at('shop.test', '/hang')),
      (id: number) => headers(id, [...at('shop.test', '/slow'), ['accept-encoding', 'br']]),
      (id: number) => headers(id, at('shop.test', '/cut')),
      (id: number) => headers(id, at('shop.test', '/reset')),
      (id: number) => headers(id, at('shop.test', '/big')),
      (id: number) => headers(id, at('brief.test', '/hang')),
      (id: number) => headers(id, at('shop.test', '/ws', CONNECT), OPEN),
      (id: number) => Buffer.concat([headers(id, at('shop.test', '/hang', POST), OPEN), data(id, 'half')]),
      (id: number) => Buffer.concat([headers(id, at('gathers.test', '/hang', POST), OPEN), data(id, 'half')]),
      (id: number) =>
        Buffer.concat([headers(id, at('gathers.test', '/hang', POST), OPEN), data(id, 'x'.repeat(16_000)), data(id, 'x'.repeat(16_000))]),
      (id: number) =>
        headers(id, [...at('guarded.test', '/hang'), ['authorization', `Basic ${Buffer.from(`ann:${id}`).toString('base64')}`]]),
    ]

    for (let round = 0; round < ROUNDS; round++) {
      const isSecure = round % 2 === 1
      const clients = broken.map(([, bytes, wanted]) => {
        const client = isSecure ? RawClient.tls(bed.httpsPort, {}) : bed.send('')
        client.send(bytes)
        return { client, wanted }
      })
      await Promise.all(
        clients.map(async ({ client, wanted }, index) => {
          if (wanted !== undefined) await client.until(wanted).catch(() => {})
          else await new Promise(setImmediate)
          if (index % 3 === round % 3) client.destroy()
          else if (index % 3 === (round + 1) % 3 && !isSecure) client.reset()
          else {
            client.end()
            await new Promise(setImmediate)
            client.destroy()
          }
        }),
      )
      const one = new RawHttp2(bed.httpsPort)
      await once(one.socket, 'secureConnect')
      for (const [index, make] of overHttp2.entries()) one.send(make(index * 2 + 1))
      await one.wait(({ type, stream }) => type === FRAME.headers && stream === 3)
      // By resets, by the end of the connection, or by neither: with the last the connection goes.
      if (round % 3 === 0) for (const index of overHttp2.keys()) one.send(reset(index * 2 + 1))
      if (round % 3 === 1) one.socket.end()
      if (round % 3 === 0) await new Promise(setImmediate)
      one.destroy()
    }

    await until(() => bed.server.stats().connectionsOpen === 0, 'connections')
    await until(() => [...routes].every(({ load }) => load.requests === 0 && load.connections === 0), 'loads')
    assert.deepEqual([phases.encoders.running, phases.buffered.held], [0, 0])
    assert.equal(phases.pool.view(app.endpoint.key).active, 0)
    phases.pool.clear()
    await until(() => app.open.size === 0, 'connections to the app')
    await until(() => armed().length === 0).catch(() => assert.deepEqual(armed(), []))
    const { requests, responses } = bed.server.stats()
    assert.equal(
      responses.reduce((sum, count) => sum + count, 0),
      requests,
    )
    assert.match(await bed.exchange(get('/', 'fine.test', 'Connection: close\r\n')), /fine$/)
    assert.deepEqual(faults, [])
  })
})
