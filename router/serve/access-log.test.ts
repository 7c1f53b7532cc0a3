import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { ok, startBed, startHttpApp } from './testbed.ts'

suite('The access log', () => {
  test('writes the classic line: fourteen fields in their places', async () => {
    const [line = ''] = await linesOf('classic', [
      'GET /a?b HTTP/1.1\r\nHost: Shop.Test:80\r\nUser-Agent: curl/8\r\nReferer: http://x/\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\nConnection: close\r\n\r\n',
    ])
    const fields = line.split(' - ')
    assert.equal(fields.length, 14)
    assert.match(fields[0] as string, /^\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00\]$/)
    assert.deepEqual(fields.slice(1, 6), ['shop.test', '127.0.0.1', 'ann', '200', '"GET /a?b HTTP/1.1"'])
    assert.match(fields[6] as string, /^\d+$/)
    assert.deepEqual(fields.slice(7, 10), ['"http://x/"', '"curl/8"', '"shop.test"'])
    assert.match(fields[10] as string, /^127\.0\.0\.1:\d+$/)
    assert.equal(fields[11], 'shop.test')
    assert.match(fields[12] as string, /^\d+\.\d{3}$/)
    assert.match(fields[13] as string, /^\d+\.\d{3}$/)
    assert.doesNotMatch(line, /secret/)
  })
  test('gives a client no way to make fields or lines', async () => {
    const lines = await linesOf('classic', [
      'GET / HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: a - 200 - "b" \\ \xe9 - - c\r\nConnection: close\r\n\r\n',
    ])
    assert.equal(lines.length, 1)
    assert.equal(lines[0]?.split(' - ').length, 14)
    assert.ok(lines[0]?.includes('"a \\x2D 200 \\x2D \\x22b\\x22 \\x5C \\xE9 \\x2D \\x2D c"'), lines[0])
  })
  test('says what it does not know with a hyphen', async () => {
    const [line = ''] = await linesOf('classic', ['GET / HTTP/1.1\r\nHost: none\r\nConnection: close\r\n\r\n'])
    assert.match(line, /^\[[^\]]+\] - - - 127\.0\.0\.1 - - - 404 - "GET \/ HTTP\/1\.1" - \d+ - "-" - "-" - "none" - - - none - - - \d/)
  })
  test('writes JSON', async () => {
    const [line = ''] = await linesOf('json', ['GET /a HTTP/1.1\r\nHost: shop.test\r\nUser-Agent: "é\\\r\nConnection: close\r\n\r\n'])
    const record = JSON.parse(line)
    assert.equal(record.app, 'shop.test')
    assert.equal(record.status, 200)
    assert.equal(record.attempts, 1)
    assert.equal(typeof record.seconds, 'number')
    const [refused = ''] = await linesOf('json', ['GET /a HTTP/1.1\r\nHost: none\r\nConnection: close\r\n\r\n'])
    assert.equal(JSON.parse(refused).code, 'R10')
  })
  test('writes what was no request, and nothing of it gets out of its field', async () => {
    const [bad = '', late = ''] = await linesOf('classic', ['GET /a - 200 - "b" HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n', 'GET /\r\n\r\n'])
    assert.equal(bad.split(' - ').length, 14)
    assert.match(bad, /^\[[^\]]+\] - - - 127\.0\.0\.1 - - - 400 - "GET \/a \\x2D 200 \\x2D \\x22b\\x22 HTTP\/1\.1" - \d+ - /)
    assert.match(late, / - 400 - "GET \/" - /)
    const [json = ''] = await linesOf('json', ['GET /\r\n\r\n'])
    assert.equal(JSON.parse(json).code, 'R40')
  })
  test('writes one line for each of many', async () => {
    const request = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
    const lines = await linesOf('classic', [`${request.repeat(499)}${request.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n')}`])
    assert.equal(lines.length, 500)
  })
})

async function linesOf(format: 'classic' | 'json', requests: string[]): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'access-log-'))
  const fd = openSync(join(dir, 'log'), 'w')
  try {
    await using app = await startHttpApp(() => ok('fine'))
    const bed = await startBed({ apps: { 'shop.test': app }, accessLog: format, accessLogFd: fd })
    for (const request of requests) await bed.exchange(request)
    await bed[Symbol.asyncDispose]()
    return readFileSync(join(dir, 'log'), 'utf8').split('\n').slice(0, -1)
  } finally {
    closeSync(fd)
    rmSync(dir, { recursive: true })
  }
}
