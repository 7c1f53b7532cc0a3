import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'
import { suite, test } from 'node:test'
import { type ConnectionOptions, connect } from 'node:tls'
import { readClientHello } from './client-hello.ts'

suite('readClientHello()', () => {
  test('reads the name and the protocols', async () => {
    const hello = await helloOf({ servername: 'www.shop.test', ALPNProtocols: ['h2', 'http/1.1'] })
    assert.deepEqual(readClientHello(hello), { serverName: 'www.shop.test', protocols: ['h2', 'http/1.1'] })
    assert.deepEqual(readClientHello(Buffer.concat([hello, Buffer.from('more')])), readClientHello(hello))
  })
  test('reads one without either', async () => {
    assert.deepEqual(readClientHello(await helloOf({ maxVersion: 'TLSv1.2' })), { serverName: '', protocols: [] })
  })
  test('waits for the rest of every part of one, and takes it in as many records as it likes', async () => {
    const hello = await helloOf({ servername: 'www.shop.test', ALPNProtocols: ['acme-tls/1'] })
    for (let length = 0; length < hello.length; length++)
      assert.equal(readClientHello(hello.subarray(0, length)), undefined, String(length))
    for (const size of [4, 100]) assert.deepEqual(readClientHello(split(hello, size)), readClientHello(hello))
  })
  test('knows what is none', () => {
    for (const bytes of [
      'GET / HTTP/1.1',
      '\x16\x03\x01\x00\x00',
      '\x16\x03\x01\xff\xff\x01',
      '\x16\x03\x01\x00\x01\x02',
      '\x15\x03\x01\x00\x02\x01\x00',
    ])
      assert.equal(readClientHello(Buffer.from(bytes, 'latin1')), null, JSON.stringify(bytes))
  })
  test('survives every byte of one being another', async () => {
    const hello = await helloOf({ servername: 'www.shop.test', ALPNProtocols: ['h2'] })
    for (let at = 0; at < hello.length; at++)
      for (const value of [0, 1, 0x7f, 0xff]) {
        const broken = Buffer.from(hello)
        broken[at] = value
        const read = readClientHello(broken)
        assert.ok(read === undefined || read === null || typeof read.serverName === 'string')
      }
  })
})

function split(hello: Buffer, size: number): Buffer {
  const message = hello.subarray(5)
  const records: Buffer[] = []
  for (let at = 0; at < message.length; at += size) {
    const part = message.subarray(at, at + size)
    records.push(Buffer.from([22, 3, 1, part.length >> 8, part.length & 0xff]), part)
  }
  return Buffer.concat(records)
}

async function helloOf(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1', ...options })
  client.on('error', () => {})
  const [socket] = await once(server, 'connection')
  const [hello] = (await once(socket, 'data')) as [Buffer]
  client.destroy()
  socket.destroy()
  server.close()
  return hello
}
