import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import type { Socket } from 'node:net'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { type BedOptions, startApp, startBed, until } from '../serve/testbed.ts'
import { type Endpoint, endpoint } from '../table/route.ts'
import { CODE, FLAG, FRAME, read32, SETTING, WINDOW_MAX } from './frames.ts'
import { frameOf, h2c, headersOf, numberOf, OK, type SentFrame, startFrameApp, startHttp2App } from './upstream-testbed.ts'

const LAST = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'
const POST = 'POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi'
const END = FLAG.endHeaders | FLAG.endStream
const SETTINGS = frameOf(FRAME.settings, 0, 0)
const pair = selfSigned({ names: ['shop.test'], days: 2 })

const setting = (id: number, value: number) => Buffer.concat([Buffer.from([0, id]), numberOf(value)])
const isRequest = ({ type }: SentFrame) => type === FRAME.headers
const data = (stream: number, text: string | Uint8Array, ended = false) => frameOf(FRAME.data, ended ? FLAG.endStream : 0, stream, text)
const reset = (stream: number, code: number) => frameOf(FRAME.reset, 0, stream, numberOf(code))
const goAway = (last: number, code = 0) => frameOf(FRAME.goAway, 0, 0, Buffer.concat([numberOf(last), numberOf(code)]))
const fine = (stream: number) => Buffer.concat([headersOf(stream, OK), data(stream, 'fine', true)])

function bedOf(endpoints: readonly Endpoint[], options: BedOptions = {}) {
  return startBed({ apps: { 'shop.test': endpoints }, policy: { bodyBytesMax: 0, connectTimeoutMs: 2000, ...options.policy }, ...options })
}

/** An app that says this once a request has come. */
function answering(...bytes: Uint8Array[]) {
  return startFrameApp((frame, socket) => {
    if (isRequest(frame)) socket.write(Buffer.concat(bytes))
  })
}

suite('An app that is no app of HTTP/2', () => {
  for (const [why, first, code] of [
    ['answers in HTTP/1.1', 'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n', 'R34'],
    ['sends garbage', '\0\0\x04\x05garbage that is no frame of any kind', 'R34'],
    ['sends a few bytes and closes', 'no', 'R34'],
    ['sends SETTINGS that mean nothing', frameOf(FRAME.settings, 0, 0, setting(SETTING.maxFrameSize, 1)).toString('latin1'), 'R34'],
    ['sends SETTINGS that are cut', frameOf(FRAME.settings, 0, 0, 'abc').toString('latin1'), 'R34'],
    ['closes at once', '', 'R30'],
  ] as const) {
    test(`and ${why} gets no request: 502 ${code}`, async () => {
      await using app = await startApp(socket => socket.end(first, 'latin1'))
      await using bed = await bedOf([h2c(app.endpoint)])
      const text = await bed.exchange(POST)
      assert.match(text, /^HTTP\/1\.1 502 /)
      assert.match(text, new RegExp(code))
      assert.doesNotMatch(app.received.join(''), /shop\.test/)
      await until(() => app.open.size === 0)
    })
  }
  test('and refuses is 502 R30; another endpoint is tried', async () => {
    await using gone = await startApp(() => {})
    const dead = h2c(endpoint('127.0.0.1', gone.endpoint.port))
    await gone[Symbol.asyncDispose]()
    await using bed = await bedOf([dead])
    assert.match(await bed.exchange(POST), /502 .*R30/s)
    await using app = await startFrameApp((frame, socket) => {
      if (isRequest(frame)) socket.write(fine(frame.stream))
    })
    await using two = await bedOf([dead, app.endpoint])
    for (let count = 0; count < 5; count++) assert.match(await two.exchange(POST), /fine/)
  })
  test('and accepts and says nothing is 504 R31 in the time for connects', async () => {
    await using app = await startApp(() => {})
    await using bed = await bedOf([h2c(app.endpoint)], { policy: { connectTimeoutMs: 60 } })
    assert.match(await bed.exchange(LAST), /504 .*R31/s)
    await until(() => app.open.size === 0)
  })
  test('but takes no stream at all is 502, and is not asked for ever', async () => {
    await using app = await startFrameApp(
      () => {},
      socket => socket.write(frameOf(FRAME.settings, 0, 0, setting(SETTING.maxConcurrentStreams, 0))),
    )
    await using bed = await bedOf([app.endpoint])
    assert.match(await bed.exchange(LAST), /502 .*R30/s)
    assert.ok(app.sockets.length <= 5, String(app.sockets.length))
    await until(() => app.open.size === 0)
  })
})

