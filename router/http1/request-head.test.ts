import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CHUNKED } from './body.ts'
import { parseRequestHead, type RequestHead } from './request-head.ts'

const LIMITS = { requestLineBytesMax: 16 * 1024, fieldCountMax: 200 }

suite('parseRequestHead() reads', () => {
  test('method, target, host and the fields that pass on', () => {
    const head = accepted('GET /a//b/../c?d=%2F HTTP/1.1\r\nAccept: */*\r\nHost: Shop.Example.com:8080\r\nX-One:  two \r\n\r\n')
    assert.equal(head.method, 'GET')
    assert.equal(head.target, '/a//b/../c?d=%2F')
    assert.equal(head.host, 'shop.example.com')
    assert.equal(head.fields, 'Accept: */*\r\nX-One:  two \r\n')
    assert.equal(head.keepAlive, true)
    assert.equal(head.length, 0)
  })
  test('a head of nothing but Host', () => assert.equal(accepted('GET / HTTP/1.1\r\nHost: a\r\n\r\n').fields, ''))
  test('any method token', () => assert.equal(accepted("M-SEARCH!'~ / HTTP/1.1\r\nHost: a\r\n\r\n").method, "M-SEARCH!'~"))
  test('one empty line before the request line (RFC 9112 §2.2)', () => {
    assert.equal(accepted('\r\nGET /x HTTP/1.1\r\nHost: a\r\nB: c\r\n\r\n').fields, 'B: c\r\n')
  })
  test('an IPv6 literal and a trailing dot in Host', () => {
    assert.equal(accepted('GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n').host, '[2001:db8::1]')
    assert.equal(accepted('GET / HTTP/1.1\r\nHost: shop.test.\r\n\r\n').host, 'shop.test')
  })
  test('HTTP/1.0 without Host, which keeps the connection only when asked', () => {
    const head = accepted('GET / HTTP/1.0\r\n\r\n')
    assert.equal(head.host, '')
    assert.equal(head.keepAlive, false)
    assert.equal(accepted('GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n').keepAlive, true)
  })
  test('Connection: close in any case and place', () => {
    assert.equal(accepted('GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n').keepAlive, false)
  })
  test('an absolute target of the same authority as its path', () => {
    assert.equal(accepted('GET http://shop.test:80/p?q HTTP/1.1\r\nHost: shop.test\r\n\r\n').target, '/p?q')
    assert.equal(accepted('GET https://shop.test HTTP/1.1\r\nHost: shop.test\r\n\r\n').target, '/')
    assert.equal(accepted('GET http://shop.test?q HTTP/1.1\r\nHost: shop.test\r\n\r\n').target, '/?q')
    assert.equal(accepted('OPTIONS http://shop.test HTTP/1.1\r\nHost: shop.test\r\n\r\n').target, '*')
  })
  test('OPTIONS *', () => assert.equal(accepted('OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n').target, '*'))
  test('the length of a body', () => {
    assert.equal(accepted('POST / HTTP/1.1\r\nHost: a\r\nContent-Length:  007 \r\n\r\n').length, 7)
    assert.equal(accepted('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n').length, CHUNKED)
  })
  test('values with 0x80-0xff and tabs', () => {
    assert.equal(accepted('GET / HTTP/1.1\r\nHost: a\r\nB: \xe9\t\xff\r\n\r\n').fields, 'B: \xe9\t\xff\r\n')
  })
  test('an upgrade only when Connection asks for it', () => {
    assert.equal(accepted('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n').upgrade, 'websocket')
    assert.equal(accepted('GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\r\n').upgrade, '')
    assert.equal(accepted('GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nUpgrade: websocket\r\n\r\n').upgrade, '')
    assert.equal(accepted('GET / HTTP/1.0\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n').upgrade, '')
  })
  for (const protocol of ['h2c', 'H2C', 'h2', 'h2c/1', 'h2c-14', 'HTTP/2.0', 'TLS/1.2', 'h2c , tls', 'h2c;q=1', '"h2c"', 'web socket']) {
    test(`no upgrade to ${protocol}, which would hide requests`, () => {
      const head = accepted(
        `GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: ${protocol}\r\nHTTP2-Settings: x\r\n\r\n`,
      )
      assert.equal(head.upgrade, '')
      assert.equal(head.fields, '')
    })
  }
  test('of several protocols those that are harmless', () => {
    assert.equal(accepted('GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c, websocket\r\n\r\n').upgrade, 'websocket')
  })
})

