import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { suite, test } from 'node:test'
import { ok, type TestApp, until } from '../../router/serve/testbed.ts'
import { deliver, deliveries, readAnswers, readMessages, startWorld, written } from './world.ts'

// What an app answers, in raw bytes, and what then reaches the client; each case whole, byte by byte and cut at random, and behind each the
// next request of the same client, which must get its own answer.

/** What the app does behind its answer: nothing, end, or reset. */
type End = 'stays' | 'ends' | 'resets'
/** Whether the next request goes over the same connection of the app. */
type Kept = 'kept' | 'not kept'
/** The method of the request, the answer, what follows, what reaches the client (several: interim ones before it), the connection. */
type Case = readonly [method: string, sent: string, end: End, expected: string | readonly string[], kept: Kept]

const GATEWAY = '502'
/** The head passes, the rest is missing: the client's connection ends before the answer is whole. */
const CUT = 'cut'
const OK = 'HTTP/1.1 200 OK'
const length = (text: string) => `${OK}\nContent-Length: ${text.length}${text === '' ? '' : `\n\n${text}`}`
const chunks = (text: string) => `${OK}\nTransfer-Encoding: chunked${text === '' ? '' : `\n\n${text}`}`
const answer = (fields: string, body = '') => `${OK}\r\n${fields}\r\n${body}`
const bad = (sent: string): Case => ['GET', sent, 'stays', GATEWAY, 'not kept']

cases('RFC 9112 §4: the status line', {
  'a reason of several words': [
    'GET',
    `HTTP/1.1 404 Not Here At All\r\nContent-Length: 0\r\n\r\n`,
    'stays',
    'HTTP/1.1 404 Not Here At All\nContent-Length: 0',
    'kept',
  ],
  'an empty reason': ['GET', 'HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n', 'stays', 'HTTP/1.1 200 \nContent-Length: 0', 'kept'],
  'no reason, as many apps': ['GET', 'HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n', 'stays', 'HTTP/1.1 200 \nContent-Length: 0', 'kept'],
  'a reason with bytes above 0x7f': [
    'GET',
    'HTTP/1.1 200 \xc4h\xff\r\nContent-Length: 0\r\n\r\n',
    'stays',
    'HTTP/1.1 200 \xc4h\xff\nContent-Length: 0',
    'kept',
  ],
  'a status nobody knows': [
    'GET',
    'HTTP/1.1 599 x\r\nContent-Length: 2\r\n\r\nok',
    'stays',
    'HTTP/1.1 599 x\nContent-Length: 2\n\nok',
    'kept',
  ],
  'HTTP/1.0': ['GET', 'HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok', 'stays', length('ok'), 'not kept'],
  'HTTP/1.0 with keep-alive': [
    'GET',
    'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok',
    'stays',
    length('ok'),
    'kept',
  ],
  ...Object.fromEntries(
    [
      ...[
        'HTTP/1.1 000 x',
        'HTTP/1.1 099 x',
        'HTTP/1.1 99 x',
        'HTTP/1.1 600 x',
        'HTTP/1.1 999 x',
        'HTTP/1.1 1000 x',
        'HTTP/1.1 2OO x',
        'HTTP/1.1 -200 x',
      ],
      ...[
        'HTTP/2.0 200 OK',
        'HTTP/1.2 200 OK',
        'HTTP/1 200 OK',
        'HTTP/1.10 200 OK',
        'http/1.1 200 OK',
        'ICY 200 OK',
        'HTTP/1.1  200 OK',
        'HTTP/1.1\t200 OK',
      ],
      ...[
        'HTTP/1.1',
        'HTTP/1.1 ',
        '200 OK',
        ' HTTP/1.1 200 OK',
        '\r\nHTTP/1.1 200 OK',
        'HTTP/1.1 200 O\0K',
        'HTTP/1.1 200 O\rK',
        'HTTP/1.1 200 O\nK',
      ],
      ...[
        'HTTP/1.1 200 O\x7fK',
        'GET / HTTP/1.1',
        'SSH-2.0-OpenSSH',
        '<html>',
        '\x15\x03\x01\x00\x02\x02\x28',
        'HTTP/1.1 200 OK\r',
        'HTTP/1.1 +200 OK',
      ],
    ].map(line => [JSON.stringify(line), bad(`${line}\r\nContent-Length: 2\r\n\r\nok`)]),
  ),
})

