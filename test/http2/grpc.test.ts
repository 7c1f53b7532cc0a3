import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { FLAG, FRAME } from '../../router/http2/frames.ts'
import { ERRORS } from '../../router/serve/errors.ts'
import { type Bed, startApp, startBed, type TestApp, until } from '../../router/serve/testbed.ts'
import { endpoint } from '../../router/table/route.ts'
import { data, headers, RawHttp2 } from './raw-client.ts'

const pair = selfSigned({ names: ['shop.test'], days: 2 })
const call = (host: string, type = 'application/grpc') =>
  [
    [':method', 'POST'],
    [':scheme', 'https'],
    [':path', '/echo.Echo/Unary'],
    [':authority', host],
    ['content-type', type],
    ['te', 'trailers'],
  ] as const
suite('An error of the router for a client of gRPC', () => {
  const folder = mkdtempSync(join(tmpdir(), 'grpc-'))
  const file = join(folder, 'access.log')
  const fd = openSync(file, 'a')
  let dead: TestApp
  let silent: TestApp
  let bed: Bed
  const clients: RawHttp2[] = []
  const client = () => {
    const one = new RawHttp2(bed.httpsPort)
    clients.push(one)
    return one
  }
  before(async () => {
    dead = await startApp(() => {})
    await dead[Symbol.asyncDispose]()
    silent = await startApp(() => {})
    bed = await startBed({
      apps: { 'shop.test': [endpoint('127.0.0.1', dead.endpoint.port)], 'silent.test': silent, 'closed.test': silent },
      policy: { idleTimeoutMs: 60 },
      policies: { 'closed.test': { bodyBytesMax: 10 } },
      settings: { errorHeader: 'X-Error' },
      tls: { key: pair.key, cert: pair.certificate },
      accessLog: 'json',
      accessLogTarget: { fd },
    })
  })
  after(async () => {
    for (const one of clients) one.destroy()
    await bed[Symbol.asyncDispose]()
    await silent[Symbol.asyncDispose]()
    closeSync(fd)
    rmSync(folder, { recursive: true })
  })
  const logged = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as { code?: string; status: number })

  for (const [why, host, status, code, http] of [
    ['an app that refuses the connection', 'shop.test', '14', 'R30', 502],
    ['an app that does not answer in time', 'silent.test', '14', 'R32', 504],
    ['a host that nobody has', 'nobody.test', '12', 'R10', 404],
    ['a body that is too large', 'closed.test', '2', 'R43', 413],
  ] as const) {
    test(`${why}: one HEADERS frame of 200 that says ${status}; the log says ${http} ${code}`, async () => {
      const one = client().send(headers(1, call(host), FLAG.endHeaders), data(1, Buffer.alloc(100), true))
      const end = await one.ended(1)
      assert.equal(end?.type, FRAME.headers)
      const { fields } = end as { fields: Record<string, string> }
      assert.deepEqual([fields[':status'], fields['content-type'], fields['grpc-status']], ['200', 'application/grpc', status])
      assert.equal(decodeURIComponent(fields['grpc-message'] as string), `${ERRORS[code].text} (${code})`)
      assert.equal(fields['x-error'], code)
      assert.equal(fields['content-length'], undefined)
      assert.equal(one.body(1), '')
      await until(() => logged().some(line => line.code === code))
      assert.equal(logged().find(line => line.code === code)?.status, http)
    })
  }
  test('before its call has ended: the answer, then a reset with NO_ERROR', async () => {
    const one = client().send(headers(1, call('nobody.test'), FLAG.endHeaders))
    assert.equal((await one.ended(1))?.fields?.['grpc-status'], '12')
    const reset = await one.wait(({ type }) => type === FRAME.reset)
    assert.equal(reset?.payload.readUInt32BE(0), 0)
  })
  test('of HTTP/1.1 is told the same way', async () => {
    const text = await bed.exchange(
      'POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Type: application/grpc+proto\r\nContent-Length: 0\r\nConnection: close\r\n\r\n',
    )
    assert.match(text, /^HTTP\/1\.1 200 OK\r\n.*\r\ngrpc-status: 12\r\n.*\r\nContent-Length: 0\r\n.*\r\n\r\n$/s)
  })
  test('is a page of HTTP for any other client, of gRPC-Web too', async () => {
    const one = client().send(headers(1, call('nobody.test', 'application/grpc-web')))
    assert.equal((await one.headersOf(1))?.fields?.[':status'], '404')
    await one.ended(1)
    assert.match(one.body(1), /R10/)
  })
})
