import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { suite, test } from 'node:test'
import { ok, startApp, startBed, startHttpApp, type TestApp, until } from '../serve/testbed.ts'

const UPGRADE = 'GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n\r\n'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: y\r\n\r\n'

suite('An upgrade', () => {
  test('joins both sides', async () => {
    await using app = await relayApp()
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(UPGRADE)
    await client.until('\r\n\r\n')
    assert.match(
      client.text,
      /^HTTP\/1\.1 101 Switching Protocols\r\nSec-WebSocket-Accept: y\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n$/,
    )
    assert.match(app.received[0] as string, /\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n$/)
    client.send('\x81\x05hello')
    await client.until('echo:\x81\x05hello')
    client.send('\0\xff\r\n\r\nGET / HTTP/1.1\r\n\r\n')
    await client.until('echo:\0\xff\r\n\r\nGET / HTTP/1.1\r\n\r\n')
  })
  test('keeps bytes right behind the head on both sides', async () => {
    await using app = await startApp((socket, index, self) => {
      socket.once('data', () => socket.write(`${SWITCH}first`))
      socket.on('data', () => (self.received[index] as string).endsWith('early') && socket.write('got it'))
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(`${UPGRADE}early`)
    await client.until('firstgot it')
    assert.match(app.received[0] as string, /\r\n\r\nearly$/)
  })
  test('to any other protocol passes too', async () => {
    await using app = await relayApp('tcp')
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(
      'POST /attach HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\n{}hi',
    )
    await client.until('echo:hi')
  })
  test('to h2c is never forwarded', async () => {
    await using app = await startHttpApp(() => ok('plain'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(
      'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n',
    )
    await client.until('plain')
    assert.doesNotMatch(app.received[0] as string, /upgrade|h2c|http2/i)
  })
  test('refused by the app leaves HTTP: what follows is the next request', async () => {
    await using app = await startHttpApp(request =>
      request.target === '/ws' ? 'HTTP/1.1 426 Upgrade Required\r\nContent-Length: 0\r\n\r\n' : ok(request.target),
    )
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(`${UPGRADE}GET /next HTTP/1.1\r\nHost: shop.test\r\n\r\nGARBAGE\r\n\r\n`)
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 426 .*200 OK.*\/next.*400 Bad Request/s)
    assert.doesNotMatch(app.received.join(''), /GARBAGE/)
  })
  for (const [name, request, answer] of [
    ['that nobody asked for', 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n', SWITCH],
    ['to another protocol than asked', UPGRADE.replace('websocket', 'tcp'), SWITCH],
    ['without a protocol', UPGRADE, 'HTTP/1.1 101 Switching Protocols\r\n\r\n'],
  ] as const) {
    test(`${name} is 502 R37`, async () => {
      await using app = await startApp(socket => socket.once('data', () => socket.write(`${answer}secret`)))
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const client = bed.send(request)
      await client.until('R37')
      assert.match(client.text, /^HTTP\/1\.1 502 /)
      assert.doesNotMatch(client.text, /secret/)
      await until(() => app.open.size === 0)
    })
  }
})

suite('A relay ends', () => {
  test('with a half-close passed on both ways', async () => {
    await using app = await startApp(
      socket => {
        socket.once('data', () => socket.write(SWITCH.replace('websocket', 'tcp')))
        socket.on('end', () => socket.end('farewell'))
      },
      { halfOpen: true },
    )
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(UPGRADE.replace('websocket', 'tcp'))
    await client.until('\r\n\r\n')
    client.end()
    await client.ended
    assert.match(client.text, /farewell$/)
    await until(() => bed.server.stats().connectionsOpen === 0)
  })
  test('when the client is gone: the app’s side within two seconds, even if it ignores the end', async () => {
    await using app = await startApp(socket => socket.once('data', () => socket.write(SWITCH)), { halfOpen: true })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(UPGRADE)
    await client.until('\r\n\r\n')
    client.destroy()
    const before = performance.now()
    await until(() => bed.server.stats().connectionsOpen === 0 && bed.server.stats().requests === 1)
    assert.ok(performance.now() - before < 2000)
    // Its side is gone, not only ended: what it still says is refused.
    await until(() => {
      app.sockets[0]?.write('still here')
      return app.open.size === 0
    }, 'the app’s side to be closed')
  })
  test('when the client resets: the app’s side at once', async () => {
    await using app = await relayApp()
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(UPGRADE)
    await client.until('\r\n\r\n')
    client.reset()
    await until(() => app.open.size === 0)
  })
  test('when the app resets: the client’s side at once', async () => {
    await using app = await relayApp()
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(UPGRADE)
    await client.until('\r\n\r\n')
    app.sockets[0]?.resetAndDestroy()
    await client.ended
    await until(() => bed.server.stats().connectionsOpen === 0, 'the client connection to close')
  })
  test('after silence of the idle timeout, but not before: bytes of either side count', async () => {
    await using app = await relayApp()
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { idleTimeoutMs: 150 } })
    const client = bed.send(UPGRADE)
    await client.until('\r\n\r\n')
    for (let round = 0; round < 6; round++) {
      await new Promise(resolve => setTimeout(resolve, 50))
      client.send(`ping${round}`)
      await client.until(`echo:ping${round}`)
    }
    await client.ended
    assert.equal(bed.server.stats().responses[0], 1)
  })
  test('not by a change of the table', async () => {
    await using app = await relayApp()
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(UPGRADE)
    await client.until('\r\n\r\n')
    bed.table = { ...bed.table, match: () => undefined, version: 2 }
    client.send('still')
    await client.until('echo:still')
  })
})

function relayApp(protocol = 'websocket'): Promise<TestApp> {
  return startApp((socket: Socket) => {
    socket.once('data', (head: Buffer) => {
      socket.write(SWITCH.replace('websocket', protocol))
      const rest = /\r\n\r\n(?:\{\})?([\s\S]*)$/.exec(head.toString('latin1'))?.[1] ?? ''
      if (rest !== '') socket.write(`echo:${rest}`, 'latin1')
      socket.on('data', (chunk: Buffer) => socket.write(`echo:${chunk.toString('latin1')}`, 'latin1'))
    })
  })
}
