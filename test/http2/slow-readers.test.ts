import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:http2'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { startBed, startHttpApp } from '../../router/serve/testbed.ts'

const pair = selfSigned({ names: ['shop.test'], days: 2 })
const CONNECTIONS = 6
const STREAMS = 8
const BODY_BYTES = 700_000

// What waits for a client waits in memory that was another's before, and will be again. Here many take different bytes slowly and at once, some
// give up halfway, and every byte is compared.
suite('Many slow HTTP/2 clients at once get their own bytes and no others', () => {
  for (const window of [20_000, 65_535, 1_000_000]) {
    test(`with windows of ${window}`, async () => {
      await using app = await startHttpApp(({ target }) =>
        Buffer.concat([Buffer.from(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`), bodyOf(Number(target.slice(1)))]),
      )
      await using bed = await startBed({ apps: { 'shop.test': app }, tls: { key: pair.key, cert: pair.certificate } })
      const wrong: string[] = []
      const one = async (connection: number) => {
        const session = connect(`https://127.0.0.1:${bed.httpsPort}`, {
          rejectUnauthorized: false,
          servername: 'shop.test',
          settings: { initialWindowSize: window },
        })
        await Promise.all(
          Array.from({ length: STREAMS }, async (_, stream) => {
            const index = connection * STREAMS + stream
            const request = session.request({ ':path': `/${index}`, ':authority': 'shop.test' })
            const wanted = bodyOf(index)
            let at = 0
            request.on('data', (chunk: Buffer) => {
              if (!chunk.equals(wanted.subarray(at, at + chunk.length))) wrong.push(`/${index} within ${chunk.length} from ${at}`)
              at += chunk.length
              request.pause()
              setImmediate(() => request.resume())
              if (index % 5 === 4 && at > BODY_BYTES / 2) request.close(8)
            })
            await once(request, 'close')
            if (index % 5 !== 4 && at !== BODY_BYTES) wrong.push(`/${index} ended at ${at}`)
          }),
        )
        session.close()
      }
      await Promise.all(Array.from({ length: CONNECTIONS }, (_, connection) => one(connection)))
      assert.deepEqual(wrong, [])
    })
  }
})

/** Bytes of which no four in a row occur at two places or in two bodies. */
function bodyOf(index: number): Buffer {
  const words = new Uint32Array(BODY_BYTES / 4)
  for (let at = 0; at < words.length; at++) words[at] = ((index << 24) | at) >>> 0
  return Buffer.from(words.buffer)
}
