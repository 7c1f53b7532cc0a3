import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { suite, test } from 'node:test'
import { CHUNKED, UNTIL_CLOSE } from './body.ts'
import { MessageWriter } from './writer.ts'

suite('MessageWriter', () => {
  test('sends what a turn brought as one message', async () => {
    const text = await sent(writer => {
      writer.begin('HEAD\r\n\r\n', 5)
      put(writer, 'he')
      put(writer, 'llo')
      assert.equal(writer.finish(), true)
    })
    assert.equal(text, 'HEAD\r\n\r\nhello')
  })
  test('joins the payload of a turn into one chunk', async () => {
    const text = await sent(writer => {
      writer.begin('HEAD\r\n\r\n', CHUNKED)
      put(writer, 'he')
      put(writer, 'llo')
      writer.flush()
      put(writer, '!')
      writer.finish()
    })
    assert.equal(text, 'HEAD\r\n\r\n5\r\nhello\r\n1\r\n!\r\n0\r\n\r\n')
  })
  test('ends an empty chunked message, and begins another in the same turn', async () => {
    const text = await sent(writer => {
      writer.begin('A\r\n\r\n', CHUNKED)
      writer.finish()
      writer.begin('B\r\n\r\n', 2)
      put(writer, 'bb')
      writer.finish()
      writer.begin('C\r\n\r\n', CHUNKED)
      put(writer, 'c')
      writer.finish()
      writer.begin('D\r\n\r\n', 1)
      writer.inline('d')
      writer.finish()
    })
    assert.equal(text, 'A\r\n\r\n0\r\n\r\nB\r\n\r\nbbC\r\n\r\n1\r\nc\r\n0\r\n\r\nD\r\n\r\nd')
  })
  test('ends a message with trailers of any size, behind payload of any size', async () => {
    const trailers = `X-Sum: ${'7'.repeat(8000)}\r\n`
    for (const size of [1, 5000, 65_530, 65_536, 70_000]) {
      const text = await sent(writer => {
        writer.begin('A\r\n\r\n', CHUNKED)
        put(writer, 'z'.repeat(size))
        writer.finish(trailers)
        writer.begin('B\r\n\r\n', 0)
        writer.finish()
      })
      assert.equal(text.slice(text.indexOf('z\r\n0') + 1), `\r\n0\r\n${trailers}\r\nB\r\n\r\n`)
      assert.equal(unchunk(text.slice(5)), 'z'.repeat(size))
    }
  })
  test('never sends more than the stated length, and tells when it was less', async () => {
    const text = await sent(writer => {
      writer.begin('', 3)
      put(writer, 'abcdef')
      put(writer, 'g')
      assert.equal(writer.finish(), true)
      writer.begin('', 2)
      writer.inline('xyz')
      assert.equal(writer.finish(), true)
      writer.begin('', 0)
      put(writer, 'body of a HEAD')
      assert.equal(writer.finish(), true)
      writer.begin('', 5)
      put(writer, 'ab')
      assert.equal(writer.finish(), false)
    })
    assert.equal(text, 'abcxyab')
  })
  for (const size of [1, 4095, 4096, 4097, 65_535, 65_536, 65_537, 1_000_000]) {
    for (const headSize of [0, 100, 20_000]) {
      test(`sends ${size} bytes behind a head of ${headSize}, in both framings, counting each byte`, async () => {
        const body = Buffer.alloc(size, 'abcdefghijklmnopqrstuvwxyz').toString('latin1')
        const head = 'h'.repeat(headSize)
        let counted = 0
        const plain = await sent(writer => {
          writer.begin(head, size)
          put(writer, body)
          writer.finish()
          writer.flush()
          counted = writer.bytesWritten
        })
        assert.equal(plain, head + body)
        assert.equal(counted, plain.length)
        const chunked = await sent(writer => {
          writer.begin(head, CHUNKED)
          put(writer, body)
          writer.finish()
          writer.flush()
          counted = writer.bytesWritten
        })
        assert.equal(unchunk(chunked.slice(headSize)), body)
        assert.equal(counted, chunked.length)
        const whole = await sent(writer => {
          writer.text(head, body)
          writer.text(head, body)
          writer.flush()
          counted = writer.bytesWritten
        })
        assert.equal(whole, head + body + head + body)
        assert.equal(counted, whole.length)
      })
    }
  }
  test('keeps writers apart that gather in the same turn', async () => {
    const [first, second, third] = [await open(), await open(), await open()]
    third.writer.text('head', 'b'.repeat(5000))
    first.writer.begin('', UNTIL_CLOSE)
    second.writer.begin('', CHUNKED)
    for (const word of ['one', 'two', 'three']) {
      put(first.writer, word)
      put(second.writer, word.toUpperCase())
    }
    second.writer.finish()
    assert.equal(await first.arrived(), 'onetwothree')
    assert.equal(unchunk(await second.arrived()), 'ONETWOTHREE')
    assert.equal(await third.arrived(), `head${'b'.repeat(5000)}`)
  })
})

function put(writer: MessageWriter, text: string): void {
  const bytes = Buffer.from(text, 'latin1')
  writer.payload(bytes, 0, bytes.length)
  // Whoever gave the bytes reads into them again.
  bytes.fill('#')
}

/** What arrives when `work` writes to a socket. */
async function sent(work: (writer: MessageWriter) => void): Promise<string> {
  const { writer, arrived } = await open()
  work(writer)
  return await arrived()
}

async function open(): Promise<{ writer: MessageWriter; arrived: () => Promise<string> }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const accepted = once(server, 'connection')
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  const [peer] = (await accepted) as [Socket]
  server.close()
  let text = ''
  peer.setEncoding('latin1')
  peer.on('data', (chunk: string) => {
    text += chunk
  })
  if (socket.connecting) await once(socket, 'connect')
  const writer = new MessageWriter(socket)
  const arrived = async () => {
    writer.flush()
    socket.end()
    await once(peer, 'end')
    return text
  }
  return { writer, arrived }
}

function unchunk(text: string): string {
  let body = ''
  for (let at = 0; ; ) {
    const lineEnd = text.indexOf('\r\n', at)
    const size = Number.parseInt(text.slice(at, lineEnd), 16)
    if (size === 0) return body
    body += text.slice(lineEnd + 2, lineEnd + 2 + size)
    at = lineEnd + 2 + size + 2
  }
}
