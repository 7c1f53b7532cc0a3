import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { CODE, FLAG, FRAME, read32 } from '../../router/http2/frames.ts'
import { frameOf, headersOf, OK, startFrameApp } from '../../router/http2/upstream-testbed.ts'
import { type Bed, startBed, startHttpApp, type TestApp, until } from '../../router/serve/testbed.ts'
import { DEFAULT_SETTINGS } from '../../router/table/route.ts'
import { data, GET, headers, POST, RawHttp2 } from '../http2/raw-client.ts'

// Fields behind a body, from whom to whom, in every version of HTTP that either side may speak (RFC 9110 §6.5, RFC 9112 §7.1.2, RFC 9113 §8.1).

const pair = selfSigned({ names: ['shop.test'], days: 2 })
const END = FLAG.endHeaders | FLAG.endStream
/** Behind bodies of requests: two that pass, and those that come too late. */
const TOO_LATE = [
  ...['authorization', 'cookie', 'content-type', 'content-encoding', 'cache-control', 'range', 'if-match', 'max-forwards'],
  ...['x-forwarded-for', 'x-real-ip', 'forwarded', 'ssl-client-verify', 'x-request-id', 'cdn-loop', 'x-request-start', 'under_score'],
].map(name => [name, 'evil'] as const)
const SENT = [['x-sum', '7'], ['content-digest', 'sha-256=:AA==:'], ...TOO_LATE] as const
const lines = (fields: readonly (readonly [string, string])[]) => fields.map(([name, value]) => `${name}: ${value}\r\n`).join('')
const chunked = (fields: string, body: string, trailers: string, path = '/') =>
  `POST ${path} HTTP/1.1\r\nHost: shop.test\r\n${fields}Transfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n${trailers}\r\n`
const HOSTED = (host: string, fields: readonly (readonly [string, string])[]) =>
  fields.map(([name, value]) => [name, name === ':authority' ? host : value] as const)

