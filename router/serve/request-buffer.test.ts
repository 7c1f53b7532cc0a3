import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startHttp2App } from '../http2/upstream-testbed.ts'
import { ok, startApp, startBed, startHttpApp, tableOf, until } from './testbed.ts'

const policy = { requestBufferBytes: 100_000, bodyBytesMax: 0 }
const post = (length: number, more = '') =>
  `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${length}\r\nConnection: close\r\n${more}\r\n`

suite('A request that is gathered', () => {
  test('reaches its app when it is whole, and in one piece', async () => {
    await using app = await startHttpApp(request => ok(`${request.body.length} ${/content-length: (\d+)/i.exec(request.head)?.[1]}`))
    await using bed = await startBed({ apps: { 'shop.test': app }, policy })
    const client = bed.send(post(50_000))
    client.send('x'.repeat(49_999))
    await until(() => bed.server.stats().requestBytesHeld === 49_999)
    assert.equal(app.sockets.length, 0)
    client.send('y')
    await client.until('\r\n\r\n50000 50000')
    assert.equal(bed.server.stats().requestBytesHeld, 0)
  })
  test('in chunks goes on with its length', async () => {
    await using app = await startHttpApp(request => ok(`${request.body} ${/transfer-encoding/i.test(request.head)}`))
    await using bed = await startBed({ apps: { 'shop.test': app }, policy })
    const client = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n')
    for (const piece of ['3\r\nabc\r\n', '2\r\nde\r\n', '0\r\n\r\n']) {
      client.send(piece)
      await new Promise(setImmediate)
    }
    await client.until('\r\n\r\nabcde false')
  })
  test('with Expect is asked for by the router', async () => {
    await using app = await startHttpApp(request => ok(`${request.body} ${/expect/i.test(request.head)}`))
    await using bed = await startBed({ apps: { 'shop.test': app }, policy })
    const client = bed.send(post(2, 'Expect: 100-continue\r\n'))
    await client.until('100 Continue\r\n\r\n')
    assert.equal(app.sockets.length, 0)
    client.send('hi')
    await client.until('\r\n\r\nhi false')
  })
  test('over its limit goes on as it comes, every byte of it', async () => {
    const body = Array.from({ length: 100_000 }, (_, index) => `${index} `).join('')
    await using app = await startHttpApp(request => ok(request.body === body ? 'the same' : `${request.body.length} bytes`))
    for (const method of ['POST', 'PUT']) {
      await using bed = await startBed({ apps: { 'shop.test': app }, policy })
      for (let round = 0; round < 2; round++) {
        const client = bed.send(post(body.length).replace('POST', method))
        client.send(body.slice(0, 150_000))
        await until(() => app.sockets.length > 0)
        client.send(body.slice(150_000))
        await client.until('\r\n\r\nthe same')
      }
      assert.equal(bed.server.stats().requestBytesHeld, 0)
    }
  })
  test('is answered when its app has lost all endpoints meanwhile, and the connection lives on', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    const apps = { 'shop.test': app }
    await using bed = await startBed({ apps, policy: { ...policy, requestBufferBytes: 1000 } })
    const client = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5000\r\n\r\n')
    client.send('x'.repeat(900))
    await until(() => bed.server.stats().requestBytesHeld === 900)
    bed.table = tableOf({ apps: { 'shop.test': [] }, policy })
    client.send('x'.repeat(200))
    await client.until('R20')
    bed.table = tableOf({ apps, policy })
    client.send(`${'x'.repeat(3900)}GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n`)
    await client.until('fine')
    assert.equal(bed.server.stats().requestBytesHeld, 0)
  })
  test('gives a slow reader its time: that for the first byte begins when the last of the body is out', async () => {
    const bytes = 16 * 1024 * 1024
    await using app = await startApp((socket, index, self) => {
      socket.pause()
      setTimeout(() => socket.resume(), 500)
      socket.on('data', () => (self.received[index] as string).length > bytes && socket.write(ok('read')))
    })
    const times = { firstByteTimeoutMs: 250, idleTimeoutMs: 4000 }
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { ...policy, ...times, requestBufferBytes: bytes } })
    const client = bed.send(post(bytes))
    client.send('x'.repeat(bytes))
    assert.match(await client.until(/HTTP.*\r\n\r\n/s), /^HTTP\/1\.1 200 /)
  })
  test('gives a slow reader its time over HTTP/2 too', async () => {
    const bytes = 1024 * 1024
    await using app = await startHttp2App(stream => {
      setTimeout(() => stream.resume(), 500)
      stream.on('end', () => {
        stream.respond({ ':status': 200 })
        stream.end('read')
      })
    })
    const times = { firstByteTimeoutMs: 250, idleTimeoutMs: 4000 }
    await using bed = await startBed({ apps: { 'shop.test': [app.endpoint] }, policy: { ...policy, ...times, requestBufferBytes: bytes } })
    const client = bed.send(post(bytes))
    client.send('x'.repeat(bytes))
    assert.match(await client.until(/HTTP.*\r\n\r\n/s), /^HTTP\/1\.1 200 /)
  })
  test('goes on as it comes while the worker holds enough', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, policy, limits: { bufferedBytesMax: 1000 } })
    bed.send(post(5000)).send('x'.repeat(900))
    await until(() => bed.server.stats().requestBytesHeld === 900)
    bed.send(post(5000)).send('y'.repeat(900))
    await until(() => app.received.join('').endsWith('y'.repeat(900)))
    await until(() => bed.server.stats().requestBytesHeld === 900)
  })
  test('that may be sent twice is, though its body came in pieces', async () => {
    await using app = await startApp((socket, index) => {
      socket.on('data', (chunk: Buffer) => {
        if (index === 0) socket.destroy()
        else if (chunk.toString('latin1').endsWith('z')) socket.write(ok('fine'))
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': [app.endpoint, app.endpoint] }, policy })
    const client = bed.send(post(20_000).replace('POST', 'PUT'))
    client.send('x'.repeat(19_999))
    await until(() => bed.server.stats().requestBytesHeld > 0)
    client.send('z')
    await client.until('fine')
  })
  test('larger than the app accepts is 413, and the app hears nothing of it', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { ...policy, bodyBytesMax: 1000 } })
    const client = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n')
    client.send(`1000\r\n${'x'.repeat(4096)}\r\n`)
    await client.until(/413 .*R43/s)
    assert.equal(app.sockets.length, 0)
    await until(() => bed.server.stats().requestBytesHeld === 0)
  })
  test('that breaks off costs its app nothing and leaves nothing', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, policy, limits: { bodyWindowMs: 60 } })
    const broken = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
    await until(() => bed.server.stats().requestBytesHeld === 3)
    broken.send('zz\r\n')
    await broken.until('R40')
    const gone = bed.send(`${post(10)}x`)
    await until(() => bed.server.stats().requestBytesHeld === 1)
    gone.reset()
    await until(() => bed.server.stats().requestBytesHeld === 0)
    const slow = bed.send(`${post(10)}x`)
    await slow.until(/408 .*R44/s)
    assert.equal(app.sockets.length, 0)
    assert.equal(bed.server.stats().requestBytesHeld, 0)
  })
  test('goes to the endpoints of the moment when it is whole', async () => {
    await using old = await startHttpApp(() => ok('old'))
    await using fresh = await startHttpApp(() => ok('fresh'))
    await using bed = await startBed({ apps: { 'shop.test': old }, policy })
    const client = bed.send(post(20_000))
    client.send('x'.repeat(10_000))
    await until(() => bed.server.stats().requestBytesHeld > 0)
    const route = { ...bed.table.match('shop.test', '/')!, endpoints: [fresh.endpoint] }
    bed.table = { ...bed.table, match: () => route }
    client.send('x'.repeat(10_000))
    await client.until('fresh')
  })
})
