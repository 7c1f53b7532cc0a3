import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CHUNKED, UNTIL_CLOSE } from './body.ts'
import { parseResponseHead, type ResponseHead } from './response-head.ts'

suite('parseResponseHead() reads', () => {
  test('status, reason, fields and length', () => {
    const head = parsed(
      'HTTP/1.1 200 Very OK\r\nServer: x\r\nContent-Length: 3\r\nConnection: keep-alive\r\nKeep-Alive: timeout=5, max=100\r\nX_Y: z\r\n\r\n',
    )
    assert.deepEqual(head, {
      status: 200,
      reason: 'Very OK',
      fields: 'Server: x\r\nX_Y: z\r\n',
      length: 3,
      statedLength: 3,
      keepAlive: true,
      keepAliveMs: 5000,
      upgrade: '',
      trailer: '',
    })
  })
  test('an answer without reason, with or without the blank', () => {
    assert.equal(parsed('HTTP/1.1 204\r\n\r\n').reason, '')
    assert.equal(parsed('HTTP/1.1 204 \r\n\r\n').reason, '')
  })
  test('no length as until the connection closes', () => assert.equal(parsed('HTTP/1.1 200 OK\r\n\r\n').length, UNTIL_CLOSE))
  test('chunked', () => assert.equal(parsed('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n').length, CHUNKED))
  test('no body after HEAD, 1xx, 204 and 304, whatever it says', () => {
    assert.equal(parsed('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', 'HEAD').length, 0)
    assert.equal(parsed('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n', 'HEAD').statedLength, 9)
    for (const status of [100, 103, 204, 304]) assert.equal(parsed(`HTTP/1.1 ${status} x\r\nContent-Length: 9\r\n\r\n`).length, 0)
    assert.equal(parsed('HTTP/1.1 304 x\r\nTransfer-Encoding: chunked\r\n\r\n').length, 0)
  })
  test('HTTP/1.0 as closing unless it says otherwise', () => {
    assert.equal(parsed('HTTP/1.0 200 OK\r\n\r\n').keepAlive, false)
    assert.equal(parsed('HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 0\r\n\r\n').keepAlive, true)
  })
  test('without the fields that Connection names', () =>
    assert.equal(parsed('HTTP/1.1 200 OK\r\nA: b\r\nC: d\r\nConnection: a\r\n\r\n').fields, 'C: d\r\n'))
})

suite('parseResponseHead() takes no longer', () => {
  // One such head once held a worker for half a minute.
  for (const field of ['Connection: close', 'Connection: upgrade\r\nUpgrade: websocket']) {
    test(`for a field of 120 kB of blanks: ${field}`, () => {
      const before = performance.now()
      parseResponseHead(`HTTP/1.1 200 OK\r\n${field}${' '.repeat(120_000)}x\r\n\r\n`, 'GET')
      assert.ok(performance.now() - before < 500)
    })
  }
})

suite('parseResponseHead() refuses', () => {
  for (const line of [
    'garbage',
    'HTTP/2.0 200 OK',
    'HTTP/1.1 99 x',
    'HTTP/1.1 600 x',
    'HTTP/1.1 1000 x',
    'HTTP/1.1  200 x',
    'HTTP/1.1 20x',
    'HTTP/1.1',
    'http/1.1 200 OK',
    'HTTP/1.1 200\tOK',
    ' HTTP/1.1 200 OK',
    'HTTP/1.1 200 O\0K',
    'HTTP/1.1 200 O\rK',
    '\r\nHTTP/1.1 200 OK',
  ]) {
    test(`the status line ${JSON.stringify(line)}`, () =>
      assert.equal(parseResponseHead(`${line}\r\nContent-Length: 0\r\n\r\n`, 'GET'), undefined))
  }
  for (const lines of [
    'Content-Length: 3\r\nTransfer-Encoding: chunked',
    'Content-Length: 3\r\nContent-Length: 3',
    'Content-Length: 3\r\nContent-Length: 4',
    'Content-Length: 3, 3',
    'Content-Length: -1',
    'Content-Length: 0x3',
    'Content-Length: 9223372036854775808',
    'Transfer-Encoding: gzip',
    'Transfer-Encoding: gzip, chunked',
    'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding : chunked',
    'Transfer-Encoding: chunked\t',
    'Transfer-Encoding:\tchunked',
    'Content-Length: 3\t',
    'A: b\r\n c',
    'A: \0',
    'A: b\rC: d',
    'A: b\nC: d',
    ': b',
    'A B: c',
  ]) {
    test(JSON.stringify(lines), () => assert.equal(parseResponseHead(`HTTP/1.1 200 OK\r\n${lines}\r\n\r\n`, 'GET'), undefined))
  }
  test('an interim answer of HTTP/1.0', () => assert.equal(parseResponseHead('HTTP/1.0 103 x\r\n\r\n', 'GET'), undefined))
  test('Transfer-Encoding in HTTP/1.0', () =>
    assert.equal(parseResponseHead('HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n', 'GET'), undefined))
})

function parsed(head: string, method = 'GET'): ResponseHead {
  const result = parseResponseHead(head, method)
  assert.ok(result)
  return result
}