suite('An answer in HTTP/2 that means nothing', () => {
  const bad: Record<string, readonly Uint8Array[]> = {
    'without :status': [headersOf(1, [['a', 'b']], END)],
    'with two': [headersOf(1, [...OK, [':status', '200']], END)],
    'with :status behind a field': [headersOf(1, [['a', 'b'], ...OK], END)],
    'with :status of four digits': [headersOf(1, [[':status', '2000']], END)],
    'with 101': [headersOf(1, [[':status', '101']], END)],
    'with a pseudo-header field of requests': [headersOf(1, [...OK, [':path', '/']], END)],
    'with Connection': [headersOf(1, [...OK, ['connection', 'close']], END)],
    'with Transfer-Encoding': [headersOf(1, [...OK, ['transfer-encoding', 'chunked']], END)],
    'with upper case': [headersOf(1, [...OK, ['X-A', 'b']], END)],
    'with CR and LF in a value': [headersOf(1, [...OK, ['a', 'b\r\nset-cookie: c']], END)],
    'with CR and LF in a name': [headersOf(1, [...OK, ['a: b\r\nc', 'd']], END)],
    'with NUL': [headersOf(1, [...OK, ['a', 'b\0c']], END)],
    'with two lengths': [headersOf(1, [...OK, ['content-length', '4'], ['content-length', '4']]), data(1, 'fine', true)],
    'with a length and no body': [headersOf(1, [...OK, ['content-length', '4']], END)],
    'that is interim and ends': [headersOf(1, [[':status', '103']], END)],
    'of DATA first': [data(1, 'fine', true)],
    'to a stream that was never opened': [headersOf(7, OK, END)],
    'to a stream of even number': [headersOf(2, OK, END)],
    'to stream 0': [headersOf(0, OK, END)],
    'as a push': [frameOf(FRAME.pushPromise, FLAG.endHeaders, 1, Buffer.concat([numberOf(2), Buffer.from([0x88])]))],
    'of which the padding is longer than the frame': [frameOf(FRAME.headers, END | FLAG.padded, 1, Buffer.from([9, 0x88]))],
    'of CONTINUATION first': [frameOf(FRAME.continuation, END, 1, Buffer.from([0x88]))],
    'with another frame inside its block': [headersOf(1, OK, 0), frameOf(FRAME.ping, 0, 0, '12345678')],
    'of an index that the table has not': [frameOf(FRAME.headers, END, 1, Buffer.from([0xff, 0x80, 1]))],
    'of a frame larger than we take': [frameOf(FRAME.headers, END, 1, Buffer.alloc(16_385))],
    'of a window of nothing': [frameOf(FRAME.windowUpdate, 0, 1, numberOf(0))],
    'of a window beyond all windows': [frameOf(FRAME.windowUpdate, 0, 0, numberOf(WINDOW_MAX))],
    'of a reset that is cut': [frameOf(FRAME.reset, 0, 1, 'abc')],
  }
  for (const [what, bytes] of Object.entries(bad)) {
    test(`${what} is 502 R34`, async () => {
      await using app = await answering(...bytes)
      await using bed = await bedOf([app.endpoint])
      const text = await bed.exchange(POST)
      assert.match(text, /^HTTP\/1\.1 502 .*R34/s)
      assert.doesNotMatch(text, /set-cookie|fine/)
    })
  }
  const cut: Record<string, readonly Uint8Array[]> = {
    'more DATA than its length': [headersOf(1, [...OK, ['content-length', '2']]), data(1, 'fine', true)],
    'less DATA than its length': [headersOf(1, [...OK, ['content-length', '9']]), data(1, 'fine', true)],
    'a reset in the middle': [headersOf(1, OK), data(1, 'fi'), reset(1, CODE.internalError)],
    'a reset without a fault': [headersOf(1, OK), data(1, 'fi'), reset(1, CODE.noError)],
    'a trailer with a pseudo-header field': [headersOf(1, OK), data(1, 'fi'), headersOf(1, [[':status', '200']], END)],
    'a trailer with Content-Length': [headersOf(1, OK), data(1, 'fi'), headersOf(1, [['content-length', '2']], END)],
    'a trailer that does not end it': [headersOf(1, OK), data(1, 'fi'), headersOf(1, [['a', 'b']], FLAG.endHeaders)],
    'a trailer of 9 KB': [headersOf(1, OK), data(1, 'fi'), headersOf(1, [['a', 'b'.repeat(9000)]], END)],
    'DATA behind HEAD’s kind of answer': [headersOf(1, [[':status', '204']]), data(1, 'fine', true)],
    'GOAWAY with a fault and the end of the connection': [headersOf(1, OK), data(1, 'fi'), goAway(1, CODE.internalError), reset(1, 2)],
  }
  for (const [what, bytes] of Object.entries(cut)) {
    test(`${what} is cut, so that it never looks whole`, async () => {
      await using app = await answering(...bytes)
      await using bed = await bedOf([app.endpoint])
      const client = bed.send(LAST)
      await client.ended
      assert.doesNotMatch(client.text, /\r\n0\r\n\r\n$/)
    })
  }
})

