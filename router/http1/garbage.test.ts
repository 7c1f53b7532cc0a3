import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BodyReader, UNTIL_CLOSE } from '../http1/body.ts'
import { type RawClient, startApp, startBed, until } from '../serve/testbed.ts'
import { parseResponseHead } from './response-head.ts'

// Whatever clients and apps send, cut and end, each at any moment: the router throws nothing, leaks nothing, and every byte that a client
// gets belongs to a well-formed answer.
const ROUNDS = Number(process.env['ROUTER_FUZZ_CASES'] ?? 1500)
const SEED = Number(process.env['ROUTER_FUZZ_SEED'] ?? 7)
const AT_ONCE = 16

const REQUESTS = [
  'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n',
  'HEAD / HTTP/1.1\r\nHost: shop.test\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhello',
  'POST / HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 40000\r\nExpect: 100-continue\r\n\r\n',
  `POST / HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 40000\r\n\r\n${'x'.repeat(40_000)}`,
  'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nearly',
  'GET / HTTP/1.0\r\nHost: shop.test\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: none\r\n\r\n',
  'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n',
]
const ANSWERS = [
  'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello',
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n',
  'HTTP/1.1 200 OK\r\n\r\nhello',
  'HTTP/1.1 204 No Content\r\n\r\n',
  'HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok',
  'HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n',
  'HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\nframes',
  `HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n${'y'.repeat(100_000)}`,
]
const ODD = ['\r', '\n', '\r\n', '\0', ' ', ':', '0', 'f', '\xff', '', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n']

suite('Garbage', () => {
  test(`from both sides, ${ROUNDS} connections, seed ${SEED}`, async () => {
    const random = generator(SEED)
    await using app = await startApp((socket, index, self) => {
      // Only the latest is looked at; the rest would fill the memory.
      socket.on('data', () => {
        self.received[index] = ''
        const pieces = Array.from({ length: 1 + random(2) }, () => mutated(ANSWERS[random(ANSWERS.length)] as string, random))
        for (const piece of pieces) if (socket.writable) socket.write(piece, 'latin1')
        const end = random(12)
        if (end === 0) socket.end()
        else if (end === 1) socket.resetAndDestroy()
        else if (end === 2) socket.destroy()
      })
    })
    const faults: unknown[] = []
    await using bed = await startBed({
      apps: { 'shop.test': app },
      policy: { idleTimeoutMs: 150 },
      settings: { defaultTimeoutMs: 150 },
      limits: { headMs: 100, bodyWindowMs: 100, firstByteMs: 100, lingerMs: 50, idleUpstreamMs: 100 },
      onError: (message, fields) => faults.push(message, fields),
    })
    let started = 0
    const one = async () => {
      while (started < ROUNDS) {
        started++
        const client = bed.send('')
        for (let count = 1 + random(4); count > 0 && client.how === 'open'; count--) {
          const bytes = mutated(REQUESTS[random(REQUESTS.length)] as string, random)
          const cut = random(bytes.length + 1)
          client.send(bytes.slice(0, cut))
          if (random(2) === 0) await new Promise(setImmediate)
          if (client.socket.writable) client.send(bytes.slice(cut))
        }
        const end = random(5)
        if (end === 0) client.reset()
        else if (end === 1) client.end()
        await client.ended
        client.destroy()
        checkAnswers(client)
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, one))
    await until(() => bed.server.stats().connectionsOpen === 0, 'all client connections to be gone')
    await until(() => app.open.size === 0, 'all app connections to be gone')
    assert.deepEqual(faults, [])
    assert.equal(Object.values(bed.server.stats().responses).reduce((sum, count) => sum + count) > ROUNDS / 4, true)
  })
})

/** Everything that came must be answers, one behind the other; the last may be cut. */
function checkAnswers(client: RawClient): void {
  const bytes = Buffer.from(client.text, 'latin1')
  const reader = new BodyReader()
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf('\r\n\r\n', at)
    const head = bytes.toString('latin1', at, end < 0 ? bytes.length : end + 4)
    assert.match(head, /^HTTP\/1\.1 [1-5]\d\d /, JSON.stringify(client.text.slice(0, 300)))
    if (end < 0) return
    // Of an answer to HEAD nobody here knows; it looks like an answer to GET whose body is another answer.
    const parsed = parseResponseHead(head, 'GET')
    assert.ok(parsed, head)
    at = end + 4
    if (parsed.status === 101 || parsed.length === UNTIL_CLOSE) return
    if (bytes.toString('latin1', at, at + 9) === 'HTTP/1.1 ') continue
    reader.start(parsed.length)
    at = reader.read(bytes, at, bytes.length, { payload: () => {} })
    assert.ok(at >= 0, JSON.stringify(client.text.slice(0, 300)))
  }
}

function mutated(text: string, random: (below: number) => number): string {
  let result = text
  for (let times = random(3); times > 0; times--) {
    const at = random(Math.min(result.length, 200))
    result = result.slice(0, at) + ODD[random(ODD.length)] + result.slice(at + random(3))
  }
  return result
}

/** Random numbers that are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