suite('parseRequestHead() drops', () => {
  for (const line of [
    'Connection: x',
    'Keep-Alive: timeout=5',
    'TE: trailers',
    'Trailer: a',
    'Proxy-Connection: close',
    'Upgrade: websocket',
    'HTTP2-Settings: a',
    'Early-Data: 1',
    'X_Forwarded_For: 1.2.3.4',
    'Transfer_Encoding: chunked',
    'a.b: c',
    'Expect: 100-continue',
    'X-Forwarded-For: 1.2.3.4',
    'X-Forwarded-Proto: https',
    'X-Forwarded-Host: evil',
    'Forwarded: for=1.2.3.4',
    'X-Real-IP: 1.2.3.4',
    'X-Request-Start: t=1',
    'X-SSL-Client-Verify: SUCCESS',
    'SSL-Client-Cert: x',
    'X-Forwarded-Client-Cert: x',
    'Content-Length: 0',
  ]) {
    test(`${line} from what passes on`, () =>
      assert.equal(accepted(`GET / HTTP/1.1\r\nA: b\r\n${line}\r\nHost: a\r\nC: d\r\n\r\n`).fields, 'A: b\r\nC: d\r\n'))
  }
  test('what Connection names', () => {
    const head = accepted('GET / HTTP/1.1\r\nHost: a\r\nX-Secret: 1\r\nConnection: close, X-SECRET , x-other\r\nB: c\r\nx-other: 2\r\n\r\n')
    assert.equal(head.fields, 'B: c\r\n')
  })
  test('neither Host nor framing nor credentials because Connection names them', () => {
    const head = accepted(
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nAuthorization: b\r\nConnection: host, content-length, authorization, x-forwarded-for\r\n\r\n',
    )
    assert.equal(head.host, 'a')
    assert.equal(head.length, 3)
    assert.equal(head.fields, 'Authorization: b\r\n')
  })
  test('thousands of names in Connection in time', () => {
    const names = Array.from({ length: 20_000 }, (_, index) => `n${index}`).join(',')
    const before = performance.now()
    assert.equal(accepted(`GET / HTTP/1.1\r\nHost: a\r\nConnection: ${names}\r\nn777: x\r\nB: c\r\n\r\n`).fields, 'B: c\r\n')
    assert.ok(performance.now() - before < 500)
  })
  // One such head once held a worker for half a minute.
  for (const field of ['Connection: close', 'Connection: upgrade\r\nUpgrade: websocket']) {
    test(`a field of 120 kB of blanks in time: ${field}`, () => {
      const blanks = ' '.repeat(120_000)
      const before = performance.now()
      accepted(`GET / HTTP/1.1\r\nHost: a\r\n${field}${blanks}x\r\n\r\n`)
      assert.ok(performance.now() - before < 500)
    })
  }
  test('but keeps what only a trusted peer may say, and ids, apart', () => {
    const head = accepted(
      'GET / HTTP/1.1\r\nHost: a\r\nForwarded: for=b\r\nX-Request-Id: c\r\nX-Correlation-Id: d\r\nX-Forwarded-For: e\r\nX-Forwarded-For: f\r\n\r\n',
    )
    assert.equal(head.trustedFields, 'Forwarded: for=b\r\n')
    assert.equal(head.idFields, 'X-Request-Id: c\r\nX-Correlation-Id: d\r\n')
    assert.equal(head.correlationId, 'd')
    assert.equal(head.forwardedFor, 'e,f')
  })
})