suite('Trailers', () => {
  let http1: TestApp
  let http2: Awaited<ReturnType<typeof startFrameApp>>
  let bed: Bed
  /** What the app of HTTP/1.1 has got: body and what stood behind it. */
  const got: { head: string; body: string; trailers: string }[] = []
  const clients: RawHttp2[] = []
  const client = () => {
    const one = new RawHttp2(bed.httpsPort)
    clients.push(one)
    return one
  }
  const last = () => got.at(-1) as (typeof got)[number]
  /** Waits for the frame of HTTP/2 that ends the last request, and gives the fields in it. */
  const lastFields = async (count: number) => {
    const ended = () => http2.frames.filter(({ type, flags }) => (type === FRAME.headers || type === FRAME.data) && flags & FLAG.endStream)
    await until(() => ended().length >= count)
    return ended().at(-1)
  }
  const endedCount = () =>
    http2.frames.filter(({ type, flags }) => (type === FRAME.headers || type === FRAME.data) && flags & FLAG.endStream).length

  before(async () => {
    http1 = await startHttpApp(request => {
      got.push(request)
      return `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Done, Set-Cookie\r\n\r\n4\r\nfine\r\n0\r\nX-Done: yes \r\nSet-Cookie: a=1\r\nServer_Timing: 3\r\n\r\n`
    })
    http2 = await startFrameApp((frame, socket) => {
      if ((frame.type !== FRAME.headers && frame.type !== FRAME.data) || !(frame.flags & FLAG.endStream)) return
      socket.write(
        Buffer.concat([
          headersOf(frame.stream, [...OK, ['trailer', 'x-done']]),
          frameOf(FRAME.data, 0, frame.stream, 'fine'),
          headersOf(
            frame.stream,
            [
              ['x-done', 'yes'],
              ['set-cookie', 'a=1'],
            ],
            END,
          ),
        ]),
      )
    })
    bed = await startBed({
      apps: { 'shop.test': http1, 'h2.test': http2, 'kept.test': http1 },
      policies: { 'kept.test': { requestBufferBytes: 65_536 } },
      tls: { key: pair.key, cert: pair.certificate },
    })
  })
  after(async () => {
    for (const one of clients) one.destroy()
    await bed[Symbol.asyncDispose]()
    await http1[Symbol.asyncDispose]()
    await http2[Symbol.asyncDispose]()
  })

  suite('of a request', () => {
    test('in chunks reach an app of HTTP/1.1, with Trailer; those that come too late are dropped', async () => {
      const one = bed.send(chunked('Trailer: X-Sum, Content-Digest\r\n', 'hello', lines(SENT)))
      await one.until('fine')
      assert.equal(last().body, 'hello')
      assert.equal(last().trailers, 'x-sum: 7\r\ncontent-digest: sha-256=:AA==:\r\n')
      assert.match(last().head, /\r\nTrailer: X-Sum, Content-Digest\r\nTransfer-Encoding: chunked\r\n/)
    })
    test('in chunks reach an app of HTTP/2 as the HEADERS that end the stream', async () => {
      const before = endedCount()
      bed.send(chunked('', 'hello', lines(SENT)).replace('shop.test', 'h2.test'))
      const end = await lastFields(before + 1)
      assert.equal(end?.type, FRAME.headers)
      assert.deepEqual({ ...end?.fields }, { 'x-sum': '7', 'content-digest': 'sha-256=:AA==:' })
    })
    test('of HTTP/2 reach an app of HTTP/1.1 in chunks', async () => {
      const one = client().send(headers(1, [...POST, ['trailer', 'x-sum']], FLAG.endHeaders), data(1, 'hello'), headers(1, SENT, END))
      await one.ended(1)
      assert.equal(last().body, 'hello')
      assert.equal(last().trailers, 'x-sum: 7\r\ncontent-digest: sha-256=:AA==:\r\n')
      assert.match(last().head, /\r\nTrailer: x-sum\r\nTransfer-Encoding: chunked\r\n/)
    })
    test('of HTTP/2 without a body reach it as well', async () => {
      await client()
        .send(headers(1, POST, FLAG.endHeaders), headers(1, SENT, END))
        .ended(1)
      assert.deepEqual([last().body, last().trailers], ['', 'x-sum: 7\r\ncontent-digest: sha-256=:AA==:\r\n'])
    })
    test('of HTTP/2 with Content-Length have no place in HTTP/1.1', async () => {
      const sent = [...POST, ['content-length', '5'], ['trailer', 'x-sum']] as const
      await client()
        .send(headers(1, sent, FLAG.endHeaders), data(1, 'hello'), headers(1, SENT, END))
        .ended(1)
      assert.deepEqual([last().body, last().trailers], ['hello', ''])
      assert.match(last().head, /\r\nContent-Length: 5\r\n/)
      assert.doesNotMatch(last().head, /Trailer|chunked/i)
    })
    for (const length of [[], [['content-length', '5']]] as const) {
      test(`of HTTP/2 ${length.length > 0 ? 'with Content-Length ' : ''}reach an app of HTTP/2`, async () => {
        const before = endedCount()
        const one = client().send(
          headers(1, [...HOSTED('h2.test', POST), ...length], FLAG.endHeaders),
          data(1, 'hello'),
          headers(1, SENT, END),
        )
        const end = await lastFields(before + 1)
        assert.deepEqual({ ...end?.fields }, { 'x-sum': '7', 'content-digest': 'sha-256=:AA==:' })
        assert.equal((await one.ended(1))?.type, FRAME.headers)
      })
    }
    test('behind more than the windows take reach it last', async () => {
      const before = http2.frames.length
      const one = client().send(headers(1, HOSTED('h2.test', POST), FLAG.endHeaders))
      // The app grants 65,535 octets until it is told to grant more.
      for (let sent = 0; sent < 8; sent++) one.send(data(1, 'x'.repeat(12_000)))
      one.send(headers(1, SENT, END))
      const bytes = () => http2.frames.slice(before).reduce((sum, { type, payload }) => sum + (type === FRAME.data ? payload.length : 0), 0)
      const open = http2.sockets.at(-1)
      await until(() => bytes() >= 65_000)
      const { stream } = http2.frames.findLast(({ type }) => type === FRAME.data) as { stream: number }
      const grant = Buffer.from([0, 1, 0, 0])
      open?.write(Buffer.concat([frameOf(FRAME.windowUpdate, 0, 0, grant), frameOf(FRAME.windowUpdate, 0, stream, grant)]))
      await one.ended(1)
      const mine = http2.frames.slice(before).filter(frame => frame.stream === stream)
      assert.equal(bytes(), 96_000)
      assert.deepEqual([mine.at(-1)?.type, mine.at(-1)?.fields?.['x-sum']], [FRAME.headers, '7'])
    })
    test('whose body was gathered first reach its app, which gets it in chunks', async () => {
      const one = bed.send(chunked('', 'hello', lines(SENT)).replace('shop.test', 'kept.test'))
      await one.until('fine')
      assert.deepEqual([last().body, last().trailers], ['hello', 'x-sum: 7\r\ncontent-digest: sha-256=:AA==:\r\n'])
      one.send(chunked('', 'again', '').replace('shop.test', 'kept.test'))
      await until(() => last().body === 'again')
      assert.match(last().head, /Content-Length: 5\r\n/)
    })
    test('leave the connection to what follows them, however they are cut', async () => {
      const text = `${chunked('', 'one', 'X-Sum: 1\r\n')}${chunked('', 'two', '')}${chunked('', 'three', 'X-Sum: 3\r\n')}`
      const from = got.length
      const one = bed.send('')
      for (const char of text) {
        one.send(char)
        await new Promise(setImmediate)
      }
      await until(() => got.length === from + 3)
      assert.deepEqual(
        got.slice(from).map(({ body, trailers }) => [body, trailers]),
        [
          ['one', 'X-Sum: 1\r\n'],
          ['two', ''],
          ['three', 'X-Sum: 3\r\n'],
        ],
      )
    })
    for (const [name, section] of [
      ['framing', 'Content-Length: 3\r\n'],
      ['Host', 'Host: evil.test\r\n'],
      ['more than 8 KB', `X-A: ${'b'.repeat(9000)}\r\n`],
      ['more than 100 fields', 'X-A: b\r\n'.repeat(101)],
    ] as const) {
      test(`with ${name} are refused, and their request never is whole`, async () => {
        const from = got.length
        const one = bed.send(chunked('', 'hello', section))
        await one.ended
        assert.match(one.text, /^HTTP\/1\.1 400 /)
        assert.equal(got.length, from)
        const other = client().send(headers(1, POST, FLAG.endHeaders), data(1, 'hello'))
        const fields = section
          .split('\r\n')
          .filter(line => line !== '')
          .map(line => line.toLowerCase().split(': ') as [string, string])
        other.send(headers(1, fields, END))
        const reset = await other.wait(({ type }) => type === FRAME.reset)
        assert.equal(read32(reset?.payload as Buffer, 0), CODE.protocolError)
        assert.equal(got.length, from)
      })
    }
  })

  suite('of an answer', () => {
    const GET1 = 'GET / HTTP/1.1\r\nHost: shop.test\r\n'
    for (const host of ['shop.test', 'h2.test']) {
      const from = host === 'h2.test' ? 'an app of HTTP/2' : 'an app of HTTP/1.1'
      test(`from ${from} reach a client of HTTP/1.1 that takes them, with Trailer`, async () => {
        const one = bed.send(`${GET1.replace('shop.test', host)}TE: trailers\r\nConnection: TE\r\n\r\n`)
        const text = await one.until(/0\r\n(?:[^\r]+\r\n)*\r\n$/)
        assert.match(text, /\r\ntrailer: x-done[^\r]*\r\n/i)
        assert.match(text, /\r\n0\r\nx-done: yes\r\n(?:Server_Timing: 3\r\n)?\r\n$/i)
        assert.doesNotMatch(text, /set-cookie: a/i)
      })
      test(`from ${from} are not sent to one that has not said so`, async () => {
        const text = await bed.exchange(`${GET1.replace('shop.test', host)}Connection: close\r\n\r\n`)
        assert.match(text, /\r\n0\r\n\r\n$/)
        assert.doesNotMatch(text, /x-done/i)
      })
      test(`from ${from} reach a client of HTTP/2`, async () => {
        const one = client().send(headers(1, HOSTED(host, GET)))
        const end = await one.ended(1)
        assert.equal(end?.type, FRAME.headers)
        assert.equal(end?.fields?.['x-done'], 'yes')
        assert.equal(end?.fields?.['set-cookie'], undefined)
        assert.equal(one.body(1), 'fine')
        assert.match((await one.headersOf(1))?.fields?.['trailer'] ?? '', /x-done/i)
      })
    }
    test('from an app of HTTP/1.1 that are broken cut the answer', async () => {
      await using app = await startHttpApp(
        () => 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfine\r\n0\r\nX Done: yes\r\n\r\n',
      )
      await using other = await startBed({ apps: { 'shop.test': app } })
      const one = other.send(`${GET1}TE: trailers\r\n\r\n`)
      await one.ended
      assert.doesNotMatch(one.text, /\r\n0\r\n/)
    })
    test('behind a compressed body are dropped: they may speak of other bytes', async () => {
      const gzip = { ...DEFAULT_SETTINGS.gzip, types: new Set(['application/json']) }
      await using app = await startHttpApp(
        () =>
          `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\nTrailer: X-Done\r\n\r\n7d0\r\n${'x'.repeat(2000)}\r\n0\r\nX-Done: yes\r\n\r\n`,
      )
      await using other = await startBed({ apps: { 'shop.test': app }, settings: { gzip } })
      const one = other.send(`${GET1}TE: trailers\r\nAccept-Encoding: gzip\r\nConnection: close\r\n\r\n`)
      await one.ended
      assert.match(one.text, /content-encoding: gzip/i)
      assert.doesNotMatch(one.text, /x-done/i)
    })
  })

  test('do not cost a connection to the app: it is used again', async () => {
    const { sockets } = http1
    const before = sockets.length
    const one = bed.send(chunked('', 'a', 'X-Sum: 1\r\n'))
    await one.until('fine')
    one.send(chunked('', 'b', 'X-Sum: 2\r\n'))
    await until(() => last().body === 'b')
    assert.ok(sockets.length <= before + 1)
    one.destroy()
    await once(one.socket, 'close')
  })
})
