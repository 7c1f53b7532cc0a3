import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect as connectPlain, createServer as createPlainServer } from 'node:net'
import { suite, test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { FULL, NOT_TRIED, WRITTEN } from './direct.ts'
import { DirectTls } from './direct-tls.ts'
import { type Receiver, readSecureSocket } from './sockets.ts'

const NOBODY = { directWritten: () => assert.fail('Nothing waited') }
const { certificate: cert, key } = selfSigned({ names: ['shop.test'], days: 1 })
const HUGE_BYTES = 16 * 1024 * 1024

suite('DirectTls', () => {
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3'] as const) {
    test(`is known to this Node, and has the bytes encrypted when it returns, ${maxVersion}`, async () => {
      await using pair = await connected({ maxVersion })
      const direct = directOf(pair.near, NOBODY)
      assert.equal(direct.write('text, é'), WRITTEN)
      await turn()
      const bytes = Buffer.from(' and bytes')
      assert.equal(direct.write(bytes), WRITTEN)
      bytes.fill('#')
      await turn()
      assert.equal(direct.write('t'.repeat(20_000)), WRITTEN)
      pair.near.end()
      assert.equal(await pair.received(), `text, é and bytes${'t'.repeat(20_000)}`)
    })

    test(`keeps the order of all that is written in one turn, the end behind it, ${maxVersion}`, async () => {
      await using pair = await connected({ maxVersion })
      const direct = directOf(pair.near, NOBODY)
      assert.equal(direct.write('a'), WRITTEN)
      assert.equal(direct.write('?'), NOT_TRIED)
      pair.near.write('b')
      pair.near.write('c')
      pair.near.write(Buffer.from('d'))
      assert.equal(direct.write('?'), NOT_TRIED)
      pair.near.end('e')
      assert.equal(await pair.received(), 'abcde')
    })
  }

  test('ends with close_notify behind a write of the same turn', async () => {
    await using pair = await connected({ maxVersion: 'TLSv1.2' })
    assert.equal(directOf(pair.near, NOBODY).write('last'), WRITTEN)
    pair.near.end()
    assert.equal(await pair.received(), 'last')
    assert.deepEqual(recordTypes(Buffer.concat(pair.records)).slice(-2), [23, 21])
  })

  test('tells when a long write is done, and holds back what follows it', async () => {
    await using pair = await connected({})
    const told: boolean[] = []
    const direct = directOf(pair.near, { directWritten: failed => void told.push(failed) })
    const bytes = Buffer.alloc(HUGE_BYTES, 'a')
    assert.equal(direct.write(bytes), FULL)
    bytes.fill('#')
    pair.near.write('b')
    assert.equal(direct.write('?'), NOT_TRIED)
    pair.near.end('c')
    await turn()
    assert.deepEqual(told, [])
    const text = await pair.received()
    assert.equal(text.length, HUGE_BYTES + 2)
    assert.match(text, /^a+bc$/)
    assert.deepEqual(told, [false])
  })

  test('may be written to again from where it tells', async () => {
    await using pair = await connected({})
    let left = 3
    const again = () => {
      left--
      if (left === 0) pair.near.end('z')
      else assert.equal(direct.write(Buffer.alloc(HUGE_BYTES, 'ab'[left - 1])), FULL)
    }
    const direct = directOf(pair.near, { directWritten: again })
    again()
    const text = await pair.received()
    assert.equal(text.length, 2 * HUGE_BYTES + 1)
    assert.match(text, /^b+a+z$/)
  })

  test('tells of a connection that broke while bytes waited, what follows them among it', async () => {
    await using pair = await connected({})
    const told = new Promise<boolean>(resolve => {
      assert.equal(directOf(pair.near, { directWritten: resolve }).write(Buffer.alloc(4 * HUGE_BYTES)), FULL)
    })
    const queued = new Promise<boolean>(resolve => pair.near.write('behind', error => resolve(error != null)))
    pair.cut()
    assert.equal(await told, true)
    assert.equal(await queued, true)
    if (!pair.near.closed) await once(pair.near, 'close')
  })

  test('destroys a socket whose peer is gone, and is not tried then', async () => {
    await using pair = await connected({})
    const direct = directOf(pair.near, NOBODY)
    pair.cut()
    const closed = new Promise(resolve => pair.near.on('close', resolve))
    while (!pair.near.destroyed) {
      direct.write('x')
      await turn()
    }
    await closed
    assert.equal(direct.write('late'), NOT_TRIED)
  })

  test('lets a socket be destroyed while a write, its queue and its end wait', async () => {
    await using pair = await connected({})
    const told: boolean[] = []
    assert.equal(directOf(pair.near, { directWritten: failed => void told.push(failed) }).write(Buffer.alloc(HUGE_BYTES)), FULL)
    pair.near.end('behind')
    pair.near.destroy()
    await once(pair.near, 'close')
    await turn()
    await turn()
    assert.deepEqual(told, [true])
  })

  test('is not tried before the handshake is done', async () => {
    await using pair = await connected({})
    const early = connect({ port: pair.port, rejectUnauthorized: false })
    const direct = directOf(early, NOBODY)
    assert.equal(direct.write('x'), NOT_TRIED)
    await once(early, 'secureConnect')
    assert.equal(direct.write('x'), WRITTEN)
    early.destroy()
  })
})

