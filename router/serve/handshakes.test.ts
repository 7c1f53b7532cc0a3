import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { connect as connectTls, type TLSSocket } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { addressMatcher } from '../table/route.ts'
import { type Carrier, interceptConnections } from '../tls/carrier.ts'
import { type Bed, type BedOptions, ok, RawClient, startBed, startHttpApp, until } from './testbed.ts'

const { certificate: cert, key } = selfSigned({ names: ['shop.test'], days: 1 })
const TLS = { cert, key, SNICallback: (_: string, done: (error: null) => void) => done(null) }
const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'

// Node makes no socket of a connection that only carries TLS, unless something of it is read first: both ways must be the same from outside.
const ways: Record<string, { readonly settings: BedOptions['settings']; readonly preface: string }> = {
  'straight from its port': { settings: {}, preface: '' },
  'behind a PROXY header': {
    settings: { proxyProtocol: true, trusted: addressMatcher(['127.0.0.1/32']) },
    preface: 'PROXY TCP4 192.0.2.7 192.0.2.8 1234 443\r\n',
  },
}

for (const [way, { settings = {}, preface }] of Object.entries(ways)) {
  suite(`A TLS connection ${way}`, () => {
    test('is served, counted, and gives its place back', async () => {
      await using app = await startHttpApp(({ head }) => ok(/^X-Forwarded-For: (.*)\r$/m.exec(head)?.[1] ?? ''))
      await using bed = await startBed({ apps: { 'shop.test': app }, tls: TLS, settings, limits: { connectionsMax: 1, clientShare: 1 } })
      for (let round = 0; round < 3; round++) {
        const client = await secure(bed, preface)
        client.send(GET)
        await until(() => client.text.includes('\r\n\r\n'))
        assert.match(client.text, preface ? /192\.0\.2\.7$/ : /127\.0\.0\.1$/)
        client.destroy()
        await until(() => bed.server.stats().connectionsOpen === 0)
      }
      assert.deepEqual([bed.server.stats().handshakes, bed.server.stats().connectionsRefused], [3, 0])
    })

    test('that ends, is reset or brings nonsense in its handshake is one that was refused, and gives its place back', async () => {
      await using bed = await startBed({ tls: TLS, settings, limits: { connectionsMax: 1, clientShare: 1 } })
      const ends = [
        (socket: Socket) => socket.end(),
        (socket: Socket) => socket.resetAndDestroy(),
        (socket: Socket) => socket.write(Buffer.alloc(100, 0x16)),
      ]
      for (const [index, end] of ends.entries()) {
        const socket = connect(bed.httpsPort, '127.0.0.1')
        socket.on('error', () => {})
        await once(socket, 'connect')
        socket.write(preface)
        end(socket.resume())
        await once(socket, 'close')
        await until(() => bed.server.stats().connectionsRefused === index + 1)
      }
      const client = await secure(bed, preface)
      // Of TLS 1.3 the client has the last word.
      await until(() => bed.server.stats().handshakes === 1)
      client.destroy()
    })

    test('that brings nonsense after its handshake is closed at once', async () => {
      await using bed = await startBed({ tls: TLS, settings })
      const carrier = connect(bed.httpsPort, '127.0.0.1')
      carrier.write(preface)
      const client = new RawClient(await shaken(connectTls({ socket: carrier, rejectUnauthorized: false, servername: 'shop.test' })))
      client.send(GET)
      await until(() => client.text.includes('R10'))
      carrier.write(Buffer.from([23, 3, 3, 0, 20, ...Buffer.alloc(20, 0xaa)]))
      await client.ended
      await until(() => bed.server.stats().connectionsOpen === 0)
      assert.equal(bed.server.stats().connectionsRefused, 0)
    })

    test('whose handshake stalls is cut when the server stops', async () => {
      const bed = await startBed({ tls: TLS, settings })
      const socket = connect(bed.httpsPort, '127.0.0.1')
      socket.on('error', () => {})
      socket.resume().write(`${preface}\x16\x03\x01\x02\x00\x01`, 'latin1')
      const closed = once(socket, 'close')
      const client = await secure(bed, preface)
      await bed[Symbol.asyncDispose]()
      await Promise.all([closed, client.ended])
    })
  })
}

suite('interceptConnections()', () => {
  test('takes the connections that are wanted before Node makes sockets of them', async () => {
    const server = createServer()
    const usual: Socket[] = []
    server.on('connection', socket => usual.push(socket))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const taken: Carrier[] = []
    let isWanted = true
    interceptConnections(server, 60, { wants: () => isWanted, take: carrier => taken.push(carrier) })
    const { port } = server.address() as { port: number }
    const first = connect(port, '127.0.0.1')
    await until(() => taken.length === 1)
    isWanted = false
    const second = connect(port, '127.0.0.1')
    await until(() => usual.length === 1)
    const [carrier] = taken as [Carrier]
    assert.deepEqual([carrier.remoteAddress, carrier.remotePort], ['127.0.0.1', first.localPort])
    let closedCount = 0
    carrier.once('close', () => closedCount++)
    carrier.destroy().destroy()
    assert.equal(carrier.destroyed, true)
    await once(first.resume(), 'close')
    await until(() => closedCount === 1)
    for (const socket of [second, ...usual]) socket.destroy()
    server.close()
  })

  test('gives each the options of its listener', { skip: process.platform !== 'linux' && 'there is no /proc' }, async () => {
    await using bed = await startBed({ tls: TLS })
    for (const port of [bed.port, bed.httpsPort]) {
      const socket = connect(port, '127.0.0.1')
      await once(socket, 'connect')
      // Established (01), with a timer for keep-alive (02).
      const line = new RegExp(`: \\w+:${hex(port)} \\w+:${hex(socket.localPort!)} 01 \\w+:\\w+ 02:`)
      await until(() => line.test(readFileSync('/proc/net/tcp', 'latin1')))
      socket.destroy()
    }
  })

  test('leaves a server alone that is none of the kind', () => {
    const server = createServer()
    interceptConnections(server, 60, { wants: () => true, take: () => assert.fail('It does not listen') })
  })
})

function hex(port: number): string {
  return port.toString(16).toUpperCase().padStart(4, '0')
}

async function secure(bed: Bed, preface: string): Promise<RawClient> {
  const socket = connect(bed.httpsPort, '127.0.0.1')
  socket.write(preface)
  return new RawClient(await shaken(connectTls({ socket, rejectUnauthorized: false, servername: 'shop.test' })))
}

async function shaken(socket: TLSSocket): Promise<TLSSocket> {
  await once(socket, 'secureConnect')
  return socket
}
