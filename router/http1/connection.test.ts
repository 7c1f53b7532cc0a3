import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ok, startApp, startBed, startHttpApp, until } from '../serve/testbed.ts'

const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const LAST = 'GET /last HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'

suite('Connection forwards', () => {
  test('one canonical message: Host without port, framing of ours, no hop-by-hop fields', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    await bed.exchange(
      'POST //a/../b?c HTTP/1.1\r\nHOST: Shop.Test:80\r\nA: b\r\nTE: trailers\r\nKeep-Alive: 5\r\nX-Drop: 1\r\ncontent-length: 003\r\nConnection: close, x-drop\r\nX_Under: score\r\n\r\nabc',
    )
    assert.equal(
      app.received[0],
      'POST //a/../b?c HTTP/1.1\r\nHost: shop.test\r\nA: b\r\nX-Forwarded-For: 127.0.0.1\r\nX-Forwarded-Proto: http\r\nX-Forwarded-Port: 80\r\nCDN-Loop: drycc\r\nContent-Length: 3\r\n\r\nabc',
    )
  })
  test('a chunked body in chunks of ours, without extensions and trailers that come too late', async () => {
    await using app = await startHttpApp(request => ok(request.body))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const answer = await bed.exchange(
      'POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n3;a=b\r\nabc\r\n0002\r\nde\r\n0\r\nX-Sum: 7\r\nAuthorization: 99\r\nX_Sum: 99\r\nX-Forwarded-For: 99\r\n\r\n',
    )
    assert.match(answer, /\r\n\r\nabcde$/)
    assert.match(app.received[0] as string, /\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\nX-Sum: 7\r\n\r\n$/)
    assert.doesNotMatch(app.received[0] as string, /a=b|99/)
  })
  for (const method of ['GET', 'HEAD', 'DELETE', 'OPTIONS', 'PURGE']) {
    test(`a body of ${method} with its framing, never as a request of its own`, async () => {
      await using app = await startHttpApp(request =>
        request.method === 'HEAD' ? 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n' : ok('ok'),
      )
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const body = 'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n'
      await bed.exchange(`${method} / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${body.length}\r\n\r\n${body}${LAST}`)
      const lines = (app.received.join('').match(/^[A-Z]+ \/\S* HTTP\/1.1\r$/gm) ?? []).map(line => line.trim())
      assert.deepEqual(lines, [`${method} / HTTP/1.1`, 'GET /smuggled HTTP/1.1', 'GET /last HTTP/1.1'])
      assert.match(app.received.join(''), new RegExp(`Content-Length: ${body.length}\r\n\r\nGET /smuggled`))
    })
  }
  test('OPTIONS * as *', async () => {
    await using app = await startHttpApp(() => ok(''))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    await bed.exchange('OPTIONS * HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    assert.match(app.received[0] as string, /^OPTIONS \* HTTP\/1.1\r\n/)
  })
  test('an HTTP/1.0 request, whose client gets neither chunks nor keep-alive it did not ask for', async () => {
    await using app = await startHttpApp(() => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n')
    await using bed = await startBed({ apps: { 'shop.test': app } })
    assert.equal(await bed.exchange('GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n'), 'HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nabc')
  })
  test('keep-alive of an HTTP/1.0 client that asks for it', async () => {
    await using app = await startHttpApp(() => ok('abc'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send('GET / HTTP/1.0\r\nHost: shop.test\r\nConnection: keep-alive\r\n\r\n')
    assert.match(await client.until('abc'), /\r\nConnection: keep-alive\r\n/)
    client.send('GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n')
    await client.ended
    assert.match(client.text, /abcHTTP.*\r\nConnection: close\r\n.*abc$/s)
  })
})

suite('Connection refuses and forwards nothing', () => {
  const smuggled = 'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n'
  const attacks: Record<string, string> = {
    'CL.TE': `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'TE.CL': `POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n2c\r\n${smuggled}\r\n0\r\n\r\n`,
    'TE.TE': `POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n${smuggled}`,
    'chunked not last': `POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n${smuggled}`,
    'Transfer-Encoding behind a bare LF': `POST / HTTP/1.1\r\nHost: shop.test\r\nA: b\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'Transfer-Encoding in a folded line': `POST / HTTP/1.1\r\nHost: shop.test\r\nA: b\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'a blank before the colon': `POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'bare LF throughout': `GET / HTTP/1.1\nHost: shop.test\n\n${smuggled}`,
    'two Content-Length': `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 0\r\nContent-Length: ${smuggled.length}\r\n\r\n${smuggled}`,
    'two Host': `GET / HTTP/1.1\r\nHost: shop.test\r\nHost: evil.test\r\n\r\n${smuggled}`,
    'an HTTP/1.0 request with Transfer-Encoding': `POST / HTTP/1.0\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${smuggled}`,
    'a bad request before a good one': `GET /a b HTTP/1.1\r\nHost: shop.test\r\n\r\n${smuggled}`,
    'CR in the target': `GET /a\rb HTTP/1.1\r\nHost: shop.test\r\n\r\n${smuggled}`,
    'a PROXY line on a port without PROXY protocol': `PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n${smuggled}`,
    'a TLS ClientHello': `\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03${'\0'.repeat(600)}`,
    'the HTTP/2 preface': `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${'\0'.repeat(50)}`,
    'a PROXY v2 header': '\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\x01\x02\x03\x04\x05\x06\x07\x08\0\x01\0\x02',
    'a lone CR LF CR': '\r\n\rX',
  }
  for (const [name, bytes] of Object.entries(attacks)) {
    test(name, async () => {
      await using app = await startHttpApp(() => ok('served'))
      await using bed = await startBed({ apps: { 'shop.test': app }, limits: { headMs: 100 } })
      const answer = await bed.exchange(bytes)
      assert.match(answer, /^HTTP\/1\.1 (?:4\d\d|50[15]) /)
      assert.match(answer, /\r\nConnection: close\r\n/)
      assert.equal(answer.match(/^HTTP\/1\.1/gm)?.length, 1)
      assert.deepEqual(app.received, [])
    })
  }

  for (const [name, chunks] of Object.entries({
    'a chunk size with 0x': '0x5\r\nhello\r\n0\r\n\r\n',
    'a negative chunk size': '-1\r\n\r\n0\r\n\r\n',
    'a chunk size of 2^64 + 5': '10000000000000005\r\nhello\r\n0\r\n\r\n',
    'a chunk line ended by a bare LF': '5\nhello\r\n0\r\n\r\n',
    'an extension with a bare LF': '5;a\nb\r\nhello\r\n0\r\n\r\n',
    'more data than the chunk size': '2\r\nhello\r\n0\r\n\r\n',
    'no line end after the data': '5\r\nhelloXX0\r\n\r\n',
    'an endless extension': `1;${'a'.repeat(20_000)}\r\nx\r\n0\r\n\r\n`,
    'a bad trailer': '5\r\nhello\r\n0\r\nA B: c\r\n\r\n',
  })) {
    test(`${name}: the app never sees a complete request`, async () => {
      await using app = await startApp(() => {})
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const answer = await bed.exchange(`POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}${smuggled}`)
      assert.match(answer, /^HTTP\/1\.1 400 /)
      await until(() => app.open.size === 0, 'the app’s connection to be destroyed')
      assert.doesNotMatch(app.received.join(''), /\r\n0\r\n|smuggled/)
    })
  }

  for (const how of ['end', 'reset'] as const)
    test(`a body shorter than announced: the request is never completed (${how})`, async () => {
      await using app = await startApp(() => {})
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const client = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 10\r\n\r\nhello')
      await until(() => app.received[0]?.endsWith('hello') === true)
      client[how]()
      await until(() => app.open.size === 0)
      await client.ended
      assert.equal(client.text, '')
      assert.match(app.received.join(''), /\r\n\r\nhello$/)
    })
})

suite('Connection limits', () => {
  test('the request line: 414', async () => {
    await using bed = await startBed()
    assert.match(await bed.exchange(`GET /${'a'.repeat(70_000)} HTTP/1.1\r\nHost: a\r\n\r\n`), /^HTTP\/1\.1 414 /)
    assert.match(await bed.exchange(`GET /${'a'.repeat(140_000)}`), /^HTTP\/1\.1 414 /)
  })
  test('the head: 431, also without end', async () => {
    await using bed = await startBed()
    assert.match(await bed.exchange(`GET / HTTP/1.1\r\nHost: a\r\n${`A: ${'b'.repeat(1000)}\r\n`.repeat(150)}\r\n`), /^HTTP\/1\.1 431 /)
    assert.match(await bed.exchange(`GET / HTTP/1.1\r\nHost: a\r\n${`A: ${'b'.repeat(1000)}\r\n`.repeat(4000)}`), /^HTTP\/1\.1 431 /)
    assert.match(await bed.exchange(`GET / HTTP/1.1\r\nHost: a\r\n${'A: b\r\n'.repeat(5000)}\r\n`), /^HTTP\/1\.1 431 /)
  })
  test('but takes 8000 octets of request line, 4 kB of a field and 60 fields', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const answer = await bed.exchange(
      `GET /${'a'.repeat(7980)} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nB: ${'c'.repeat(4096)}\r\n${Array.from({ length: 60 }, (_, index) => `F${index}: x\r\n`).join('')}\r\n`,
    )
    assert.match(answer, /fine$/)
  })
  test('an announced body before the app sees anything: 413, connection closed', async () => {
    await using app = await startHttpApp(() => ok(''))
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { bodyBytesMax: 10 } })
    const answer = await bed.exchange(`POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100000\r\n\r\n${'x'.repeat(100_000)}${GET}`)
    assert.match(answer, /^HTTP\/1\.1 413 /)
    assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1)
    assert.deepEqual(app.received, [])
  })
  test('a chunked body as it grows: 413, the app’s connection destroyed', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { bodyBytesMax: 10 } })
    const answer = await bed.exchange(
      'POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nabcdef\r\n6\r\nghijkl\r\n0\r\n\r\n',
    )
    assert.match(answer, /^HTTP\/1\.1 413 /)
    await until(() => app.open.size === 0)
    assert.doesNotMatch(app.received.join(''), /\r\n0\r\n/)
  })
  test('no body when the limit is 0', async () => {
    await using app = await startHttpApp(request => ok(String(request.body.length)))
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { bodyBytesMax: 0 } })
    const size = 3_000_000
    const answer = await bed.exchange(
      `POST / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\nContent-Length: ${size}\r\n\r\n${'x'.repeat(size)}`,
    )
    assert.match(answer, /\r\n\r\n3000000$/)
  })
  test('connections: one more than allowed is answered 503', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { connectionsMax: 1, clientShare: 1 } })
    const first = bed.send(GET)
    await first.until('fine')
    const second = bed.send(GET)
    await second.ended
    assert.match(second.text, /^HTTP\/1\.1 503 .*R51/s)
    first.destroy()
    await until(() => bed.server.stats().connectionsOpen === 0)
    assert.match(await bed.exchange(LAST), /fine/)
  })
})

