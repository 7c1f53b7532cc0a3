import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { closeSync, constants, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, readSync, renameSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { silentLog } from '../../kernel/log.ts'
import type { RouterSettings } from '../table/route.ts'
import { AccessLog } from './access-log.ts'
import { ok, startBed, startHttpApp, until } from './testbed.ts'

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
  test('gives a user name no way either', async () => {
    const [line = ''] = await linesOf('classic', [
      `GET / HTTP/1.1\r\nHost: shop.test\r\nAuthorization: Basic ${btoa('a - b -:secret')}\r\nConnection: close\r\n\r\n`,
    ])
    const fields = line.split(' - ')
    assert.deepEqual([fields.length, fields[3], fields[4]], [14, 'a\\x20\\x2D\\x20b\\x20-', '200'])
  })
  test('says what it does not know with a hyphen', async () => {
    const [line = ''] = await linesOf('classic', ['GET / HTTP/1.1\r\nHost: none\r\nConnection: close\r\n\r\n'])
    assert.match(line, /^\[[^\]]+\] - - - 127\.0\.0\.1 - - - 404 - "GET \/ HTTP\/1\.1" - \d+ - "-" - "-" - "_" - - - none - - - \d/)
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

suite('A format of the operator’s own', () => {
  const REQUEST =
    'GET /a/b?c=1&page=2 HTTP/1.1\r\nHost: Shop.Test:80\r\nUser-Agent: "x"\r\nCookie: a=1; sid=s3\r\nX-Thing: y\r\nAuthorization: Basic YW5uOnNlY3JldA==\r\nConnection: close\r\n\r\n'
  const line = async (logFormat: string, request = REQUEST) => (await linesOf('classic', [request], { logFormat }))[0] ?? ''

  test('has the variables of nginx', async () => {
    assert.equal(
      await line(
        '$remote_user|$request_method|$uri|$args|$is_args|$arg_page|$cookie_sid|$http_x_thing|$http_none|$host|$scheme|$server_protocol',
      ),
      'ann|GET|/a/b|c=1&page=2|?|2|s3|y|-|shop.test|http|HTTP/1.1',
    )
    assert.match(
      await line('$status $app_name $upstream_status $upstream_addr $upstream_response_time $request_time'),
      /^200 shop\.test 200 127\.0\.0\.1:\d+ 0\.\d{3} 0\.\d{3}$/,
    )
    assert.match(await line('$time_local $msec'), /^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000 \d{10}\.\d{3}$/)
    const [head = '', body = ''] = (await line('$bytes_sent $body_bytes_sent')).split(' ')
    assert.equal(body, '4')
    assert.ok(Number(head) > 80)
  })
  test('never holds a password, whatever it asks for', async () => {
    assert.equal(await line('[$http_authorization][$http_user_agent]'), '[-][\\x22x\\x22]')
  })
  test('is written of what was no request too', async () => {
    assert.equal(await line('$remote_addr $status "$request" $code $upstream_addr', 'GET /\r\n\r\n'), '127.0.0.1 400 "GET /" R40 -')
  })
})

suite('AccessLog', () => {
  const dir = mkdtempSync(join(tmpdir(), 'access-log-'))
  after(() => rmSync(dir, { recursive: true }))
  const path = (name: string) => join(dir, name)

  test('goes on in a new file when the old one was moved and it is told so, and loses no line', async () => {
    const log = new AccessLog({ path: path('a') }, silentLog)
    log.add('before')
    await until(() => existsSync(path('a')) && readFileSync(path('a'), 'utf8') === 'before\n')
    renameSync(path('a'), path('a.1'))
    log.add('between')
    await log.reopen()
    log.add('after')
    await log.stop()
    assert.equal(readFileSync(path('a.1'), 'utf8') + readFileSync(path('a'), 'utf8'), 'before\nbetween\nafter\n')
    assert.match(readFileSync(path('a'), 'utf8'), /after/)
  })
  test('sees by itself that the file was moved', async () => {
    const log = new AccessLog({ path: path('b') }, silentLog)
    log.add('before')
    await until(() => existsSync(path('b')) && readFileSync(path('b'), 'utf8') === 'before\n')
    renameSync(path('b'), path('b.1'))
    await until(() => existsSync(path('b')))
    log.add('after')
    await log.stop()
    assert.equal(readFileSync(path('b'), 'utf8'), 'after\n')
  })
  test('is shared by workers: every line of each is whole', async () => {
    const logs = ['x', 'y', 'z'].map(name => ({ name, log: new AccessLog({ path: path('c') }, silentLog) }))
    for (let line = 0; line < 2000; line++) for (const { name, log } of logs) log.add(`${name}${'.'.repeat(100)}${line}`)
    await Promise.all(logs.map(({ log }) => log.stop()))
    const lines = readFileSync(path('c'), 'utf8').split('\n').slice(0, -1)
    assert.equal(lines.length, 6000)
    for (const { name } of logs)
      assert.deepEqual(
        lines.filter(line => line[0] === name),
        Array.from({ length: 2000 }, (_, line) => `${name}${'.'.repeat(100)}${line}`),
      )
  })
  test('keeps the old file while the new one cannot be opened', async () => {
    mkdirSync(path('d'))
    const log = new AccessLog({ path: path('d/log') }, silentLog)
    log.add('1')
    await until(() => existsSync(path('d/log')))
    renameSync(path('d'), path('e'))
    await log.reopen()
    log.add('2')
    await log.stop()
    assert.equal(readFileSync(path('e/log'), 'utf8'), '1\n2\n')
  })
  test('drops and counts lines when the disk is full, says so once, and waits for nobody', async () => {
    const said: string[] = []
    const log = new AccessLog({ path: '/dev/full' }, { ...silentLog, error: message => void said.push(message) })
    for (let line = 0; line < 5000; line++) log.add('x'.repeat(100))
    await log.stop()
    assert.equal(log.dropped, 5000)
    assert.deepEqual(said, ['access log cannot be written, lines are dropped'])
  })
  test('drops and counts lines when nobody reads its pipe, and what it kept is whole when somebody does', async () => {
    execFileSync('mkfifo', [path('pipe')])
    const fd = openSync(path('pipe'), constants.O_RDWR | constants.O_NONBLOCK)
    const blocking = openSync(path('pipe'), constants.O_WRONLY)
    const log = new AccessLog({ fd: blocking }, silentLog)
    const count = 120_000
    for (let line = 0; line < count; line++) log.add(`${'x'.repeat(100)}${String(line).padStart(7, '0')}`)
    assert.ok(log.dropped > 0 && log.dropped < count)
    // Were the write to block, nothing of the pool's would come back.
    await Promise.all(Array.from({ length: 8 }, () => readFile(import.meta.filename)))
    let text = ''
    const bytes = Buffer.alloc(65536)
    const kept = count - log.dropped
    await until(() => {
      try {
        text += bytes.toString('latin1', 0, readSync(fd, bytes))
      } catch {
        // Nothing there yet.
      }
      return text.length === kept * 108
    })
    assert.deepEqual(
      text
        .split('\n')
        .slice(0, -1)
        .map(line => Number(line.slice(-7))),
      Array.from({ length: kept }, (_, line) => line),
    )
    await log.stop()
    closeSync(fd)
    closeSync(blocking)
  })
})

async function linesOf(format: 'classic' | 'json', requests: string[], settings: Partial<RouterSettings> = {}): Promise<string[]> {
  const dir = mkdtempSync(join(tmpdir(), 'access-log-'))
  const fd = openSync(join(dir, 'log'), 'w')
  try {
    await using app = await startHttpApp(() => ok('fine'))
    const bed = await startBed({ apps: { 'shop.test': app }, accessLog: format, settings, accessLogTarget: { fd } })
    for (const request of requests) await bed.exchange(request)
    await bed[Symbol.asyncDispose]()
    return readFileSync(join(dir, 'log'), 'utf8').split('\n').slice(0, -1)
  } finally {
    closeSync(fd)
    rmSync(dir, { recursive: true })
  }
}