suite('An app of HTTP/2 that sends more than its window', () => {
  test('is cut: no more than the window is kept for a client that does not read', async () => {
    await using app = await answering(headersOf(1, OK), ...Array.from({ length: 1000 }, () => data(1, Buffer.alloc(16_384))))
    await using bed = await bedOf([app.endpoint])
    const client = bed.send(LAST)
    client.socket.pause()
    await until(() => app.frames.some(({ type, payload }) => type === FRAME.reset && read32(payload, 0) === CODE.flowControlError))
    client.socket.resume()
    await client.ended
    assert.doesNotMatch(client.text.slice(-20), /\r\n0\r\n\r\n$/)
  })
})

suite('An app of HTTP/2 that floods', () => {
  const floods: Record<string, Uint8Array> = {
    PING: frameOf(FRAME.ping, 0, 0, '12345678'),
    SETTINGS: SETTINGS,
    'empty DATA': data(1, ''),
    PRIORITY: frameOf(FRAME.priority, 0, 1, Buffer.alloc(5)),
    'resets of streams that are over': reset(1, 8),
    'frames that are not known': frameOf(99, 0, 0, 'x'),
    'windows of one byte': frameOf(FRAME.windowUpdate, 0, 1, numberOf(1)),
  }
  for (const [what, frame] of Object.entries(floods)) {
    test(`${what}: its connection ends, and only that`, async () => {
      const head = what.startsWith('resets') ? fine(1) : headersOf(1, OK)
      await using app = await answering(head, ...Array.from({ length: 20_000 }, () => frame))
      await using bed = await bedOf([app.endpoint])
      await bed.exchange(LAST)
      await until(() => app.frames.some(({ type }) => type === FRAME.goAway))
      const told = app.frames.find(({ type }) => type === FRAME.goAway)!
      assert.equal(read32(told.payload, 4), CODE.enhanceYourCalm)
      await until(() => app.open.size === 0)
    })
  }
  test('CONTINUATION without end: bounded, R35', async () => {
    const part = frameOf(FRAME.continuation, 0, 1, Buffer.alloc(16_384, 0x88))
    await using app = await answering(headersOf(1, OK, 0), ...Array.from({ length: 20 }, () => part))
    await using bed = await bedOf([app.endpoint])
    assert.match(await bed.exchange(LAST), /502 .*R35/s)
  })
  test('a header list of many indices (HPACK bomb): R35', async () => {
    const value = 'x'.repeat(3900)
    const literal = Buffer.concat([Buffer.from([0x88, 0x40, 1, 0x61, 0x7f, 0xbd, 0x1d]), Buffer.from(value)])
    const bomb = Buffer.concat([literal, Buffer.alloc(12_000, 0xbe)])
    await using app = await answering(frameOf(FRAME.headers, END, 1, bomb))
    await using bed = await bedOf([app.endpoint])
    assert.match(await bed.exchange(LAST), /502 .*R35/s)
  })
  test('1xx without end: R34', async () => {
    await using app = await answering(...Array.from({ length: 50 }, () => headersOf(1, [[':status', '103']])))
    await using bed = await bedOf([app.endpoint])
    assert.match(await bed.exchange(LAST), /HTTP\/1\.1 502 .*R34/s)
  })
})

