import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer as createPlainServer, type Socket } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { createServer, type TLSSocket } from 'node:tls'
import { type Bed, ok, startApp, startBed, until } from '../serve/testbed.ts'
import { type Endpoint, endpoint } from '../table/route.ts'
import { type UpstreamTlsSpec, upstreamEndpoints } from '../table/upstream-tls.ts'
import { DISTRUSTING, NAME, POD_PAIR, TRUSTING } from '../table/upstream-tls-testbed.ts'

const LAST = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'

suite('An app over TLS', () => {
  let app: Awaited<ReturnType<typeof startTlsApp>>
  before(async () => {
    app = await startTlsApp(socket => {
      let body = 0
      socket.on('data', (chunk: Buffer) => {
        const text = chunk.toString('latin1')
        if (text.startsWith('POST')) body = 0
        body += chunk.length
        if (text.startsWith('GET /until-close')) socket.end('HTTP/1.1 200 OK\r\n\r\nwhole?')
        else if (text.startsWith('GET /cut')) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf', () => socket.destroy())
        else if (text.startsWith('GET /large')) socket.write(ok('x'.repeat(3_000_000)))
        else if (text.startsWith('GET')) socket.write(ok(`${socket.servername} ${socket.alpnProtocol}`))
        else if (body > 400_000) socket.write(ok('taken'))
      })
    })
  })
  after(() => app.stop())

  test('is served, by its name, over connections that are kept', async () => {
    await using bed = await tlsBed([app.endpoint], TRUSTING)
    const opened = app.count()
    for (let count = 0; count < 3; count++) assert.match(await bed.exchange(LAST), /\r\n\r\nshop\.shop\.svc http\/1\.1$/)
    assert.equal(app.count() - opened, 1)
  })
  test('gives and takes bodies of any size', async () => {
    await using bed = await tlsBed([app.endpoint], TRUSTING)
    const large = await bed.exchange('GET /large HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    assert.equal(large.length - large.indexOf('\r\n\r\n') - 4, 3_000_000)
    const post = `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 400000\r\nConnection: close\r\n\r\n${'x'.repeat(400_000)}`
    assert.match(await bed.exchange(post), /taken$/)
  })
  test('is cut where it stops in the middle, or where nobody can tell whether it did', async () => {
    await using bed = await tlsBed([app.endpoint], TRUSTING)
    for (const path of ['/cut', '/until-close']) {
      const text = await bed.exchange(`GET ${path} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n`)
      assert.match(text, /^HTTP\/1\.1 200 OK/)
      assert.doesNotMatch(text, /\r\n0\r\n\r\n$/)
    }
    assert.equal(bed.server.stats().errors.R36, 2)
  })
  for (const [why, spec] of Object.entries(DISTRUSTING)) {
    test(`${why} gets no byte of a request: 502 R38`, async () => {
      await using bed = await tlsBed([app.endpoint], spec)
      const before = app.bytes()
      assert.match(await bed.exchange(LAST), /^HTTP\/1\.1 502 .*R38/s)
      assert.equal(app.bytes(), before)
    })
  }
  test('is not checked where its owner says so', async () => {
    await using bed = await tlsBed([app.endpoint], { verify: false, name: 'other.test' })
    assert.match(await bed.exchange(LAST), /other\.test http\/1\.1$/)
  })
  test('shares no connection with an app that asks for less', async () => {
    const opened = app.count()
    await using bed = await tlsBed([app.endpoint], { verify: false, name: NAME })
    await bed.exchange(LAST)
    const route = bed.table.match('shop.test', '/')!
    const strict = { ...route, endpoints: upstreamEndpoints([app.endpoint], { upstreamTls: { ...TRUSTING, authority: '' } }) }
    bed.table = { ...bed.table, match: () => strict }
    assert.match(await bed.exchange(LAST), /R38/)
    assert.equal(bed.server.stats().upstreamConnectionsIdle, 1)
    assert.ok(app.count() >= opened + 1)
  })
})

suite('What is no app over TLS', () => {
  test('and speaks HTTP in the clear is 502 R38', async () => {
    await using app = await startApp(socket => socket.on('data', () => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')))
    await using bed = await tlsBed([app.endpoint], TRUSTING)
    assert.match(await bed.exchange(LAST), /502 .*R38/s)
    assert.doesNotMatch(app.received.join(''), /HTTP\/1/)
  })
  test('and refuses is 502 R30', async () => {
    const server = createPlainServer().listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    await new Promise(resolve => server.close(resolve))
    await using bed = await tlsBed([endpoint('127.0.0.1', port)], TRUSTING)
    assert.match(await bed.exchange(LAST), /502 .*R30/s)
  })
  test('and accepts and hangs is 504 R31 in the time for connects', async () => {
    await using app = await startApp(() => {})
    await using bed = await tlsBed([app.endpoint], TRUSTING, 60)
    assert.match(await bed.exchange(LAST), /504 .*R31/s)
    await until(() => app.open.size === 0)
  })
  test('is passed over for one that is', async () => {
    await using bad = await startApp(socket => socket.end('no TLS'))
    const good = await startTlsApp(socket => socket.on('data', () => socket.write(ok('fine'))))
    await using bed = await tlsBed([bad.endpoint, good.endpoint], TRUSTING)
    for (let count = 0; count < 10; count++) assert.match(await bed.exchange(LAST), /fine$/)
    good.stop()
  })
})

async function tlsBed(endpoints: readonly Endpoint[], spec: UpstreamTlsSpec, connectTimeoutMs = 5000): Promise<Bed> {
  return startBed({
    apps: { 'shop.test': upstreamEndpoints(endpoints, { upstreamTls: spec }) },
    policy: { connectTimeoutMs, bodyBytesMax: 0 },
  })
}

async function startTlsApp(script: (socket: TLSSocket) => void) {
  const open = new Set<Socket>()
  let count = 0
  let bytes = 0
  const server = createServer({ cert: POD_PAIR.certificate, key: POD_PAIR.key, ALPNProtocols: ['http/1.1'] }, socket => {
    count++
    open.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => open.delete(socket))
    socket.on('data', (chunk: Buffer) => {
      bytes += chunk.length
    })
    script(socket)
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: endpoint('127.0.0.1', (server.address() as AddressInfo).port),
    count: () => count,
    bytes: () => bytes,
    stop() {
      for (const socket of open) socket.destroy()
      server.close()
    },
  }
}
