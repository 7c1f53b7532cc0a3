import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from './random.ts'

/** Messages by name that others are grown from: bytes as latin1. `found` are those that once were a bug. */
const corpus = (name: string): string[] =>
  Object.values(JSON.parse(readFileSync(join(import.meta.dirname, `seeds/${name}.json`), 'utf8')) as Record<string, string>)
const REQUESTS = corpus('requests')
const ANSWERS = corpus('answers')

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD', 'PATCH', 'get', 'PROPFIND', 'QUERY']
const TARGETS = [
  '/',
  '/a?b=c',
  '//x/../y',
  '/%2e%2f%00',
  'http://shop.test/abs',
  'HTTP://Shop.Test:80?q',
  '*',
  '/long'.repeat(20),
  '/a#b',
  '/"<>\\^`{|}',
]
const HOSTS = [
  'shop.test',
  'Shop.Test:80',
  'shop.test.',
  '[::1]:80',
  '127.0.0.1',
  'shop.test:',
  '',
  'a,b',
  'u@shop.test',
  'shop.test:99999',
]
const SMUGGLED = 'GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const LENGTHS = [
  '0',
  '5',
  '05',
  '+5',
  '-1',
  '5, 5',
  '5,5',
  '0x5',
  '5 5',
  '5;',
  '',
  '99999999999999999999',
  '4294967301',
  '\t5',
  '5 ',
  '"5"',
  '5.0',
]
const CODINGS = [
  'chunked',
  'Chunked',
  ' chunked',
  'chunked ',
  'xchunked',
  'chunked, chunked',
  'gzip, chunked',
  'chunked, identity',
  'identity',
  'chunked;q=1',
  '\tchunked',
  'chunked\t',
  ',chunked',
  '"chunked"',
  'chunked\xa0',
  '',
]
const NAMES = [
  'Content-Length',
  'content-length',
  'Transfer-Encoding',
  'TRANSFER-ENCODING',
  'Content_Length',
  'Transfer_Encoding',
  'Content-Length ',
  'Transfer-Encoding ',
  'X-A',
  'Host',
  'Connection',
  'Cookie',
  '',
]
const CONNECTIONS = [
  'close',
  'keep-alive',
  'Keep-Alive',
  'close, keep-alive',
  'content-length',
  'Host, Transfer-Encoding',
  'upgrade',
  'upgrade, HTTP2-Settings',
  'x',
  ',',
  'close\x0b',
  ' close ',
  'TE',
]
const FIELDS = [
  'Accept: */*',
  'X-A:b',
  'Cookie: a=b; c="d e"',
  'X-Empty:',
  'X_Y: z',
  'Expect: 100-continue',
  'Upgrade: websocket',
  'Upgrade: h2c',
  'TE: trailers',
  'Trailer: X-Sum',
  'X-B: \xe9\xff',
  'Keep-Alive: timeout=5',
  'X-Forwarded-For: 1.2.3.4',
  'X-C:\t tab\t ',
  'X-D: a\r\n folded',
  "X!#$%&'*+.^`|~: odd",
  'Content-Encoding: gzip',
]
const LINE_ENDS = ['\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\r\n', '\n', '\r', '\r\r\n', '\n\r\n', ' \r\n']
const SIZES = ['', '0', '00', '0000000000000000', ' ', '0x', '+', '-']
const EXTENSIONS = [';a', ';a=b', ';a="b;c"', ';a="\\""', ';', ' ;a', ';a =b', ';a="', ';\xff', ';a\n', ';a\rb', `;${'a'.repeat(1100)}`]
const TRAILERS = ['X-Sum: 1', 'Content-Length: 5', 'Transfer-Encoding: chunked', 'Host: x', 'bad line', 'A : b', 'X:\0', 'A: b\r\n c']
const STATUS_LINES = [
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200 OK',
  'HTTP/1.1 200 OK',
  'HTTP/1.1 404 Not Found',
  'HTTP/1.1 204 No Content',
  'HTTP/1.1 304 Not Modified',
  'HTTP/1.1 205 Reset Content',
  'HTTP/1.0 200 OK',
  'HTTP/1.1 200',
  'HTTP/1.1 200 ',
  'HTTP/1.1 599 \xe9',
  'HTTP/1.1 600 x',
  'HTTP/1.1 099 x',
  'HTTP/1.1 20 x',
  'HTTP/1.1  200 OK',
  'HTTP/2.0 200 OK',
  'HTTP/1.1 101 Switching Protocols',
  'HTTP/1.2 200 OK',
  'ICY 200 OK',
  'http/1.1 200 OK',
]
const INTERIMS = [
  'HTTP/1.1 100 Continue\r\n\r\n',
  'HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n',
  'HTTP/1.1 102 Processing\r\nContent-Length: 5\r\n\r\n',
  'HTTP/1.1 199 x\r\nTransfer-Encoding: chunked\r\n\r\n',
]
const ODD = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '5',
  'a',
  'F',
  '\x80',
  '\xa0',
  '\x85',
  '\xff',
  '\v',
  '\x7f',
  '"',
  '\\',
  '#',
  '/',
  '\r\n ',
  '\r\n\r\n',
  'chunked',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  'HTTP/1.1',
  '+',
  '-',
  '0x',
  SMUGGLED,
]

