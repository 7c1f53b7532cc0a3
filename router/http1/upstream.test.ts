import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { suite, test } from 'node:test'
import { ok, startApp, startBed, startHttpApp, type TestApp, tableOf, until } from '../serve/testbed.ts'
import { endpoint } from '../table/route.ts'

const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const LAST = 'GET /last HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'

suite('An app’s answer', () => {
  const answers: Record<string, [string, string]> = {
    'with a length': [
      'HTTP/1.1 200 Fine\r\nA: b\r\nContent-Length: 3\r\n\r\nabc',
      'HTTP/1.1 200 Fine\r\nA: b\r\nContent-Length: 3\r\n\r\nabc',
    ],
    'without fields of its hop': [
      'HTTP/1.1 200 OK\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\nX-Hop: 1\r\nProxy-Connection: a\r\nTE: b\r\nTrailer: c\r\nUpgrade: h2c\r\nA: b\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nA: b\r\nContent-Length: 0\r\n\r\n',
    ],
    'in chunks, in one piece': [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n2\r\nde\r\n0\r\nT: u\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n',
    ],
    'empty and chunked': [
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    ],
    '204 with a Content-Length': ['HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 204 No Content\r\n\r\n'],
    '304 with the length of what it stands for': [
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n',
      'HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n',
    ],
    'with two Set-Cookie': [
      'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nSet-Cookie: a\r\nSet-Cookie: b\r\nContent-Length: 0\r\n\r\n',
    ],
    'without reason': ['HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n'],
    'after 103 Early Hints': [
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    ],
    'after a 100 that nobody asked for': [
      'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
      'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
    ],
  }
  for (const [name, [sent, expected]] of Object.entries(answers)) {
    test(`${name} is passed on`, async () => {
      await using app = await startHttpApp(() => sent)
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const client = bed.send(GET)
      await until(() => client.text.length >= expected.length)
      assert.equal(client.text, expected)
    })
    test(`${name} is passed on the same however it is cut`, async () => {
      await using app = await startApp(socket => {
        socket.on('data', async () => {
          for (const char of sent) {
            socket.write(char, 'latin1')
            await new Promise(setImmediate)
          }
        })
      })
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const client = bed.send(GET)
      const whole = (text: string) => text.replace(/(?<=chunked\r\n\r\n).*$/s, body => body.replace(/\r\n|[0-9]/g, ''))
      await until(
        () => whole(client.text).length >= whole(expected).length && (!expected.includes('chunked') || client.text.endsWith('0\r\n\r\n')),
      )
      assert.equal(whole(client.text), whole(expected))
    })
  }

  test('until the connection closes becomes chunked, whole', async () => {
    await using app = await startApp(socket => socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\n\r\nabc')))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET)
    await client.until('0\r\n\r\n')
    assert.match(client.text, /^HTTP\/1\.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n$/)
    client.send(GET)
    await client.until(/200 OK.*200 OK/s)
  })
  test('to HEAD has no body, and its length is told', async () => {
    await using app = await startHttpApp(() => 'HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n')
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(`HEAD / HTTP/1.1\r\nHost: shop.test\r\n\r\n`)
    await client.until('12345\r\n\r\n')
    client.send(`HEAD / HTTP/1.1\r\nHost: shop.test\r\n\r\n`)
    await client.until(/(12345\r\n\r\n.*){2}/s)
    assert.equal(app.sockets.length, 1)
  })
  test('as events reaches the client one by one', async () => {
    let emit: (text: string) => void = () => {}
    await using app = await startApp(socket => {
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n'))
      emit = text => socket.write(`${text.length.toString(16)}\r\n${text}\r\n`)
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET)
    await client.until('chunked\r\n\r\n')
    for (const event of ['data: 1\n\n', 'data: 2\n\n', 'data: 3\n\n']) {
      emit(event)
      await client.until(event)
    }
  })
  test('of 128 kB of head passes, of more is R35', async () => {
    await using app = await startHttpApp(
      request => `HTTP/1.1 200 OK\r\nA: ${'b'.repeat(Number(request.target.slice(1)))}\r\nContent-Length: 2\r\n\r\nok`,
    )
    await using bed = await startBed({ apps: { 'shop.test': app } })
    assert.match(
      await bed.exchange('GET /130000 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'),
      /^HTTP\/1\.1 200 OK\r\nA: b+\r\n.*ok$/s,
    )
    assert.match(await bed.exchange('GET /2000000 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 502 .*R35/s)
  })
})

suite('A bad answer is 502 R34 and its connection is never used again', () => {
  for (const [name, answer] of Object.entries({
    garbage: 'hello\r\n\r\n',
    'a bare LF': 'HTTP/1.1 200 OK\nContent-Length: 0\n\n',
    'HTTP/2.0': 'HTTP/2.0 200 OK\r\n\r\n',
    'status 99': 'HTTP/1.1 99 x\r\nContent-Length: 0\r\n\r\n',
    'status 1000': 'HTTP/1.1 1000 x\r\nContent-Length: 0\r\n\r\n',
    'a folded line': 'HTTP/1.1 200 OK\r\nA: b\r\n c\r\nContent-Length: 0\r\n\r\n',
    'NUL in a value': 'HTTP/1.1 200 OK\r\nA: b\0\r\nContent-Length: 0\r\n\r\n',
    'a blank before the colon': 'HTTP/1.1 200 OK\r\nContent-Length : 0\r\n\r\n',
    'Content-Length and Transfer-Encoding': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
    'two Content-Length': 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello',
    'a bad Content-Length': 'HTTP/1.1 200 OK\r\nContent-Length: 5x\r\n\r\nhello',
    'an unknown transfer coding': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello',
    'a TLS alert': '\x15\x03\x01\x00\x02\x02\x28',
    '2000 interim answers': `${'HTTP/1.1 102 Processing\r\n\r\n'.repeat(2000)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`,
  })) {
    test(name, async () => {
      await using app = await startApp(socket => socket.on('data', () => socket.write(answer, 'latin1')))
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const text = await bed.exchange(LAST)
      assert.match(text, /HTTP\/1\.1 502 Bad Gateway\r\n.*R34/s)
      assert.doesNotMatch(text, /127\.0\.0\.1|node|drycc/i)
      await until(() => app.open.size === 0)
    })
  }
})

suite('An app that fails', () => {
  test('refuses the connection: 502 R30 at once', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [await closedEndpoint()] } })
    assert.match(await bed.exchange(LAST), /^HTTP\/1\.1 502 .*R30/s)
  })
  test('refuses on one endpoint: the request goes to another, any method', async () => {
    await using app = await startHttpApp(request => ok(request.body))
    const dead = await closedEndpoint()
    for (let round = 0; round < 10; round++) {
      await using bed = await startBed({ apps: { 'shop.test': [dead, app.endpoint] } })
      assert.match(
        await bed.exchange('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody'),
        /200 OK.*body$/s,
      )
    }
  })
  test('closes a kept connection and then refuses: the request goes on to another endpoint', async () => {
    const dying = await startHttpApp(() => ok('old'))
    await using living = await startHttpApp(() => ok('new'))
    await using bed = await startBed({ apps: { 'shop.test': dying } })
    assert.match(await bed.exchange(LAST), /old$/)
    bed.table = tableOf({ apps: { 'shop.test': [dying.endpoint, living.endpoint] } })
    // Its connection ends together with its port, unseen until the next request is on its way.
    await dying[Symbol.asyncDispose]()
    for (let round = 0; round < 20; round++) assert.match(await bed.exchange(LAST), /new$/)
  })
  test('refuses on one endpoint: a streamed body goes whole to another', async () => {
    await using app = await startHttpApp(request => ok(String(request.body.length)))
    const dead = await closedEndpoint()
    for (let round = 0; round < 6; round++) {
      await using bed = await startBed({ apps: { 'shop.test': [dead, app.endpoint] } })
      const request = `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 500000\r\nConnection: close\r\n\r\n${'x'.repeat(500_000)}`
      assert.match(await bed.exchange(request), /200 OK.*\r\n\r\n500000$/s)
    }
  })
  test('has a failing endpoint: it is passed over for a while', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': [await closedEndpoint(), app.endpoint] } })
    for (let round = 0; round < 40; round++) assert.match(await bed.exchange(LAST), /fine$/)
    assert.ok(bed.server.stats().retries <= 2, `${bed.server.stats().retries} retries`)
  })
  test('does not accept in time: 504 R31', async () => {
    // A backlog that is full: the kernel answers no SYN.
    const server = createServer()
    await new Promise<void>(resolve => server.listen({ port: 0, host: '127.0.0.1', backlog: 1 }, resolve))
    await using bed = await startBed({ apps: { 'shop.test': [endpoint('192.0.2.1', 9)] }, policy: { connectTimeoutMs: 60 } })
    const text = await bed.exchange(LAST)
    server.close()
    // Without a route to the documentation network the refusal comes at once.
    assert.match(text, /^HTTP\/1\.1 50[24] .*R3[01]/s)
  })
  test('does not answer in time: 504 R32', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { idleTimeoutMs: 60 } })
    assert.match(await bed.exchange(LAST), /^HTTP\/1\.1 504 Gateway Timeout\r\n.*R32/s)
    await until(() => app.open.size === 0)
  })
  test('drips its head: one limit from first to last byte', async () => {
    await using app = await startApp(socket => {
      socket.once('data', () => {
        const timer = setInterval(() => socket.write('H'), 10)
        socket.on('close', () => clearInterval(timer))
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { idleTimeoutMs: 100 } })
    assert.match(await bed.exchange(LAST), /^HTTP\/1\.1 50[24] /)
  })
  test('closes without an answer: POST 502 R33, sent once', async () => {
    await using app = await startApp(socket => socket.once('data', () => socket.end()))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    assert.match(
      await bed.exchange('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\nConnection: close\r\n\r\nx'),
      /^HTTP\/1\.1 502 .*R33/s,
    )
    assert.equal(app.sockets.length, 1)
  })
  test('resets without an answer: 502 R33', async () => {
    await using app = await startApp(socket => socket.once('data', () => socket.resetAndDestroy()))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    assert.match(await bed.exchange(LAST), /^HTTP\/1\.1 502 .*R33/s)
  })
  test('closes a kept connection as it is used again: GET goes out anew, POST never', async () => {
    for (const method of ['GET', 'PUT', 'POST', 'PATCH']) {
      await using app = await startApp((socket, index) => {
        let requests = 0
        socket.on('data', () => {
          if (index === 0 && ++requests === 2) socket.destroy()
          else socket.write(ok(`answer ${index}`))
        })
      })
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const client = bed.send(GET)
      await client.until('answer 0')
      client.send(`${method} / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi`)
      await client.ended
      if (method === 'GET' || method === 'PUT') assert.match(client.text, /answer 1$/)
      else assert.match(client.text, /R33/)
      const seen = app.received.join('\n').match(new RegExp(`^${method} / HTTP`, 'gm'))?.length
      assert.equal(seen, method === 'GET' ? 3 : method === 'PUT' ? 2 : 1)
    }
  })
  test('closes kept connections while idle: nobody notices', async () => {
    await using app = await startApp(socket => {
      socket.on('data', () => {
        socket.write(ok('fine'))
        setTimeout(() => socket.end(), 5)
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send('')
    for (let round = 1; round <= 20; round++) {
      client.send('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\nhi')
      await client.until(text => text.split('fine').length === round + 1)
      await until(() => app.open.size === 0)
    }
    assert.doesNotMatch(client.text, /HTTP\/1\.1 5/)
  })
})

suite('A POST on a kept connection', () => {
  test('is not lost to an end that came right behind the last answer', async () => {
    await using app = await startApp(socket => socket.on('data', () => socket.end(ok('fine'))))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send('')
    for (let round = 1; round <= 200; round++) {
      client.send('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\nhi')
      await client.until(text => text.split('HTTP/1.1 ').length === round + 1 && /(?:fine|R33\)\n)$/.test(text))
    }
    assert.doesNotMatch(client.text, /HTTP\/1\.1 5/)
  })
})

suite('A cut answer never looks whole', () => {
  const cuts: Record<string, string> = {
    'of a stated length': 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello',
    'in the middle of a chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\na\r\nhello',
    'between two chunks': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    'in the last chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n',
    'by a bad chunk': 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n0\r\n\r\n',
  }
  for (const [name, answer] of Object.entries(cuts)) {
    for (const how of ['FIN', 'RST'] as const) {
      test(`${name}, ended by ${how}`, async () => {
        await using app = await startApp(socket =>
          socket.once('data', () =>
            socket.write(answer, () => (how === 'FIN' ? socket.end() : setTimeout(() => socket.resetAndDestroy(), 20))),
          ),
        )
        await using bed = await startBed({ apps: { 'shop.test': app } })
        const client = bed.send(GET + GET)
        await client.ended
        assert.match(client.text, /^HTTP\/1\.1 200 OK\r\n/)
        assert.doesNotMatch(client.text, /\r\n0\r\n/)
        assert.equal(client.text.match(/HTTP\/1\.1/g)?.length, 1)
        if (name === 'of a stated length') assert.match(client.text, /Content-Length: 10\r\n\r\nhello$/)
      })
    }
  }
  test('of unknown length, reset, to an HTTP/1.1 client: no last chunk', async () => {
    await using app = await startApp(socket =>
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\n\r\nhello', () => setTimeout(() => socket.resetAndDestroy(), 20))),
    )
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET)
    await client.ended
    assert.match(client.text, /5\r\nhello\r\n$/)
  })
  for (const [name, answer] of Object.entries(cuts)) {
    test(`${name}, to an HTTP/1.0 client: a reset unless the length tells`, async () => {
      await using app = await startApp(socket => socket.once('data', () => socket.end(answer)))
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const client = bed.send('GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n')
      await client.ended
      assert.ok(client.how === 'reset' || /Content-Length: 10/.test(client.text), `${client.how}: ${client.text}`)
    })
  }
  test('by silence', async () => {
    await using app = await startApp(socket =>
      socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')),
    )
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { idleTimeoutMs: 60 } })
    const client = bed.send(GET)
    await client.ended
    assert.match(client.text, /hello\r\n$/)
    assert.equal(bed.server.stats().errors.R36, 1)
  })
})

