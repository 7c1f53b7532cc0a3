import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { connect as tlsConnect } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { addressMatcher } from '../table/route.ts'
import { type Bed, type BedOptions, ok, RawClient, startApp, startBed, startEndlessApp, startHttpApp, until } from './testbed.ts'

const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const LAST = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
const pair = selfSigned({ names: ['shop.test'], days: 1 })
const tls = { cert: pair.certificate, key: pair.key }
/** Every client is behind a balancer that says who it is. */
const behindBalancer: BedOptions['settings'] = { proxyProtocol: true, trusted: addressMatcher(['127.0.0.1']) }

suite('A full worker', () => {
  test('closes the longest idle connection for a newcomer, politely, and serves both', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { connectionsMax: 3, clientShare: 1, giveWayMs: 0 } })
    const idle = []
    for (let index = 0; index < 3; index++) {
      const client = bed.send(GET)
      await client.until('fine')
      idle.push(client)
      // A tick of the clock, by which idling is measured.
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    assert.match(await bed.exchange(LAST), /fine$/)
    await idle[0]!.ended
    assert.equal(idle[0]!.how, 'fin')
    assert.deepEqual(
      idle.map(client => client.how),
      ['fin', 'open', 'open'],
    )
    const stats = bed.server.stats()
    assert.deepEqual([stats.connectionsShed, stats.connectionsRefused], [1, 0])
  })

  test('of requests under way answers 503 R51 with Retry-After, also to who has sent a body already', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { connectionsMax: 2, clientShare: 1, giveWayMs: 0 } })
    const busy = [bed.send(GET), bed.send(GET)]
    await until(() => app.sockets.length === 2)
    for (const bytes of [LAST, `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}`, '']) {
      const answer = await bed.exchange(bytes)
      assert.match(answer, /^HTTP\/1\.1 503 Service Unavailable\r\n(.*\r\n)*Retry-After: 1\r\n(.*\r\n)*Connection: close\r\n/)
      assert.match(answer, /R51/)
    }
    assert.deepEqual([bed.server.stats().connectionsRefused, bed.server.stats().errors.R51], [3, 3])
    assert.equal(app.sockets.length, 2)
    busy[0]!.reset()
    await until(() => bed.server.stats().connectionsOpen === 1)
    const next = bed.send(GET)
    await until(() => app.sockets.length === 3)
    next.destroy()
  })

  test('tells so many only: who is refused beyond that is closed', async () => {
    await using bed = await startBed({ limits: { connectionsMax: 1, clientShare: 1 } })
    bed.send('')
    await until(() => bed.server.stats().connectionsOpen === 1)
    const refused = Array.from({ length: 100 }, () => bed.send(''))
    await Promise.all(refused.map(client => client.ended))
    const told = refused.filter(client => client.text !== '').length
    assert.ok(told >= 60 && told <= 64, `${told}`)
  })

  test('keeps its places for other clients when one takes its share, over http, https and git', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using git = await startApp(socket => socket.pipe(socket))
    const limits = { connectionsMax: 8, gitConnectionsMax: 4, clientShare: 0.5 }
    await using bed = await startBed({ apps: { 'shop.test': app }, git, tls, limits, settings: behindBalancer })
    const greedy = Array.from({ length: 6 }, (_, index) => stated(index % 2 ? bed.port : bed.httpsPort, '192.0.2.66'))
    await until(() => greedy.filter(client => client.how !== 'open').length === 2)
    const other = stated(bed.port, '192.0.2.7')
    other.send(LAST)
    await other.until(/fine$/)
    const secure = securely(bed, '192.0.2.7')
    secure.send(LAST)
    await secure.until(/fine$/)
    const pushes = Array.from({ length: 3 }, () => stated(bed.gitPort, '192.0.2.66'))
    await until(() => pushes.filter(client => client.how !== 'open').length === 1)
    const push = stated(bed.gitPort, '192.0.2.7')
    push.send('hello')
    await push.until('hello')
    for (const client of [...greedy, ...pushes, push, other, secure]) client.destroy()
    await until(() => bed.server.stats().connectionsOpen + bed.server.stats().gitConnectionsOpen === 0)
  })

  test('of handshakes lets stalled ones give way, and serves who comes', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, tls, limits: { handshakesMax: 3, giveWayMs: 40 } })
    const stalled = Array.from({ length: 3 }, () => new RawClient(connect(bed.httpsPort, '127.0.0.1')))
    for (const client of stalled) client.send('\x16\x03\x01\x01\x00')
    const served = async () => {
      const client = RawClient.tls(bed.httpsPort, {})
      client.send(LAST)
      await client.ended
      client.destroy()
      return client.text
    }
    let text = await served()
    for (const deadline = performance.now() + 5000; text === '' && performance.now() < deadline; ) text = await served()
    assert.match(text, /fine$/)
    assert.equal(stalled.filter(client => client.how !== 'open').length, 1)
    for (const client of stalled) client.destroy()
  })
})

