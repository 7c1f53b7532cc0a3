import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BodyReader, CHUNKED } from '../../router/http1/body.ts'
import { HEAD_INCOMPLETE, HeadBuffer } from '../../router/http1/head-buffer.ts'
import { parseRequestHead } from '../../router/http1/request-head.ts'
import { parseResponseHead } from '../../router/http1/response-head.ts'
import { Stash } from '../../router/http1/stash.ts'
import { normalPath } from '../../router/table/route.ts'

// Work must grow as its bytes do. Four times the bytes take four times as long where the work is linear and sixteen times where it is
// quadratic: the bound lies between, and both are measured in one run, in CPU time of this thread. A head of 128 KB that costs its
// square holds a worker, and every tenant on it, for half a minute.
const RATIO_MAX = 10
// What takes less than this at the larger size cannot hurt, whatever its growth looks like; the least that is quadratic takes seconds.
const HARMLESS_MS = 50
const SMALL = 30_000
const LARGE = 4 * SMALL

const LIMITS = { requestLineBytesMax: 1 << 20, fieldCountMax: 1 << 20 }
const request = (fields: string) => `GET / HTTP/1.1\r\nHost: shop.test\r\n${fields}\r\n\r\n`
const answer = (fields: string) => `HTTP/1.1 200 OK\r\n${fields}\r\n\r\n`

/** Header lines of about so many bytes that cost much in a careless reader. */
const FIELDS: Readonly<Record<string, (size: number) => string>> = {
  'one value of blanks': size => `A:${' '.repeat(size)}`,
  'blanks between two words': size => `A: b${' '.repeat(size)}c`,
  'tabs and blanks in turn': size => `A: b${' \t'.repeat(size / 2)}c`,
  'blanks in Connection': size => `Connection: a${' '.repeat(size)}b`,
  'blanks in each of many options': size => `Connection: ${`a${' '.repeat(200)}b,`.repeat(size / 203)}c`,
  'commas in Connection': size => `Connection: ${','.repeat(size)}close`,
  'names in Connection, each with its field': size =>
    `Connection: ${Array.from({ length: size / 16 }, (_, index) => `n${index}`).join(',')}\r\n${Array.from({ length: size / 24 }, (_, index) => `n${index}: x`).join('\r\n')}`,
  'many Connection lines': size => Array.from({ length: size / 20 }, (_, index) => `Connection: x${index}`).join('\r\n'),
  'blanks in Upgrade': size => `Connection: upgrade\r\nUpgrade: a${' '.repeat(size)}b`,
  'protocols in Upgrade': size => `Connection: upgrade\r\nUpgrade: ${'h2c, '.repeat(size / 5)}websocket`,
  'slashes in Upgrade': size => `Connection: upgrade\r\nUpgrade: ${'a/'.repeat(size / 2)}`,
  'blanks in Expect': size => `Expect: 100-continue${' '.repeat(size)}x`,
  'blanks in Keep-Alive': size => `Keep-Alive: ${' timeout='.repeat(size / 9)}`,
  'blanks in Content-Length': size => `Content-Length: 5${' '.repeat(size)}5`,
  'blanks in Transfer-Encoding': size => `Transfer-Encoding: chunked${' '.repeat(size)}x`,
  'addresses in X-Forwarded-For': size => `X-Forwarded-For: ${'10.0.0.1, '.repeat(size / 10)}`,
  'many X-Forwarded-For lines': size => 'X-Forwarded-For: 1\r\n'.repeat(size / 20).trimEnd(),
  'underscores in a name': size => `${'_'.repeat(size)}: x`,
  'dots in many names': size => Array.from({ length: size / 40 }, () => `${'a.'.repeat(16)}a: b`).join('\r\n'),
  'a long name that ends ill': size => `${'x-forwarded-'.repeat(size / 12)}(: b`,
  'a long name without a colon': size => 'a'.repeat(size),
  'a bad byte at the very end': size => `A: ${'b'.repeat(size)}\0`,
  'many good lines, then a bad one': size => `${'Abc: d\r\n'.repeat(size / 8)}Bad : e`,
  'many lines of a name with a hyphen': size => `${'x-ssl-client-'.repeat(size / 13)}: a`,
  'dots in Host twice': size => `X-Host: ${'a.'.repeat(size / 2)}`,
  'passes through routers': size => `CDN-Loop: ${'a, '.repeat(size / 3)}`,
}

