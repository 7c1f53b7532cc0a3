import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { suite, test } from 'node:test'
import { ok, type TestApp, until } from '../../router/serve/testbed.ts'
import { answering, deliver, deliveries, echoing, exchange, LAST, readAnswers, readMessages, startWorld } from './world.ts'

// Attacks of the classes that desynchronise a proxy from its app or from its client, each with a victim who asks on another connection
// right behind, and who must get the answer to what he asked.

const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\nX: '
const VICTIM = 'GET /victim HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
const post = (fields: string, body: string) => `POST /attack HTTP/1.1\r\nHost: shop.test\r\n${fields}\r\n\r\n${body}`
const CHUNK = `${(SMUGGLED.length + 4).toString(16)}\r\n${SMUGGLED}\r\n\r\n\r\n0\r\n\r\n`

/** Ways to hide a transfer coding from one of two readers. */
const HIDDEN_CODINGS = [
  ...[
    'Transfer-Encoding: xchunked',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: x',
    'Transfer-Encoding:\tchunked',
  ],
  ...[
    'Transfer-Encoding: x\r\nTransfer-Encoding: chunked',
    'X: y\nTransfer-Encoding: chunked',
    ' Transfer-Encoding: chunked',
    'X: y\r\n Transfer-Encoding: chunked',
  ],
  ...[
    'Transfer-Encoding\r\n: chunked',
    'Transfer-Encoding: chunked, identity',
    'Transfer-Encoding: "chunked"',
    'Transfer-Encoding: chunked;x=y',
    'transfer_encoding: chunked',
  ],
  ...[
    'Transfer-Encoding:\x0bchunked',
    'Transfer-Encoding: chunked\x0c',
    'Transfer-Encoding: \x00chunked',
    'Transfer-Encoding: c\x00hunked',
    '\x00Transfer-Encoding: chunked',
    'Transfer-Encoding\x00: chunked',
  ],
  ...[
    'TRANSFER-ENCODING: CHUNKED,',
    'Transfer-Encoding: \xa0chunked',
    'Transfer-Encoding: chunked\x85',
    'Foo: bar\rTransfer-Encoding: chunked',
    'Transfer-Encoding: identity, chunked',
    'Connection: transfer-encoding\r\nTransfer-Encoding: chunked',
  ],
  ...[
    'Transfer-Encoding: ch\xfcnked',
    'Transfer-Encoding:chunked',
    'Transfer-Encoding: CHUNKED',
    'Transfer.Encoding: chunked',
    'Transfer-Encoding-: chunked',
    'Transfer-Encodin\u0067: chunked',
  ],
]
const HIDDEN_LENGTHS = [
  ...[
    'Content-Length: +LEN',
    'Content-Length: LEN, LEN',
    'Content-Length: 0\r\nContent-Length: LEN',
    'Content-Length : LEN',
    'Content-Length: LEN\r\n 0',
    'X: y\nContent-Length: LEN',
  ],
  ...[
    'Content-Length: 0xLEN',
    'Content-Length:\x0bLEN',
    'Content-Length: LEN\x00',
    '\x01Content-Length: LEN',
    'Content_Length: LEN',
    'Content-Length: LEN.0',
    'Content-Length: "LEN"',
    'Connection: content-length\r\nContent-Length: LEN',
  ],
  ...[
    'Content-Length: LEN;',
    'Content-Length: -0',
    'Content-Length:LEN',
    'Content-Length: \xb2',
    'Content-Length: LEN\t',
    'X: y\rContent-Length: LEN',
    'Content-Length: 00LEN',
    'Content\xadLength: LEN',
  ],
]

