import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { brotliDecompressSync, gunzipSync, zstdDecompressSync } from 'node:zlib'
import type { GzipSettings, Policy } from '../table/route.ts'
import { DEFAULT_SETTINGS } from '../table/route.ts'
import { type BedOptions, startApp, startBed, startHttpApp, until } from './testbed.ts'

const GZIP: GzipSettings = {
  ...DEFAULT_SETTINGS.gzip,
  types: new Set(['text/html', 'text/plain', 'application/json']),
}
const PAGE = '<p>The quick brown fox jumps over the lazy dog.</p>\n'.repeat(40)

suite('An answer of a listed type', () => {
  for (const [coding, decode] of [
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
    ['zstd', zstdDecompressSync],
  ] as const) {
    test(`comes as ${coding} to who takes that alone, short and with its length`, async () => {
      const { head, body } = await ask(coding, html(PAGE))
      assert.match(head, new RegExp(`\r\nContent-Encoding: ${coding}\r\n`))
      assert.match(head, /\r\nVary: Accept-Encoding\r\n/)
      assert.equal(Number(/\r\nContent-Length: (\d+)\r\n/.exec(head)?.[1]), body.length)
      assert.equal(decode(body).toString(), PAGE)
      assert.ok(body.length < PAGE.length / 5)
    })
    test(`comes as ${coding} in pieces when it is long, byte for byte`, async () => {
      const long = randomBytes(2_000_000).toString('base64')
      const { head, body } = await ask(coding, html(long))
      assert.match(head, /\r\nTransfer-Encoding: chunked\r\n/)
      assert.equal(decode(body).toString(), long)
    })
    test(`comes as ${coding} when it is empty and its length unknown`, async () => {
      const { head, body } = await ask(coding, 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n')
      assert.match(head, new RegExp(`\r\nContent-Encoding: ${coding}\r\n`))
      assert.equal(decode(body).length, 0)
    })
  }

  test('is told to vary and goes as it is to who names no coding', async () => {
    const { head, body } = await ask(undefined, html(PAGE))
    assert.match(head, /\r\nVary: Accept-Encoding\r\n/)
    assert.doesNotMatch(head, /Content-Encoding/)
    assert.equal(body.toString(), PAGE)
  })
  test('does not vary where the operator says so', async () => {
    const { head } = await ask('gzip', html(PAGE), { settings: { gzip: { ...GZIP, vary: false } } })
    assert.match(head, /\r\nContent-Encoding: gzip\r\n/)
    assert.doesNotMatch(head, /Vary/)
  })
  test('varies once', async () => {
    const { head } = await ask('gzip', html(PAGE, 'Vary: Cookie, accept-encoding\r\n'))
    assert.equal(head.match(/accept-encoding/gi)?.length, 1)
    assert.equal((await ask('gzip', html(PAGE, 'Vary: *\r\n'))).head.match(/Vary/g)?.length, 1)
    assert.equal((await ask('gzip', html(PAGE, 'Vary: Cookie\r\n'))).head.match(/Vary/g)?.length, 2)
  })
  test('has a weak ETag and promises no ranges once it is compressed, and keeps both otherwise', async () => {
    const fields = 'ETag: "abc"\r\nAccept-Ranges: bytes\r\nX-Last: 1\r\n'
    const { head } = await ask('gzip', html(PAGE, fields))
    assert.match(head, /\r\nETag: W\/"abc"\r\n/)
    assert.doesNotMatch(head, /Accept-Ranges/)
    assert.match(head, /\r\nX-Last: 1\r\n/)
    assert.match((await ask('gzip', html(PAGE, 'etag: W/"abc"\r\n'))).head, /\r\netag: W\/"abc"\r\n/)
    assert.match((await ask(undefined, html(PAGE, fields))).head, /\r\nETag: "abc"\r\nAccept-Ranges: bytes\r\n/)
  })
  test('to HEAD has the fields that GET would have, and no body', async () => {
    const { head, body } = await ask('gzip', `${html(PAGE, 'ETag: "abc"\r\n').split('\r\n\r\n')[0]}\r\n\r\n`, {}, 'HEAD')
    assert.match(head, /\r\nETag: W\/"abc"\r\nVary: Accept-Encoding\r\nContent-Encoding: gzip\r\n/)
    assert.doesNotMatch(head, /Content-Length|Transfer-Encoding/)
    assert.equal(body.length, 0)
  })
  test('goes as it is to HTTP/1.0, unless the operator says so; then its end is the end of the connection', async () => {
    const request = 'GET / HTTP/1.0\r\nHost: shop.test\r\nAccept-Encoding: gzip\r\n\r\n'
    assert.doesNotMatch(await raw(request, html(PAGE)), /Content-Encoding/)
    const text = await raw(request, html(PAGE), { settings: { gzip: { ...GZIP, minVersion: '1.0' } } })
    assert.match(text, /\r\nContent-Encoding: gzip\r\n/)
    assert.equal(gunzipSync(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')).toString(), PAGE)
  })
  test('goes as it is to a proxy where the operator says so', async () => {
    const request = get('gzip', 'Via: 1.1 cache\r\n')
    assert.match(await raw(request, html(PAGE)), /Content-Encoding/)
    assert.doesNotMatch(await raw(request, html(PAGE), { settings: { gzip: { ...GZIP, proxied: false } } }), /Content-Encoding/)
  })
  test('keeps its connection: the next request is answered', async () => {
    await using app = await startHttpApp(() => html(PAGE))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP } })
    const request = 'GET / HTTP/1.1\r\nHost: shop.test\r\nAccept-Encoding: gzip\r\n\r\n'
    const client = bed.send(request.repeat(50))
    await client.until(text => text.split('HTTP/1.1 200 OK').length === 51)
    assert.equal(app.sockets.length, 1)
  })
})