suite('A head costs what it weighs', () => {
  for (const [name, fields] of Object.entries(FIELDS)) {
    test(`of a request: ${name}`, () => assertLinear(size => parseRequestHead(request(fields(size)), LIMITS)))
    test(`of an answer: ${name}`, () => assertLinear(size => parseResponseHead(answer(fields(size)), 'GET')))
  }
  const lines: Readonly<Record<string, (size: number) => string>> = {
    'dots in Host': size => `GET / HTTP/1.1\r\nHost: ${'a.'.repeat(size / 2)}\r\n\r\n`,
    'hyphens in Host, then a bad byte': size => `GET / HTTP/1.1\r\nHost: ${'-'.repeat(size)}!\r\n\r\n`,
    'colons in an IPv6 literal': size => `GET / HTTP/1.1\r\nHost: [${':'.repeat(size)}]\r\n\r\n`,
    'a target that is too long': size => `GET /${'a/'.repeat(size / 2)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    'an absolute target': size => `GET http://${'a.'.repeat(size / 2)}/ HTTP/1.1\r\nHost: a\r\n\r\n`,
    'blanks in the request line': size => `GET ${' '.repeat(size)} HTTP/1.1\r\nHost: a\r\n\r\n`,
    'a method without end': size => `${'A'.repeat(size)} / HTTP/1.1\r\nHost: a\r\n\r\n`,
    'empty lines': size => `${'\r\n'.repeat(size / 2)}\r\n\r\n`,
  }
  for (const [name, head] of Object.entries(lines))
    test(`of a request: ${name}`, () => assertLinear(size => parseRequestHead(head(size), LIMITS)))
  test('of an answer: a reason without end', () =>
    assertLinear(size => parseResponseHead(`HTTP/1.1 200 ${'a '.repeat(size / 2)}\0\r\n\r\n`, 'GET')))
})

suite('A path costs what it weighs where apps share a host', () => {
  for (const piece of ['/', '/..', '/.', '%2e', '/a', '%', '//../'])
    test(piece, () => assertLinear(size => normalPath(`/${piece.repeat(size / piece.length)}`)))
})

suite('Bytes that come one by one cost what they weigh', () => {
  test('a head', () =>
    assertLinear(size => {
      const heads = new HeadBuffer()
      const bytes = Buffer.from(`GET / HTTP/1.1\r\nA: ${'b'.repeat(size)}`)
      for (let at = 0; at < bytes.length; at++) assert.equal(heads.take(bytes, at, at + 1, 1 << 20), HEAD_INCOMPLETE)
    }))
  test('a head of many short lines', () =>
    assertLinear(size => {
      const heads = new HeadBuffer()
      const bytes = Buffer.from(`GET / HTTP/1.1\r\n${'A: b\r\n'.repeat(size / 6)}`)
      for (let at = 0; at < bytes.length; at++) assert.equal(heads.take(bytes, at, at + 1, 1 << 20), HEAD_INCOMPLETE)
    }))
  test('requests kept behind an answer', () =>
    assertLinear(size => {
      const stash = new Stash()
      const byte = Buffer.from('x')
      for (let count = 0; count < size; count++) stash.add(byte, 0, 1)
    }))
  const bodies: Readonly<Record<string, (size: number) => string>> = {
    'chunks of one byte': size => '1\r\nx\r\n'.repeat(size),
    'chunks of one byte with an extension': size => '1;a\r\nx\r\n'.repeat(Math.min(size, 16_000)),
    'an extension': size => `5;${'a'.repeat(size)}`,
    'a trailer': size => `0\r\n${'A: b\r\n'.repeat(size / 6)}`,
    'a trailer of one line': size => `0\r\nA: ${' '.repeat(size)}`,
    'one large chunk': size => `${(size * 2).toString(16)}\r\n${'x'.repeat(size)}`,
  }
  for (const [name, text] of Object.entries(bodies)) {
    for (const width of [1, 1 << 16])
      test(`${name}, ${width === 1 ? 'byte by byte' : 'in large pieces'}`, () =>
        assertLinear(size => {
          const reader = new BodyReader()
          const bytes = Buffer.from(text(size))
          reader.start(CHUNKED)
          let calls = 0
          const sink = { payload: () => void calls++ }
          for (let at = 0; at >= 0 && at < bytes.length; ) at = reader.read(bytes, at, Math.min(at + width, bytes.length), sink)
          assert.ok(calls <= bytes.length)
        }))
  }
})

function assertLinear(work: (size: number) => unknown): void {
  const took = (size: number) => {
    const times = [0, 1, 2].map(() => {
      const began = process.threadCpuUsage()
      work(size)
      const { user, system } = process.threadCpuUsage(began)
      return (user + system) / 1000
    })
    return Math.min(...times)
  }
  // The first run compiles.
  work(SMALL)
  const [small, large] = [took(SMALL), took(LARGE)]
  assert.ok(
    large < HARMLESS_MS || large / small < RATIO_MAX,
    `${small.toFixed(2)} ms for ${SMALL} bytes, ${large.toFixed(2)} ms for ${LARGE}`,
  )
}
