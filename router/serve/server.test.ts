import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer as createNetServer } from 'node:net'
import { suite, test } from 'node:test'
import { createSecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { addressMatcher } from '../table/route.ts'
import { ok, RawClient, startApp, startBed, startHttpApp, until } from './testbed.ts'

const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const LAST = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
const fallback = selfSigned({ names: ['platform.test'], days: 1 })
const shop = selfSigned({ names: ['shop.test'], days: 1 })
const TLS = {
  cert: fallback.certificate,
  key: fallback.key,
  SNICallback: (name: string, done: (error: Error | null, context?: ReturnType<typeof createSecureContext>) => void) =>
    done(null, name === 'shop.test' ? createSecureContext({ cert: shop.certificate, key: shop.key }) : undefined),
}

suite('Server.listenHttps()', () => {
  test('serves by Host what SNI let in, and says https to the app', async () => {
    await using app = await startHttpApp(() => ok('secret'))
    await using bed = await startBed({ apps: { 'shop.test': app }, tls: TLS, policy: { sslEnforce: true, hsts: 'max-age=9' } })
    const client = RawClient.tls(bed.httpsPort, { servername: 'shop.test' })
    client.send(`${GET}${LAST}`)
    await client.ended
    assert.equal(client.text.match(/secret/g)?.length, 2)
    assert.match(client.text, /Strict-Transport-Security: max-age=9/)
    assert.match(app.received[0] as string, /\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\n/)
    assert.equal((client.socket as TLSSocket).getPeerCertificate().subjectaltname, 'DNS:shop.test')
  })
  test('shows the default certificate to other names, and a 404', async () => {
    await using bed = await startBed({ tls: TLS })
    const client = RawClient.tls(bed.httpsPort, { servername: 'other.test' })
    client.send('GET / HTTP/1.1\r\nHost: other.test\r\nConnection: close\r\n\r\n')
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 404 /)
    assert.equal((client.socket as TLSSocket).getPeerCertificate().subjectaltname, 'DNS:platform.test')
  })
  test('takes large bodies both ways', async () => {
    await using app = await startHttpApp(request => ok(request.body))
    await using bed = await startBed({ apps: { 'shop.test': app }, tls: TLS, policy: { bodyBytesMax: 0 } })
    const body = Buffer.alloc(3_000_000, 'abcdefghijklmnopqrstuvwxyz').toString('latin1')
    const client = RawClient.tls(bed.httpsPort, {})
    client.send(`POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: ${body.length}\r\n\r\n${body}`)
    await client.ended
    assert.ok(client.text.endsWith(body))
  })
  for (const [how, answer] of [
    ['cuts an answer without close_notify when its end is the only end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello'],
    ['ends a whole answer with close_notify', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'],
  ] as const) {
    test(how, async () => {
      await using app = await startApp(socket => socket.once('data', () => socket.end(answer)))
      await using bed = await startBed({ apps: { 'shop.test': app }, tls: TLS })
      // Between the two, to see the records: in TLS 1.2 an alert can be told from data by its first byte.
      const records: Buffer[] = []
      const tap = createNetServer(client => {
        const raw = connect({ port: bed.httpsPort, host: '127.0.0.1', allowHalfOpen: true })
        client.pipe(raw)
        raw.on('data', (chunk: Buffer) => records.push(chunk))
        raw.pipe(client)
        for (const socket of [raw, client]) socket.on('error', () => client.destroy())
      })
      tap.listen(0, '127.0.0.1')
      await once(tap, 'listening')
      const { port } = tap.address() as AddressInfo
      const client = new RawClient(
        tlsConnect({ port, host: '127.0.0.1', servername: 'shop.test', rejectUnauthorized: false, maxVersion: 'TLSv1.2' }),
      )
      client.send('GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n')
      await client.ended
      client.destroy()
      tap.close()
      assert.ok(recordTypes(Buffer.concat(records)).includes(23))
      assert.equal(recordTypes(Buffer.concat(records)).includes(21), how.startsWith('ends'))
    })
  }
  test('drops who does not finish the handshake, and speaks plain HTTP with nobody', async () => {
    await using bed = await startBed({ tls: TLS, limits: { handshakeMs: 80, tickMs: 10 } })
    const silent = new RawClient(connect(bed.httpsPort, '127.0.0.1'))
    await silent.ended
    const plain = new RawClient(connect(bed.httpsPort, '127.0.0.1'))
    plain.send(GET)
    await plain.ended
    assert.doesNotMatch(plain.text, /HTTP/)
    assert.equal(bed.server.stats().connectionsRefused, 2)
  })
  test('answers a client that ends its side after its request', async () => {
    await using app = await startApp(socket => socket.on('data', () => setTimeout(() => socket.write(ok('late')), 30)))
    await using bed = await startBed({ apps: { 'shop.test': app }, tls: TLS })
    const client = RawClient.tls(bed.httpsPort, {})
    client.send(GET)
    client.end()
    await client.ended
    assert.match(client.text, /late$/)
  })
  for (const [offered, chosen] of [
    [['http/1.1'], 'http/1.1'],
    [['http/1.0'], 'http/1.0'],
    [['http/1.1', 'h2'], 'h2'],
    [['spdy/1'], undefined],
  ] as const) {
    test(`answers an offer of ${offered.join(', ')} with ${chosen ?? 'an alert'}`, async () => {
      await using bed = await startBed({ tls: TLS })
      const socket = tlsConnect({ port: bed.httpsPort, host: '127.0.0.1', rejectUnauthorized: false, ALPNProtocols: [...offered] })
      const outcome = await new Promise(resolve => {
        socket.on('secureConnect', () => resolve(socket.alpnProtocol))
        socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code))
      })
      socket.destroy()
      assert.equal(outcome, chosen ?? 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL')
    })
  }
  test('counts handshakes among its connections', async () => {
    await using bed = await startBed({ tls: TLS, limits: { connectionsMax: 3, clientShare: 1 } })
    const silent = Array.from({ length: 3 }, () => new RawClient(connect(bed.httpsPort, '127.0.0.1')))
    await until(() => silent.every(client => client.socket.readyState === 'open'))
    await new Promise(resolve => setTimeout(resolve, 20))
    const fourth = bed.send('')
    await fourth.ended
    fourth.destroy()
    for (const client of silent) client.destroy()
    await new Promise(resolve => setTimeout(resolve, 20))
    const fifth = RawClient.tls(bed.httpsPort, {})
    fifth.send(LAST)
    await fifth.ended
    assert.match(fifth.text, /R10/)
  })
  test('takes another default certificate while it runs', async () => {
    await using bed = await startBed({ tls: TLS })
    const other = selfSigned({ names: ['renewed.test'], days: 1 })
    bed.server.renewTls({ cert: other.certificate, key: other.key })
    const client = RawClient.tls(bed.httpsPort, { servername: 'x.test' })
    client.send(LAST)
    await client.ended
    assert.equal((client.socket as TLSSocket).getPeerCertificate().subjectaltname, 'DNS:renewed.test')
  })
})

