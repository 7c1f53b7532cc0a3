import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ok, startBed, startHttpApp } from '../serve/testbed.ts'

// However the network cuts a message, it is the same message: over real sockets, with the pieces in separate segments.
const MESSAGES: Record<string, { bytes: string; seen: string[] }> = {
  'two requests and a refused third': {
    bytes:
      'POST /1 HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 5\r\n\r\nhelloPOST /2 HTTP/1.1\r\nHost: shop.test\r\nTransfer-Encoding: chunked\r\n\r\n3;e\r\nabc\r\n1\r\nd\r\n0\r\nT: u\r\n\r\nGET /3 HTTP/1.1\r\nHost: shop.test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx',
    seen: ['POST /1 hello', 'POST /2 abcd'],
  },
  'a request with an empty line before it, then one that closes': {
    bytes:
      '\r\nGET /1 HTTP/1.1\r\nHost: shop.test\r\nX: y\r\n\r\nGET /2 HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\nGET /3 HTTP/1.1\r\nHost: shop.test\r\n\r\n',
    seen: ['GET /1 ', 'GET /2 '],
  },
}

suite('A message cut anywhere is the same message', () => {
  for (const [name, { bytes, seen }] of Object.entries(MESSAGES)) {
    test(`${name}: at every place`, async () => {
      const requests: string[][] = []
      await using app = await startHttpApp(request => {
        requests.at(-1)?.push(`${request.method} ${request.target} ${request.body}`)
        return ok('fine')
      })
      await using bed = await startBed({ apps: { 'shop.test': app } })
      let expected: string | undefined
      for (let cut = 0; cut <= bytes.length; cut++) {
        requests.push([])
        const client = bed.send('')
        client.send(bytes.slice(0, cut))
        await turn()
        client.send(bytes.slice(cut))
        await client.ended
        client.destroy()
        expected ??= client.text
        assert.equal(client.text, expected, `cut at ${cut}`)
        assert.deepEqual(requests.at(-1), seen, `cut at ${cut}`)
      }
    })
    test(`${name}: byte by byte`, async () => {
      const requests: string[] = []
      await using app = await startHttpApp(request => {
        requests.push(`${request.method} ${request.target} ${request.body}`)
        return ok('fine')
      })
      await using bed = await startBed({ apps: { 'shop.test': app } })
      const client = bed.send('')
      for (const char of bytes) {
        client.send(char)
        await turn()
      }
      await client.ended
      assert.deepEqual(requests, seen)
    })
  }

  test('random requests in random pieces keep order, bodies and number', async () => {
    const random = generator(11)
    const seen: string[] = []
    await using app = await startHttpApp(request => {
      seen.push(`${request.target}:${request.body}`)
      return ok('x'.repeat(random(3000)))
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    for (let round = 0; round < 40; round++) {
      const expected: string[] = []
      let bytes = ''
      const count = 1 + random(8)
      for (let index = 0; index < count; index++) {
        const body = String.fromCharCode(...Array.from({ length: random(random(2) === 0 ? 30 : 3000) }, () => random(256)))
        expected.push(`/${round}/${index}:${body}`)
        const close = index === count - 1 ? 'Connection: close\r\n' : ''
        if (random(2) === 0)
          bytes += `POST /${round}/${index} HTTP/1.1\r\nHost: shop.test\r\n${close}Content-Length: ${body.length}\r\n\r\n${body}`
        else {
          bytes += `POST /${round}/${index} HTTP/1.1\r\nHost: shop.test\r\n${close}Transfer-Encoding: chunked\r\n\r\n`
          for (let at = 0; at < body.length; ) {
            const size = 1 + random(500)
            const chunk = body.slice(at, at + size)
            bytes += `${chunk.length.toString(16)}\r\n${chunk}\r\n`
            at += size
          }
          bytes += '0\r\n\r\n'
        }
      }
      const client = bed.send('')
      for (let at = 0; at < bytes.length; ) {
        const size = 1 + random(random(2) === 0 ? 20 : 2000)
        client.send(bytes.slice(at, at + size))
        at += size
        if (random(3) === 0) await turn()
      }
      await client.ended
      assert.deepEqual(seen.splice(0), expected)
      assert.equal(client.text.match(/HTTP\/1\.1 200 OK\r\n/g)?.length, count)
    }
  })
})

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(resolve))
}

/** Random numbers that are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
