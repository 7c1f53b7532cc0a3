import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { suite, test } from 'node:test'
import { type ConnectionOptions, connect as tlsConnect } from 'node:tls'
import { silentLog } from '../../kernel/log.ts'
import { selfSigned } from '../../kernel/x509.ts'
import { type Bed, ok, RawClient, startBed, startHttpApp } from '../../router/serve/testbed.ts'
import { Table } from '../../router/table/table.ts'
import { ServerTls } from '../../router/tls/server-options.ts'

const LAST = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
const pairs = Object.fromEntries(['shop.test', '*.wild.test', 'platform.test'].map(name => [name, selfSigned({ names: [name], days: 1 })]))
const table = new Table().apply({
  version: 1,
  whole: true,
  hosts: [
    ['shop.test', { app: 'shop/shop', certificate: 'shop/cert' }],
    ['*.wild.test', { app: 'shop/shop', certificate: 'wild/cert' }],
  ],
  routes: [],
  certificates: (
    [
      ['shop/cert', 'shop.test'],
      ['wild/cert', '*.wild.test'],
      ['platform', 'platform.test'],
    ] as const
  ).map(([key, name]) => [key, { id: key, chain: pairs[name]!.certificate, key: pairs[name]!.key, names: [name], notAfterMs: Infinity }]),
  defaultCertificate: 'platform',
})
/** What the router itself gives its https listener. */
const TLS = new ServerTls(table, { ticketKeys: randomBytes(48) }, silentLog).options(() => table)

suite('A server name', () => {
  for (const [name, shown] of [
    ['SHOP.test', 'DNS:shop.test'],
    ['shop.test.', 'DNS:shop.test'],
    ['x.wild.test', 'DNS:*.wild.test'],
    ['wild.test', 'DNS:platform.test'],
    ['*', 'DNS:platform.test'],
    ['*.wild.test.evil.test', 'DNS:platform.test'],
    ['../../etc/passwd', 'DNS:platform.test'],
    ['shop.test/', 'DNS:platform.test'],
    ['__proto__', 'DNS:platform.test'],
    ['constructor', 'DNS:platform.test'],
    [`${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`, 'DNS:platform.test'],
    ['sh\u00f6p.test', 'DNS:platform.test'],
  ] as const) {
    test(`${name.slice(0, 30)} is shown ${shown}`, async () => {
      await using bed = await startBed({ tls: TLS })
      assert.equal(await shownTo(bed, { servername: name }), shown)
    })
  }
  test('that is not given is shown the platform’s certificate', async () => {
    await using bed = await startBed({ tls: TLS })
    assert.equal(await shownTo(bed, {}), 'DNS:platform.test')
  })
  for (const [what, name] of [
    ['with a NUL', 'shop.test\0.evil.test'],
    ['of no length', ''],
    ['of 255 octets and more', 'x'.repeat(300)],
  ] as const) {
    test(`${what} is shown no tenant’s certificate, and others are served`, async () => {
      await using bed = await startBed({ tls: TLS })
      const answer = await rawHello(bed, [helloWith(name)])
      assert.equal(answer.includes('shop.test'), false)
      assert.equal(await shownTo(bed, { servername: 'shop.test' }), 'DNS:shop.test')
    })
  }
})