for (const port of ['http', 'https'] as const) {
  suite(`Slow clients on ${port} cost a bounded number of places for a bounded time`, () => {
    const limits = { connectionsMax: 16, clientShare: 0.5, headMs: 200, bodyWindowMs: 100, sendStallMs: 200 }
    for (const [name, begin, drip] of [
      ['with their heads: 408', 'GET / HTTP/1.1\r\nHost: shop.test\r\n', 'A: b\r\n'],
      ['with their bodies: 408', 'POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100000\r\n\r\n', 'x'],
    ] as const) {
      test(name, async t => {
        await using app = await startHttpApp(() => ok('fine'))
        await using bed = await startBed({ apps: { 'shop.test': app }, tls, limits, settings: behindBalancer })
        const clients = Array.from({ length: 12 }, () => open(bed, port, '192.0.2.66'))
        for (const client of clients) client.send(begin)
        const timer = setInterval(() => clients.forEach(client => void client.send(drip)), 50)
        t.after(() => clearInterval(timer))
        await until(() => clients.filter(client => client.how !== 'open' && client.text === '').length === 4, 'those beyond the share')
        const honest = open(bed, port, '192.0.2.7')
        honest.send(LAST)
        await honest.until(/fine$/)
        await Promise.all(clients.map(client => client.ended))
        assert.equal(clients.filter(client => /^HTTP\/1\.1 408 /.test(client.text)).length, 8)
        for (const client of [...clients, honest]) client.destroy()
      })
    }

    test('with their reading, a byte now and then: cut', async t => {
      await using app = await startEndlessApp()
      await using small = await startHttpApp(() => ok('fine'))
      await using bed = await startBed({ apps: { 'shop.test': small, 'big.test': app }, tls, limits, settings: behindBalancer })
      const clients = Array.from({ length: 12 }, () => {
        const client = open(bed, port, '192.0.2.66')
        client.send('GET / HTTP/1.1\r\nHost: big.test\r\n\r\n')
        return client
      })
      await Promise.all(clients.map(client => Promise.race([client.ended, client.until('200 OK')])))
      for (const client of clients) client.socket.pause()
      // Reading a little does not help: what waits must have left in time.
      const timer = setInterval(() => clients.forEach(client => void client.socket.read(1)), 20)
      t.after(() => clearInterval(timer))
      const honest = open(bed, port, '192.0.2.7')
      honest.send(LAST)
      await honest.until(/fine$/)
      await until(() => bed.server.stats().errors.R49 === 8, 'the slow readers to be cut')
      assert.equal(clients.filter(client => client.text === '').length, 4)
      for (const client of [...clients, honest]) client.destroy()
    })
  })
}

/** A connection of the balancer for a client of such an address. */
function stated(port: number, address: string): RawClient {
  const client = new RawClient(connect({ port, host: '127.0.0.1', allowHalfOpen: true }))
  client.send(`PROXY TCP4 ${address} 127.0.0.1 1 2\r\n`)
  return client
}

function securely(bed: Bed, address: string): RawClient {
  const raw = connect(bed.httpsPort, '127.0.0.1')
  raw.write(`PROXY TCP4 ${address} 127.0.0.1 1 2\r\n`)
  return new RawClient(tlsConnect({ socket: raw, servername: 'shop.test', rejectUnauthorized: false }))
}

function open(bed: Bed, port: 'http' | 'https', address: string): RawClient {
  return port === 'http' ? stated(bed.port, address) : securely(bed, address)
}
