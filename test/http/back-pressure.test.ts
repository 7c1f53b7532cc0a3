import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { suite, test } from 'node:test'
import { type RawClient, until } from '../../router/serve/testbed.ts'
import { GET, startWorld } from './world.ts'

// One side sends as fast as it can, the other does not read: what the router takes is bounded by what the kernel and one turn of the loop
// hold, and nothing is lost when reading begins. Kernel buffers of both hops are allowed for; without back-pressure all 64 MB would pass.
const FLOOD_BYTES = 64 << 20
const TAKEN_BYTES_MAX = 24 << 20

const UPGRADE = 'GET /ws HTTP/1.1\r\nHost: shop.test\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'
const SWITCH = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n'

suite('A client that does not read', () => {
  const answers = {
    'an answer with a length': `HTTP/1.1 200 OK\r\nContent-Length: ${FLOOD_BYTES}\r\n\r\n`,
    'an answer until the end of the connection': 'HTTP/1.1 200 OK\r\n\r\n',
    'the other side of an upgrade': SWITCH,
  }
  for (const [name, head] of Object.entries(answers)) {
    test(`holds back ${name}`, async () => {
      const flood = new Flood(head)
      await using world = await startWorld(socket => socket.once('data', () => flood.into(socket)))
      const client = world.bed.send('')
      client.socket.pause()
      client.send(head === SWITCH ? UPGRADE : GET)
      await flood.untilHeld()
      assert.ok(flood.taken < TAKEN_BYTES_MAX, `the router and the kernel took ${flood.taken >> 20} MB`)
      const bytes = countBytes(client)
      client.socket.resume()
      await until(() => bytes() >= FLOOD_BYTES, 'all of it to arrive')
    })
  }
  test('is a matter of its own: another client of the same app is served meanwhile', async () => {
    const flood = new Flood('HTTP/1.1 200 OK\r\n\r\n')
    await using world = await startWorld((socket, index) =>
      socket.once('data', () => (index === 0 ? flood.into(socket) : socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nfine'))),
    )
    const client = world.bed.send('')
    client.socket.pause()
    client.send(GET)
    await flood.untilHeld()
    const other = world.bed.send(GET)
    await other.until('fine')
  })
})

suite('An app that does not read', () => {
  const requests = {
    'a body with a length': `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${FLOOD_BYTES}\r\n\r\n`,
    'a chunked body': `POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n${FLOOD_BYTES.toString(16)}\r\n`,
    'the other side of an upgrade': UPGRADE,
  }
  for (const [name, head] of Object.entries(requests)) {
    test(`holds back ${name}`, async () => {
      let bytes = 0
      await using world = await startWorld(
        socket => {
          socket.once('data', (first: Buffer) => {
            bytes += first.length
            socket.removeAllListeners('data')
            socket.pause()
            if (head === UPGRADE) socket.write(SWITCH)
          })
        },
        { policy: { bodyBytesMax: 0 } },
      )
      const client = world.bed.send(head === UPGRADE ? head : '')
      if (head === UPGRADE) await client.until('\r\n\r\n')
      const flood = new Flood(head === UPGRADE ? '' : head)
      flood.into(client.socket)
      await flood.untilHeld()
      assert.ok(flood.taken < TAKEN_BYTES_MAX, `the router and the kernel took ${flood.taken >> 20} MB`)
      const socket = world.app.sockets[0]!
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      socket.resume()
      await until(() => bytes >= FLOOD_BYTES, 'all of it to arrive')
    })
  }
})

suite('Bodies in the smallest chunks', () => {
  test('1 MB of them in chunks of one byte reaches the app in few, and the client so too', async () => {
    const size = 1 << 20
    await using world = await startWorld(
      (socket, index, app) => {
        socket.on('data', () => {
          if (!app.received[index]!.endsWith('\r\n0\r\n\r\n')) return
          socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
          socket.write(`${'1\r\ny\r\n'.repeat(size)}0\r\n\r\n`)
        })
      },
      { policy: { bodyBytesMax: 0 } },
    )
    const client = world.bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n')
    client.send(`${'1\r\nx\r\n'.repeat(size)}0\r\n\r\n`)
    await client.until(text => text.endsWith('\r\n0\r\n\r\n'))
    for (const [text, letter] of [
      [world.app.received[0]!, 'x'],
      [client.text, 'y'],
    ] as const) {
      const body = text.slice(text.indexOf('\r\n\r\n') + 4)
      const sizes = [...body.matchAll(/^([0-9a-f]+)\r\n/gm)].map(([, digits]) => Number.parseInt(digits!, 16))
      assert.equal(
        sizes.reduce((sum, one) => sum + one, 0),
        size,
      )
      assert.equal(body.replaceAll(/[^xy]/g, ''), letter.repeat(size))
      assert.ok(sizes.length < size / 100, `${sizes.length} chunks`)
    }
  })
})

/** Sends so many bytes, as fast as they are taken, and knows how many were. */
class Flood {
  readonly #head: string
  #socket: Socket | undefined
  #written = 0

  constructor(head: string) {
    this.#head = head
  }

  /** Bytes that have left this process. */
  get taken(): number {
    return this.#written - (this.#socket?.writableLength ?? 0)
  }

  into(socket: Socket): void {
    this.#socket = socket
    const block = Buffer.alloc(1 << 16, 'z')
    if (this.#head !== '') socket.write(this.#head)
    const fill = () => {
      while (this.#written < FLOOD_BYTES && socket.writable) {
        this.#written += block.length
        if (!socket.write(block)) return
      }
    }
    socket.on('drain', fill)
    fill()
  }

  /** Resolves when nothing more was taken for 200 ms. */
  async untilHeld(): Promise<void> {
    for (let before = -1; before !== this.taken || before <= 0; ) {
      before = this.taken
      await new Promise(resolve => setTimeout(resolve, 200))
    }
  }
}

function countBytes(client: RawClient): () => number {
  let bytes = 0
  client.socket.removeAllListeners('data')
  client.socket.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  return () => bytes
}