suite('readSecureSocket()', () => {
  test('hands over what was decrypted, until the end', async () => {
    await using pair = await connected({})
    const read = reading(pair.near)
    pair.far.write('one')
    await read.until('one')
    pair.far.end(' two')
    await once(pair.near, 'end')
    assert.equal(read.text, 'one two')
  })

  test('stops while its socket is paused, and goes on', async () => {
    await using pair = await connected({})
    const read = reading(pair.near)
    pair.far.write('before')
    await read.until('before')
    pair.near.pause()
    await new Promise(resolve => pair.far.write(' after', resolve))
    await turn()
    await turn()
    assert.equal(read.text, 'before')
    pair.near.resume()
    await read.until('before after')
    pair.far.end()
    await once(pair.near, 'end')
  })

  test('keeps long texts of many sockets apart', async () => {
    const size = 300_000
    const pairs = await Promise.all(Array.from({ length: 8 }, () => connected({})))
    const reads = pairs.map(pair => reading(pair.near))
    for (const [index, pair] of pairs.entries()) pair.far.end(Buffer.alloc(size, String(index)))
    await Promise.all(pairs.map(pair => once(pair.near, 'end')))
    for (const [index, read] of reads.entries()) assert.equal(read.text, String(index).repeat(size))
    for (const pair of pairs) await pair[Symbol.asyncDispose]()
  })

  test('is told of an end without close_notify as of any other', async () => {
    await using pair = await connected({})
    const read = reading(pair.near)
    pair.far.write('x')
    await read.until('x')
    pair.hangUp()
    await once(pair.near, 'end')
  })
})

function directOf(socket: TLSSocket, listener: { directWritten(failed: boolean): void }): DirectTls {
  const direct = DirectTls.of(socket, listener)
  assert.ok(direct, 'This Node has no requests that tell how they ended')
  return direct
}

/** Lets the loop come round once. */
function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Reads a socket to the shared memory, and keeps a copy. */
function reading(socket: TLSSocket) {
  let heard = () => {}
  const read = {
    text: '',
    async until(text: string) {
      while (read.text !== text) await new Promise<void>(resolve => (heard = resolve))
    },
  }
  const receiver: Receiver = {
    received(bytes, at, end) {
      read.text += bytes.toString('latin1', at, end)
      heard()
    },
  }
  readSecureSocket(socket, receiver)
  assert.equal(socket.listenerCount('data'), 0, 'This Node has no TLS sockets that read into given memory')
  return read
}

/** Two ends of a TLS connection, with somebody between who sees the records of the near one; `far` reads only when `received` is asked for. */
async function connected(options: { maxVersion?: 'TLSv1.2' | 'TLSv1.3' }) {
  const server = createServer({ cert, key, ...options, noDelay: true })
  const records: Buffer[] = []
  const between = createPlainServer({ allowHalfOpen: true }, client => {
    const raw = connectPlain({ port: portOf(server), allowHalfOpen: true })
    client.pipe(raw)
    raw.on('data', (chunk: Buffer) => records.push(chunk))
    raw.pipe(client)
    for (const socket of [raw, client]) socket.on('error', () => client.destroy())
    sides.push(raw, client)
  })
  const sides: ReturnType<typeof connectPlain>[] = []
  for (const one of [server, between]) await once(one.listen(0, '127.0.0.1'), 'listening')
  const far = connect({ port: portOf(between), host: '127.0.0.1', rejectUnauthorized: false })
  const [[near]] = await Promise.all([once(server, 'secureConnection') as Promise<[TLSSocket]>, once(far, 'secureConnect')])
  near.allowHalfOpen = true
  for (const socket of [near, far]) socket.on('error', () => {})
  return {
    near,
    far,
    records,
    port: portOf(server),
    /** Resets the connection under both. */
    cut: () => sides[0]?.resetAndDestroy(),
    /** Ends it under the near one, without a word of TLS. */
    hangUp: () => sides[0]?.end(),
    async received() {
      const chunks: Buffer[] = []
      for await (const chunk of far) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('latin1')
    },
    async [Symbol.asyncDispose]() {
      for (const socket of [near, far, ...sides]) socket.destroy()
      server.close()
      between.close()
    },
  }
}

function portOf(server: { address(): AddressInfo | string | null }): number {
  return (server.address() as AddressInfo).port
}

/** The types of TLS records, from the first on. */
function recordTypes(bytes: Buffer): number[] {
  const types: number[] = []
  for (let at = 0; at + 5 <= bytes.length; at += 5 + bytes.readUInt16BE(at + 3)) types.push(bytes[at] as number)
  return types
}