suite('Connection gives up on', () => {
  test('a client that says nothing', async () => {
    await using bed = await startBed({ limits: { firstByteMs: 60 } })
    const client = bed.send('')
    await client.ended
    assert.equal(client.text, '')
  })
  test('a head that does not end, however steadily it comes: 408', async () => {
    await using bed = await startBed({ limits: { headMs: 100 } })
    const client = bed.send('GET / HTTP/1.1\r\n')
    const timer = setInterval(() => client.send('A: b\r\n'), 10)
    await client.ended
    clearInterval(timer)
    assert.match(client.text, /^HTTP\/1\.1 408 .*\r\nConnection: close\r\n/s)
  })
  test('empty lines without end', async () => {
    await using bed = await startBed({ limits: { headMs: 100 } })
    const client = bed.send('\r\n')
    const timer = setInterval(() => client.send('\r\n'), 5)
    await client.ended
    clearInterval(timer)
    assert.match(client.text, /^HTTP\/1\.1 4/)
  })
  test('a body that stalls: 408, the app’s connection freed', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { bodyWindowMs: 80 } })
    const client = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 100\r\n\r\nabc')
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 408 /)
    await until(() => app.open.size === 0)
  })
  test('a body that comes too slowly, but not one at the minimum rate', async () => {
    await using app = await startHttpApp(request => ok(String(request.body.length)))
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { bodyWindowMs: 100, bodyBytesPerSecondMin: 100 } })
    const slow = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 40\r\n\r\n')
    const steady = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 400\r\n\r\n')
    const slowly = setInterval(() => slow.send('x'), 20)
    const steadily = setInterval(() => steady.send('x'.repeat(20)), 20)
    await slow.ended
    clearInterval(slowly)
    assert.match(slow.text, /^HTTP\/1\.1 408 /)
    await steady.until('400')
    clearInterval(steadily)
  })
  test('an idle connection after the timeout, without an answer nobody asked for', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { defaultTimeoutMs: 80 } })
    const client = bed.send(GET)
    await client.ended
    assert.match(client.text, /fine$/)
    assert.equal(client.how, 'fin')
  })
  test('a client that does not take its answer', async () => {
    await using app = await startApp(socket => {
      socket.on('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n`))
      const block = Buffer.alloc(1 << 20)
      const fill = () => {
        while (!socket.destroyed && socket.write(block));
      }
      socket.once('data', fill)
      socket.on('drain', fill)
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { sendStallMs: 100 } })
    const client = bed.send('')
    client.socket.pause()
    client.send(GET)
    await until(() => app.sockets.length === 1)
    await until(() => app.open.size === 0, 'the app’s connection to be freed')
    assert.equal(bed.server.stats().errors.R49, 1)
  })
})

