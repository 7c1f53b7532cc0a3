import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect as connectHttp2, constants } from 'node:http2'
import { after, before, suite, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { CODE, FLAG, FRAME, PREFACE, read32, SETTING } from '../../router/http2/frames.ts'
import { type Bed, ok, startApp, startBed, startHttpApp, type TestApp } from '../../router/serve/testbed.ts'
import { block, data, frame, GET, headers, POST, ping, RawHttp2, reset, settings, windowUpdate } from './raw-client.ts'

const OPEN = FLAG.endHeaders
const at = (path: string, base: readonly (readonly [string, string])[] = GET) =>
  base.map(([name, value]) => [name, name === ':path' ? path : value] as const)
const BIG = 2_000_000

suite('An HTTP/2 exchange', () => {
  let app: TestApp
  let tunnel: TestApp
  let stuck: TestApp
  let bed: Bed
  const clients: RawHttp2[] = []
  const faults: string[] = []
  const pair = selfSigned({ names: ['shop.test'], days: 2 })
  const client = (first?: null) => {
    const made = new RawHttp2(bed.httpsPort, first)
    clients.push(made)
    return made
  }

  before(async () => {
    app = await startHttpApp(({ target, body, socket, method }) => {
      if (target === '/big') return ok('x'.repeat(BIG))
      if (target === '/hang') return undefined
      if (target === '/cut') {
        socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf')
        return undefined
      }
      if (target === '/chunked') return 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n'
      if (target === '/early') return 'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'
      if (target === '/304') return 'HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: "a"\r\n\r\n'
      if (method === 'HEAD') return 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n'
      return ok(`${body.length}`, 'Set-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: x-secret\r\nX-Secret: 1\r\n')
    })
    tunnel = await startApp(socket => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: x\r\n\r\n')
        socket.on('data', chunk => socket.write(chunk))
      })
    })
    stuck = await startApp(socket => socket.pause())
    bed = await startBed({
      apps: { 'shop.test': app, 'ws.test': tunnel, 'stuck.test': stuck },
      policy: { bodyBytesMax: 0 },
      policies: { 'small.test': { bodyBytesMax: 10 } },
      tls: { key: pair.key, cert: pair.certificate },
      limits: { headMs: 100, firstByteMs: 100, sendStallMs: 200, bodyWindowMs: 100, lingerMs: 50 },
      onError: (message, fields) => faults.push(`${message} ${String(fields?.['error'])}`),
    })
  })
  after(async () => {
    for (const one of clients) one.destroy()
    await bed[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
    await tunnel[Symbol.asyncDispose]()
    await stuck[Symbol.asyncDispose]()
    assert.deepEqual(faults, [])
  })

  test('reaches the app as one canonical HTTP/1.1 message, cookies joined', async () => {
    const before_ = app.received.length
    const one = client().send(headers(1, [...at('/a?b=c'), ['cookie', 'a=1'], ['user-agent', 'raw'], ['cookie', 'b=2']]))
    await one.ended(1)
    const text = app.received.slice(before_).join('') || (app.received.at(-1) as string)
    assert.match(text, /GET \/a\?b=c HTTP\/1\.1\r\nHost: shop\.test\r\n/)
    assert.match(text, /\r\ncookie: a=1; b=2\r\n/)
    assert.match(text, /\r\nX-Forwarded-Proto: https\r\n/)
    assert.doesNotMatch(text, /transfer-encoding|connection/i)
  })

  test('gives back fields in lower case, each Set-Cookie by itself, without hop-by-hop fields', async () => {
    const one = client().send(headers(1, GET))
    const answer = await one.headersOf(1)
    assert.equal(answer?.fields?.['content-type'], 'text/plain')
    assert.equal(answer?.fields?.['x-secret'], undefined)
    assert.equal(answer?.fields?.['set-cookie'], 'b=2')
    await one.ended(1)
    assert.equal(one.body(1), '0')
  })

  test('puts the whole answer of a small body into HEADERS and one DATA frame that ends the stream', async () => {
    const one = client().send(headers(1, GET))
    await one.ended(1)
    assert.deepEqual(
      one.frames.filter(({ stream }) => stream === 1).map(({ type, flags }) => [type, flags & FLAG.endStream]),
      [
        [FRAME.headers, 0],
        [FRAME.data, 1],
      ],
    )
  })

  test('passes 103 on, chunked bodies, HEAD and 304 without a body', async () => {
    const head = GET.map(([name, value]) => [name, name === ':method' ? 'HEAD' : value] as const)
    const one = client().send(headers(1, at('/early')), headers(3, at('/chunked')), headers(5, head), headers(7, at('/304')))
    await Promise.all([1, 3, 5, 7].map(id => one.ended(id)))
    const statuses = one.frames.flatMap(({ stream, fields }) => (stream === 1 && fields ? [fields[':status']] : []))
    assert.deepEqual(statuses, ['103', '200'])
    assert.equal(one.body(3), 'hello world')
    assert.equal((await one.headersOf(5))?.fields?.['content-length'], '9')
    assert.equal((await one.headersOf(7))?.fields?.[':status'], '304')
    assert.equal(one.body(5) + one.body(7), '')
  })

  test('resets the stream of an answer that was cut, so that it never looks whole', async () => {
    const one = client().send(headers(1, at('/cut')))
    const end = await one.wait(({ stream, type, flags }) => stream === 1 && (type === FRAME.reset || (flags & FLAG.endStream) !== 0))
    assert.equal(end?.type, FRAME.reset)
    one.send(headers(3, GET))
    assert.equal((await one.headersOf(3))?.fields?.[':status'], '200')
  })

  test('sends no byte more than the window of the stream, and the rest as it opens', async () => {
    const one = client(null).send(preface(settings([SETTING.initialWindowSize, 1000])), headers(1, at('/big')))
    await one.until(() => one.body(1).length >= 1000)
    one.send(ping())
    await one.wait(({ type, flags }) => type === FRAME.ping && flags === FLAG.ack)
    assert.equal(one.body(1).length, 1000)
    one.send(windowUpdate(1, BIG), windowUpdate(0, BIG))
    await one.ended(1)
    assert.equal(one.body(1).length, BIG)
  })

  test('sends no byte more than the window of the connection, shared by its streams', async () => {
    const one = client(null).send(preface(settings([SETTING.initialWindowSize, BIG])), headers(1, at('/big')), headers(3, at('/big')))
    const size = () => one.body(1).length + one.body(3).length
    await one.until(() => size() >= 65_535)
    one.send(ping())
    await one.wait(({ type, flags }) => type === FRAME.ping && flags === FLAG.ack)
    assert.equal(size(), 65_535)
    one.send(windowUpdate(0, 2 * BIG))
    await one.ended(1)
    await one.ended(3)
    assert.equal(size(), 2 * BIG)
  })

  test('takes a window that SETTINGS have made negative, and goes on when it is open again', async () => {
    const one = client(null).send(preface(settings([SETTING.initialWindowSize, 5000])), headers(1, at('/big')))
    await one.until(() => one.body(1).length === 5000)
    one.send(settings([SETTING.initialWindowSize, 100]), windowUpdate(1, 1000), ping())
    await one.wait(({ type, flags }) => type === FRAME.ping && flags === FLAG.ack)
    assert.equal(one.body(1).length, 5000)
    one.send(windowUpdate(1, 4000))
    await one.until(() => one.body(1).length === 5100)
  })

  test('grants windows anew as the body goes on, 1 MB through a window of 256 KB', async () => {
    const session = connectHttp2(`https://127.0.0.1:${bed.httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
    const request = session.request({ ':method': 'POST', ':path': '/', ':authority': 'shop.test' })
    request.end(Buffer.alloc(1_000_000, 'y'))
    let text = ''
    for await (const chunk of request) text += chunk
    assert.equal(text, '1000000')
    session.destroy()
  })

  test('keeps no more of a body than the windows while its app takes nothing', async () => {
    const one = client().send(headers(1, [...POST.filter(([name]) => name !== ':authority'), [':authority', 'stuck.test']], OPEN))
    // A client that does not keep to the window is cut off by it.
    for (let sent = 0; sent < 64 && one.frames.every(({ type }) => type !== FRAME.goAway && type !== FRAME.reset); sent++) {
      one.send(...Array.from({ length: 64 }, () => data(1, Buffer.alloc(16_384))))
      await once(one.socket, 'drain').catch(() => {})
      if (one.closed) break
    }
    const error = await one.wait(({ type }) => type === FRAME.goAway || type === FRAME.reset)
    assert.equal(read32(error?.payload as Buffer, error?.type === FRAME.goAway ? 4 : 0), CODE.flowControlError)
  })

  test('answers before the body has come, and then asks for no more of it', async () => {
    const one = client().send(headers(1, [...at('/', POST).filter(([name]) => name !== ':authority'), [':authority', 'nobody.test']], OPEN))
    await one.ended(1)
    assert.equal((await one.headersOf(1))?.fields?.[':status'], '404')
    const stop = await one.wait(({ type, stream }) => type === FRAME.reset && stream === 1)
    assert.equal(read32(stop?.payload as Buffer, 0), CODE.noError)
    one.send(data(1, 'late'), headers(3, GET))
    assert.equal((await one.headersOf(3))?.fields?.[':status'], '200')
  })

  test('is a WebSocket by extended CONNECT (RFC 8441)', async () => {
    const one = client()
    const hello = await one.wait(({ type, flags }) => type === FRAME.settings && flags === 0)
    assert.ok(hello?.payload.includes(Buffer.from([0, SETTING.enableConnectProtocol, 0, 0, 0, 1])))
    const connect = [
      [':method', 'CONNECT'],
      [':protocol', 'websocket'],
      [':scheme', 'https'],
      [':path', '/ws'],
      [':authority', 'ws.test'],
      ['sec-websocket-version', '13'],
    ] as const
    one.send(headers(1, connect, OPEN), data(1, 'before'))
    const answer = await one.headersOf(1)
    assert.equal(answer?.fields?.[':status'], '200')
    assert.equal(answer?.fields?.['sec-websocket-accept'], undefined)
    assert.equal(answer?.fields?.['upgrade'], undefined)
    one.send(data(1, ' and after'))
    await one.until(() => one.body(1).endsWith('after'))
    assert.equal(one.body(1), 'before and after')
    const asked = tunnel.received.at(-1) as string
    assert.match(asked, /^GET \/ws HTTP\/1\.1\r\n/)
    assert.match(asked, /\r\nsec-websocket-key: [A-Za-z0-9+/=]{24}\r\n/)
    assert.match(asked, /\r\nConnection: upgrade\r\nUpgrade: websocket\r\n/)
    one.send(data(1, '', true))
    await one.wait(
      ({ stream, type, flags }) => stream === 1 && (type === FRAME.reset || (type === FRAME.data && (flags & FLAG.endStream) !== 0)),
    )
  })

  test('ends its work at the app when the client resets the stream', async () => {
    const one = client().send(headers(1, at('/hang')))
    await one.wait(({ type }) => type === FRAME.settings)
    const sockets = () => app.sockets.filter(socket => !socket.destroyed).length
    const reached = () => app.received.some(text => text.endsWith('\r\n\r\n') && text.includes('GET /hang'))
    while (!reached()) await new Promise(resolve => setImmediate(resolve))
    const open = sockets()
    one.send(reset(1))
    while (sockets() >= open) await new Promise(resolve => setImmediate(resolve))
  })

  test('goes on with 100 streams at once, each with its own answer', async () => {
    const ids = Array.from({ length: 100 }, (_, index) => index * 2 + 1)
    const one = client().send(...ids.map(id => Buffer.concat([headers(id, POST, OPEN), data(id, 'x'.repeat(id), true)])))
    await Promise.all(ids.map(id => one.ended(id)))
    for (const id of ids) assert.equal(one.body(id), String(id))
  })

  test('says the limits that the operator has set, and keeps them', async () => {
    await using own = await startBed({
      apps: { 'shop.test': stuck },
      tls: { key: pair.key, cert: pair.certificate },
      limits: { streamsMax: 2, streamWindow: 70_000 },
      settings: { http2HeadBytesMax: 4096, http2FieldBytesMax: 1000 },
    })
    const one = new RawHttp2(own.httpsPort)
    const said = (await one.wait(({ type, flags }) => type === FRAME.settings && flags === 0))?.payload as Buffer
    const pairs = Array.from({ length: said.length / 6 }, (_, index) => [said[index * 6 + 1], read32(said, index * 6 + 2)])
    const stated = Object.fromEntries(pairs)
    assert.equal(stated[SETTING.maxConcurrentStreams], 2)
    assert.equal(stated[SETTING.initialWindowSize], 70_000)
    assert.equal(stated[SETTING.maxHeaderListSize], 4096)
    // A field too long, and a list too long of fields that are not: answered at once, so they take no place.
    one.send(headers(1, [...GET, ['x-long', 'x'.repeat(1000)]]))
    assert.equal((await one.headersOf(1))?.fields?.[':status'], '431')
    one.send(headers(3, [...GET, ...Array.from({ length: 5 }, (_, index) => [`x-${index}`, 'x'.repeat(900)] as const)]))
    assert.equal((await one.headersOf(3))?.fields?.[':status'], '431')
    one.send(headers(5, [...GET, ['x-long', 'x'.repeat(994)]]), headers(7, GET), headers(9, GET))
    const refused = await one.wait(({ type, stream }) => type === FRAME.reset && stream === 9)
    assert.equal(refused && read32(refused.payload, 0), CODE.refusedStream)
    assert.equal(one.frames.filter(({ type, stream }) => type === FRAME.headers && stream >= 5).length, 0)
    one.destroy()
  })

  test('answers heads that are too large with 431 and goes on', async () => {
    const one = client().send(headers(1, [...GET, ...Array.from({ length: 300 }, (_, index) => [`x-${index}`, 'y'] as const)]))
    assert.equal((await one.headersOf(1))?.fields?.[':status'], '431')
    one.send(headers(3, GET))
    assert.equal((await one.headersOf(3))?.fields?.[':status'], '200')
  })

  test('agrees on h2 before http/1.1, and on http/1.1 where http2Enabled is false', async () => {
    const agreed = async () => {
      const socket = connectTls({ port: bed.httpsPort, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: ['http/1.1', 'h2'] })
      await once(socket, 'secureConnect')
      socket.destroy()
      return socket.alpnProtocol
    }
    assert.equal(await agreed(), 'h2')
    const { table } = bed
    bed.table = { ...table, settings: { ...table.settings, http2: false } }
    assert.equal(await agreed(), 'http/1.1')
    bed.table = table
  })

  test('is drained with GOAWAY that names the last stream, after what runs', async () => {
    const drained = await startBed({
      apps: { 'shop.test': app },
      tls: { key: pair.key, cert: pair.certificate },
      policy: { bodyBytesMax: 0 },
    })
    const one = new RawHttp2(drained.httpsPort).send(headers(1, POST, OPEN), data(1, 'x'))
    await one.wait(({ type, flags }) => type === FRAME.settings && flags === FLAG.ack)
    one.answersPings = false
    const over = drained.server.drain(5000)
    const lasts = () => one.frames.flatMap(({ type, payload }) => (type === FRAME.goAway ? [[read32(payload, 0), read32(payload, 4)]] : []))
    await one.wait(({ type, flags }) => type === FRAME.ping && flags === 0)
    assert.deepEqual(lasts(), [[2 ** 31 - 1, CODE.noError]])
    // What it had opened before it heard is served.
    one.send(headers(3, GET))
    assert.equal((await one.headersOf(3))?.fields?.[':status'], '200')
    one.send(ping(FLAG.ack), headers(5, GET))
    const refused = await one.wait(({ type, stream }) => type === FRAME.reset && stream === 5)
    assert.equal(read32(refused?.payload as Buffer, 0), CODE.refusedStream)
    assert.deepEqual(lasts().at(-1), [3, CODE.noError])
    one.send(data(1, 'y', true))
    await one.ended(1)
    assert.equal(one.body(1), '2')
    await over
    await one.until(() => one.closed)
  })

  test('is closed in time by a drain whose PING it does not answer', async () => {
    const drained = await startBed({ apps: { 'shop.test': app }, tls: { key: pair.key, cert: pair.certificate }, limits: { lingerMs: 50 } })
    const one = new RawHttp2(drained.httpsPort).send(headers(1, GET))
    one.answersPings = false
    await one.ended(1)
    await drained.server.drain(60_000)
    await one.until(() => one.closed)
    assert.deepEqual(
      one.frames.flatMap(({ type, payload }) => (type === FRAME.goAway ? [read32(payload, 0)] : [])),
      [2 ** 31 - 1, 1],
    )
  })

  const floods: Record<string, () => Uint8Array[]> = {
    'rapid reset (CVE-2023-44487)': () => repeat(400, index => Buffer.concat([headers(index * 2 + 1, at('/hang')), reset(index * 2 + 1)])),
    'resets that we are made to send (CVE-2025-8671)': () =>
      repeat(400, index => Buffer.concat([headers(index * 2 + 1, at('/hang', POST), OPEN), windowUpdate(index * 2 + 1, 0)])),
    'malformed requests': () => repeat(400, index => headers(index * 2 + 1, [...GET, ['A', 'b']])),
    'PING (CVE-2019-9512)': () => repeat(2000, () => ping()),
    'SETTINGS (CVE-2019-9515)': () => repeat(500, () => settings([SETTING.initialWindowSize, 65_535])),
    PRIORITY: () => repeat(4000, () => frame(FRAME.priority, 0, 1, Buffer.from([0, 0, 0, 0, 1]))),
    'WINDOW_UPDATE of the connection': () => repeat(4000, () => windowUpdate(0, 1)),
    'unknown frames': () => repeat(4000, () => frame(0x77, 0, 0)),
    'empty DATA (CVE-2019-9518)': () => [headers(1, at('/hang', POST), OPEN), ...repeat(1000, () => data(1, ''))],
    'empty CONTINUATION': () => [
      frame(FRAME.headers, FLAG.endStream, 1, block(GET)),
      ...repeat(500, () => frame(FRAME.continuation, 0, 1)),
    ],
    'CONTINUATION without end (VU#421644)': () => [
      frame(FRAME.headers, FLAG.endStream, 1, block(GET)),
      ...repeat(40, () => frame(FRAME.continuation, 0, 1, block([['x', 'y'.repeat(16_000)]]))),
    ],
    'an HPACK bomb (CVE-2016-6581)': () => [
      frame(
        FRAME.headers,
        FLAG.endHeaders | FLAG.endStream,
        1,
        Buffer.concat([block(GET), Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 'b'), Buffer.alloc(2000, 0xbe)]),
      ),
    ],
    'streams beyond the limit, again and again': () => repeat(600, index => headers(index * 2 + 1, at('/hang'))),
  }
  for (const [name, attack] of Object.entries(floods)) {
    test(`is ended with ENHANCE_YOUR_CALM by a flood: ${name}`, async () => {
      const one = client().send(...attack())
      const goAway = await one.wait(({ type }) => type === FRAME.goAway)
      assert.equal(read32(goAway?.payload as Buffer, 4), CODE.enhanceYourCalm)
      await one.until(() => one.closed)
    })
  }

  test('a client that asks and takes earns more patience than it spends', async () => {
    const session = connectHttp2(`https://127.0.0.1:${bed.httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
    let ended = false
    session.on('goaway', () => (ended = true))
    for (let round = 0; round < 30; round++) {
      await Promise.all(
        Array.from({ length: 50 }, async () => {
          const request = session.request({ ':path': '/', ':authority': 'shop.test' })
          request.resume()
          await once(request, 'end')
        }),
      )
      session.ping(() => {})
    }
    assert.equal(ended, false)
    session.destroy()
  })

  const silences: Record<string, Uint8Array | undefined> = {
    'that says nothing': undefined,
    'that stops within the preface': Buffer.from('PRI * HTTP'),
    'that stops within a block': Buffer.concat([preface(settings()), frame(FRAME.headers, FLAG.endStream, 1, block(GET))]),
    'that stops within a HEADERS frame': Buffer.concat([preface(settings()), headers(1, GET).subarray(0, 20)]),
    'that stops within the header of a frame': Buffer.concat([preface(settings()), Buffer.from([0, 0])]),
  }
  for (const [name, bytes] of Object.entries(silences)) {
    test(`a client ${name} is closed in time`, async () => {
      const one = client(null)
      if (bytes !== undefined) one.send(bytes)
      await one.until(() => one.closed)
    })
  }

  test('a body that comes too slowly gets 408', async () => {
    const one = client().send(headers(1, at('/slow', POST), OPEN), data(1, 'x'))
    assert.equal((await one.headersOf(1))?.fields?.[':status'], '408')
  })

  test('a stream whose client grants no window is reset in time, the others go on', async () => {
    const one = client(null).send(preface(settings([SETTING.initialWindowSize, 0])), headers(1, at('/big')))
    const stop = await one.wait(({ type, stream }) => type === FRAME.reset && stream === 1)
    assert.equal(read32(stop?.payload as Buffer, 0), CODE.enhanceYourCalm)
    one.send(settings([SETTING.initialWindowSize, 65_535]), headers(3, GET))
    await one.ended(3)
    assert.equal(one.body(3), '0')
  })

  test('a client that reads nothing at all is closed in time', async () => {
    const one = client()
    await one.wait(({ type }) => type === FRAME.settings)
    one.socket.pause()
    one.send(
      windowUpdate(0, 2 ** 30),
      settings([SETTING.initialWindowSize, 2 ** 30]),
      ...Array.from({ length: 20 }, (_, index) => headers(index * 2 + 1, at('/big'))),
    )
    const closed = new Promise(resolve => one.socket.once('close', resolve))
    // Only a reset ends a connection whose reader sleeps: reading again shows it.
    while (bed.server.stats().connectionsOpen > 0 && !one.closed) {
      await new Promise(resolve => setImmediate(resolve))
      if (bed.server.stats().connectionsOpen <= clients.filter(({ closed }) => !closed).length - 1) break
    }
    one.socket.resume()
    await closed
  })

  test('speaks with the HTTP/2 of Node, all octets of a field value and all sizes of a body', async () => {
    const session = connectHttp2(`https://127.0.0.1:${bed.httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
    const odd = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index)).join('')
    for (const size of [0, 1, 16_383, 16_384, 16_385, 100_000]) {
      const request = session.request({
        ':method': 'POST',
        ':path': '/odd',
        ':authority': 'shop.test',
        'x-odd': odd,
        [constants.HTTP2_HEADER_TE]: 'trailers',
      })
      request.end(Buffer.alloc(size, 'z'))
      let text = ''
      for await (const chunk of request) text += chunk
      assert.equal(text, String(size))
    }
    assert.ok(app.received.some(text => text.includes(`x-odd: ${odd}\r\n`)))
    session.destroy()
  })
})

function preface(first: Uint8Array): Buffer {
  return Buffer.concat([PREFACE, first])
}

function repeat(count: number, make: (index: number) => Uint8Array): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => make(index))
}
