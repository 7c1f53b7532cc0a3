import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ok, until } from '../../router/serve/testbed.ts'
import { answering, deliveries, echoing, exchange, GET, LAST, readAnswers, readMessages, startWorld } from './world.ts'

// RFC 9112 §9.3.2 and §9.6: many requests on one connection, answered in order, and clients that end their side.

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: shop.test\r\n\r\n`
const post = (path: string, body: string) => `POST ${path} HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${body.length}\r\n\r\n${body}`
const chunked = (path: string, ...chunks: string[]) =>
  `PUT ${path} HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n${chunks.map(chunk => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('')}0\r\n\r\n`

suite('A pipeline', () => {
  test('of every framing, with answers of the router’s own between them, in order', async () => {
    const bytes = [
      get('/1'),
      post('/2', 'hello'),
      `GET /healthz HTTP/1.1\r\nHost: nobody.test\r\n\r\n`,
      chunked('/3', 'abc', get('/smuggled')),
      `POST /4 HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: 40\r\n\r\n${get('/smuggled').padEnd(40).slice(0, 40)}`,
      `HEAD /5 HTTP/1.1\r\nHost: shop.test\r\n\r\n`,
      post('/6', get('/smuggled')),
      `\r\n${get('/7')}`,
      LAST,
    ].join('')
    for (const [how, cuts] of deliveries(bytes.length)) {
      await using world = await startWorld(
        answering(({ line }) => (line.startsWith('HEAD') ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n' : ok(line.split(' ')[1] ?? ''))),
      )
      const client = await exchange(world.bed, bytes, cuts)
      const methods = ['GET', 'POST', 'GET', 'PUT', 'POST', 'HEAD', 'POST', 'GET', 'GET']
      const answers = readAnswers(client.text, methods)
      assert.deepEqual(
        answers.map(answer => answer.line.slice(9, 12)),
        ['200', '200', '200', '200', '404', '200', '200', '200', '200'],
        how,
      )
      assert.deepEqual(
        answers.flatMap(answer => answer.body.match(/^\/\w+$/) ?? []),
        ['/1', '/2', '/3', '/6', '/7', '/last'],
        how,
      )
      assert.deepEqual(
        world.app.received.flatMap(text => readMessages(text).messages).map(message => message.line.split(' ')[1]),
        ['/1', '/2', '/3', '/5', '/6', '/7', '/last'],
        how,
      )
    }
  })
  test('ends at the first request that is refused: what stood before is answered, what stands behind never read', async () => {
    const bytes = [get('/1'), post('/2', 'hello'), 'GET /3 HTTP/1.1\r\nHost : shop.test\r\n\r\n', get('/smuggled'), LAST].join('')
    for (const [how, cuts] of deliveries(bytes.length)) {
      await using world = await startWorld(echoing)
      const client = await exchange(world.bed, bytes, cuts)
      assert.deepEqual(
        readAnswers(client.text, ['GET', 'POST', 'GET']).map(answer => answer.line.slice(9, 12)),
        ['200', '200', '400'],
        how,
      )
      assert.doesNotMatch(world.app.received.join(''), /smuggled|last/, how)
    }
  })
  test('is in order though the app answers the first last, and holds nothing back from it', async () => {
    const held: (() => void)[] = []
    await using world = await startWorld(
      answering(({ line }) => {
        if (!line.includes('/slow')) return ok(line.split(' ')[1] ?? '')
        held.push(() => world.app.sockets[0]?.write(ok('/slow')))
        return undefined
      }),
    )
    const client = world.bed.send(get('/slow') + get('/2') + LAST)
    await until(() => held.length === 1)
    assert.equal(client.text, '')
    assert.doesNotMatch(world.app.received.join(''), /\/2/, 'one request at a time')
    held[0]?.()
    await client.ended
    assert.deepEqual(
      readAnswers(client.text, ['GET', 'GET', 'GET']).map(answer => answer.body),
      ['/slow', '/2', '/last'],
    )
  })
  test('of 1,000 on each of eight connections at once: each client its own answers, in order', async () => {
    await using world = await startWorld(echoing)
    const clients = Array.from({ length: 8 }, (_, client) => {
      let bytes = ''
      for (let index = 0; index < 1000; index++)
        bytes += index % 7 === 3 ? post(`/${client}/${index}`, 'x'.repeat(index)) : get(`/${client}/${index}`)
      return world.bed.send(bytes)
    })
    for (const [index, client] of clients.entries()) {
      await client.until(text => text.endsWith(`/${index}/999`))
      assert.deepEqual(
        client.text.match(/^\/\d+\/\d+/gm),
        Array.from({ length: 1000 }, (_, at) => `/${index}/${at}`),
      )
    }
    assert.ok(world.app.sockets.length <= 8, `${world.app.sockets.length} connections to the app`)
  })
  test('whose messages end exactly where a read of 64 KB ends, or one byte beside it', async () => {
    for (const offset of [-2, -1, 0, 1, 2]) {
      await using world = await startWorld(
        answering(({ line, body }) => ok(`${line.split(' ')[1]}:${body.length}`)),
        { policy: { bodyBytesMax: 0 } },
      )
      const head = (size: number) => `POST /1 HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${size}\r\n\r\n`
      const size = 65_536 + offset - head(65_000).length
      const client = world.bed.send(head(size) + 'x'.repeat(size) + post('/2', 'y'.repeat(65_536 + offset)) + LAST)
      await client.ended
      assert.deepEqual(
        readAnswers(client.text, ['POST', 'POST', 'GET']).map(answer => answer.body),
        [`/1:${size}`, `/2:${65_536 + offset}`, '/last:0'],
      )
    }
  })
})

suite('A client that ends its side', () => {
  test('behind requests gets all answers', async () => {
    await using world = await startWorld(echoing)
    const client = world.bed.send(get('/1') + post('/2', 'hello') + get('/3'))
    client.end()
    await client.ended
    assert.deepEqual(
      readAnswers(client.text, ['GET', 'POST', 'GET']).map(answer => answer.body),
      ['/1', '/2', '/3'],
    )
    assert.equal(client.how, 'fin')
  })
  for (const [name, bytes] of Object.entries({
    'in a head': 'GET /cut HTTP/1.1\r\nHost: shop.te',
    'in a body': 'POST /cut HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 9\r\n\r\nhello',
    'in a chunk': 'POST /cut HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nhello',
    'behind a chunk': 'POST /cut HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    'in the last chunk': 'POST /cut HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n',
    'in a trailer': 'POST /cut HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nA: b\r\n',
  })) {
    for (const how of ['FIN', 'RST'] as const) {
      test(`${name}, by ${how}: the app never gets a whole request, and its connection ends`, async () => {
        await using world = await startWorld(echoing)
        const client = world.bed.send(get('/1') + bytes)
        await client.until('/1')
        if (!bytes.startsWith('GET')) await until(() => world.app.received.join('').includes('/cut'))
        if (how === 'FIN') client.end()
        else client.reset()
        await client.ended
        await until(() => world.bed.server.stats().connectionsOpen === 0)
        assert.deepEqual(
          world.app.received.flatMap(text => readMessages(text).messages).map(message => message.line.split(' ')[1]),
          ['/1'],
        )
        // The one connection that may remain is the kept one of the first request.
        await until(() => world.app.open.size === world.bed.server.stats().upstreamConnectionsIdle)
      })
    }
  }
  test('with nothing said is let go', async () => {
    await using world = await startWorld(echoing)
    for (const bytes of ['', '\r\n', GET]) {
      const client = world.bed.send(bytes)
      client.end()
      await client.ended
      assert.equal(client.how, 'fin')
    }
    await until(() => world.bed.server.stats().connectionsOpen === 0)
  })
})