suite('A kept connection', () => {
  test('is used again, the youngest first', async () => {
    await using app = await startHttpApp((_, count) => ok(`n${count}`))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    for (let round = 0; round < 5; round++) await bed.exchange(LAST)
    assert.equal(app.sockets.length, 1)
  })
  for (const [name, answer] of Object.entries({
    'with bytes behind its answer': `${ok('one')}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison`,
    'with a body behind a 204': 'HTTP/1.1 204 No Content\r\n\r\npoison',
    'with a body behind a 304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison',
    'that says close': ok('one', 'Connection: close\r\n'),
    'of HTTP/1.0': 'HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\none',
  })) {
    test(`${name} is not used again`, async () => {
      await using app = await startHttpApp(() => answer)
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const first = await bed.exchange(LAST)
      const second = await bed.exchange(LAST)
      assert.doesNotMatch(first + second, /poison/)
      assert.equal(app.sockets.length, 2)
    })
  }
  test('with a body behind the answer to HEAD is not used again', async () => {
    await using app = await startHttpApp(() => ok('poison'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const text = await bed.exchange(`HEAD / HTTP/1.1\r\nHost: shop.test\r\n\r\n${LAST}`)
    assert.equal(text.match(/poison/g)?.length, 1)
    assert.equal(app.sockets.length, 2)
  })
  test('that speaks unasked is destroyed, its words reach nobody', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    await bed.exchange(LAST)
    app.sockets[0]?.write('HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison')
    await until(() => app.open.size === 0)
    assert.match(await bed.exchange(LAST), /fine$/)
    assert.equal(app.sockets.length, 2)
  })
  test('whose request was not read to its end is not used again', async () => {
    await using app = await startApp(socket => socket.once('data', () => socket.write(ok('early'))))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 200000\r\n\r\nbegin')
    await client.until('early')
    assert.match(client.text, /\r\nConnection: close\r\n/)
    await until(() => app.open.size === 0)
    await client.ended
  })
  test('is closed before its app closes it', async () => {
    await using app = await startHttpApp(request => ok('fine', request.target === '/last' ? 'Keep-Alive: timeout=2\r\n' : ''))
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { idleUpstreamMs: 100 } })
    await bed.exchange(LAST)
    const before = performance.now()
    await until(() => app.open.size === 0)
    assert.ok(performance.now() - before < 1000)
    assert.equal(bed.server.stats().upstreamConnectionsIdle, 0)
  })
  test('is not kept when the app grants it a second or less', async () => {
    await using app = await startHttpApp(() => ok('fine', 'Keep-Alive: timeout=1\r\n'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    await bed.exchange(LAST)
    await until(() => app.open.size === 0)
  })
  test('is kept only up to a number', async () => {
    await using app = await startApp(socket => socket.on('data', () => setTimeout(() => socket.write(ok('x')), 30)))
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { idleUpstreamsMax: 3 } })
    await Promise.all(Array.from({ length: 10 }, () => bed.exchange(LAST)))
    await until(() => app.open.size === 3)
    assert.equal(bed.server.stats().upstreamConnectionsIdle, 3)
  })
})

