import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { suite, test } from 'node:test'
import { exchange, LAST, readAnswers, startWorld } from './world.ts'

// RFC 9110 §15.5.14, RFC 9112 §9.5: an app may refuse a body before it has read it. Many servers then close at once, and what they have not
// read makes the kernel reset the connection: a write of ours may fail before their answer was read.

const REFUSAL = 'HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno'
const ends: Readonly<Record<string, (socket: Socket) => void>> = {
  'keeps its connection': socket => void socket.write(REFUSAL),
  'ends its side': socket => void socket.end(REFUSAL),
  'closes with the rest unread': socket => void socket.write(REFUSAL, () => socket.destroy()),
  'ends and closes with the rest unread': socket => void socket.end(REFUSAL).destroy(),
}

suite('An app that refuses a body before it has read it', () => {
  for (const [name, refuse] of Object.entries(ends)) {
    for (const size of [20_000, 100_000, 900_000]) {
      for (const framing of ['Content-Length', 'chunks']) {
        test(`and ${name}: the client gets its answer, of ${size} bytes with ${framing}`, async () => {
          const head = `POST / HTTP/1.1\r\nHost: shop.test\r\n${framing === 'chunks' ? 'Transfer-Encoding: chunked' : `Content-Length: ${size}`}\r\n\r\n`
          const body = 'x'.repeat(size)
          for (let round = 0; round < 5; round++) {
            await using world = await startWorld(socket => {
              socket.once('data', () => {
                socket.pause()
                refuse(socket)
              })
            })
            const client = await exchange(
              world.bed,
              head + (framing === 'chunks' ? `${size.toString(16)}\r\n${body}\r\n0\r\n\r\n` : body) + LAST,
            )
            const answers = readAnswers(client.text, ['POST', 'GET'])
            assert.equal(answers[0]?.line, 'HTTP/1.1 413 Content Too Large')
            assert.deepEqual([answers[0]?.body, answers[0]?.whole], ['no', true])
            assert.equal(world.bed.server.stats().upstreamConnectionsIdle, 0, 'a connection with half a request is not kept')
          }
        })
      }
    }
  }
})
