import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ok, startApp, startBed, startHttpApp, until } from '../serve/testbed.ts'

const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const LAST = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
const post = (length: number) => `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n`
const EARLY = 'HTTP/1.1 413 Content Too Large\r\nContent-Length: 9\r\nConnection: close\r\n\r\ntoo large'

suite('An app that answers before it has the body', () => {
  for (const [how, finish] of Object.entries({
    'and reads no more': () => {},
    'and ends its side': (socket: import('node:net').Socket) => socket.end(),
    'and closes with the body unread': (socket: import('node:net').Socket) => socket.destroySoon(),
  })) {
    test(`${how}: the client gets that answer`, async () => {
      for (let round = 0; round < 20; round++) {
        await using app = await startApp(
          socket => {
            socket.pause()
            socket.once('readable', () => {
              socket.read(10)
              socket.write(EARLY, () => finish(socket))
            })
          },
          { halfOpen: true },
        )
        await using bed = await startBed({ apps: { 'shop.test': app }, policy: { bodyBytesMax: 0 } })
        const client = bed.send(post(3_000_000))
        client.socket.write(Buffer.alloc(3_000_000, 'x'))
        await client.until('too large')
        assert.match(client.text, /^HTTP\/1\.1 413 /)
        await until(() => bed.server.stats().upstreamConnectionsIdle === 0)
      }
    })
  }
})

suite('A kept connection that is reset as it is used again', () => {
  for (const method of ['GET', 'HEAD', 'PUT', 'DELETE', 'POST', 'PATCH']) {
    const isSafe = !['POST', 'PATCH'].includes(method)
    test(`${method} ${isSafe ? 'goes out anew, once' : 'is never sent twice'}`, async () => {
      await using app = await startApp((socket, index) => {
        let count = 0
        socket.on('data', () => {
          if (index === 0 && ++count === 2) socket.resetAndDestroy()
          else socket.write(method === 'HEAD' && index > 0 ? 'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n' : ok(`answer ${index}`))
        })
      })
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const client = bed.send(GET)
      await client.until('answer 0')
      client.send(`${method} /two HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`)
      await client.ended
      if (isSafe) assert.match(client.text, /answer 0HTTP\/1\.1 200/)
      else assert.match(client.text, /R33/)
      assert.equal(app.received.join('').split('/two').length - 1, isSafe ? 2 : 1)
    })
  }
})

suite('An app that breaks off', () => {
  const whole = 'HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n'
  const head = whole.indexOf('\r\n\r\n') + 4
  for (const how of ['end', 'resetAndDestroy'] as const) {
    test(`after any number of bytes, by ${how}: never looks whole, and never hangs`, async () => {
      for (let count = 1; count < whole.length; count += 3) {
        await using app = await startApp(socket =>
          socket.once('data', () => socket.write(whole.slice(0, count), () => setImmediate(() => socket[how]()))),
        )
        await using bed = await startBed({ apps: { 'shop.test': app } })
        const text = await bed.exchange('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\nConnection: close\r\n\r\n')
        if (text.startsWith('HTTP/1.1 200')) {
          assert.ok(count >= head, `${count}: ${text}`)
          assert.doesNotMatch(text, /\r\n0\r\n\r\n$/, String(count))
        } else assert.match(text, /^HTTP\/1\.1 502 /, String(count))
      }
    })
  }
  test('in the middle of a request’s body: 502, sent once', async () => {
    await using app = await startApp(socket => {
      let bytes = 0
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > 100_000) socket.resetAndDestroy()
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': [app.endpoint, app.endpoint] }, policy: { bodyBytesMax: 0 } })
    const client = bed.send(post(3_000_000))
    client.socket.write(Buffer.alloc(3_000_000, 'x'))
    await client.until(/502 .*R33/s)
    assert.equal(app.sockets.length, 1)
  })
})

suite('An app that lies about lengths', () => {
  test('and sends more: the client gets what was stated, nobody gets the rest', async () => {
    await using app = await startHttpApp((_, count) =>
      count === 0 ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\nsmuggled' : ok('next'),
    )
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET)
    await client.until('\r\n\r\nok')
    client.send(LAST)
    await client.ended
    assert.match(client.text, /okHTTP\/1\.1 200 OK\r\n.*next$/s)
    assert.doesNotMatch(client.text, /smuggled/)
  })
  test('and sends more later: the connection that waits is gone before anybody uses it', async () => {
    await using app = await startHttpApp((_, count) => ok(`answer ${count}`))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    for (let round = 0; round < 20; round++) {
      const before = app.sockets.length
      assert.match(await bed.exchange(LAST), /answer \d+$/)
      if (app.sockets.length === before) assert.fail('used again after it spoke unasked')
      app.sockets.at(-1)?.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')
      await until(() => app.open.size === 0)
    }
  })
  test('and answers twice to one request while the next is on its way: the second is nobody’s', async () => {
    await using app = await startApp(socket => {
      let count = 0
      socket.on('data', () => {
        if (++count === 1) socket.write(ok('one'))
        // Both at once, behind the second request.
        else socket.write(ok('two') + ok('poison'))
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET)
    await client.until('one')
    client.send(GET)
    await client.until('two')
    client.send(LAST)
    await client.ended
    assert.doesNotMatch(client.text, /poison/)
  })
})

suite('An app that accepts and says nothing', () => {
  test('costs one time-out, and the next request goes to another', async () => {
    await using hung = await startApp(() => {})
    await using fine = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': [hung.endpoint, fine.endpoint] }, policy: { idleTimeoutMs: 60 } })
    let failures = 0
    for (let count = 0; count < 40; count++) if (/R32/.test(await bed.exchange(LAST))) failures++
    // Three in a row eject it; after half a second one more may try.
    assert.ok(failures >= 3 && failures <= 6, `${failures} failures`)
    assert.ok(bed.server.stats().ejections >= 1)
  })
  test('and gives a byte now and then: 504 all the same', async () => {
    await using app = await startApp(socket => {
      socket.once('data', () => {
        const timer = setInterval(() => socket.write('HTTP/1.1 200 OK\r\nX: '.charAt(Math.floor(Math.random() * 10))), 15)
        socket.on('close', () => clearInterval(timer))
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { idleTimeoutMs: 100 } })
    assert.match(await bed.exchange(LAST), /^HTTP\/1\.1 50[24] /)
    await until(() => app.open.size === 0)
  })
})