suite('A stream that an app has not looked at', () => {
  /** Refuses so many requests in its way, and answers those that follow. */
  const refusing = (count: number, how: (socket: Socket, stream: number) => void) => {
    let seen = 0
    return startFrameApp((frame, socket) => {
      if (!isRequest(frame)) return
      if (seen++ < count) how(socket, frame.stream)
      else socket.write(fine(frame.stream))
    })
  }
  const requests = (frames: readonly SentFrame[]) => frames.filter(isRequest).length

  test('by REFUSED_STREAM is sent again, even a POST', async () => {
    await using app = await refusing(2, (socket, stream) => socket.write(reset(stream, CODE.refusedStream)))
    await using bed = await bedOf([app.endpoint])
    assert.match(await bed.exchange(POST), /fine/)
    assert.equal(requests(app.frames), 3)
  })
  test('by REFUSED_STREAM for ever is 502 after three attempts', async () => {
    await using app = await refusing(99, (socket, stream) => socket.write(reset(stream, CODE.refusedStream)))
    await using bed = await bedOf([app.endpoint])
    assert.match(await bed.exchange(POST), /502 .*R33/s)
    assert.equal(requests(app.frames), 3)
  })
  test('above the last of a GOAWAY is sent again on another connection; those below are answered', async () => {
    const held: Socket[] = []
    await using app = await startFrameApp((frame, socket, connection) => {
      if (!isRequest(frame)) return
      if (connection > 0) {
        socket.write(fine(frame.stream))
        return
      }
      held.push(socket)
      if (held.length === 2) socket.write(Buffer.concat([goAway(1), headersOf(1, OK), data(1, 'fine first', true)]))
    })
    await using bed = await bedOf([app.endpoint])
    const first = bed.send(POST)
    await until(() => held.length === 1)
    const second = bed.send(POST)
    await Promise.all([first.ended, second.ended])
    assert.match(first.text, /fine first/)
    assert.match(second.text, /fine\r\n/)
    assert.equal(app.sockets.length, 2)
    await until(() => app.open.size === 1, 'the connection that goes away')
  })
  test('before any of its body came is sent again with the body that follows, its trailers too', async () => {
    await using app = await startFrameApp((frame, socket) => {
      if (isRequest(frame) && frame.stream === 1) socket.write(reset(1, CODE.refusedStream))
      else if (frame.flags === END) socket.write(fine(frame.stream))
    })
    await using bed = await bedOf([app.endpoint])
    const one = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n')
    await until(() => requests(app.frames) === 2)
    one.send('2\r\nhi\r\n0\r\nX-Sum: 7\r\n\r\n')
    await one.until('fine')
    assert.equal(app.frames.findLast(isRequest)?.fields?.['x-sum'], '7')
    const body = app.frames.filter(({ type }) => type === FRAME.data)
    assert.deepEqual(
      body.map(({ stream, payload }) => [stream, payload.toString()]),
      [[3, 'hi']],
    )
  })
  test('before any of its body came is sent again with what comes while another connection is opened', async () => {
    const sockets: Socket[] = []
    await using app = await startFrameApp(
      (frame, socket, connection) => {
        if (isRequest(frame) && connection === 0) socket.write(Buffer.concat([goAway(0), reset(frame.stream, CODE.refusedStream)]))
        else if (frame.type === FRAME.data && frame.flags & FLAG.endStream) socket.write(fine(frame.stream))
      },
      (socket, connection) => {
        sockets[connection] = socket
        // The second takes requests only when it is told to.
        if (connection === 0) socket.write(SETTINGS)
      },
    )
    await using bed = await bedOf([app.endpoint], { tls: { key: pair.key, cert: pair.certificate } })
    const session = connect(`https://127.0.0.1:${bed.httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
    session.on('error', () => {})
    const call = session.request({ ':method': 'POST', ':path': '/', ':authority': 'shop.test' })
    await until(() => sockets.length === 2)
    const bytes = Buffer.alloc(300_000, 'y')
    call.end(bytes)
    await until(() => bed.server.stats().upstreamConnectionsOpened === 2)
    await new Promise(setImmediate)
    sockets[1]?.write(Buffer.concat([SETTINGS, frameOf(FRAME.windowUpdate, 0, 0, numberOf(400_000))]))
    await until(() => requests(app.frames) === 2)
    sockets[1]?.write(frameOf(FRAME.windowUpdate, 0, 1, numberOf(400_000)))
    const [head] = (await once(call, 'response')) as [Record<string, unknown>]
    assert.equal(head[':status'], 200)
    const got = Buffer.concat(app.frames.filter(({ type }) => type === FRAME.data).map(({ payload }) => payload))
    assert.equal(got.equals(bytes), true)
    session.destroy()
  })
  test('after some of its body was sent is 502', async () => {
    await using app = await startFrameApp((frame, socket) => {
      if (frame.type === FRAME.data) socket.write(reset(frame.stream, CODE.refusedStream))
    })
    await using bed = await bedOf([app.endpoint])
    const one = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n')
    await one.until(/502 .*R33/s)
    assert.equal(requests(app.frames), 1)
  })
  test('but was reset with another code is never sent twice', async () => {
    await using app = await refusing(1, (socket, stream) => socket.write(reset(stream, CODE.internalError)))
    await using bed = await bedOf([app.endpoint])
    assert.match(await bed.exchange(POST), /502 .*R33/s)
    assert.equal(requests(app.frames), 1)
  })
})

suite('An answer that its app resets in the middle', () => {
  for (const [how, code, told] of [
    ['with CANCEL is cancelled at the client', CODE.cancel, CODE.cancel],
    ['with REFUSED_STREAM was processed all the same: INTERNAL_ERROR', CODE.refusedStream, CODE.internalError],
    ['with NO_ERROR before its end is not whole: INTERNAL_ERROR', CODE.noError, CODE.internalError],
  ] as const) {
    test(how, async () => {
      await using app = await answering(headersOf(1, OK), data(1, 'half'), reset(1, code))
      await using bed = await bedOf([app.endpoint], { tls: { key: pair.key, cert: pair.certificate } })
      const session = connect(`https://127.0.0.1:${bed.httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
      const call = session.request({ ':path': '/', ':authority': 'shop.test' })
      call.on('error', () => {})
      call.resume()
      await new Promise<void>(resolve => call.on('close', resolve))
      assert.equal(call.rstCode, told)
      session.destroy()
    })
  }
  test('with NO_ERROR behind its end is whole: the rest of the request is not wanted', async () => {
    await using app = await answering(headersOf(1, OK), data(1, 'fine', true), reset(1, CODE.noError))
    await using bed = await bedOf([app.endpoint], { tls: { key: pair.key, cert: pair.certificate } })
    const session = connect(`https://127.0.0.1:${bed.httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
    const call = session.request({ ':method': 'POST', ':path': '/', ':authority': 'shop.test' })
    call.on('error', () => {})
    call.write('the first of many')
    let text = ''
    for await (const chunk of call) text += chunk
    assert.equal(text, 'fine')
    await until(() => call.destroyed)
    assert.equal(call.rstCode, CODE.noError)
    session.destroy()
  })
})

suite('A connection to an app of HTTP/2 that ends', () => {
  test('fails its streams only: unanswered ones 502, answered ones are cut', async () => {
    let count = 0
    await using app = await startFrameApp((frame, socket) => {
      if (!isRequest(frame)) return
      if (++count === 1) socket.write(Buffer.concat([headersOf(frame.stream, OK), data(frame.stream, 'begun')]))
      else if (count === 2) socket.resetAndDestroy()
      else socket.write(fine(frame.stream))
    })
    await using bed = await bedOf([app.endpoint])
    const begun = bed.send(LAST)
    await begun.until('begun')
    const waiting = bed.send(POST)
    await Promise.all([begun.ended, waiting.ended])
    assert.doesNotMatch(begun.text, /\r\n0\r\n\r\n$/)
    assert.match(waiting.text, /502 .*R33/s)
    assert.match(await bed.exchange(LAST), /fine/)
  })
  test('when its app is silent: 504, the stream is reset, and nothing new is sent on it', async () => {
    await using app = await startFrameApp((frame, socket, connection) => {
      if (connection > 0 && isRequest(frame)) socket.write(fine(frame.stream))
    })
    await using bed = await bedOf([app.endpoint], { policy: { idleTimeoutMs: 400 } })
    assert.match(await bed.exchange(LAST), /504 .*R32/s)
    await until(() => app.frames.some(({ type }) => type === FRAME.reset || type === FRAME.goAway))
    assert.match(await bed.exchange(LAST), /fine/)
    assert.equal(app.sockets.length, 2)
  })
  test('an early answer is whole, though the app wants no more of the request', async () => {
    await using app = await startFrameApp((frame, socket) => {
      if (isRequest(frame)) socket.write(Buffer.concat([fine(frame.stream), reset(frame.stream, CODE.noError)]))
    })
    await using bed = await bedOf([app.endpoint])
    const client = bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 3000000\r\n\r\n')
    client.socket.write(Buffer.alloc(100_000))
    await client.until(/fine\r\n0\r\n\r\n$/)
  })
  test('three failures in a row eject its endpoint', async () => {
    await using app = await answering(reset(1, CODE.internalError))
    await using bad = await startFrameApp((frame, socket) => {
      if (isRequest(frame)) socket.write(reset(frame.stream, CODE.internalError))
    })
    await using bed = await bedOf([bad.endpoint])
    for (let count = 0; count < 3; count++) assert.match(await bed.exchange(POST), /R33/)
    assert.equal(bed.server.stats().ejections, 1)
    assert.equal(app.sockets.length, 0)
  })
})

suite('An app of HTTP/2 that sends anything at all', () => {
  test('hurts nothing but its own answers', async () => {
    let seed = 11
    const next = (below: number) => {
      // The high bits: the low ones of such a generator repeat soon.
      seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0
      return Math.floor((seed / 2 ** 32) * below)
    }
    const bytes = (count: number) => Buffer.from(Array.from({ length: count }, () => next(256)))
    const good = (stream: number) => [
      headersOf(stream, OK),
      data(stream, 'x'.repeat(next(3000))),
      headersOf(stream, [['a', 'b']], END),
      SETTINGS,
    ]
    const anything = (stream: number) => {
      const others = [stream, stream, stream, 0, stream + 2, 2]
      const wild = () => frameOf(next(11), next(256), others[next(others.length)] as number, bytes(next(4) === 0 ? next(300) : next(10)))
      const known = good(stream)
      return Array.from({ length: 1 + next(12) }, () => (next(2) === 0 ? wild() : (known[next(known.length)] as Buffer)))
    }
    const faults: string[] = []
    await using app = await startFrameApp((frame, socket) => {
      if (!isRequest(frame)) return
      for (const one of anything(frame.stream)) socket.write(one)
      if (next(3) === 0) socket.end()
    })
    await using healthy = await startFrameApp((frame, socket) => {
      if (isRequest(frame)) socket.write(fine(frame.stream))
    })
    await using bed = await startBed({
      apps: { 'shop.test': [app.endpoint], 'other.test': [healthy.endpoint] },
      policy: { bodyBytesMax: 0, idleTimeoutMs: 50 },
      limits: { tickMs: 10, lingerMs: 20 },
      onError: (message, fields) => faults.push(`${message} ${String(fields?.['error'])}`),
    })
    const statuses = new Set<string>()
    for (let round = 0; round < 40; round++) {
      const texts = await Promise.all(Array.from({ length: 10 }, () => bed.exchange(round % 2 === 0 ? LAST : POST)))
      for (const text of texts) {
        const [, status = ''] = /^HTTP\/1\.1 (?:1\d\d .*?\r\n\r\nHTTP\/1\.1 )?([2-5]\d\d) /s.exec(text) ?? []
        statuses.add(status)
      }
      assert.match(await bed.exchange(LAST.replace('shop', 'other')), /fine/)
    }
    assert.deepEqual(
      ['200', '502', ''].map(status => statuses.has(status)),
      [true, true, false],
    )
    await until(() => bed.table.match('shop.test', '/')!.load.requests === 0)
    assert.deepEqual(faults, [])
  })
})

suite('Many clients of an app of HTTP/2 that come and go', () => {
  test('leave nothing behind, and no answer is another’s', async () => {
    await using app = await startHttp2App((stream, headers) => {
      stream.respond({ ':status': 200 }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-path': headers[':path'] as string }))
      stream.resume()
      stream.on('end', () => {
        for (let count = 0; count < 20; count++) stream.write(`${headers[':path']} `.repeat(200))
        stream.end()
      })
    })
    const faults: string[] = []
    await using bed = await bedOf([app.endpoint], {
      tls: { key: pair.key, cert: pair.certificate },
      onError: (message, fields) => faults.push(`${message} ${String(fields?.['error'])}`),
    })
    const session = connect(`https://127.0.0.1:${bed.httpsPort}`, { rejectUnauthorized: false, servername: 'shop.test' })
    session.on('error', () => {})
    let wrong = 0
    let whole = 0
    await Promise.all(
      Array.from({ length: 600 }, (_, index) => {
        const call = session.request({ ':method': 'POST', ':path': `/${index}`, ':authority': 'shop.test' })
        call.on('error', () => {})
        let text = ''
        let trailer: unknown
        call.on('trailers', fields => {
          trailer = fields['x-path']
        })
        call.setEncoding('latin1')
        call.on('data', (chunk: string) => {
          text += chunk
          if (index % 3 === 0 && text.length > 2000) call.close(8)
        })
        call.end(Buffer.alloc((index % 7) * 5000))
        return new Promise<void>(resolve =>
          call.on('close', () => {
            if (text.replaceAll(`/${index} `, '').length > 0 && !`/${index} `.startsWith(text.replaceAll(`/${index} `, ''))) wrong++
            if (trailer !== undefined) {
              whole++
              if (trailer !== `/${index}`) wrong++
            }
            resolve()
          }),
        )
      }),
    )
    session.destroy()
    assert.equal(wrong, 0)
    assert.ok(whole >= 400, String(whole))
    await until(() => bed.table.match('shop.test', '/')!.load.requests === 0)
    await until(() => bed.server.stats().upstreamConnectionsIdle === app.sessions.size)
    assert.deepEqual(faults, [])
  })
})
