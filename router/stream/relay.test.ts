import assert from 'node:assert/strict'
import { connect } from 'node:net'
import { suite, test } from 'node:test'
import { readProxyHeader } from '../serve/proxy-protocol.ts'
import { RawClient, startApp, startBed, until } from '../serve/testbed.ts'
import { addressMatcher, endpoint } from '../table/route.ts'

suite('Relay', () => {
  test('carries bytes both ways as they are', async () => {
    await using builder = await startApp(socket => {
      socket.write('SSH-2.0-builder\r\n')
      socket.on('data', (chunk: Buffer) => socket.write(`echo:${chunk.toString('latin1')}`, 'latin1'))
    })
    await using bed = await startBed({ git: builder })
    const client = open(bed.gitPort)
    await client.until('SSH-2.0-builder\r\n')
    client.send('\0\xffhello')
    await client.until('echo:\0\xffhello')
    client.destroy()
    await until(() => builder.open.size === 0 && bed.server.stats().gitConnectionsOpen === 0)
  })
  test('carries a large push and keeps the end of one side apart from the other', async () => {
    const size = 30_000_000
    await using builder = await startApp(
      (socket, index, app) => {
        socket.removeAllListeners('data')
        app.received[index] = ''
        let seen = 0
        socket.on('data', (chunk: Buffer) => {
          seen += chunk.length
          // A builder that is slow to unpack.
          socket.pause()
          setImmediate(() => socket.resume())
        })
        socket.on('end', () => socket.end(`took ${seen}`))
      },
      { halfOpen: true },
    )
    await using bed = await startBed({ git: builder })
    const client = open(bed.gitPort)
    client.socket.end(Buffer.alloc(size, 'pack'))
    await client.ended
    assert.equal(client.text, `took ${size}`)
    assert.equal(client.how, 'fin')
    await until(() => bed.server.stats().gitConnectionsOpen === 0)
  })
  test('goes to another builder when one refuses or does not take it, and tells who connects where that is wanted', async () => {
    await using builder = await startApp(socket => socket.on('data', chunk => socket.write(`got ${chunk.length}`)))
    const gone = await startApp(() => {})
    await gone[Symbol.asyncDispose]()
    await using bed = await startBed({ git: builder, policy: { proxyHeader: true } })
    const route = { ...bed.table.git!, endpoints: [gone.endpoint, builder.endpoint] }
    bed.table = { ...bed.table, git: route }
    for (let round = 0; round < 12; round++) {
      const client = open(bed.gitPort)
      client.send('hello')
      await client.until('got ')
      const bytes = Buffer.from(builder.received[round]!, 'latin1')
      const header = readProxyHeader(bytes)
      assert.ok(header)
      assert.equal(header.address, '127.0.0.1')
      assert.equal(header.port, (client.socket as { localPort?: number }).localPort)
      await until(() => builder.received[round]!.endsWith('hello'))
      client.destroy()
    }
    assert.ok(bed.server.stats().ejections <= 2)
    await until(() => bed.server.stats().gitConnectionsOpen === 0)
  })
  test('resets the client when all builders refuse', async () => {
    const all = await Promise.all([startApp(() => {}), startApp(() => {})])
    await using bed = await startBed({ git: all[0]! })
    bed.table = { ...bed.table, git: { ...bed.table.git!, endpoints: all.map(({ endpoint }) => endpoint) } }
    for (const app of all) await app[Symbol.asyncDispose]()
    const client = open(bed.gitPort)
    await client.ended
    assert.equal(client.how, 'reset')
    await until(() => bed.server.stats().gitConnectionsOpen === 0)
  })
  test('passes on the end of the builder while the client still sends', async () => {
    await using builder = await startApp(socket => socket.end('go on'), { halfOpen: true })
    await using bed = await startBed({ git: builder })
    const client = open(bed.gitPort)
    await client.ended
    assert.equal(client.text, 'go on')
    client.send('more')
    await until(() => builder.received[0] === 'more')
    client.end()
    await until(() => bed.server.stats().gitConnectionsOpen === 0)
  })
  test('resets one side when the other is reset', async () => {
    await using builder = await startApp(socket => socket.write('hi'))
    await using bed = await startBed({ git: builder })
    const first = open(bed.gitPort)
    await first.until('hi')
    builder.sockets[0]?.resetAndDestroy()
    await first.ended
    assert.equal(first.how, 'reset')
    const second = open(bed.gitPort)
    await second.until('hi')
    second.reset()
    await until(() => builder.open.size === 0)
  })
  test('ends after silence, not while bytes flow either way', async () => {
    await using builder = await startApp(socket => {
      const timer = setInterval(() => socket.write('.'), 30)
      setTimeout(() => clearInterval(timer), 300)
      socket.on('close', () => clearInterval(timer))
    })
    await using bed = await startBed({ git: builder, policy: { idleTimeoutMs: 120 } })
    const client = open(bed.gitPort)
    await client.ended
    assert.ok(client.text.length >= 5, client.text)
    await until(() => bed.server.stats().gitConnectionsOpen === 0)
  })
  test('closes the client when the builder refuses, or there is none', async () => {
    await using builder = await startApp(() => {})
    await using bed = await startBed({ git: builder })
    const git = bed.table.git
    assert.ok(git)
    bed.table = { ...bed.table, git: { ...git, endpoints: [endpoint('127.0.0.1', 1)] } }
    const refused = open(bed.gitPort)
    await refused.ended
    bed.table = { ...bed.table, git: undefined }
    const nobody = open(bed.gitPort)
    await nobody.ended
    assert.equal(refused.text + nobody.text, '')
    assert.equal(builder.sockets.length, 0)
  })
  test('takes the PROXY header off', async () => {
    await using builder = await startApp(() => {})
    await using bed = await startBed({ git: builder, settings: { proxyProtocol: true, trusted: addressMatcher(['127.0.0.0/8']) } })
    const client = open(bed.gitPort)
    client.send('PROXY TCP4 203.0.113.9 127.0.0.1 1 2\r\nSSH-2.0-git\r\n')
    await until(() => builder.received[0] === 'SSH-2.0-git\r\n')
    client.destroy()
  })
  test('finishes while the router drains', async () => {
    await using builder = await startApp(socket => socket.on('end', () => socket.end('done')), { halfOpen: true })
    await using bed = await startBed({ git: builder })
    const client = open(bed.gitPort)
    client.send('pack')
    await until(() => builder.received[0] === 'pack')
    const drained = bed.server.drain(5000)
    client.send('more')
    client.end()
    await client.ended
    assert.equal(client.text, 'done')
    await drained
    assert.equal(builder.received[0], 'packmore')
  })
})

function open(port: number): RawClient {
  return new RawClient(connect({ port, host: '127.0.0.1', allowHalfOpen: true }))
}
