import assert from 'node:assert/strict'
import { createServer, METHODS } from 'node:http'
import type { Socket } from 'node:net'
import { duplexPair } from 'node:stream'
import { suite, test } from 'node:test'
import { BodyReader } from './body.ts'
import { HeadBuffer } from './head-buffer.ts'
import { parseRequestHead } from './request-head.ts'

// Smuggling needs two readers who disagree on where a message ends. Whatever our reader takes, Node's own parser (llhttp), which stands
// in many an app, must read as the same messages. Where ours refuses, the other may do as it likes: nothing is forwarded.
const CASES = Number(process.env['ROUTER_FUZZ_CASES'] ?? 1500)
const SEED = Number(process.env['ROUTER_FUZZ_SEED'] ?? 20261122)

suite('What our parser takes, llhttp reads as the same messages', () => {
  test(`${CASES} pipelines of mutated requests, seed ${SEED}`, async () => {
    const random = generator(SEED)
    let taken = 0
    let refused = 0
    for (let index = 0; index < CASES; index++) {
      const bytes = mutated(pipeline(random), random)
      const ours = readOurs(bytes)
      if (ours.refused) refused++
      if (ours.messages.length === 0) continue
      taken++
      const theirs = await readTheirs(bytes.subarray(0, ours.end))
      assert.deepEqual(theirs, ours.messages, `case ${index}: ${JSON.stringify(bytes.toString('latin1'))}`)
    }
    // The fuzz would prove nothing if it never met both.
    assert.ok(taken > CASES / 10 && refused > CASES / 10, `${taken} taken, ${refused} refused`)
  })
})

interface Read {
  readonly messages: string[]
  /** Where the last of them ends. */
  readonly end: number
  readonly refused: boolean
}

function readOurs(bytes: Buffer): Read {
  const messages: string[] = []
  const heads = new HeadBuffer()
  const body = new BodyReader()
  let end = 0
  for (let at = 0; at < bytes.length; end = at) {
    const next = heads.take(bytes, at, bytes.length, 131_072)
    if (next < 0) return { messages, end, refused: next < -1 }
    const head = parseRequestHead(heads.text(), { requestLineBytesMax: 16_384, fieldCountMax: 200 })
    if (typeof head === 'string') return { messages, end, refused: true }
    // Any token is a method; llhttp knows a list of them, so here is an end to what can be compared.
    if (!METHODS.includes(head.method)) return { messages, end, refused: false }
    let payload = ''
    body.start(head.length)
    at = body.read(bytes, next, bytes.length, { payload: (from, start, stop) => void (payload += from.toString('latin1', start, stop)) })
    if (at < 0) return { messages, end, refused: true }
    if (!body.done) return { messages, end, refused: false }
    messages.push(`${head.method} ${head.target} ${head.host} ${JSON.stringify(payload)}`)
    if (!head.keepAlive) return { messages, end: at, refused: false }
  }
  return { messages, end, refused: false }
}

/** What Node's server reads out of bytes that are whole messages. */
async function readTheirs(bytes: Buffer): Promise<string[]> {
  const messages: string[] = []
  const [client, socket] = duplexPair()
  const server = createServer({ requireHostHeader: false, insecureHTTPParser: false }, (request, response) => {
    let payload = ''
    request.on('data', (chunk: Buffer) => {
      payload += chunk.toString('latin1')
    })
    request.on('end', () => {
      const host = (request.headers.host ?? '').toLowerCase().replace(/:\d*$/, '').replace(/\.$/, '')
      messages.push(`${request.method} ${request.url?.replace(/^https?:\/\/[^/?]+/i, '')} ${host} ${JSON.stringify(payload)}`)
      response.end()
    })
  })
  server.on('checkContinue', (request, response) => server.emit('request', request, response))
  await new Promise<void>(resolve => {
    server.on('clientError', (error: NodeJS.ErrnoException) => {
      messages.push(`refused: ${error.code}`)
      resolve()
    })
    client.on('error', () => resolve())
    client.on('end', () => setImmediate(resolve))
    client.resume()
    server.emit('connection', socket as unknown as Socket)
    client.end(bytes)
  })
  client.destroy()
  socket.destroy()
  return messages
}

function pipeline(random: (below: number) => number): string {
  let bytes = ''
  for (let count = 1 + random(3); count > 0; count--) {
    const method = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'HEAD'][random(6)]
    const target = ['/', '/a?b=c', '//x/../y', '/%2e%2f', 'http://shop.test/abs', '/long'.repeat(20)][random(6)]
    const payload = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'.slice(0, random(40))
    bytes += `${method} ${target} HTTP/1.${random(8) === 0 ? 0 : 1}\r\nHost: ${['shop.test', 'Shop.Test:80', 'shop.test.'][random(3)]}\r\n`
    for (let fields = random(4); fields > 0; fields--) {
      bytes += [
        'Accept: */*\r\n',
        'X-A:b\r\n',
        'Connection: keep-alive\r\n',
        'Cookie: a=b; c="d e"\r\n',
        'X-Empty:\r\n',
        'X_Y: z\r\n',
        'Expect: 100-continue\r\n',
      ][random(7)]
    }
    switch (random(4)) {
      case 0:
        bytes += '\r\n'
        break
      case 1:
        bytes += `Content-Length: ${payload.length}\r\n\r\n${payload}`
        break
      default: {
        bytes += 'Transfer-Encoding: chunked\r\n\r\n'
        for (let at = 0; at < payload.length; ) {
          const size = 1 + random(20)
          const chunk = payload.slice(at, at + size)
          bytes += `${chunk.length.toString(16)}${random(5) === 0 ? ';e="f"' : ''}\r\n${chunk}\r\n`
          at += size
        }
        bytes += `0\r\n${random(4) === 0 ? 'X-Sum: 1\r\n' : ''}\r\n`
      }
    }
  }
  return bytes
}

const ODD = [
  '\r',
  '\n',
  '\r\n',
  '\0',
  ' ',
  '\t',
  ':',
  ';',
  ',',
  '0',
  '5',
  'a',
  '\x80',
  '\xa0',
  '\v',
  '"',
  'chunked',
  'Content-Length: 3\r\n',
  'Transfer-Encoding: chunked\r\n',
  ' chunked',
  '\r\n ',
  '+',
  '-',
  '0x',
]

function mutated(text: string, random: (below: number) => number): Buffer {
  let result = text
  for (let times = random(4); times > 0; times--) {
    const at = random(result.length)
    const odd = ODD[random(ODD.length)] as string
    const removed = random(3)
    result = result.slice(0, at) + (random(4) === 0 ? '' : odd) + result.slice(at + removed)
  }
  return Buffer.from(result, 'latin1')
}

/** Random numbers that are the same in every run. */
function generator(seed: number): (below: number) => number {
  let state = seed >>> 0
  return below => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}
