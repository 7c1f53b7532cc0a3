import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { selfSigned } from '../../kernel/x509.ts'
import { FLAG, FRAME, FRAME_HEAD, PREFACE, SETTING } from '../../router/http2/frames.ts'
import { h2c } from '../../router/http2/upstream-testbed.ts'
import { startApp, startBed, startEndlessApp, until } from '../../router/serve/testbed.ts'
import { data, GET, headers, POST, ping, RawHttp2, settings, windowUpdate } from './raw-client.ts'

const STREAMS = [1, 3, 5, 7]
const BYTES = 60_000

test('Bodies that wait for their app cost little more than their bytes, though each comes in a frame of its own', async () => {
  const pair = selfSigned({ names: ['shop.test'], days: 2 })
  // It takes connections and says nothing, so that what comes for it waits.
  await using app = await startApp(() => {})
  await using bed = await startBed({
    apps: { 'shop.test': [h2c(app.endpoint)] },
    policy: { bodyBytesMax: 0 },
    tls: { key: pair.key, cert: pair.certificate },
  })
  const client = new RawHttp2(bed.httpsPort)
  client.send(...STREAMS.map(stream => headers(stream, POST, FLAG.endHeaders)))
  await until(() => app.sockets.length === 1)
  const before = heapUsed()
  const tiny = STREAMS.map(stream => data(stream, 'x'))
  const all = Buffer.concat(Array.from({ length: BYTES }, () => Buffer.concat(tiny)))
  assert.equal(all.length, STREAMS.length * BYTES * (FRAME_HEAD + 1))
  client.send(all, ping())
  await client.wait(({ type }) => type === FRAME.ping)
  const bytes = STREAMS.length * BYTES
  assert.ok(heapUsed() - before < bytes * 20, `${heapUsed() - before} bytes of heap for ${bytes} that wait`)
  client.destroy()
  await until(() => app.open.size === 0)
})

test('Answers that wait for their client cost little more than their bytes, though each comes in a chunk of its own', async () => {
  const pair = selfSigned({ names: ['shop.test'], days: 2 })
  const head = 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'
  await using app = await startApp(socket => socket.once('data', () => socket.write(head + '1\r\nx\r\n'.repeat(20_000))))
  await using bed = await startBed({ apps: { 'shop.test': app }, tls: { key: pair.key, cert: pair.certificate } })
  // It grants no window for any of them.
  const client = new RawHttp2(bed.httpsPort, Buffer.concat([PREFACE, settings([SETTING.initialWindowSize, 0])]))
  const streams = Array.from({ length: 50 }, (_, index) => index * 2 + 1)
  await client.wait(({ type }) => type === FRAME.settings)
  const before = heapUsed()
  client.send(...streams.map(stream => headers(stream, GET)))
  await client.until(() => streams.every(stream => client.frames.some(frame => frame.type === FRAME.headers && frame.stream === stream)))
  client.send(ping())
  await client.wait(({ type }) => type === FRAME.ping)
  // Each keeps what one read has brought, some 10,000 chunks.
  assert.ok(heapUsed() - before < streams.length * 64 * 1024, `${heapUsed() - before} bytes of heap`)
  client.destroy()
  await until(() => app.open.size === 0)
})

test('An app whose client reads nothing is held back, whatever windows the client grants', async () => {
  const pair = selfSigned({ names: ['shop.test'], days: 2 })
  await using app = await startEndlessApp()
  await using bed = await startBed({ apps: { 'shop.test': app }, tls: { key: pair.key, cert: pair.certificate } })
  const most = 2 ** 31 - 1
  const client = new RawHttp2(bed.httpsPort, Buffer.concat([PREFACE, settings([SETTING.initialWindowSize, most])]))
  await client.wait(({ type }) => type === FRAME.settings)
  client.socket.pause()
  client.send(windowUpdate(0, most - 65_535), headers(1, GET))
  let last = 0
  let calm = 0
  await until(() => {
    const written = app.sockets[0]?.bytesWritten ?? 0
    calm = written > 0 && written === last ? calm + 1 : 0
    last = written
    return calm > 50
  }, 'the app to be held back')
  // What the kernels of three connections hold, and a little of ours.
  assert.ok(last < 64 * 1024 * 1024, `${last} bytes`)
  client.destroy()
  await until(() => app.open.size === 0)
})

/** What is left after a collection. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}
