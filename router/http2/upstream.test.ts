import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants, type OutgoingHttpHeaders } from 'node:http2'
import { after, before, suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { type Bed, type BedOptions, ok, startBed, startHttpApp, until } from '../serve/testbed.ts'
import { type Http2App, startHttp2App } from './upstream-testbed.ts'

const GET = 'GET /a?b=c HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const MEGABYTE = 1024 * 1024
const pair = selfSigned({ names: ['shop.test'], days: 2 })

/** Tells of calls that hang. */
const calls = new EventEmitter()

/** The app of these tests, by path. */
function script(stream: import('node:http2').ServerHttp2Stream, headers: Record<string, string>): void {
  const grpc = { ':status': 200, 'content-type': 'application/grpc' }
  const say = (fields: OutgoingHttpHeaders = grpc) => {
    stream.respond(fields, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine', 'set-cookie': 'a=1' }))
  }
  switch (headers[':path']) {
    case '/echo.Echo/Unary':
    case '/echo.Echo/Bidi':
    case '/echo.Echo/Upload': {
      say()
      if (headers[':path'] !== '/echo.Echo/Upload') {
        stream.pipe(stream)
        break
      }
      let bytes = 0
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      stream.on('end', () => stream.end(message(String(bytes))))
      break
    }
    case '/echo.Echo/Many':
      say()
      for (let count = 0; count < 5; count++) stream.write(message(`part ${count}`))
      stream.end()
      break
    case '/echo.Echo/Big':
      say()
      stream.end(message(Buffer.alloc(Number(headers['x-size']), 'x')))
      break
    case '/echo.Echo/Fails':
      stream.respond({ ...grpc, 'grpc-status': '5', 'grpc-message': 'not here' }, { endStream: true })
      break
    case '/echo.Echo/Hangs':
      stream.on('close', () => calls.emit('cancelled', stream.rstCode))
      calls.emit('came')
      break
    case '/early':
      stream.additionalHeaders({ ':status': 103, link: '</a>' })
      stream.respond({ ':status': 200 })
      stream.end('late')
      break
    case '/head':
      stream.respond({ ':status': 200, 'content-length': 9 }, { endStream: true })
      break
    case '/continue':
      stream.additionalHeaders({ ':status': 100 })
      say({ ':status': 200 })
      stream.pipe(stream)
      break
    case '/headers':
      stream.respond({ ':status': 200, 'content-type': 'application/json' })
      stream.end(JSON.stringify(headers))
      break
    default:
      stream.respond({ ':status': 200, 'content-type': 'text/plain', 'content-length': 5 })
      stream.end('hello')
  }
}

async function startTlsBed(app: Http2App, options: BedOptions = {}): Promise<Bed> {
  return startBed({
    apps: { 'shop.test': [app.endpoint] },
    tls: { key: pair.key, cert: pair.certificate },
    policy: { bodyBytesMax: 0, ...options.policy },
    ...options,
  })
}

suite('An app of HTTP/2 behind a client of HTTP/1.1', () => {
  let app: Http2App
  let bed: Bed
  before(async () => {
    app = await startHttp2App(script)
    bed = await startTlsBed(app)
  })
  after(async () => {
    await bed[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
  })

  test('gets requests on one connection, with their pseudo-header fields, and its answers come back', async () => {
    const client = bed.send(GET)
    await client.until('hello')
    assert.match(client.text, /^HTTP\/1\.1 200 OK\r\ncontent-type: text\/plain\r\n.*Content-Length: 5\r\n/s)
    client.send(GET.replace('/a?b=c', '/headers').replace('\r\n\r\n', '\r\nCookie: a=1; b=2\r\nConnection: x-hop\r\nX-Hop: 1\r\n\r\n'))
    await client.until(/\}\r\n0\r\n\r\n$/)
    const got = JSON.parse(/\{.*\}/.exec(client.text)![0]) as Record<string, string>
    assert.deepEqual(
      [':method', ':path', ':authority', ':scheme', 'x-forwarded-proto', 'cookie'].map(name => got[name]),
      ['GET', '/headers', 'shop.test', 'http', 'http', 'a=1; b=2'],
    )
    for (const name of ['host', 'connection', 'te', 'transfer-encoding', 'x-hop']) assert.equal(got[name], undefined, name)
    assert.equal(app.opened(), 1)
    await until(() => bed.server.stats().upstreamConnectionsIdle === 1)
    assert.equal(bed.server.stats().upstreamConnectionsOpened, 1)
    assert.equal(bed.server.stats().upstreamConnectionsReused, 1)
  })

  test('gets a body with its length or in chunks, and the 100 that its client waits for', async () => {
    const client = bed.send(
      'POST /continue HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nTransfer-Encoding: chunked\r\nTE: trailers\r\nConnection: TE\r\n\r\n',
    )
    await client.until('HTTP/1.1 100 ')
    client.send('5\r\nhello\r\n0\r\n\r\n')
    await client.until(/0\r\ngrpc-status: 0\r\ngrpc-message: fine\r\n\r\n$/)
    assert.match(client.text, /\r\n5\r\nhello\r\n0\r\n/)
    assert.doesNotMatch(client.text, /set-cookie/, 'a trailer sets no cookie')
    const other = bed.send('POST /continue HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3\r\n\r\nabc')
    await other.until(/3\r\nabc\r\n0\r\n\r\n$/)
    assert.doesNotMatch(other.text, /grpc-status/, 'trailers only for who takes them')
  })

  test('passes 103 on, and HEAD with the length that GET would have', async () => {
    const client = bed.send('GET /early HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await client.until(/late\r\n0\r\n\r\n$/)
    assert.match(client.text, /^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a>\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
    client.send('HEAD /head HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    await client.ended
    assert.match(client.text, /\r\nContent-Length: 9\r\n.*\r\n\r\n$/s)
  })

  test('works for HTTP/1.0 too, without trailers', async () => {
    const text = await bed.exchange('GET /echo.Echo/Many HTTP/1.0\r\nHost: shop.test\r\nTE: trailers\r\n\r\n')
    assert.match(text, /part 4$/)
  })

  test('is sent away where it wants a protocol of its own: no WebSocket without a word of the app (R24)', async () => {
    const text = await bed.exchange(
      `GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
    assert.match(text, /^HTTP\/1\.1 502 .*R24/s)
    assert.match(await bed.exchange('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade, close\r\nUpgrade: foo\r\n\r\n'), /hello$/)
  })
})

suite('A WebSocket to an app of HTTP/2', () => {
  const open =
    'GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n'
  test('goes by extended CONNECT where the app takes it (RFC 8441)', async () => {
    let got: Record<string, string> = {}
    await using app = await startHttp2App(
      (stream, headers) => {
        got = headers
        stream.respond({ ':status': 200 })
        stream.on('data', (chunk: Buffer) => stream.write(chunk.toString().toUpperCase()))
        stream.on('end', () => stream.end('bye'))
      },
      { settings: { enableConnectProtocol: true } },
    )
    await using bed = await startTlsBed(app)
    const client = bed.send(open)
    await client.until('\r\n\r\n')
    assert.match(client.text, /^HTTP\/1\.1 101 /)
    assert.match(client.text, /\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r\n/)
    assert.deepEqual([got[':method'], got[':protocol'], got[':path'], got['sec-websocket-version']], ['CONNECT', 'websocket', '/ws', '13'])
    assert.equal(got['sec-websocket-key'], undefined)
    client.send('frames')
    await client.until('FRAMES')
    client.end()
    await client.ended
    assert.match(client.text, /FRAMESbye$/)
  })
  test('goes on as one from a client of HTTP/2, and ends on both sides', async () => {
    let isEnded = false
    await using app = await startHttp2App(
      stream => {
        stream.respond({ ':status': 200 })
        stream.on('data', (chunk: Buffer) => stream.write(chunk))
        stream.on('end', () => {
          isEnded = true
          stream.end()
        })
      },
      { settings: { enableConnectProtocol: true } },
    )
    await using bed = await startTlsBed(app)
    const session = connectTo(bed)
    await once(session, 'remoteSettings')
    const call = session.request({ ':method': 'CONNECT', ':protocol': 'websocket', ':path': '/ws', ':authority': 'shop.test' })
    call.write('frames')
    const [answer] = (await once(call, 'response')) as [Record<string, unknown>]
    assert.equal(answer[':status'], 200)
    const [chunk] = (await once(call, 'data')) as [Buffer]
    assert.equal(chunk.toString(), 'frames')
    const closed = once(call, 'close')
    call.resume().end()
    await closed
    await until(() => isEnded && inFlight(bed) === 0)
    assert.equal(call.rstCode, 0)
    session.destroy()
  })
  test('gets the answer of an app that refuses it', async () => {
    await using app = await startHttp2App(
      stream => {
        stream.respond({ ':status': 403 })
        stream.end('no')
      },
      { settings: { enableConnectProtocol: true } },
    )
    await using bed = await startTlsBed(app)
    const client = bed.send(open)
    await client.until(/no\r\n0\r\n\r\n$/)
    assert.match(client.text, /^HTTP\/1\.1 403 /)
  })
})

suite('gRPC through the router', () => {
  let app: Http2App
  let bed: Bed
  let session: ClientHttp2Session
  const faults: string[] = []
  before(async () => {
    app = await startHttp2App(script, { settings: { initialWindowSize: 1000 } })
    bed = await startTlsBed(app, { onError: (text, fields) => faults.push(`${text} ${String(fields?.['error'])}`) })
    session = connectTo(bed)
  })
  after(async () => {
    session.destroy()
    await bed[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
    assert.deepEqual(faults, [])
  })

  test('unary: message, then trailers with the status', async () => {
    const call = start(session, 'Unary')
    call.end(message('hi'))
    const { body, headers, trailers } = await result(call)
    assert.deepEqual(body, message('hi'))
    assert.equal(headers['content-type'], 'application/grpc')
    assert.deepEqual([trailers?.['grpc-status'], trailers?.['grpc-message']], ['0', 'fine'])
    assert.equal(trailers?.['set-cookie'], undefined)
  })
  test('trailers only: one HEADERS frame that ends the stream, without a length', async () => {
    const call = start(session, 'Fails')
    call.end(message('hi'))
    const { headers, body, isOneFrame } = await result(call)
    assert.deepEqual([headers['grpc-status'], headers['content-length'], body.length, isOneFrame], ['5', undefined, 0, true])
  })
  test('server stream', async () => {
    const call = start(session, 'Many')
    call.end(message(''))
    const { body, trailers } = await result(call)
    assert.deepEqual(body, Buffer.concat([0, 1, 2, 3, 4].map(count => message(`part ${count}`))))
    assert.equal(trailers?.['grpc-status'], '0')
  })
  test('client stream', async () => {
    const call = start(session, 'Upload')
    for (let count = 0; count < 100; count++) call.write(message(Buffer.alloc(1000)))
    call.end()
    assert.deepEqual((await result(call)).body, message('100500'))
  })
  test('bidirectional: each message is answered before the next is sent', async () => {
    const call = start(session, 'Bidi')
    for (let count = 0; count < 20; count++) {
      call.write(message(`turn ${count}`))
      const [chunk] = (await once(call, 'data')) as [Buffer]
      assert.deepEqual(chunk, message(`turn ${count}`))
    }
    call.end()
    const { trailers } = await result(call)
    assert.equal(trailers?.['grpc-status'], '0')
  })
  test('1 MB both ways through windows of 1000 bytes, eight at once', async () => {
    const payload = message(Buffer.alloc(MEGABYTE, 'y'))
    const all = await Promise.all(
      Array.from({ length: 8 }, () => {
        const call = start(session, 'Unary')
        call.end(payload)
        return result(call)
      }),
    )
    for (const { body, trailers } of all) {
      assert.equal(body.equals(payload), true)
      assert.equal(trailers?.['grpc-status'], '0')
    }
    assert.equal(app.opened(), 1)
  })
  test('a cancelled call is reset at the app at once', async () => {
    const came = once(calls, 'came')
    const cancelled = once(calls, 'cancelled')
    const call = start(session, 'Hangs')
    call.write(message('hi'))
    await came
    call.close(constants.NGHTTP2_CANCEL)
    assert.deepEqual(await cancelled, [constants.NGHTTP2_CANCEL])
    await until(() => bed.server.stats().upstreamConnectionsIdle === 1)
  })
  test('te: trailers goes on, and nothing else of TE', async () => {
    const call = session.request({ ':path': '/headers', ':authority': 'shop.test', te: 'trailers' })
    const { body } = await result(call)
    assert.equal((JSON.parse(body.toString()) as Record<string, string>)['te'], 'trailers')
  })
})

suite('Back-pressure of an app of HTTP/2', () => {
  test('a slow client pauses its own stream only', async () => {
    let sent = 0
    await using app = await startHttp2App((stream, headers) => {
      stream.respond({ ':status': 200 })
      if (headers[':path'] !== '/endless') {
        stream.end('quick')
        return
      }
      const more = () => {
        while (!stream.destroyed && stream.write(Buffer.alloc(16_384))) sent += 16_384
      }
      stream.on('drain', more)
      more()
    })
    await using bed = await startTlsBed(app)
    const stuck = Array.from({ length: 20 }, () => {
      const client = bed.send('GET /endless HTTP/1.1\r\nHost: shop.test\r\n\r\n')
      client.socket.pause()
      return client
    })
    await until(() => inFlight(bed) === 20)
    let before = -1
    while (before !== sent) {
      before = sent
      await new Promise(resolve => setTimeout(resolve, 100))
    }
    for (let count = 0; count < 10; count++)
      assert.match(await bed.exchange('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'), /quick/)
    assert.equal(app.opened(), 1)
    assert.ok(sent < 20 * 12 * MEGABYTE, `${sent} bytes were taken of an app whose clients read nothing`)
    for (const client of stuck) client.destroy()
    await until(() => inFlight(bed) === 0)
  })

  test('a slow app holds up its upload only, and takes it whole in the end', async () => {
    const streams: import('node:http2').ServerHttp2Stream[] = []
    let bytes = 0
    await using app = await startHttp2App((stream, headers) => {
      if (headers[':path'] === '/slow') {
        streams.push(stream)
        return
      }
      stream.respond({ ':status': 200 })
      stream.end('quick')
    })
    await using bed = await startTlsBed(app)
    const session = connectTo(bed)
    const call = session.request({ ':method': 'POST', ':path': '/slow', ':authority': 'shop.test' })
    call.end(Buffer.alloc(4 * MEGABYTE))
    await until(() => streams.length === 1)
    for (let count = 0; count < 10; count++)
      assert.match(await bed.exchange('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'), /quick/)
    const [stream] = streams
    stream!.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    stream!.on('end', () => {
      stream!.respond({ ':status': 200 })
      stream!.end(String(bytes))
    })
    assert.equal((await result(call)).body.toString(), String(4 * MEGABYTE))
    session.destroy()
  })
})

suite('A body that is gathered first', () => {
  test('goes to an app of HTTP/2 whole, with its length', async () => {
    await using app = await startHttp2App((stream, headers) => {
      let bytes = 0
      stream.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      stream.on('end', () => {
        stream.respond({ ':status': 200 })
        stream.end(`${headers['content-length']} ${bytes}`)
      })
    })
    await using bed = await startTlsBed(app, { policy: { bodyBytesMax: 0, requestBufferBytes: MEGABYTE } })
    for (const bytes of [10, 500_000, 3_000_000]) {
      const client = bed.send(`POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${bytes}\r\n\r\n`)
      client.socket.write(Buffer.alloc(bytes, 'x'))
      await client.until(`${bytes} ${bytes}`)
    }
  })
})

suite('Sessions with an app of HTTP/2', () => {
  test('as many as its streams need, closed when they idle', async () => {
    const held: import('node:http2').ServerHttp2Stream[] = []
    await using app = await startHttp2App(stream => held.push(stream), { settings: { maxConcurrentStreams: 3 } })
    await using bed = await startTlsBed(app, { limits: { idleUpstreamMs: 60, tickMs: 10 } })
    const clients = Array.from({ length: 10 }, () => bed.send(GET))
    await until(() => held.length === 10, 'ten streams')
    assert.ok(app.opened() >= 4, `${app.opened()} connections`)
    for (const session of app.sessions) assert.ok(held.filter(stream => stream.session === session).length <= 3)
    for (const stream of held) {
      stream.respond({ ':status': 200, 'content-length': 2 })
      stream.end('ok')
    }
    await Promise.all(clients.map(client => client.until('ok')))
    await until(() => app.sessions.size === 0, 'idle sessions to close')
    assert.equal(bed.server.stats().upstreamConnectionsIdle, 0)
  })
  test('drain when the endpoint leaves, after the answers under way', async () => {
    const held: import('node:http2').ServerHttp2Stream[] = []
    await using app = await startHttp2App(stream => held.push(stream))
    await using bed = await startTlsBed(app)
    const client = bed.send(GET)
    await until(() => held.length === 1)
    bed.server.moveEndpoints({ left: [app.endpoint], arrived: [] })
    held[0]!.respond({ ':status': 200, 'content-length': 2 })
    held[0]!.end('ok')
    await client.until('ok')
    await until(() => app.sessions.size === 0, 'the session to close')
  })
  test('are kept apart from those of an app of HTTP/1.1 at the same address', async () => {
    await using app = await startHttpApp(() => ok('one'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    await bed.exchange('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    const route = bed.table.match('shop.test', '/')!
    const other = { ...route, endpoints: [{ ...app.endpoint, key: `h2c://${app.endpoint.key}`, http2: true as const }] }
    bed.table = { ...bed.table, match: () => other }
    assert.match(await bed.exchange('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'), /502 .*R3[04]/s)
  })
})

function connectTo(bed: Bed): ClientHttp2Session {
  const session = connect(`https://127.0.0.1:${bed.httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
  session.on('error', () => {})
  return session
}

function start(session: ClientHttp2Session, method: string): ClientHttp2Stream {
  const call = session.request({
    ...{ ':method': 'POST', ':path': `/echo.Echo/${method}`, ':authority': 'shop.test', te: 'trailers' },
    'content-type': 'application/grpc',
  })
  call.on('error', () => {})
  return call
}

async function result(call: ClientHttp2Stream) {
  const chunks: Buffer[] = []
  let headers: Record<string, unknown> = {}
  let trailers: Record<string, unknown> | undefined
  let isOneFrame = false
  call.on('response', (fields, flags) => {
    headers = fields
    isOneFrame = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0
  })
  call.on('trailers', fields => {
    trailers = fields
  })
  call.on('data', (chunk: Buffer) => chunks.push(chunk))
  await once(call, 'close')
  return { body: Buffer.concat(chunks), headers, trailers, isOneFrame }
}

/** Exchanges that the app has under way. */
function inFlight(bed: Bed): number {
  return bed.table.match('shop.test', '/')!.load.requests
}

/** A gRPC message with its prefix. */
function message(payload: string | Buffer): Buffer {
  const body = Buffer.from(payload as string)
  const head = Buffer.alloc(5)
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body])
}
