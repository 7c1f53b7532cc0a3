import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect, createSecureServer, type Http2SecureServer, type ServerHttp2Session, type ServerHttp2Stream } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { after, before, suite, test } from 'node:test'
import { createServer, type TLSSocket } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { type Bed, startApp, startBed, until } from '../serve/testbed.ts'
import { type Endpoint, endpoint } from '../table/route.ts'
import { type UpstreamTlsSpec, upstreamEndpoints } from '../table/upstream-tls.ts'
import { DISTRUSTING, POD_PAIR, TRUSTING } from '../table/upstream-tls-testbed.ts'
import { startHttp2App } from './upstream-testbed.ts'

const LAST = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
const front = selfSigned({ names: ['shop.test'], days: 1 })

suite('An app of HTTP/2 over TLS', () => {
  let app: Awaited<ReturnType<typeof startSecureApp>>
  before(async () => {
    app = await startSecureApp()
  })
  after(() => app.stop())

  test('is served, by its name, many requests on one connection', async () => {
    await using bed = await bedOf([app.endpoint], TRUSTING)
    const opened = app.opened()
    const clients = Array.from({ length: 20 }, () => bed.exchange(LAST))
    for (const text of await Promise.all(clients)) assert.match(text, /\r\nshop\.shop\.svc h2 https\r\n/)
    assert.equal(app.opened() - opened, 1)
    await until(() => bed.server.stats().upstreamConnectionsIdle === 1)
  })
  test('gives and takes bodies of any size, and trailers', async () => {
    await using bed = await bedOf([app.endpoint], TRUSTING)
    const session = connect(`https://127.0.0.1:${bed.httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
    const payload = Buffer.alloc(1_000_000, 'y')
    const call = session.request({ ':method': 'POST', ':path': '/echo', ':authority': 'shop.test', te: 'trailers' })
    const trailers = once(call, 'trailers')
    call.end(payload)
    const chunks: Buffer[] = []
    for await (const chunk of call) chunks.push(chunk as Buffer)
    assert.equal(Buffer.concat(chunks).equals(payload), true)
    assert.equal(((await trailers)[0] as Record<string, string>)['grpc-status'], '0')
    session.destroy()
  })
  for (const [why, spec] of Object.entries(DISTRUSTING)) {
    test(`${why} gets no byte of a request: 502 R38`, async () => {
      await using bed = await bedOf([app.endpoint], spec)
      const before = app.opened()
      assert.match(await bed.exchange(LAST), /^HTTP\/1\.1 502 .*R38/s)
      assert.equal(app.opened(), before)
    })
  }
  test('is not checked where its owner says so, and shares no connection then', async () => {
    await using bed = await bedOf([app.endpoint], { verify: false, name: 'other.test' })
    assert.match(await bed.exchange(LAST), /\r\nother\.test h2 https\r\n/)
    const route = bed.table.match('shop.test', '/')!
    const strict = { ...route, endpoints: endpointsOf([app.endpoint], { ...TRUSTING, authority: '' }) }
    bed.table = { ...bed.table, match: () => strict }
    assert.match(await bed.exchange(LAST), /R38/)
  })
})

suite('What is no app of HTTP/2 over TLS', () => {
  for (const [why, protocols] of [
    ['offers HTTP/1.1 only', ['http/1.1']],
    ['offers nothing', undefined],
  ] as const) {
    test(`and ${why} gets no byte of a request: 502 R25, and another endpoint is tried`, async () => {
      let bytes = 0
      const server = createServer(
        { cert: POD_PAIR.certificate, key: POD_PAIR.key, ...(protocols && { ALPNProtocols: [...protocols] }) },
        (socket: TLSSocket) => {
          socket.on('error', () => {})
          socket.on('data', chunk => {
            bytes += chunk.length
          })
        },
      )
      server.on('tlsClientError', () => {})
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const wrong = endpoint('127.0.0.1', (server.address() as AddressInfo).port)
      {
        await using bed = await bedOf([wrong], TRUSTING)
        assert.match(await bed.exchange(LAST), /^HTTP\/1\.1 502 .*R25/s)
        assert.equal(bytes, 0)
      }
      const app = await startSecureApp()
      {
        await using bed = await bedOf([wrong, app.endpoint], TRUSTING)
        for (let count = 0; count < 5; count++) assert.match(await bed.exchange(LAST), / h2 https\r\n/)
      }
      app.stop()
      server.close()
    })
  }
  test('and speaks HTTP/2 in the clear is 502 R38', async () => {
    await using app = await startHttp2App(stream => stream.respond({ ':status': 200 }, { endStream: true }))
    const plain = endpoint(app.endpoint.address, app.endpoint.port)
    await using bed = await bedOf([plain], TRUSTING)
    assert.match(await bed.exchange(LAST), /502 .*R38/s)
  })
  test('and accepts and hangs is 504 R31 in the time for connects', async () => {
    await using app = await startApp(() => {})
    await using bed = await bedOf([app.endpoint], TRUSTING, 60)
    assert.match(await bed.exchange(LAST), /504 .*R31/s)
    await until(() => app.open.size === 0)
  })
})

function endpointsOf(endpoints: readonly Endpoint[], spec: UpstreamTlsSpec): readonly Endpoint[] {
  return upstreamEndpoints(endpoints, { upstreamTls: spec, upstreamHttp2: true })
}

async function bedOf(endpoints: readonly Endpoint[], spec: UpstreamTlsSpec, connectTimeoutMs = 5000): Promise<Bed> {
  return startBed({
    apps: { 'shop.test': endpointsOf(endpoints, spec) },
    policy: { connectTimeoutMs, bodyBytesMax: 0 },
    tls: { key: front.key, cert: front.certificate },
  })
}

/** An app that says by which name and protocol it was reached, or sends back what it gets. */
async function startSecureApp() {
  const server: Http2SecureServer = createSecureServer({ cert: POD_PAIR.certificate, key: POD_PAIR.key })
  const sessions = new Set<ServerHttp2Session>()
  let opened = 0
  server.on('session', session => {
    opened++
    sessions.add(session)
    session.on('error', () => {})
    session.on('close', () => sessions.delete(session))
  })
  server.on('stream', (stream: ServerHttp2Stream, headers) => {
    stream.on('error', () => {})
    if (headers[':path'] === '/echo') {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }))
      stream.pipe(stream)
      return
    }
    const { servername, alpnProtocol } = stream.session?.socket as TLSSocket
    stream.respond({ ':status': 200 })
    stream.end(`${servername} ${alpnProtocol} ${headers[':scheme']}`)
  })
  server.on('tlsClientError', () => {})
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    endpoint: endpoint('127.0.0.1', (server.address() as AddressInfo).port),
    opened: () => opened,
    stop() {
      for (const session of sessions) session.destroy()
      server.close()
    },
  }
}