cases('RFC 9112 §2.2, §5: lines and fields', {
  'values keep tabs, blanks inside and bytes above 0x7f': [
    'GET',
    answer('A: b\tc  \xe9\r\nContent-Length: 0\r\n'),
    'stays',
    `${OK}\nA: b\tc  \xe9\nContent-Length: 0`,
    'kept',
  ],
  'the same name twice, in order': [
    'GET',
    answer('Set-Cookie: a\r\nB: c\r\nset-cookie: d\r\nContent-Length: 0\r\n'),
    'stays',
    `${OK}\nSet-Cookie: a\nB: c\nset-cookie: d\nContent-Length: 0`,
    'kept',
  ],
  ...Object.fromEntries(
    [
      ...[
        'A : b',
        'A\t: b',
        ': b',
        'A',
        'A B: c',
        '(A): b',
        '\xc4: b',
        'A: b\r\n c',
        'A: b\r\n\tc',
        'A: b\rC: d',
        'A: b\nC: d',
        'A: \0',
        'A: \x01',
        'A: b\x0bc',
        'A: \x7f',
        ' A: b',
        'A\0: b',
      ],
      ...['Transfer-Encoding : chunked', 'Content-Length : 2', 'A: b\r', 'Set-Cookie: a\nSet-Cookie: b'],
    ].map(field => [JSON.stringify(field), bad(answer(`${field}\r\nContent-Length: 2\r\n`, 'ok'))]),
  ),
  'bare LF throughout': bad('HTTP/1.1 200 OK\nContent-Length: 2\n\nok'),
  'a header line before the status line': bad(`A: b\r\n${answer('Content-Length: 2\r\n', 'ok')}`),
})

