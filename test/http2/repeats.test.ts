import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { selfSigned } from '../../kernel/x509.ts'
import { FLAG, FRAME, SETTING } from '../../router/http2/frames.ts'
import { ok, startBed, startHttpApp, type TestApp, tableOf } from '../../router/serve/testbed.ts'
import { DEFAULT_SETTINGS } from '../../router/table/route.ts'
import { frame, GET, headers, RawHttp2, settings, text } from './raw-client.ts'

const pair = selfSigned({ names: ['shop.test'], days: 2 })
const tls = { key: pair.key, cert: pair.certificate }
const END = FLAG.endHeaders | FLAG.endStream
// GET and https, then :path and :authority as they are put into the table (RFC 7541 §6.2.1).
const FIRST = Buffer.concat([Buffer.from([0x82, 0x87, 0x44]), text('/a'), Buffer.from([0x41]), text('shop.test')])
// The same by their indices, and by the same ones a second path with the authority behind it.
const AGAIN = Buffer.from([0x82, 0x87, 0xbf, 0xbe])
const SECOND = Buffer.concat([Buffer.from([0x82, 0x87, 0x44]), text('/b'), Buffer.from([0xbf])])
// Of one length, and kept by no table.
const [THIRD, FOURTH] = ['/c', '/d'].map(path => Buffer.concat([Buffer.from([0x82, 0x87, 0x04]), text(path), Buffer.from([0xbf])])) as [
  Buffer,
  Buffer,
]
const EMPTY_TABLE = Buffer.from([0x20])

// What repeats is remembered on both ways of a connection: it must mean the same only as long as it does.
suite('What repeats on an HTTP/2 connection', () => {
  test('is read by the table as it is, not as it was', async () => {
    await using app = await echo()
    await using bed = await startBed({ apps: { 'shop.test': app }, tls })
    const client = new RawHttp2(bed.httpsPort)
    const blocks = [FIRST, AGAIN, AGAIN, AGAIN, SECOND, AGAIN, AGAIN, AGAIN, THIRD, THIRD, FOURTH, FOURTH, AGAIN]
    for (const [index, block] of blocks.entries()) client.send(frame(FRAME.headers, END, 1 + 2 * index, block))
    const paths: string[] = []
    for (const index of blocks.keys()) {
      await client.ended(1 + 2 * index)
      paths.push(client.body(1 + 2 * index))
    }
    assert.deepEqual(paths, ['/a', '/a', '/a', '/a', '/b', '/b', '/b', '/b', '/c', '/c', '/d', '/d', '/b'])
    // The client empties the table: what the octets meant is gone.
    client.send(frame(FRAME.headers, END, 1 + 2 * blocks.length, Buffer.concat([EMPTY_TABLE, AGAIN])))
    assert.equal((await client.wait(({ type }) => type === FRAME.goAway))?.payload.readUInt32BE(4), 9)
    client.destroy()
  })

  test('is read by the settings as they are', async () => {
    await using app = await echo()
    const options = { apps: { 'shop.test': app }, tls }
    await using bed = await startBed(options)
    const client = new RawHttp2(bed.httpsPort)
    for (const stream of [1, 3, 5]) {
      client.send(headers(stream, GET))
      await client.ended(stream)
      assert.equal(client.body(stream), '/')
    }
    bed.table = tableOf({ ...options, settings: { ...DEFAULT_SETTINGS, http2HeadBytesMax: 100 } })
    client.send(headers(7, GET))
    assert.equal((await client.headersOf(7))?.fields?.[':status'], '431')
    client.destroy()
  })

  test('is no request with a body where the one before had none, nor the other way round', async () => {
    await using app = await echo()
    await using bed = await startBed({ apps: { 'shop.test': app }, tls })
    const client = new RawHttp2(bed.httpsPort)
    for (const stream of [1, 5, 9]) {
      client.send(headers(stream, GET), headers(stream + 2, GET, FLAG.endHeaders), frame(FRAME.data, FLAG.endStream, stream + 2, 'body'))
      await Promise.all([client.ended(stream), client.ended(stream + 2)])
      assert.deepEqual([client.body(stream), client.body(stream + 2)], ['/', '/body'])
    }
    client.destroy()
  })

  test('is written so that the client reads it, whatever its table is', async () => {
    const answers = ['X-One: 1\r\nX-Two: 2\r\n', 'X-One: 3\r\nX-Two: 4\r\n', `X-Long: ${'x'.repeat(200)}\r\n`]
    let count = 0
    await using app = await startHttpApp(() => ok('', answers[Math.floor(count++ / 4) % answers.length]))
    await using bed = await startBed({ apps: { 'shop.test': app }, tls, settings: { requestIds: true } })
    const client = new RawHttp2(bed.httpsPort)
    const ids = new Set<string>()
    for (let index = 0; index < 60; index++) {
      // Of 60 octets nothing fits but what is short; a table of none is the client's right as well.
      if (index % 10 === 5) client.send(settings([SETTING.headerTableSize, [0, 60, 4096, 100][(index / 5) % 4] as number]))
      const stream = 1 + 2 * index
      client.send(headers(stream, GET))
      const fields = (await client.headersOf(stream))?.fields ?? {}
      const wanted = Object.fromEntries(
        (answers[Math.floor(index / 4) % 3] as string).matchAll(/(\S+): (\S+)\r\n/g).map(([, name, value]) => [name?.toLowerCase(), value]),
      )
      for (const [name, value] of Object.entries(wanted)) assert.equal(fields[name], value)
      assert.match(fields['x-request-id'] ?? '', /^[0-9a-f]{32}$/)
      assert.equal(fields['x-correlation-id'], fields['x-request-id'])
      ids.add(fields['x-request-id'] as string)
    }
    assert.equal(ids.size, 60)
    client.destroy()
  })
})

/** An app that says what it was asked for, and with what body. */
function echo(): Promise<TestApp> {
  return startHttpApp(({ target, body }) => ok(`${target}${body}`))
}
