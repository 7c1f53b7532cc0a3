import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { NOT_TRIED, WAITS, WRITTEN, writeDirect } from './direct.ts'

const NOBODY = { directWritten: () => assert.fail('Nothing waited') }

suite('writeDirect()', () => {
  test('is known to this Node, and says that the kernel took it all', async () => {
    await using pair = await connected()
    assert.equal(writeDirect(pair.near, 'text', NOBODY), WRITTEN)
    assert.equal(writeDirect(pair.near, Buffer.from(' and bytes'), NOBODY), WRITTEN)
    pair.near.end()
    assert.equal(await pair.received(), 'text and bytes')
  })

  test('keeps bytes that wait alive and in order, and tells when they are gone', async () => {
    await using pair = await connected()
    const size = 16 * 1024 * 1024
    const failures: boolean[] = []
    const listener = { directWritten: (failed: boolean) => void failures.push(failed) }
    assert.equal(writeDirect(pair.near, Buffer.alloc(size, 'a'), listener), WAITS)
    pair.near.write('b')
    assert.equal(writeDirect(pair.near, 'c', listener), NOT_TRIED)
    assert.deepEqual(failures, [])
    pair.near.end('d')
    const text = await pair.received()
    assert.equal(text.length, size + 2)
    assert.match(text, /^a+bd$/)
    assert.deepEqual(failures, [false])
  })

  test('tells of a connection that broke while bytes waited', async () => {
    await using pair = await connected()
    pair.near.on('error', () => {})
    const told = new Promise<boolean>(resolve => {
      assert.equal(writeDirect(pair.near, Buffer.alloc(64 * 1024 * 1024), { directWritten: resolve }), WAITS)
    })
    pair.far.resetAndDestroy()
    assert.equal(await told, true)
    if (!pair.near.closed) await once(pair.near, 'close')
    assert.equal(writeDirect(pair.near, 'late', NOBODY), NOT_TRIED)
  })

  test('destroys a socket whose peer is gone', async () => {
    await using pair = await connected()
    pair.near.on('error', () => {})
    pair.far.resetAndDestroy()
    const closed = new Promise(resolve => pair.near.on('close', resolve))
    // The first may still be taken by the kernel; the reset is then found by one that follows, or by the socket's own reading.
    while (!pair.near.destroyed) {
      writeDirect(pair.near, 'x', { directWritten: () => {} })
      await new Promise(setImmediate)
    }
    await closed
  })

  test('is not tried before a connection is there', async () => {
    await using pair = await connected()
    const early = connect(pair.port, '127.0.0.1')
    early.on('error', () => {})
    assert.equal(writeDirect(early, 'x', NOBODY), NOT_TRIED)
    early.destroy()
  })
})

/** Two ends of a connection; `far` reads only when `received` is asked for. */
async function connected() {
  const server = createServer({ pauseOnConnect: true, noDelay: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const near = connect(port, '127.0.0.1')
  const [[far]] = await Promise.all([once(server, 'connection') as Promise<[Socket]>, once(near, 'connect')])
  far.on('error', () => {})
  return {
    near,
    far,
    port,
    async received() {
      const chunks: Buffer[] = []
      for await (const chunk of far) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('latin1')
    },
    async [Symbol.asyncDispose]() {
      near.destroy()
      far.destroy()
      server.close()
    },
  }
}
