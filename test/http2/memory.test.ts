import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { selfSigned } from '../../kernel/x509.ts'
import { FLAG, FRAME, FRAME_HEAD } from '../../router/http2/frames.ts'
import { h2c } from '../../router/http2/upstream-testbed.ts'
import { startApp, startBed, until } from '../../router/serve/testbed.ts'
import { data, headers, POST, ping, RawHttp2 } from './raw-client.ts'

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

/** What is left after a collection. */
function heapUsed(): number {
  setFlagsFromString('--expose-gc')
  ;(runInNewContext('gc') as () => void)()
  return process.memoryUsage().heapUsed
}