/** One to three requests as a client that is out for trouble might send them. */
export function requestBytes(random: Random): Buffer {
  let text = random.once(3) ? random.pick(REQUESTS) : ''
  for (let count = text === '' ? 1 + random.below(3) : random.below(2); count > 0; count--) text += request(random)
  return mutated(text, random, REQUESTS)
}

/** What an app that is out for trouble might answer to one request. */
export function answerBytes(random: Random): Buffer {
  let text = random.once(3) ? random.pick(ANSWERS) : answer(random)
  if (random.once(6)) text += random.pick([answer(random), '\r\n', 'x', SMUGGLED])
  return mutated(text, random, ANSWERS)
}

function request(random: Random): string {
  const end = () => lineEnd(random)
  let text = random.once(20) ? '\r\n' : ''
  text += `${usual(random, METHODS, 6)} ${usual(random, TARGETS, 6)} HTTP/1.${random.once(8) ? 0 : 1}${end()}`
  if (!random.once(30)) text += `Host: ${usual(random, HOSTS, 4)}${end()}`
  if (random.once(40)) text += `Host: ${random.pick(HOSTS)}${end()}`
  if (random.once(4)) text += `Connection: ${random.pick(CONNECTIONS)}${end()}`
  for (let count = random.below(4); count > 0; count--) text += `${random.pick(FIELDS)}${end()}`
  return text + framedBody(random)
}

function answer(random: Random): string {
  let text = ''
  for (let count = random.once(5) ? 1 + random.below(3) : 0; count > 0; count--) text += random.pick(INTERIMS)
  text += `${random.pick(STATUS_LINES)}${lineEnd(random)}`
  if (random.once(4)) text += `Connection: ${random.pick(CONNECTIONS)}${lineEnd(random)}`
  for (let count = random.below(3); count > 0; count--) text += `${random.pick(FIELDS)}${lineEnd(random)}`
  return text + framedBody(random)
}

/** Framing fields, the end of the head, and a body that may or may not fit them. */
function framedBody(random: Random): string {
  const payload = random.once(2) ? SMUGGLED.slice(0, random.below(50)) : 'hello'
  const end = () => lineEnd(random)
  switch (random.below(8)) {
    case 0:
    case 1:
      return `\r\n`
    case 2:
    case 3:
      return `Content-Length: ${payload.length}${end()}\r\n${payload}`
    case 4:
    case 5:
      return `Transfer-Encoding: chunked${end()}\r\n${chunks(payload, random)}`
    default: {
      let fields = ''
      for (let count = 1 + random.below(2); count > 0; count--) {
        const name = random.pick(NAMES)
        fields += `${name}:${random.once(6) ? '' : ' '}${/transfer/i.test(name) ? random.pick(CODINGS) : random.pick(LENGTHS)}${end()}`
      }
      return `${fields}\r\n${random.once(2) ? payload : chunks(payload, random)}`
    }
  }
}

function chunks(payload: string, random: Random): string {
  let text = ''
  for (let at = 0; at < payload.length; ) {
    const chunk = payload.slice(at, at + 1 + random.below(20))
    const size = (chunk.length + (random.once(40) ? 1 : 0)).toString(16)
    text += `${usual(random, SIZES, 12)}${random.once(5) ? size.toUpperCase() : size}${random.once(5) ? random.pick(EXTENSIONS) : ''}${lineEnd(random)}${chunk}${lineEnd(random)}`
    at += chunk.length
  }
  if (random.once(30)) return text
  return `${text}${random.once(10) ? '000' : '0'}${lineEnd(random)}${random.once(6) ? `${random.pick(TRAILERS)}\r\n` : ''}\r\n`
}

/** The first of a list, most of the time. */
function usual(random: Random, list: readonly string[], times: number): string {
  return random.once(times) ? random.pick(list) : (list[0] as string)
}

function lineEnd(random: Random): string {
  return random.once(12) ? random.pick(LINE_ENDS) : '\r\n'
}

function mutated(text: string, random: Random, others: readonly string[]): Buffer {
  let result = text
  for (let times = random.below(4) * random.below(2); times > 0; times--) {
    const at = random.below(result.length + 1)
    const size = random.below(random.once(3) ? 30 : 3)
    switch (random.below(6)) {
      case 0:
        result = result.slice(0, at) + result.slice(at + size)
        break
      case 1:
        result = result.slice(0, at + size) + result.slice(at)
        break
      case 2: {
        const other = random.pick(others)
        result = result.slice(0, at) + other.slice(random.below(other.length))
        break
      }
      default:
        result = result.slice(0, at) + random.pick(ODD) + result.slice(at + size)
    }
  }
  return Buffer.from(result, 'latin1')
}
