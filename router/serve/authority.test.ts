import assert from 'node:assert/strict'
import { createHash, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer } from 'node:net'
import { suite, test } from 'node:test'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { readSettings } from '../table/settings.ts'
import type { RouteSpec, TableDelta } from '../table/spec.ts'
import { Table } from '../table/table.ts'
import { meetAuthority } from './authority.ts'
import { type Bed, ok, RawClient, startBed, startHttpApp, type TestApp } from './testbed.ts'

const pair = selfSigned({ names: ['shop.test'], days: 1 })
const { settings } = readSettings(undefined, 'router.drycc.cc/')
const keyAuthorization = `token.${'x'.repeat(43)}`

suite('An authority that looks over TLS', { timeout: 20_000 }, () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const)
    test(`is answered by a certificate with the digest, and the connection ends (${maxVersion})`, async () => {
      await using world = await startWorld()
      const socket = await shake(world.bed, { maxVersion })
      const { raw } = socket.getPeerCertificate()
      const certificate = new X509Certificate(raw)
      assert.equal(certificate.subjectAltName, 'DNS:shop.test')
      assert.ok(certificate.verify(certificate.publicKey))
      assert.ok(Date.parse(certificate.validFrom) < Date.now() && Date.parse(certificate.validTo) > Date.now())
      // RFC 8737 §3: critical, an OCTET STRING of the digest within the extension's own.
      const digest = createHash('sha256').update(keyAuthorization).digest()
      const extension = Buffer.concat([Buffer.from('06082b0601050507011f0101ff04220420', 'hex'), digest])
      assert.ok(raw.includes(extension))
      assert.equal(socket.alpnProtocol, 'acme-tls/1')
      socket.resume()
      await once(socket, 'close')
      assert.equal(world.app.received.length, 0)
    })
  test('is turned away at other names', async () => {
    await using world = await startWorld()
    for (const servername of ['other.test', 'nobody.test'])
      await assert.rejects(shake(world.bed, { servername }), { code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' })
  })
  test('is turned away once nothing is looked for', async () => {
    await using world = await startWorld()
    world.bed.table = (world.bed.table as Table).apply({ ...EMPTY, version: 2, routes: [['a', routeOf(world.app, false)]] })
    assert.equal(world.bed.table.challenge, undefined)
    await assert.rejects(shake(world.bed, {}), { code: 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL' })
  })
  test('leaves everybody else as they are, however their first bytes come', async () => {
    await using world = await startWorld()
    const client = RawClient.tls(world.bed.httpsPort, {})
    client.send('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 200 .*fine$/s)
    assert.equal(await helloInPieces(world.bed.httpsPort), 0x16)
    const socket = await shake(world.bed, { ALPNProtocols: ['h2', 'http/1.1'] })
    assert.equal(socket.alpnProtocol, 'h2')
    assert.equal(new X509Certificate(socket.getPeerCertificate().raw).fingerprint256, new X509Certificate(pair.certificate).fingerprint256)
    socket.destroy()
  })
  test('drops who says something else, or nothing', async () => {
    await using world = await startWorld()
    for (const bytes of [
      'GET / HTTP/1.1\r\n\r\n',
      '\x16\x03\x01\x00\x04\x01\xff\xff\xff',
      `\x16\x03\x01\x40\x00\x01\x00\x00\x10${'x'.repeat(20_000)}`,
    ]) {
      const socket = connect(world.bed.httpsPort, '127.0.0.1')
      socket.on('error', () => {})
      socket.resume().end(bytes, 'latin1')
      await once(socket, 'close')
    }
    assert.equal(world.app.received.length, 0)
  })
  test('or seems to is waited for no longer than a handshake', async () => {
    const server = createServer(raw =>
      meetAuthority(
        raw,
        50,
        () => undefined,
        () => assert.fail('It said nothing'),
      ),
    )
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    for (const bytes of ['', '\x16\x03\x01\x02\x00\x01']) {
      const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
      socket.on('error', () => {})
      socket.resume().write(bytes, 'latin1')
      await once(socket, 'close')
    }
    server.close()
  })
})

const EMPTY: TableDelta = { version: 1, whole: false, routes: [], hosts: [], certificates: [] }

function routeOf({ endpoint }: TestApp, isChallenged: boolean): RouteSpec {
  const policy = {
    ...{ connectTimeoutMs: 1000, idleTimeoutMs: 1000, maintenance: false, sslEnforce: false, requestStart: false, bodyBytesMax: 0 },
    ...(isChallenged && { edge: { challenges: [{ domain: 'shop.test', token: 'token', keyAuthorization }] } }),
  }
  return { app: 'a', namespace: 'a', service: 'a', policy, endpoints: [endpoint], locations: [] }
}

async function startWorld() {
  const app = await startHttpApp(() => ok('fine'))
  const delta: TableDelta = {
    ...{ ...EMPTY, whole: true, settings, routes: [['a', routeOf(app, true)]] as const },
    hosts: [
      ['shop.test', { app: 'a' }],
      ['other.test', { app: 'a' }],
    ],
  }
  const table = new Table().apply(delta)
  const bed = await startBed({ tls: { cert: pair.certificate, key: pair.key } })
  bed.table = table
  return {
    ...{ app, bed },
    async [Symbol.asyncDispose]() {
      await bed[Symbol.asyncDispose]()
      await app[Symbol.asyncDispose]()
    },
  }
}

async function shake(bed: Bed, options: ConnectionOptions): Promise<TLSSocket> {
  const socket = tlsConnect({
    ...{ port: bed.httpsPort, host: '127.0.0.1', servername: 'shop.test', rejectUnauthorized: false, ALPNProtocols: ['acme-tls/1'] },
    ...options,
  })
  await once(socket, 'secureConnect')
  return socket
}

/** Sends a ClientHello byte by byte. @returns the first byte of the answer */
async function helloInPieces(port: number): Promise<number> {
  const recorder = createServer()
  recorder.listen(0, '127.0.0.1')
  await once(recorder, 'listening')
  const client = tlsConnect({ port: (recorder.address() as AddressInfo).port, host: '127.0.0.1', servername: 'shop.test' })
  client.on('error', () => {})
  const [accepted] = await once(recorder, 'connection')
  const [hello] = (await once(accepted, 'data')) as [Buffer]
  client.destroy()
  accepted.destroy()
  recorder.close()
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  for (const byte of hello) socket.write(Buffer.of(byte))
  const [answer] = (await once(socket, 'data')) as [Buffer]
  socket.destroy()
  return answer[0] as number
}