suite('parseRequestHead() refuses', () => {
  const refusals: Record<string, [string, string]> = {
    'Content-Length with Transfer-Encoding': [
      'R40',
      'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n',
    ],
    'Transfer-Encoding with Content-Length': [
      'R40',
      'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n',
    ],
    'two equal Content-Length': ['R40', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\n'],
    'two different Content-Length': ['R40', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n'],
    'two Transfer-Encoding': ['R40', 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n'],
    'Transfer-Encoding in HTTP/1.0': ['R40', 'POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n'],
    'no Host in HTTP/1.1': ['R40', 'GET / HTTP/1.1\r\nA: b\r\n\r\n'],
    'two Host, equal': ['R40', 'GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n'],
    'two Host, one in lower case': ['R40', 'GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n'],
    'another authority in the target': ['R40', 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    'userinfo in the target': ['R40', 'GET http://a@b/ HTTP/1.1\r\nHost: b\r\n\r\n'],
    'an empty authority': ['R40', 'GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n'],
    'another scheme': ['R40', 'GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    'a backslash in the authority': ['R40', 'GET http://a\\.b/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    'a target without slash': ['R40', 'GET x HTTP/1.1\r\nHost: a\r\n\r\n'],
    '@evil.test': ['R40', 'GET @evil.test/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    'GET *': ['R40', 'GET * HTTP/1.1\r\nHost: a\r\n\r\n'],
    'a fragment': ['R40', 'GET /a#b HTTP/1.1\r\nHost: a\r\n\r\n'],
    'a blank in the target': ['R40', 'GET /a b HTTP/1.1\r\nHost: a\r\n\r\n'],
    'two blanks in the request line': ['R40', 'GET  / HTTP/1.1\r\nHost: a\r\n\r\n'],
    'a tab in the request line': ['R40', 'GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n'],
    'a blank after the version': ['R40', 'GET / HTTP/1.1 \r\nHost: a\r\n\r\n'],
    'a blank before the method': ['R40', ' GET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    'two empty lines first': ['R40', '\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n'],
    'NUL in the target': ['R40', 'GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n'],
    'a raw byte above 0x7f in the target': ['R40', 'GET /\xe9 HTTP/1.1\r\nHost: a\r\n\r\n'],
    'DEL in the target': ['R40', 'GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n'],
    'HTTP/0.9': ['R40', 'GET /\r\n\r\n'],
    'HTTP/2.0': ['R45', 'GET / HTTP/2.0\r\nHost: a\r\n\r\n'],
    'HTTP/9.9': ['R45', 'GET / HTTP/9.9\r\nHost: a\r\n\r\n'],
    'the HTTP/2 preface': ['R45', 'PRI * HTTP/2.0\r\n\r\n'],
    'HTTP/1.10': ['R40', 'GET / HTTP/1.10\r\nHost: a\r\n\r\n'],
    'http/1.1': ['R40', 'GET / http/1.1\r\nHost: a\r\n\r\n'],
    'ICE/1.0': ['R40', 'GET / ICE/1.0\r\nHost: a\r\n\r\n'],
    'a method of 10 kB': ['R40', `${'A'.repeat(10_000)} / HTTP/1.1\r\nHost: a\r\n\r\n`],
    'a method with a bracket': ['R40', 'GE(T / HTTP/1.1\r\nHost: a\r\n\r\n'],
    CONNECT: ['R11', 'CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: 169.254.169.254:80\r\n\r\n'],
    TRACE: ['R11', 'TRACE / HTTP/1.1\r\nHost: a\r\n\r\n'],
    'a target of 17 kB': ['R42', `GET /${'a'.repeat(17_000)} HTTP/1.1\r\nHost: a\r\n\r\n`],
    '201 fields': ['R41', `GET / HTTP/1.1\r\nHost: a\r\n${'a: b\r\n'.repeat(200)}\r\n`],
    'an unknown expectation': ['R48', 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 200-ok\r\n\r\n'],
    'two expectations': ['R48', 'POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nExpect: 100-continue\r\n\r\n'],
  }
  for (const [name, [code, head]] of Object.entries(refusals)) test(name, () => assert.equal(parseRequestHead(head, LIMITS), code))

  for (const coding of [
    'xchunked',
    'chunked, identity',
    'gzip, chunked',
    '"chunked"',
    'chunked;a=b',
    ',chunked',
    'chunked,',
    'identity',
    '',
    'chunked\x0b',
    '\x85chunked',
    'chunked\xa0',
    'chunKed\xff',
  ]) {
    test(`Transfer-Encoding: ${JSON.stringify(coding)}`, () => {
      const code = parseRequestHead(`POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: ${coding}\r\n\r\n`, LIMITS)
      assert.ok(code === 'R46' || code === 'R40', String(code))
    })
  }
  for (const length of [
    '+5',
    '-5',
    '0x5',
    '5_0',
    '1e1',
    '5.0',
    '"5"',
    '',
    '5\0',
    '5\v',
    '5, 5',
    '5, 6',
    '5 5',
    '\xb2',
    '9007199254740992',
    '9223372036854775808',
    '18446744073709551616',
    '18446744073709551621',
  ]) {
    test(`Content-Length: ${JSON.stringify(length)}`, () => {
      assert.equal(parseRequestHead(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${length}\r\n\r\n`, LIMITS), 'R40')
    })
  }
  for (const line of [
    'A : b',
    'A\t: b',
    ' A: b',
    '\tA: b',
    ': b',
    'A',
    'A B: c',
    'A(: b',
    '\xe9: b',
    'A\0: b',
    'A: \0',
    'A: b\x01',
    'A: \x7f',
    'A: b\rc',
    'A: b\nC: d',
    'A: b\r\n c',
    'A: b\r\n\tc',
    'A\r: b',
    '\x0bA: b',
    'Host : b',
    'Content-Length : 5',
    'Transfer-Encoding\x0b: chunked',
    'Transfer-Encoding: chunked\r\n\t',
  ]) {
    test(`the line ${JSON.stringify(line)}`, () =>
      assert.equal(parseRequestHead(`GET / HTTP/1.1\r\nHost: a\r\n${line}\r\n\r\n`, LIMITS), 'R40'))
  }
  test('a blank line first', () => assert.equal(parseRequestHead('GET / HTTP/1.1\r\n Host: a\r\n\r\n', LIMITS), 'R40'))
  for (const host of [
    'a/b',
    'u@a',
    'a b',
    'a,b',
    'a\tb',
    'a?b',
    'a\\b',
    'a:b',
    'a:123456',
    'a:65536',
    'a:80:80',
    '[.]',
    '[:::1]',
    '[::1].',
    '[::1]a',
    '[fe80::1%25eth0]',
    '[v1.x]',
    '[127.0.0.1]',
    '',
    'a\0b',
    '\xe9.test',
    'a..b',
    '.a',
    '[::1',
    '::1',
    'a%20b',
    'a#b',
    '*',
    `${'a'.repeat(300)}`,
    `${'a.'.repeat(126)}aa`,
  ]) {
    test(`Host: ${JSON.stringify(host.slice(0, 20))}`, () =>
      assert.equal(parseRequestHead(`GET / HTTP/1.1\r\nHost: ${host}\r\n\r\n`, LIMITS), 'R40'))
  }
})

function accepted(head: string): RequestHead {
  const result = parseRequestHead(head, LIMITS)
  assert.ok(typeof result === 'object', `refused with ${String(result)}`)
  return result
}