suite('PROXY headers', () => {
  const settings = { proxyProtocol: true, trusted: addressMatcher(['127.0.0.0/8']) }
  test('give the client’s address, in one piece or byte by byte', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings })
    await bed.exchange(`PROXY TCP4 203.0.113.9 127.0.0.1 4660 80\r\n${LAST}`)
    const client = bed.send('')
    for (const char of `PROXY TCP6 2001:db8::7 ::1 1 2\r\n${LAST}`) {
      client.send(char)
      await new Promise(setImmediate)
    }
    await client.ended
    assert.match(app.received.join(''), /X-Forwarded-For: 203\.0\.113\.9\r\n.*X-Forwarded-For: 2001:db8::7\r\n/s)
  })
  test('are required where they are configured', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings, limits: { firstByteMs: 60 } })
    for (const bytes of [LAST, 'PROXY TCP4 1.2.3.4\r\n', 'PROXY ', '']) assert.equal(await bed.exchange(bytes), '')
    assert.deepEqual(app.received, [])
  })
  test('are request data when they come twice', async () => {
    await using bed = await startBed({ settings })
    assert.match(await bed.exchange(`PROXY UNKNOWN\r\nPROXY UNKNOWN\r\n${LAST}`), /^HTTP\/1\.1 400 /)
  })
  test('that name nobody (LOCAL, UNKNOWN) leave the peer its own address', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings })
    const local = '\r\n\r\n\0\r\nQUIT\n\x20\x11\0\x0c\xcb\0\x71\x09\x7f\0\0\x01\x12\x34\0\x50'
    for (const header of ['PROXY UNKNOWN\r\n', local]) assert.match(await bed.exchange(header + LAST), /fine$/)
    assert.equal(app.received.join('').match(/X-Forwarded-For: 127\.0\.0\.1\r\n/g)?.length, 2)
  })
  test('cut short, endless or of another version close the connection, on the git port as well', async () => {
    await using git = await startApp(socket => socket.write('hello'))
    await using bed = await startBed({ git, settings, limits: { firstByteMs: 80 } })
    const v2 = '\r\n\r\n\0\r\nQUIT\n'
    for (const bytes of [`PROXY TCP4 ${'1'.repeat(200)}`, `${v2}\x21\x11\xff\xff`, `${v2}\x31\x11\0\x0c`, `${v2}\x21\x11\0\x0c\x01`])
      for (const port of [bed.port, bed.gitPort]) {
        const client = new RawClient(connect(port, '127.0.0.1'))
        client.send(bytes)
        await client.ended
        assert.equal(client.text, '')
      }
    assert.equal(git.sockets.length, 0)
  })
  test('are believed of trusted peers only', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { ...settings, trusted: addressMatcher(['10.0.0.0/8']) } })
    assert.equal(await bed.exchange(`PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\n${LAST}`), '')
    assert.deepEqual(app.received, [])
  })
  test('stand before TLS', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings, tls: TLS })
    const raw = connect(bed.httpsPort, '127.0.0.1')
    raw.write('PROXY TCP4 203.0.113.9 127.0.0.1 4660 80\r\n')
    const client = new RawClient(tlsConnect({ socket: raw, servername: 'shop.test', rejectUnauthorized: false }))
    client.send(LAST)
    await client.ended
    assert.match(client.text, /fine$/)
    assert.match(app.received[0] as string, /X-Forwarded-For: 203\.0\.113\.9\r\n/)
  })
})