suite('A large body', () => {
  const size = 20_000_000
  test('upstream to a slow app: the client is held back, every byte arrives', async () => {
    await using app = await startApp(socket => {
      socket.pause()
      setTimeout(() => socket.resume(), 200)
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { bodyBytesMax: 0 } })
    const client = bed.send(`POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${size}\r\n\r\n`)
    client.socket.write(Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz'))
    await new Promise(resolve => setTimeout(resolve, 120))
    assert.ok(client.socket.writableLength > 0, 'the router took all of it')
    await until(() => bodyBytes(app) === size)
    assert.equal(
      Buffer.from(app.received[0]?.slice(-size) as string, 'latin1').equals(Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz')),
      true,
    )
  })
  test('downstream to a slow client: the app is held back, every byte arrives', async () => {
    let sent = 0
    await using app = await startApp(socket => {
      socket.once('data', () => {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
        socket.write(Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz'), () => (sent = size))
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send('')
    client.socket.pause()
    client.send(GET)
    await new Promise(resolve => setTimeout(resolve, 150))
    assert.equal(sent, 0)
    client.socket.resume()
    await until(() => client.text.length > size)
    const body = client.text.slice(client.text.indexOf('\r\n\r\n') + 4)
    assert.equal(Buffer.from(body, 'latin1').equals(Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz')), true)
  })
  test('both ways at once', async () => {
    await using app = await startApp(socket => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        socket.on('data', (chunk: Buffer) => {
          socket.write(`${chunk.length.toString(16)}\r\n`)
          socket.write(chunk)
          socket.write('\r\n')
          if (chunk.toString('latin1').endsWith('0\r\n\r\n')) socket.write('0\r\n\r\n')
        })
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { bodyBytesMax: 0 } })
    const client = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n')
    await client.until('\r\n\r\n')
    for (let index = 0; index < 20; index++) {
      client.send(`4\r\nn${String(index).padStart(3, '0')}\r\n`)
      await client.until(`n${String(index).padStart(3, '0')}`)
    }
    client.send('0\r\n\r\n')
    await client.until(/0\r\n\r\n\r\n0\r\n\r\n$/)
  })
})

function bodyBytes(app: TestApp): number {
  const text = app.received[0] ?? ''
  return text.length - text.indexOf('\r\n\r\n') - 4
}

async function closedEndpoint() {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return endpoint('127.0.0.1', address.port)
}