suite('Connection answers pipelined requests', () => {
  test('three in one write, in order, though the first is the slowest', async () => {
    await using app = await startApp(socket => {
      socket.on('data', (chunk: Buffer) => {
        for (const [, path] of chunk.toString('latin1').matchAll(/GET (\S+)/g)) {
          setTimeout(() => socket.write(ok(`[${path}]`)), path === '/1' ? 60 : 0)
        }
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: shop.test\r\n\r\n`
    const client = bed.send(request('/1') + request('/2') + request('/3'))
    await client.until('[/3]')
    assert.deepEqual(client.text.match(/\[\/\d\]/g), ['[/1]', '[/2]', '[/3]'])
  })
  test('1000 in one write', async () => {
    await using app = await startHttpApp(request => ok(`[${request.target}]`))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    let requests = ''
    for (let index = 0; index < 1000; index++) requests += `GET /${index} HTTP/1.1\r\nHost: shop.test\r\n\r\n`
    const client = bed.send(requests)
    await client.until('[/999]')
    assert.deepEqual(
      client.text.match(/\[\/\d+\]/g),
      Array.from({ length: 1000 }, (_, index) => `[/${index}]`),
    )
    assert.equal(app.sockets.length, 1)
  })
  test('1000 that the router answers itself', async () => {
    await using bed = await startBed()
    const client = bed.send('GET /healthz HTTP/1.1\r\nHost: none\r\n\r\n'.repeat(999) + LAST)
    await client.ended
    assert.equal(client.text.match(/HTTP\/1\.1 200 OK/g)?.length, 999)
    assert.equal(client.text.match(/HTTP\/1\.1 404/g)?.length, 1)
  })
  test('with bodies of both framings between them', async () => {
    await using app = await startHttpApp(request => ok(`[${request.target}:${request.body}]`))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(
      'POST /1 HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\n\r\naaPOST /2 HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nb\r\n1\r\nb\r\n0\r\n\r\nGET /3 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n',
    )
    await client.ended
    assert.deepEqual(client.text.match(/\[[^\]]*\]/g), ['[/1:aa]', '[/2:bb]', '[/3:]'])
  })
  test('only up to a limit while an answer is under way: then it stops reading', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET)
    await until(() => app.received[0] !== undefined && app.received[0] !== '')
    const block = Buffer.alloc(1 << 20, 'x')
    for (let index = 0; index < 64; index++) client.socket.write(block)
    await new Promise(resolve => setTimeout(resolve, 200))
    assert.ok(client.socket.writableLength > 32 << 20, `the router took ${(64 << 20) - client.socket.writableLength} bytes`)
  })
  test('not while a client takes no answers', async () => {
    await using app = await startHttpApp(() => ok('x'.repeat(100_000)))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send('')
    client.socket.pause()
    client.send(GET.repeat(500))
    await new Promise(resolve => setTimeout(resolve, 300))
    const served = (app.received.join('').match(/GET \/ /g) ?? []).length
    assert.ok(served < 200, `${served} of 500 went to the app`)
    client.socket.resume()
    await client.until(text => text.length > 500 * 100_000)
    assert.equal(client.text.match(/HTTP\/1\.1 200/g)?.length, 500)
  })
  test('not after one with Connection: close', async () => {
    await using app = await startHttpApp(() => ok('one'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const answer = await bed.exchange(LAST + GET + GET)
    assert.equal(answer.match(/HTTP\/1\.1/g)?.length, 1)
    assert.equal(app.received.join('').match(/GET/g)?.length, 1)
  })
})

suite('Connection and a client that ends its side', () => {
  test('after a request: it gets the answer', async () => {
    await using app = await startApp(socket => socket.on('data', () => setTimeout(() => socket.write(ok('late')), 50)))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET)
    client.end()
    await client.ended
    assert.match(client.text, /late$/)
    assert.equal(client.how, 'fin')
  })
  test('after a request to a silent app: the app is freed after a while', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { halfClosedMs: 60 } })
    // The end may come while the app is still being connected to, or later.
    for (const early of [true, false]) {
      const client = bed.send(GET)
      if (!early) await until(() => app.received[1] !== undefined && app.received[1] !== '')
      client.end()
      await client.ended
      assert.match(client.text, /^HTTP\/1\.1 504 /)
      await until(() => app.open.size === 0)
    }
  })
  test('after two requests to a silent app: the one that waits keeps neither the client’s place nor the app', async () => {
    await using app = await startApp(() => {})
    await using bed = await startBed({ apps: { 'shop.test': app }, limits: { halfClosedMs: 60 } })
    const client = bed.send(GET + GET)
    client.end()
    await client.ended
    assert.equal(client.text.match(/^HTTP\/1\.1 504 /gm)?.length, 2)
    await until(() => app.open.size === 0)
  })
  test('after three pipelined requests: it gets three answers', async () => {
    await using app = await startHttpApp(() => ok('one'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(GET + GET + GET)
    client.end()
    await client.ended
    assert.equal(client.text.match(/one/g)?.length, 3)
  })
  test('with nothing sent, or half a head: closed', async () => {
    await using bed = await startBed()
    for (const bytes of ['', 'GET / HT']) {
      const client = bed.send(bytes)
      client.end()
      await client.ended
      assert.equal(client.text, '')
    }
  })
  for (const when of ['before the answer', 'in the middle of the answer']) {
    test(`by a reset ${when}: the app’s connection is freed`, async () => {
      await using app = await startApp(socket => {
        socket.on('data', () => when.startsWith('before') || socket.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc'))
      })
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const client = bed.send(GET)
      await (when.startsWith('before') ? until(() => app.received[0] !== undefined && app.received[0] !== '') : client.until('abc'))
      client.reset()
      await until(() => app.open.size === 0)
      assert.equal(bed.server.stats().errors.R47, 1)
    })
  }
})

suite('Connection and Expect: 100-continue', () => {
  const HEAD = 'POST / HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: 20000\r\n\r\n'
  test('the app decides: 100 passes once, the body follows', async () => {
    await using app = await startApp((socket, index, self) => {
      socket.on('data', () => {
        const text = self.received[index] as string
        if (text.endsWith('\r\n\r\n')) socket.write('HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n')
        if (text.endsWith('end')) socket.write(ok('thanks'))
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(HEAD)
    await client.until('HTTP/1.1 100 Continue\r\n\r\n')
    assert.match(app.received[0] as string, /\r\nExpect: 100-continue\r\n/)
    client.send(`${'x'.repeat(19_997)}end`)
    await client.until('thanks')
    assert.equal(client.text.match(/100 Continue/g)?.length, 1)
  })
  test('refused by the app: the answer closes the connection, as nobody knows whether the body comes', async () => {
    await using app = await startHttpAppOfHeads(() => 'HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n')
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(HEAD)
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 417 .*Connection: close\r\n/s)
    await until(() => app.open.size === 0)
  })
  test('with the body at once', async () => {
    await using app = await startHttpApp(request => ok(String(request.body.length)))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const client = bed.send(HEAD + 'x'.repeat(20_000))
    await client.until('\r\n\r\n20000')
  })
  test('unknown: 417', async () => {
    await using bed = await startBed()
    assert.match(await bed.exchange('GET / HTTP/1.1\r\nHost: a\r\nExpect: coffee\r\n\r\n'), /^HTTP\/1\.1 417 /)
  })
})

suite('Connection and a body that nobody reads', () => {
  test('short: it is dropped, the connection lives on', async () => {
    await using bed = await startBed()
    const answer = await bed.exchange(
      `POST / HTTP/1.1\r\nHost: none\r\nContent-Length: 41\r\n\r\n${'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n'}${LAST}`,
    )
    assert.equal(answer.match(/HTTP\/1\.1 404/g)?.length, 2)
  })
  test('in pieces: the same', async () => {
    await using bed = await startBed()
    const client = bed.send('POST / HTTP/1.1\r\nHost: none\r\nContent-Length: 6\r\n\r\nGE')
    await client.until('R10')
    client.send('T /')
    client.send(` ${LAST}`)
    await client.ended
    assert.equal(client.text.match(/HTTP\/1\.1 404/g)?.length, 2)
  })
  test('long or chunked: the answer closes the connection', async () => {
    await using bed = await startBed()
    for (const framing of ['Content-Length: 100000', 'Transfer-Encoding: chunked']) {
      const answer = await bed.exchange(`POST / HTTP/1.1\r\nHost: none\r\n${framing}\r\n\r\n1\r\nx\r\n0\r\n\r\n${GET}`)
      assert.equal(answer.match(/HTTP\/1\.1 404/g)?.length, 1)
      assert.match(answer, /\r\nConnection: close\r\n/)
    }
  })
  test('while it comes: the answer arrives whole, no reset destroys it', async () => {
    await using bed = await startBed()
    const client = bed.send(`POST / HTTP/1.1\r\nHost: none\r\nContent-Length: 10000000\r\n\r\n`)
    const block = 'x'.repeat(100_000)
    for (let index = 0; index < 50; index++) client.send(block)
    await client.ended
    assert.equal(client.how, 'fin')
    assert.match(client.text, /R10/)
  })
})

async function startHttpAppOfHeads(answer: () => string) {
  return startApp((socket, index, app) => {
    socket.on('data', () => {
      if ((app.received[index] as string).includes('\r\n\r\n')) socket.write(answer())
    })
  })
}