suite('An answer goes as it is', () => {
  for (const [name, answer, options, request] of [
    ['when it is short', html('x'.repeat(255))],
    ['when its type is not listed', html(PAGE).replace('text/html', 'image/png')],
    ['without a type', html(PAGE).replace(/Content-Type.*\r\n/, '')],
    ['with two types', html(PAGE, 'Content-Type: text/plain\r\n')],
    ['when it is compressed already', html(PAGE, 'Content-Encoding: br\r\n')],
    ['when it must not be changed', html(PAGE, 'Cache-Control: private,no-transform\r\n')],
    ['when it carries a digest', html(PAGE, 'Content-Digest: sha-256=:AAAA=:\r\n')],
    ['when it is a part', html(PAGE, 'Content-Range: bytes 0-2079/9999\r\n').replace('200 OK', '206 Partial Content')],
    ['of the app that wants it so', html(PAGE), { policy: { compression: { codings: [], minLengthBytes: 256 } } }],
    ['below the app’s own length', html(PAGE), { policy: { compression: { codings: ['gzip'], minLengthBytes: 99_999 } } }],
    ['where the operator wants no compression', html(PAGE), { settings: { gzip: { ...GZIP, enabled: false } } }],
    ['when the client forbids changes', html(PAGE), {}, get('gzip', 'Cache-Control: no-transform\r\n')],
    ['when Accept-Encoding is longer than anybody’s', html(PAGE), {}, get(`${'deflate,'.repeat(4000)}gzip`)],
    ['of gRPC, whatever is listed', html(PAGE).replace('text/html', 'application/grpc+proto'), { settings: { gzip: all() } }],
  ] as [string, string, BedOptions?, string?][]) {
    test(name, async () => {
      const text = await raw(request ?? get('gzip'), answer, options)
      assert.doesNotMatch(text, /Content-Encoding: gzip/)
      assert.equal(text.slice(text.indexOf('\r\n\r\n') + 4), answer.slice(answer.indexOf('\r\n\r\n') + 4))
    })
  }
  test('as a 304 and a 204', async () => {
    assert.match(
      await raw(get('gzip'), 'HTTP/1.1 304 Not Modified\r\nETag: "abc"\r\n\r\n'),
      /^HTTP\/1\.1 304 Not Modified\r\nETag: "abc"\r\nConnection: close\r\n\r\n$/,
    )
    assert.doesNotMatch(await raw(get('gzip'), 'HTTP/1.1 204 No Content\r\nContent-Type: text/html\r\n\r\n'), /Vary|Encoding/)
  })
  test('as a 304, but by the ETag that the compressed answer had', async () => {
    const conditional = (tag: string) => get('gzip', `If-None-Match: ${tag}\r\n`)
    const answer = 'HTTP/1.1 304 Not Modified\r\nETag: "abc"\r\nX-Last: 1\r\n\r\n'
    const weak = await raw(conditional('"x", W/"abc"'), answer)
    assert.match(weak, /\r\nETag: W\/"abc"\r\nX-Last: 1\r\nVary: Accept-Encoding\r\n/)
    for (const tag of ['"abc"', 'W/"abcd"', '*'])
      assert.match(await raw(conditional(tag), answer), /\r\nETag: "abc"\r\nX-Last: 1\r\nConnection/)
    const app = { policy: { compression: { codings: [], minLengthBytes: 256 } } } as const
    assert.match(await raw(conditional('W/"abc"'), answer, app), /\r\nETag: "abc"\r\n/)
  })
  test('when there are codecs enough', async () => {
    const text = await raw(get('gzip'), html(PAGE), { limits: { encodersMax: 0 } })
    assert.match(text, /\r\nVary: Accept-Encoding\r\n/)
    assert.doesNotMatch(text, /Content-Encoding/)
  })
  test('save by the codings that its app prefers', async () => {
    const policy: Partial<Policy> = { compression: { codings: ['gzip', 'br'], minLengthBytes: 0 } }
    assert.match((await ask('br, zstd, gzip', html('short'), { policy })).head, /Content-Encoding: gzip/)
  })
})