suite('Server.drain()', () => {
  test('ends idle connections, finishes what is under way with Connection: close, and takes no more', async () => {
    await using app = await startApp(socket =>
      socket.on('data', (chunk: Buffer) =>
        chunk.toString().includes('/slow') ? setTimeout(() => socket.write(ok('slow answer')), 100) : socket.write(ok('fine')),
      ),
    )
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const idle = bed.send(GET)
    await idle.until('fine')
    const busy = bed.send('GET /slow HTTP/1.1\r\nHost: shop.test\r\n\r\n')
    await until(() => app.received.join('').includes('/slow'))
    const drained = bed.server.drain(5000)
    await idle.ended
    idle.destroy()
    await untilRefused(bed.port)
    await busy.ended
    assert.match(busy.text, /\r\nConnection: close\r\n.*slow answer$/s)
    busy.destroy()
    await drained
    await until(() => app.open.size === 0)
  })
  test('serves who waits in the queue of the kernel when it begins', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const raw = Array.from({ length: 50 }, () => connect({ port: bed.port, host: '127.0.0.1' }))
    // Their handshakes are the kernel's business alone: this loop takes none of them before drain() is called.
    const clients = raw.map(socket => new RawClient(socket))
    for (const client of clients) client.send(GET)
    await new Promise(resolve => raw.at(-1)?.once('connect', resolve))
    const waiting = 50 - bed.server.stats().connectionsAccepted
    const drained = bed.server.drain(5000)
    await Promise.all(clients.map(client => client.ended))
    for (const client of clients) {
      assert.match(client.text, /fine$/, `${waiting} were waiting`)
      client.destroy()
    }
    await drained
  })
  test('ends upgraded connections one after the other, on both sides', async () => {
    await using app = await startApp(socket =>
      socket.once('data', () => socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')),
    )
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const endedAt: number[] = []
    const began = performance.now()
    const clients = Array.from({ length: 10 }, () => {
      const client = bed.send('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
      void client.ended.then(() => {
        endedAt.push(performance.now() - began)
        client.destroy()
      })
      return client
    })
    await Promise.all(clients.map(client => client.until('101')))
    await bed.server.drain(1000)
    assert.equal(endedAt.length, 10)
    assert.ok(clients.every(client => client.how === 'fin'))
    // Spread over 800 ms; a busy machine may be late, never early.
    assert.ok((endedAt[9] as number) - (endedAt[0] as number) > 400, `${endedAt}`)
    await until(() => app.open.size === 0)
  })
  test('cuts at its deadline', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET)
    await until(() => app.sockets.length === 1)
    const before = performance.now()
    await bed.server.drain(80)
    assert.ok(performance.now() - before < 1000)
    await client.ended
    await until(() => app.open.size === 0)
  })
  test('lets who has just connected ask once', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send('')
    await until(() => bed.server.stats().connectionsOpen === 1)
    const drained = bed.server.drain(5000)
    client.send(GET)
    await client.ended
    assert.match(client.text, /Connection: close\r\n.*fine$/s)
    client.destroy()
    await drained
  })
})

suite('A new table', () => {
  test('serves from the next request of a connection', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET)
    await client.until('fine')
    bed.table = { ...bed.table, match: () => undefined, version: 2 }
    client.send(LAST)
    await client.ended
    assert.match(client.text, /fine.*R10/s)
  })
})

/** Connects until nobody takes it. */
async function untilRefused(port: number): Promise<void> {
  for (let isRefused = false; !isRefused; ) {
    const socket = connect({ port, host: '127.0.0.1' })
    isRefused = await new Promise(resolve => socket.once('connect', () => resolve(false)).once('error', () => resolve(true)))
    socket.destroy()
  }
}

function recordTypes(bytes: Buffer): number[] {
  const types: number[] = []
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes[at] as number)
  return types
}