suite('Two readings of one request', () => {
  const attacks: Record<string, string> = {
    '0.CL: the app may think that there is no body': `GET /attack HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    '0.CL with Expect': `GET /attack HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    '0.CL with an obfuscated Expect': `GET /attack HTTP/1.1\r\nHost: shop.test\r\nExpect: y 100-continue\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    'CL.0: a body of a path that reads none': post(`Content-Length: ${SMUGGLED.length}`, SMUGGLED),
    'TE.0': post('Transfer-Encoding: chunked', CHUNK),
    'TERM.EXT: a line end inside an extension': post('Transfer-Encoding: chunked', `5;\n${'x'.repeat(2)}\r\n${CHUNK}`),
    'EXT.TERM: an extension that ends by LF': post('Transfer-Encoding: chunked', `0;a\n\r\n${SMUGGLED}`),
    'a spill of two bytes behind a chunk': post('Transfer-Encoding: chunked', `5\r\nhelloXX0\r\n\r\n${SMUGGLED}`),
    'a body in the trailer': post('Transfer-Encoding: chunked', `0\r\nContent-Length: 50\r\n\r\n${SMUGGLED}`),
    'a chunk size that wraps at 32 bits': post('Transfer-Encoding: chunked', `100000005\r\nhello\r\n0\r\n\r\n${SMUGGLED}`),
    'a chunk size that wraps at 64 bits': post('Transfer-Encoding: chunked', `10000000000000005\r\nhello\r\n0\r\n\r\n${SMUGGLED}`),
    'HTTP/1.0 with both framings': `POST /attack HTTP/1.0\r\nHost: shop.test\r\nConnection: keep-alive\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`,
    'an upgrade with a body': `GET /attack HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n${SMUGGLED}`,
    'an upgrade that the app refuses': `GET /attack HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n${SMUGGLED}`,
    'Host smuggled by a line end': `GET /attack HTTP/1.1\r\nHost: shop.test\nHost: evil.test\r\n\r\n`,
  }
  for (const coding of HIDDEN_CODINGS) {
    attacks[`CL.TE, ${JSON.stringify(coding)}`] = post(`Content-Length: ${SMUGGLED.length + 5}\r\n${coding}`, `0\r\n\r\n${SMUGGLED}`)
    attacks[`TE.CL, ${JSON.stringify(coding)}`] = post(`${coding}\r\nContent-Length: 4`, CHUNK)
    attacks[`TE alone, ${JSON.stringify(coding)}`] = post(coding, CHUNK)
  }
  for (const length of HIDDEN_LENGTHS) {
    const filled = length.replaceAll('LEN', String(SMUGGLED.length))
    attacks[`CL.CL, ${JSON.stringify(length)}`] = post(`Content-Length: 0\r\n${filled}`, SMUGGLED)
    attacks[`CL alone, ${JSON.stringify(length)}`] = post(filled, SMUGGLED)
  }
  for (const [name, bytes] of Object.entries(attacks)) {
    test(name, async () => {
      for (const [how, cuts] of deliveries(bytes.length).filter((_, index) => index !== 1)) {
        await using world = await startWorld(echoing)
        const attacker = world.bed.send('')
        await deliver(attacker.socket, bytes, cuts)
        // The attacker stays: what he left unfinished lies in wait on some connection, if anywhere.
        const victim = world.bed.send(VICTIM)
        await victim.ended
        assert.deepEqual(
          readAnswers(victim.text, ['GET']).map(answer => answer.body),
          ['/victim'],
          how,
        )
        attacker.end()
        await attacker.ended
        // What both of us read as a second request of his own, he gets an answer to.
        const own = ['/attack', '/victim', ...(attacker.text.includes('\r\n\r\n/smuggled') ? ['/smuggled'] : [])]
        for (const { messages, rest } of world.app.received.map(readMessages)) {
          assert.deepEqual(
            messages.map(({ line }) => line.split(' ')[1]!).filter(path => !own.includes(path)),
            [],
            how,
          )
          assert.doesNotMatch(rest, /^GET \/smuggled/, how)
        }
        assert.doesNotMatch(attacker.text, /\/victim/)
      }
    })
  }
})

suite('Pauses', () => {
  test('a head, a pause, the body: one request, whatever the app answered meanwhile', async () => {
    // The app answers as soon as it has the head and would read the rest as the next request.
    await using world = await startWorld((socket, index, app) => {
      socket.on('data', () => app.received[index]!.includes('\r\n\r\n') && socket.writable && socket.write(ok('early')))
    })
    const attacker = world.bed.send(post(`Content-Length: ${SMUGGLED.length}`, ''))
    await attacker.until('early')
    if (attacker.socket.writable) attacker.send(SMUGGLED)
    const victim = world.bed.send(VICTIM)
    await victim.ended
    assert.equal(readAnswers(victim.text, ['GET'])[0]?.body, 'early')
    attacker.end()
    await attacker.ended
    for (const [index, text] of world.app.received.entries()) {
      assert.ok(/^(?:POST \/attack|GET \/victim) HTTP/.test(text), `connection ${index}`)
      assert.doesNotMatch(text, /smuggled[\s\S]*victim/, 'the victim never stands behind what was smuggled')
    }
  })
  test('a request that is cut by time leaves nothing behind on the app’s connection', async () => {
    await using world = await startWorld(echoing, { limits: { bodyWindowMs: 60, headMs: 60 } })
    const attacker = world.bed.send(post('Content-Length: 100', SMUGGLED))
    await attacker.ended
    assert.match(attacker.text, /^HTTP\/1\.1 408 /)
    const victim = await exchange(world.bed, VICTIM)
    assert.match(victim.text, /\/victim$/)
    assert.ok(world.app.received.every(text => !text.includes('/attack') || !text.includes('/victim')))
  })
})

suite('An app that is out to poison its answers', () => {
  const POISON = ok('poison')
  const tricks: Record<string, (socket: Socket, count: number) => void> = {
    'two answers to each request': socket => socket.write(ok('own') + POISON),
    'an answer, and another a moment later': socket => {
      socket.write(ok('own'))
      setImmediate(() => setImmediate(() => socket.write(POISON)))
    },
    'half of the next answer behind the last': socket => socket.write(`${ok('own')}HTTP/1.1 200 OK\r\nX: `),
    'a hundred interim answers, then two answers': socket => socket.write(`${'HTTP/1.1 103 x\r\n\r\n'.repeat(10)}${ok('own')}${POISON}`),
    'interim answers behind the answer': socket => socket.write(`${ok('own')}${'HTTP/1.1 100 Continue\r\n\r\n'.repeat(100)}`),
    'an answer to HEAD with a body that is an answer': socket => socket.write(`HTTP/1.1 204 No Content\r\n\r\n${POISON}`),
    'a 304 with a body that is an answer': socket =>
      socket.write(`HTTP/1.1 304 Not Modified\r\nContent-Length: ${POISON.length}\r\n\r\n${POISON}`),
    'a 101 with an answer as its first bytes': socket =>
      socket.write(`HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n${POISON}`),
    'a split by line ends in a value': socket =>
      socket.write(`HTTP/1.1 200 OK\r\nX: y\r\n\r\n\r\n${POISON}`.replace('\r\n\r\n\r\n', '\r\nContent-Length: 0\r\n\r\n')),
    'two lengths': socket =>
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: ${POISON.length + 3}\r\n\r\nown${POISON}`),
    'a length and chunks': socket =>
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${POISON}`),
    'chunks with an answer behind the last': socket =>
      socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nown\r\n0\r\n\r\n${POISON}`),
    'an answer in the trailer': socket => socket.write(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n${POISON}`),
  }
  for (const [name, trick] of Object.entries(tricks)) {
    test(`by ${name}: every client gets at most one answer to each request, and never another’s`, async () => {
      await using world = await startWorld(tricking(trick))
      for (let round = 0; round < 5; round++) {
        const attacked = world.bed.send('GET /trick HTTP/1.1\r\nHost: shop.test\r\n\r\n')
        await attacked.until('\r\n\r\n')
        const victims = await Promise.all([exchange(world.bed, VICTIM), exchange(world.bed, LAST)])
        assert.deepEqual(
          victims.map(victim => readAnswers(victim.text, ['GET'])[0]?.body),
          ['/victim', '/last'],
        )
        attacked.send(VICTIM)
        await attacked.ended
        const answers = readAnswers(attacked.text, ['GET', 'GET']).filter(answer => !answer.line.startsWith('HTTP/1.1 1'))
        assert.equal(answers.length, 2)
        assert.equal(answers[1]?.body, '/victim')
        assert.doesNotMatch(attacked.text, /poison/)
        attacked.destroy()
      }
      await until(() => world.bed.server.stats().connectionsOpen === 0)
    })
  }
  test('that speaks on its idle connections: they end, and nobody hears it', async () => {
    await using world = await startWorld(echoing)
    for (let round = 0; round < 20; round++) {
      assert.match((await exchange(world.bed, VICTIM)).text, /\/victim$/)
      for (const socket of world.app.open) socket.write(POISON)
      await until(() => world.app.open.size === 0)
    }
  })
  test('that says 100 without end is cut off by 502', async () => {
    await using world = await startWorld(answering(() => 'HTTP/1.1 100 Continue\r\n\r\n'.repeat(5000)))
    const client = await exchange(world.bed, VICTIM)
    assert.match(client.text, /^HTTP\/1\.1 502 [\s\S]*R34/)
    await until(() => world.app.open.size === 0)
  })
})

/** Plays the trick on `/trick`, answers all else with its target. */
function tricking(trick: (socket: Socket, count: number) => void) {
  let count = 0
  return (socket: Socket, index: number, app: TestApp) => {
    let at = 0
    socket.on('data', () => {
      const text = app.received[index]!
      const { messages, rest } = readMessages(text.slice(at))
      at = text.length - rest.length
      for (const { line } of messages) {
        if (!socket.writable) return
        if (line.includes('/trick')) trick(socket, count++)
        else socket.write(ok(line.split(' ')[1]!))
      }
    })
  }
}