suite('While it is compressed an answer', () => {
  for (const [coding, decode] of [
    ['gzip', gunzipSync],
    ['br', brotliDecompressSync],
    ['zstd', zstdDecompressSync],
  ] as const) {
    test(`reaches the client piece by piece as the app speaks (${coding})`, async () => {
      await using app = await startApp(socket => {
        socket.once('data', () => socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n'))
      })
      await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP } })
      const client = bed.send(get(coding))
      await client.until('\r\n\r\n')
      for (const [index, word] of ['one', 'two', 'three'].entries()) {
        const before = client.text.length
        app.sockets[0]?.write(`${word.length.toString(16)}\r\n${word}\r\n`)
        // Nothing of the next piece is there yet: what has come holds all of this one.
        await client.until(text => text.length > before && text.endsWith('\r\n'))
        assert.equal(partly(coding, dechunk(client.text)), ['one', 'onetwo', 'onetwothree'][index])
      }
      app.sockets[0]?.write('0\r\n\r\n')
      await client.ended
      assert.equal(decode(dechunk(client.text)).toString(), 'onetwothree')
    })
  }
  test('never looks whole when its app stops in the middle', async () => {
    for (const coding of ['gzip', 'br', 'zstd']) {
      await using app = await startApp(socket => {
        socket.once('data', () => socket.write(`HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 9999\r\n\r\n${PAGE}`))
      })
      await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP } })
      const client = bed.send(get(coding))
      await client.until(text => text.length > 200)
      app.sockets[0]?.resetAndDestroy()
      await client.ended
      assert.doesNotMatch(client.text, /\r\n0\r\n\r\n$/)
      assert.throws(() => decoder(coding)(dechunk(client.text)))
      assert.equal(bed.server.stats().errors.R36, 1)
      assert.equal(bed.server.stats().encodersRunning, 0)
    }
  })
  test('holds its app back when the client does not read, and arrives whole when it does', async () => {
    const piece = randomBytes(48_000).toString('base64')
    let sent = 0
    await using app = await startApp(socket => {
      const more = () => {
        while (sent < 1000) {
          sent++
          if (!socket.write(`${piece.length.toString(16)}\r\n${piece}\r\n`)) {
            socket.once('drain', more)
            return
          }
        }
        socket.write('0\r\n\r\n')
      }
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n')
        more()
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP } })
    const client = bed.send(get('gzip'))
    await client.until('\r\n\r\n')
    client.socket.pause()
    let last = -1
    await until(() => {
      const still = last === sent && sent > 0
      last = sent
      return still && sent < 900
    }, 'the app to be held back')
    client.socket.resume()
    await client.ended
    assert.ok(gunzipSync(dechunk(client.text)).equals(Buffer.from(piece.repeat(1000))))
  })
  test('ends with its client: app and codec are freed, whether the app is done or not', async () => {
    const long = randomBytes(6_000_000).toString('base64')
    for (const answer of [html(long), 'HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 99999\r\n\r\nbeginning']) {
      await using app = await startHttpApp(() => answer)
      await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP } })
      const client = bed.send(get('gzip'))
      await client.until('\r\n\r\n')
      client.socket.pause()
      client.reset()
      await until(() => bed.server.stats().errors.R47 === 1, 'the record')
      assert.equal(bed.server.stats().encodersRunning, 0)
      assert.equal(bed.server.stats().requests, 1)
    }
  })
  test('is given up when its client takes nothing, and costs no codec any more', async () => {
    const long = randomBytes(9_000_000).toString('base64')
    await using app = await startHttpApp(() => html(long))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP }, limits: { sendStallMs: 100 } })
    const client = bed.send(get('gzip'))
    await client.until('\r\n\r\n')
    client.socket.pause()
    await until(() => bed.server.stats().errors.R49 === 1, 'the record')
    assert.equal(bed.server.stats().encodersRunning, 0)
    client.destroy()
  })
  test('is followed by the next, in order, on a connection whose requests came at once', async () => {
    const bodies = Array.from({ length: 5 }, (_, index) => `${index}`.repeat(200_000))
    await using app = await startHttpApp((_, count) => html(bodies[count] as string))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP } })
    const request = 'GET / HTTP/1.1\r\nHost: shop.test\r\nAccept-Encoding: br\r\n\r\n'
    const client = bed.send(request.repeat(4) + get('br'))
    await client.ended
    const answers = client.text.split(/(?=HTTP\/1\.1 200 OK)/)
    assert.deepEqual(
      answers.map(answer => brotliDecompressSync(dechunk(answer)).toString()),
      bodies,
    )
  })
  test('is finished by a server that drains', async () => {
    await using app = await startApp(socket => {
      socket.once('data', () =>
        socket.write('HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n'),
      )
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP } })
    const client = bed.send('GET / HTTP/1.1\r\nHost: shop.test\r\nAccept-Encoding: zstd\r\n\r\n')
    await client.until('\r\n\r\n')
    const drained = bed.server.drain(5000)
    app.sockets[0]?.write('3\r\ntwo\r\n0\r\n\r\n')
    await client.ended
    await drained
    assert.equal(zstdDecompressSync(dechunk(client.text)).toString(), 'onetwo')
  })
  test('is one of a thousand at once, each its own', async () => {
    await using app = await startHttpApp(({ target }) => html(`${target} `.repeat(20_000)))
    await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP }, limits: { encodersMax: 64 } })
    const clients = Array.from({ length: 1000 }, (_, index) => bed.send(get(index % 2 ? 'gzip' : 'zstd', '', `/${index}`)))
    await Promise.all(clients.map(client => client.ended))
    let compressed = 0
    for (const [index, client] of clients.entries()) {
      const coding = /Content-Encoding: (\w+)/.exec(client.text)?.[1]
      if (coding) compressed++
      const body = Buffer.from(client.text.slice(client.text.indexOf('\r\n\r\n') + 4), 'latin1')
      const text = coding ? decoder(coding)(dechunk(client.text)) : body
      assert.equal(text.toString(), `/${index} `.repeat(20_000))
    }
    assert.ok(compressed >= 64, `${compressed} compressed`)
    assert.equal(bed.server.stats().encodersRunning, 0)
  })
})

