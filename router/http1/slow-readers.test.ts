import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { selfSigned } from '../../kernel/x509.ts'
import { startApp, startBed, type TestApp } from '../serve/testbed.ts'

// All sockets of a worker read into one memory. If any of it went into a write by reference, a peer that is slow to take its bytes would get
// those of somebody else's connection. Here many take different bytes slowly and at once, and every byte is compared.
const PEERS = 24
const PATTERN_BYTES = 1 << 20
const ROUNDS = 8
const BODY_BYTES = PATTERN_BYTES * ROUNDS

suite('Many slow peers at once get their own bytes and no others', () => {
  test('clients that take large answers', async () => {
    await using app = await answeringApp('length')
    await compareAnswers(app, () => body => body)
  })
  test('clients that take large chunked answers', async () => {
    await using app = await answeringApp('chunked')
    await compareAnswers(app, unchunked)
  })
  test('clients that take large answers over TLS', async () => {
    await using app = await answeringApp('length')
    await compareAnswers(app, () => body => body, true)
  })
  test('clients that take large chunked answers over TLS', async () => {
    await using app = await answeringApp('chunked')
    await compareAnswers(app, unchunked, true)
  })
  test('apps that take large bodies', async () => {
    const wrong: string[] = []
    let finished = 0
    await using app = await startApp((socket, index, self) => {
      self.received[index] = ''
      socket.removeAllListeners('data')
      let compare: ((chunk: Buffer) => string | undefined) | undefined
      let head = ''
      slowly(socket, chunk => {
        let body = chunk
        if (compare === undefined) {
          head += chunk.toString('latin1')
          const end = head.indexOf('\r\n\r\n')
          if (end < 0) return
          compare = comparer(Number(/^POST \/(\d+) /.exec(head)?.[1]))
          body = Buffer.from(head.slice(end + 4), 'latin1')
        }
        const fault = compare(body)
        if (fault === 'whole') {
          finished++
          socket.write('HTTP/1.1 204 No Content\r\n\r\n')
        } else if (fault !== undefined) wrong.push(fault)
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { bodyBytesMax: 0 } })
    await Promise.all(
      Array.from({ length: PEERS }, async (_, index) => {
        const client = bed.send(`POST /${index} HTTP/1.1\r\nHost: shop.test\r\nContent-Length: ${BODY_BYTES}\r\nConnection: close\r\n\r\n`)
        const pattern = patternOf(index)
        for (let round = 0; round < ROUNDS; round++) client.socket.write(pattern)
        await client.ended
        assert.match(client.text, /^HTTP\/1\.1 204 /)
      }),
    )
    assert.deepEqual(wrong, [])
    assert.equal(finished, PEERS)
  })
  test('an upgraded connection in both directions', async () => {
    await using app = await startApp((socket, index, self) => {
      self.received[index] = ''
      socket.removeAllListeners('data')
      socket.once('data', (head: Buffer) => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
        const rest = head.subarray(head.indexOf('\r\n\r\n') + 4)
        if (rest.length > 0) socket.write(rest)
        socket.pipe(socket)
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    await Promise.all(
      Array.from({ length: 8 }, async (_, index) => {
        const socket = connect(bed.port, '127.0.0.1')
        socket.write(`GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n`)
        const pattern = patternOf(index)
        for (let round = 0; round < ROUNDS; round++) socket.write(pattern)
        assert.equal(await outcome(socket, comparer(index), body => body), 'whole')
      }),
    )
  })
})

async function compareAnswers(app: TestApp, decoder: () => (chunk: Buffer) => Buffer, secure = false): Promise<void> {
  const { certificate: cert, key } = selfSigned({ names: ['shop.test'], days: 1 })
  await using bed = await startBed({ apps: { 'shop.test': app }, tls: { cert, key } })
  await Promise.all(
    Array.from({ length: PEERS }, async (_, index) => {
      const socket = secure ? connectTls(bed.httpsPort, '127.0.0.1', { rejectUnauthorized: false }) : connect(bed.port, '127.0.0.1')
      socket.write(`GET /${index} HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n`)
      assert.equal(await outcome(socket, comparer(index), decoder()), 'whole')
    }),
  )
}

/** Reads what follows a head slowly, and resolves with what the comparison says of it. */
function outcome(socket: Socket, compare: (chunk: Buffer) => string | undefined, decode: (chunk: Buffer) => Buffer): Promise<string> {
  return new Promise<string>(resolve => {
    let head = ''
    let begun = false
    const over = (result: string) => {
      socket.destroy()
      resolve(result)
    }
    socket.on('error', error => over(error.message))
    socket.on('end', () => over('ended too early'))
    slowly(socket, chunk => {
      let body = chunk
      if (!begun) {
        head += chunk.toString('latin1')
        const end = head.indexOf('\r\n\r\n')
        if (end < 0) return
        begun = true
        body = Buffer.from(head.slice(end + 4), 'latin1')
      }
      const result = compare(decode(body))
      if (result !== undefined) over(result)
    })
  })
}

/** Takes a chunk, then nothing for up to 4 ms. */
function slowly(socket: Socket, take: (chunk: Buffer) => void): void {
  socket.on('data', (chunk: Buffer) => {
    take(chunk)
    socket.pause()
    setTimeout(() => socket.resume(), Math.random() * 4)
  })
}

/** An app whose answer to `/N` is pattern N, several times. */
function answeringApp(framing: 'length' | 'chunked'): Promise<TestApp> {
  return startApp(socket => {
    socket.once('data', (head: Buffer) => {
      const pattern = patternOf(Number(/^GET \/(\d+) /.exec(head.toString('latin1'))?.[1]))
      if (framing === 'length') {
        socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${BODY_BYTES}\r\n\r\n`)
        for (let round = 0; round < ROUNDS; round++) socket.write(pattern)
        return
      }
      socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
      for (let round = 0; round < ROUNDS; round++) {
        for (let at = 0; at < PATTERN_BYTES; at += 50_000) {
          const piece = pattern.subarray(at, at + 50_000)
          socket.write(`${piece.length.toString(16)}\r\n`)
          socket.write(piece)
          socket.write('\r\n')
        }
      }
      socket.write('0\r\n\r\n')
    })
  })
}

const patterns = new Map<number, Buffer>()

/** Bytes of which no eight in a row occur at two places or in two patterns. */
function patternOf(index: number): Buffer {
  let pattern = patterns.get(index)
  if (pattern === undefined) {
    pattern = Buffer.alloc(PATTERN_BYTES)
    for (let at = 0; at < PATTERN_BYTES; at += 4) pattern.writeUInt32LE(((index << 24) | (at >> 2)) >>> 0, at)
    patterns.set(index, pattern)
  }
  return pattern
}

/** Compares bytes as they come with a pattern: undefined while they agree, `whole` at the end of the body, else where they differ. */
function comparer(index: number): (chunk: Buffer) => string | undefined {
  const pattern = patternOf(index)
  let seen = 0
  return chunk => {
    for (let at = 0; at < chunk.length; ) {
      const offset = seen % PATTERN_BYTES
      const length = Math.min(chunk.length - at, PATTERN_BYTES - offset)
      if (chunk.compare(pattern, offset, offset + length, at, at + length) !== 0)
        return `peer ${index} got wrong bytes within ${length} from ${seen}`
      seen += length
      at += length
    }
    return seen === BODY_BYTES ? 'whole' : undefined
  }
}

/** Takes the payload out of chunks, by the book. */
function unchunked(): (chunk: Buffer) => Buffer {
  let left = 0
  let line = ''
  return chunk => {
    const parts: Buffer[] = []
    for (let at = 0; at < chunk.length; ) {
      if (left > 0) {
        const length = Math.min(left, chunk.length - at)
        parts.push(chunk.subarray(at, at + length))
        left -= length
        at += length
        continue
      }
      line += String.fromCharCode(chunk[at++] as number)
      if (line.endsWith('\r\n') && line !== '\r\n') {
        left = Number.parseInt(line, 16)
        line = ''
      }
    }
    return Buffer.concat(parts)
  }
}
