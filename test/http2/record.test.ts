import assert from 'node:assert/strict'
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { FRAME, PREFACE, SETTING } from '../../router/http2/frames.ts'
import { type Bed, ok, startBed, startHttpApp, type TestApp, until } from '../../router/serve/testbed.ts'
import { GET, headers, ping, RawHttp2, reset, settings, windowUpdate } from './raw-client.ts'

// When an exchange is over for the log and the counts: when its last byte has left, not when its app has said it.

const pair = selfSigned({ names: ['shop.test'], days: 2 })
const BODY = 'x'.repeat(5000)

suite('An exchange whose last bytes wait for the client’s window', () => {
  const folder = mkdtempSync(join(tmpdir(), 'record-'))
  const file = join(folder, 'access.log')
  const fd = openSync(file, 'a')
  let app: TestApp
  let bed: Bed
  const clients: RawHttp2[] = []
  before(async () => {
    app = await startHttpApp(() => ok(BODY))
    bed = await startBed({
      apps: { 'shop.test': app },
      tls: { key: pair.key, cert: pair.certificate },
      limits: { sendStallMs: 150 },
      accessLog: 'json',
      accessLogTarget: { fd },
    })
  })
  after(async () => {
    for (const one of clients) one.destroy()
    await bed[Symbol.asyncDispose]()
    await app[Symbol.asyncDispose]()
    closeSync(fd)
    rmSync(folder, { recursive: true })
  })
  const lines = () =>
    readFileSync(file, 'utf8')
      .split('\n')
      .filter(line => line !== '')
      .map(line => JSON.parse(line) as { code?: string; status: number; bytes: number; path?: string })
  const inFlight = () => bed.table.match('shop.test', '/')!.load.requests
  /** A request whose answer may bring so many octets at first. */
  const ask = async (window: number) => {
    const one = new RawHttp2(bed.httpsPort, Buffer.concat([PREFACE, settings([SETTING.initialWindowSize, window])]))
    clients.push(one)
    one.send(headers(1, GET))
    await one.headersOf(1)
    await one.until(() => one.body(1).length === window)
    one.send(ping())
    await one.wait(({ type }) => type === FRAME.ping)
    return one
  }
  const recorded = async (count: number) => {
    await until(() => lines().length > count, 'a line of the log')
    return lines()[count]
  }

  test('is recorded when the window opens', async () => {
    const before = lines().length
    const one = await ask(1000)
    assert.equal(inFlight(), 1)
    assert.equal(lines().length, before)
    one.send(windowUpdate(1, 4000))
    await one.ended(1)
    const line = await recorded(before)
    assert.deepEqual([line?.status, line?.code ?? ''], [200, ''])
    assert.equal(inFlight(), 0)
  })
  for (const [how, end, code] of [
    ['resets its stream', (one: RawHttp2) => one.send(reset(1)), 'R47'],
    ['closes the connection', (one: RawHttp2) => one.destroy(), 'R47'],
    ['opens none in time', () => {}, 'R49'],
  ] as const) {
    test(`is recorded as cut when the client ${how}: ${code}`, async () => {
      const before = lines().length
      const one = await ask(1000)
      end(one)
      const line = await recorded(before)
      assert.deepEqual([line?.status, line?.code], [200, code])
      assert.equal(inFlight(), 0)
    })
  }
  test('that is an error of ours as well', async () => {
    const before = lines().length
    const one = new RawHttp2(bed.httpsPort, Buffer.concat([PREFACE, settings([SETTING.initialWindowSize, 0])]))
    clients.push(one)
    one.send(headers(1, [...GET.slice(0, 3), [':authority', 'nobody.test']]))
    assert.equal((await one.headersOf(1))?.fields?.[':status'], '404')
    one.send(ping())
    await one.wait(({ type }) => type === FRAME.ping)
    assert.equal(lines().length, before)
    one.send(windowUpdate(1, 5000))
    await one.ended(1)
    assert.deepEqual([(await recorded(before))?.status, lines()[before]?.code], [404, 'R10'])
  })
})