cases('RFC 9112 §6: framing', {
  'Content-Length': ['GET', answer('Content-Length: 5\r\n', 'hello'), 'stays', length('hello'), 'kept'],
  'Content-Length 0': ['GET', answer('Content-Length: 0\r\n'), 'stays', length(''), 'kept'],
  'Content-Length with zeros is written anew': ['GET', answer('content-length:005\r\n', 'hello'), 'stays', length('hello'), 'kept'],
  chunked: ['GET', answer('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n\r\n'), 'stays', chunks('hello'), 'kept'],
  'chunked in capitals, with zeros, extensions and trailers': [
    'GET',
    answer('TRANSFER-ENCODING: Chunked\r\nTrailer: X\r\n', '00A;a="b;c"\r\n0123456789\r\n00\r\nX: y\r\nSet-Cookie: z\r\n\r\n'),
    'stays',
    chunks('0123456789'),
    'kept',
  ],
  'until the connection ends becomes chunked': [
    'GET',
    answer('A: b\r\n', 'hello'),
    'ends',
    `${OK}\nA: b\nTransfer-Encoding: chunked\n\nhello`,
    'not kept',
  ],
  'until the connection ends, with nothing': ['GET', answer(''), 'ends', chunks(''), 'not kept'],
  'until the connection ends, of HTTP/1.0': ['GET', 'HTTP/1.0 200 OK\r\n\r\nhello', 'ends', chunks('hello'), 'not kept'],
  'until the connection ends, but it is reset': ['GET', answer('', 'hello'), 'resets', CUT, 'not kept'],
  'Content-Length, cut by an end': ['GET', answer('Content-Length: 9\r\n', 'hello'), 'ends', CUT, 'not kept'],
  'Content-Length, cut by a reset': ['GET', answer('Content-Length: 9\r\n', 'hello'), 'resets', CUT, 'not kept'],
  'chunked, cut in a chunk': ['GET', answer('Transfer-Encoding: chunked\r\n', '9\r\nhello'), 'ends', CUT, 'not kept'],
  'chunked, cut between chunks': ['GET', answer('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n'), 'ends', CUT, 'not kept'],
  'chunked, cut in the last chunk': ['GET', answer('Transfer-Encoding: chunked\r\n', '5\r\nhello\r\n0\r\n'), 'ends', CUT, 'not kept'],
  ...Object.fromEntries(
    ['zz', '', '-5', '0x5', ' 5', '5 ', '5\n', '5;\0', '10000000000000005', '4'].map((size): [string, Case] => [
      `chunked, a size line ${JSON.stringify(size)}`,
      ['GET', answer('Transfer-Encoding: chunked\r\n', `${size}\r\nhello\r\n0\r\n\r\n`), 'stays', CUT, 'not kept'],
    ]),
  ),
  'chunked, a trailer with Content-Length': [
    'GET',
    answer('Transfer-Encoding: chunked\r\n', '0\r\nContent-Length: 5\r\n\r\n'),
    'stays',
    CUT,
    'not kept',
  ],
  ...Object.fromEntries(
    [
      ...[
        'Content-Length: 2\r\nContent-Length: 2',
        'Content-Length: 2\r\nContent-Length: 3',
        'Content-Length: 2, 2',
        'Content-Length: +2',
        'Content-Length: -1',
      ],
      ...['Content-Length: 0x2', 'Content-Length:', 'Content-Length: 2x', 'Content-Length: 18446744073709551618', 'Content-Length: 2\t'],
      ...[
        'Content-Length: 2\r\nTransfer-Encoding: chunked',
        'Transfer-Encoding: chunked\r\nContent-Length: 2',
        'Transfer-Encoding: gzip',
        'Transfer-Encoding: gzip, chunked',
      ],
      ...[
        'Transfer-Encoding: chunked, gzip',
        'Transfer-Encoding: identity',
        'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
        'Transfer-Encoding: chunked\t',
        'Transfer-Encoding:',
      ],
    ].map(fields => [fields.replace('\r\n', ', '), bad(answer(`${fields}\r\n`, '0\r\n\r\n'))]),
  ),
  'Transfer-Encoding in HTTP/1.0': bad('HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
})

cases('RFC 9112 §6.3: answers without a body', {
  '204': ['GET', 'HTTP/1.1 204 No Content\r\n\r\n', 'stays', 'HTTP/1.1 204 No Content', 'kept'],
  '204 with Content-Length': ['GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n', 'stays', 'HTTP/1.1 204 No Content', 'kept'],
  '204 with a body': ['GET', 'HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison', 'stays', 'HTTP/1.1 204 No Content', 'not kept'],
  '204 with chunks': [
    'GET',
    'HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n6\r\npoison\r\n0\r\n\r\n',
    'stays',
    'HTTP/1.1 204 No Content',
    'not kept',
  ],
  '304 with the length of what it stands for': [
    'GET',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
    'stays',
    'HTTP/1.1 304 Not Modified\nContent-Length: 5',
    'kept',
  ],
  '304 with a body': [
    'GET',
    'HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison',
    'stays',
    'HTTP/1.1 304 Not Modified\nContent-Length: 6',
    'not kept',
  ],
  '205 is framed as any other': [
    'GET',
    'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n',
    'stays',
    'HTTP/1.1 205 Reset Content\nContent-Length: 0',
    'kept',
  ],
  'to HEAD, with Content-Length': ['HEAD', answer('Content-Length: 5\r\n'), 'stays', `${OK}\nContent-Length: 5`, 'kept'],
  'to HEAD, chunked': ['HEAD', answer('Transfer-Encoding: chunked\r\n'), 'stays', OK, 'kept'],
  'to HEAD, without framing': ['HEAD', answer('A: b\r\n'), 'stays', `${OK}\nA: b`, 'kept'],
  'to HEAD, with a body': ['HEAD', answer('Content-Length: 6\r\n', 'poison'), 'stays', `${OK}\nContent-Length: 6`, 'not kept'],
})

cases('RFC 9110 §15.2: interim answers', {
  '103 passes': [
    'GET',
    `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${answer('Content-Length: 2\r\n', 'ok')}`,
    'stays',
    ['HTTP/1.1 103 Early Hints\nLink: </a>', length('ok')],
    'kept',
  ],
  '103 twice': [
    'GET',
    `${'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n'.repeat(2)}${answer('Content-Length: 0\r\n')}`,
    'stays',
    ['HTTP/1.1 103 Early Hints\nLink: </a>', 'HTTP/1.1 103 Early Hints\nLink: </a>', length('')],
    'kept',
  ],
  '103 with framing, which means nothing there': [
    'GET',
    `HTTP/1.1 103 Early Hints\r\nContent-Length: 50\r\nConnection: close\r\n\r\n${answer('Content-Length: 2\r\n', 'ok')}`,
    'stays',
    ['HTTP/1.1 103 Early Hints', length('ok')],
    'kept',
  ],
  '102': [
    'GET',
    `HTTP/1.1 102 Processing\r\n\r\n${answer('Content-Length: 0\r\n')}`,
    'stays',
    ['HTTP/1.1 102 Processing', length('')],
    'kept',
  ],
  '100 that nobody asked for is dropped': [
    'GET',
    `HTTP/1.1 100 Continue\r\n\r\n${answer('Content-Length: 0\r\n')}`,
    'stays',
    length(''),
    'kept',
  ],
  '103 to an answer without a body': [
    'HEAD',
    `HTTP/1.1 103 Early Hints\r\n\r\n${answer('Content-Length: 5\r\n')}`,
    'stays',
    ['HTTP/1.1 103 Early Hints', `${OK}\nContent-Length: 5`],
    'kept',
  ],
  '101 that nobody asked for': bad('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframes'),
  '101 to h2c': bad('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n\0\0\0\x04'),
  '103 then garbage': [
    'GET',
    'HTTP/1.1 103 Early Hints\r\n\r\ngarbage\r\n\r\n',
    'stays',
    ['HTTP/1.1 103 Early Hints', GATEWAY],
    'not kept',
  ],
  '103 of HTTP/1.0': bad(`HTTP/1.0 103 Early Hints\r\n\r\n${answer('Content-Length: 0\r\n')}`),
  '103 with a bad field': bad(`HTTP/1.1 103 Early Hints\r\nA : b\r\n\r\n${answer('Content-Length: 0\r\n')}`),
})

cases('RFC 9110 §7.6.1: fields of one hop', {
  'Connection and what it names': [
    'GET',
    answer('Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nA: b\r\nContent-Length: 0\r\n'),
    'stays',
    `${OK}\nA: b\nContent-Length: 0`,
    'kept',
  ],
  'Connection never takes framing or cookies': [
    'GET',
    answer('Connection: content-length, set-cookie\r\nSet-Cookie: a\r\nContent-Length: 2\r\n', 'ok'),
    'stays',
    `${OK}\nSet-Cookie: a\nContent-Length: 2\n\nok`,
    'kept',
  ],
  'Keep-Alive, TE, Trailer, Proxy-Connection, Upgrade': [
    'GET',
    answer('Keep-Alive: timeout=60\r\nTE: a\r\nTrailer: b\r\nProxy-Connection: close\r\nUpgrade: h2,h2c\r\nContent-Length: 0\r\n'),
    'stays',
    length(''),
    'kept',
  ],
  'Connection: close of the app is not the client’s': [
    'GET',
    answer('Connection: close\r\nContent-Length: 2\r\n', 'ok'),
    'stays',
    length('ok'),
    'not kept',
  ],
  'Connection: Close among others': [
    'GET',
    answer('Connection: x, Close\r\nContent-Length: 2\r\n', 'ok'),
    'ends',
    length('ok'),
    'not kept',
  ],
})

cases('RFC 9112 §9.3: what comes behind an answer', {
  'another answer': ['GET', `${answer('Content-Length: 2\r\n', 'ok')}${ok('poison')}`, 'stays', length('ok'), 'not kept'],
  'a line end': ['GET', `${answer('Content-Length: 2\r\n', 'ok')}\r\n`, 'stays', length('ok'), 'not kept'],
  'one byte': ['GET', `${answer('Transfer-Encoding: chunked\r\n', '2\r\nok\r\n0\r\n\r\n')}x`, 'stays', chunks('ok'), 'not kept'],
  'more than its length': ['GET', answer('Content-Length: 2\r\n', 'ok, poison'), 'stays', length('ok'), 'not kept'],
  'an interim answer': [
    'GET',
    `${answer('Content-Length: 2\r\n', 'ok')}HTTP/1.1 103 Early Hints\r\n\r\n`,
    'stays',
    length('ok'),
    'not kept',
  ],
})

cases('RFC 9112 §9: an app that gives no answer', {
  'and ends': ['POST', '', 'ends', GATEWAY, 'not kept'],
  'and resets': ['POST', '', 'resets', GATEWAY, 'not kept'],
  'but half a head, and ends': ['POST', 'HTTP/1.1 200 OK\r\nContent-Le', 'ends', GATEWAY, 'not kept'],
  'but half a head, and resets': ['POST', 'HTTP/1.1 200 OK\r\nContent-Le', 'resets', GATEWAY, 'not kept'],
  'but an interim one, and ends': ['POST', 'HTTP/1.1 103 Early Hints\r\n\r\n', 'ends', ['HTTP/1.1 103 Early Hints', GATEWAY], 'not kept'],
})

function cases(section: string, list: Readonly<Record<string, Case>>): void {
  suite(section, () => {
    for (const [name, one] of Object.entries(list)) test(name, () => check(...one))
  })
}

async function check(method: string, sent: string, end: End, expected: string | readonly string[], kept: Kept): Promise<void> {
  for (const [how, cuts] of sent === '' ? [['at once', []] as const] : deliveries(sent.length)) {
    // Kept for longer than the test waits, so that age ends no connection.
    await using world = await startWorld(answeringOnce(sent, cuts, end), { limits: { idleUpstreamMs: 60_000 } })
    const client = world.bed.send(`${method} /first HTTP/1.1\r\nHost: shop.test\r\n${method === 'POST' ? 'Content-Length: 0\r\n' : ''}\r\n`)
    // Both ends of the app's connection are done with the answer before the next request, which may take the same one.
    if (kept === 'not kept')
      await until(() => world.app.sockets.length === 1 && world.app.open.size === 0, `${how}: the app’s connection to end`)
    else await until(() => world.bed.server.stats().upstreamConnectionsIdle === 1, `${how}: the app’s connection to be kept`)
    const wanted = typeof expected === 'string' ? [expected] : expected
    if (wanted.at(-1) !== CUT) client.send('GET /second HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    await client.ended
    assert.doesNotMatch(client.text, /poison/, how)
    const answers = readAnswers(client.text, [method, 'GET'])
    if (wanted.at(-1) === CUT) {
      assert.equal(answers.length === 1 && answers[0]?.whole, false, how)
      continue
    }
    assert.deepEqual(
      answers.map((answer, index) => (wanted[index] === GATEWAY ? answer.line.slice(9, 12) : written(answer))),
      [...wanted, `${OK}\nContent-Type: text/plain\nContent-Length: 6\nConnection: close\n\nsecond`],
      how,
    )
    assert.equal(world.app.sockets.length, kept === 'kept' ? 1 : 2, `${how}: connections to the app`)
  }
}

/** Answers the first request with the bytes of a case, every other one with `second`. */
function answeringOnce(sent: string, cuts: readonly number[], end: End) {
  return (socket: Socket, index: number, app: TestApp) => {
    let served = 0
    socket.on('data', async () => {
      const { messages } = readMessages(app.received[index] as string)
      while (served < messages.length) {
        if (!messages[served++]!.line.includes('/first')) {
          socket.write(ok('second'))
          continue
        }
        await deliver(socket, sent, cuts)
        if (end === 'ends') socket.end()
        // Not before what was sent has arrived: a reset may destroy it on its way.
        else if (end === 'resets') setTimeout(() => socket.resetAndDestroy(), 20)
      }
    })
  }
}