function html(body: string, fields = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`
}

function get(coding?: string, fields = '', target = '/'): string {
  const accept = coding === undefined ? '' : `Accept-Encoding: ${coding}\r\n`
  return `GET ${target} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n${accept}${fields}\r\n`
}

function all(): GzipSettings {
  return { ...GZIP, types: new Set(['*']) }
}

async function raw(request: string, answer: string, options: BedOptions = {}): Promise<string> {
  await using app = await startHttpApp(() => answer)
  await using bed = await startBed({ apps: { 'shop.test': app }, settings: { gzip: GZIP }, ...options })
  return await bed.exchange(request)
}

async function ask(coding: string | undefined, answer: string, options: BedOptions = {}, method = 'GET') {
  const text = await raw(get(coding).replace('GET', method), answer, options)
  const at = text.indexOf('\r\n\r\n') + 4
  const head = text.slice(0, at)
  return { head, body: /\r\nTransfer-Encoding: chunked/.test(head) ? dechunk(text) : Buffer.from(text.slice(at), 'latin1') }
}

function dechunk(text: string): Buffer {
  let body = ''
  let at = text.indexOf('\r\n\r\n') + 4
  while (at < text.length) {
    const end = text.indexOf('\r\n', at)
    const size = end < 0 ? 0 : Number.parseInt(text.slice(at, end), 16)
    if (size === 0) break
    body += text.slice(end + 2, end + 2 + size)
    at = end + 2 + size + 2
  }
  return Buffer.from(body, 'latin1')
}

function decoder(coding: string) {
  return { gzip: gunzipSync, br: brotliDecompressSync, zstd: zstdDecompressSync }[coding] as typeof gunzipSync
}

/** What a decoder makes of the beginning of a stream. */
function partly(coding: string, bytes: Buffer): string {
  switch (coding) {
    case 'gzip':
      return gunzipSync(bytes, { finishFlush: 2 }).toString()
    case 'br':
      return brotliDecompressSync(bytes, { finishFlush: 1 }).toString()
    default:
      return zstdDecompressSync(bytes, { finishFlush: 1 }).toString()
  }
}