suite('A handshake', () => {
  test('whose bytes come one by one, or in many records, is a handshake', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, tls: TLS })
    const client = new RawClient(
      tlsConnect({
        socket: byteByByte(connect({ port: bed.httpsPort, noDelay: true })),
        servername: 'shop.test',
        rejectUnauthorized: false,
      }),
    )
    client.send(LAST)
    await client.ended
    assert.match(client.text, /fine$/)
    const hello = helloWith('shop.test').subarray(5)
    const records = [hello.subarray(0, 7), hello.subarray(7, 60), hello.subarray(60)].map(part => record(part))
    assert.ok((await rawHello(bed, records)).length > 7)
  })

  const bad: Record<string, Buffer> = {
    'with a record longer than allowed': Buffer.concat([Buffer.from([22, 3, 1, 0xff, 0xff]), Buffer.alloc(70_000, 1)]),
    'that announces 2^24 - 1 bytes': record(Buffer.concat([Buffer.from([1, 0xff, 0xff, 0xff]), Buffer.alloc(16_000)])),
    'of empty records': Buffer.concat(Array.from({ length: 5000 }, () => record(Buffer.alloc(0)))),
    'of random bytes': randomBytes(50_000),
    'with false lengths within': record(helloWith('shop.test').subarray(5).fill(0xff, 40, 60)),
    'of plain HTTP': Buffer.from(LAST),
    'of an alert': Buffer.from([21, 3, 3, 0, 2, 2, 40]),
    'in SSLv2': Buffer.from([0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10]),
  }
  for (const [name, bytes] of Object.entries(bad)) {
    test(`${name} is closed, and others are served`, async () => {
      await using bed = await startBed({ tls: TLS, limits: { handshakeMs: 150, tickMs: 10 } })
      await rawHello(bed, [bytes])
      assert.equal(await shownTo(bed, { servername: 'shop.test' }), 'DNS:shop.test')
      assert.equal(bed.server.stats().connectionsOpen <= 1, true)
    })
  }

  test('that stops in the middle, and one that is followed by silence, are closed in time', async () => {
    await using bed = await startBed({ tls: TLS, limits: { handshakeMs: 100, firstByteMs: 100, tickMs: 10 } })
    const half = connect(bed.httpsPort, '127.0.0.1')
    half.write(helloWith('shop.test').subarray(0, 50))
    const silent = RawClient.tls(bed.httpsPort, {})
    await Promise.all([new Promise(resolve => half.once('close', resolve).on('error', () => {})), silent.ended])
    assert.equal(silent.text, '')
  })

  test('is not made anew within a connection', async () => {
    await using bed = await startBed({ tls: TLS })
    const socket = tlsConnect({ port: bed.httpsPort, maxVersion: 'TLSv1.2', rejectUnauthorized: false, servername: 'shop.test' })
    await new Promise(resolve => socket.once('secureConnect', resolve))
    const outcome = await new Promise(resolve => {
      socket.on('error', resolve)
      socket.on('close', () => resolve('closed'))
      socket.renegotiate({ rejectUnauthorized: false }, error => resolve(error ?? 'renegotiated'))
    })
    socket.destroy()
    assert.notEqual(outcome, 'renegotiated')
  })

  for (const [name, options] of Object.entries<ConnectionOptions>({
    'TLS 1.0': { maxVersion: 'TLSv1', minVersion: 'TLSv1', ciphers: 'ALL:@SECLEVEL=0' },
    'TLS 1.1': { maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'ALL:@SECLEVEL=0' },
    'no encryption': { maxVersion: 'TLSv1.2', ciphers: 'NULL:@SECLEVEL=0' },
    'no certificate': { maxVersion: 'TLSv1.2', ciphers: 'aNULL:@SECLEVEL=0' },
    '3DES or RC4': { maxVersion: 'TLSv1.2', ciphers: '3DES:RC4:@SECLEVEL=0' },
  })) {
    test(`with ${name} is refused`, async () => {
      await using bed = await startBed({ tls: TLS })
      await assert.rejects(async () => shownTo(bed, { servername: 'shop.test', ...options }))
    })
  }
})

/** The names of the certificate that a client gets to see. */
async function shownTo(bed: Bed, options: ConnectionOptions): Promise<string | undefined> {
  const socket = tlsConnect({ port: bed.httpsPort, host: '127.0.0.1', rejectUnauthorized: false, ...options })
  try {
    await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject))
    return socket.getPeerCertificate().subjectaltname
  } finally {
    socket.destroy()
  }
}

/** Sends raw bytes; what comes back until the server closes or falls silent, as latin1. */
async function rawHello(bed: Bed, parts: readonly Buffer[]): Promise<string> {
  const socket = connect({ port: bed.httpsPort, host: '127.0.0.1', noDelay: true })
  let text = ''
  const over = new Promise<void>(resolve => {
    socket.on('error', () => resolve())
    socket.on('close', () => resolve())
    socket.setTimeout(300, resolve)
  })
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  for (const part of parts) socket.write(part)
  await over
  socket.destroy()
  return text
}

function record(payload: Buffer): Buffer {
  return Buffer.concat([Buffer.from([22, 3, 1, payload.length >> 8, payload.length & 0xff]), payload])
}

/** A ClientHello for TLS 1.2 that names the server; its name may be what no library would send. */
function helloWith(name: string): Buffer {
  const text = Buffer.from(name, 'latin1')
  const sni = Buffer.concat([uint16(text.length + 3), Buffer.from([0]), uint16(text.length), text])
  const extension = (type: number, body: Buffer) => Buffer.concat([uint16(type), uint16(body.length), body])
  const extensions = Buffer.concat([
    extension(0, sni),
    extension(10, Buffer.from([0, 4, 0, 29, 0, 23])),
    extension(11, Buffer.from([1, 0])),
    extension(13, Buffer.from([0, 6, 4, 3, 8, 4, 4, 1])),
  ])
  const suites = Buffer.from([0xc0, 0x2f, 0xc0, 0x30, 0xc0, 0x2b])
  const hello = Buffer.concat([
    Buffer.from([3, 3]),
    Buffer.alloc(32, 7),
    Buffer.from([0]),
    uint16(suites.length),
    suites,
    Buffer.from([1, 0]),
    uint16(extensions.length),
    extensions,
  ])
  return record(Buffer.concat([Buffer.from([1, 0, hello.length >> 8, hello.length & 0xff]), hello]))
}

function uint16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 0xff])
}

/** A connection that sends each byte in a packet of its own. */
function byteByByte(socket: Socket): Duplex {
  const slow = new Duplex({
    read: () => {},
    write(chunk: Buffer, _, done) {
      void (async () => {
        for (const byte of chunk) {
          socket.write(Buffer.from([byte]))
          await new Promise(setImmediate)
        }
        done()
      })()
    },
    final(done) {
      socket.end(done)
    },
  })
  socket.on('data', chunk => slow.push(chunk))
  socket.on('end', () => slow.push(null))
  socket.on('error', error => slow.destroy(error))
  return slow
}
