import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { suite, test } from 'node:test'
import { ok, type TestApp, until } from '../../router/serve/testbed.ts'
import { echoing, exchange, LAST, readAnswers, readMessages, startWorld, untilFreed } from './world.ts'

// RFC 9110 §10.1.1: Expect: 100-continue, end to end. The app decides; the router neither says 100 itself nor holds the body back from
// an app that has asked for it.

const BODY = 'x'.repeat(20_000)
const HEAD = `POST / HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: ${BODY.length}\r\n\r\n`
const CONTINUE = 'HTTP/1.1 100 Continue\r\n\r\n'

/** An app that answers a head with one thing and a whole request with another. */
const deciding = (atHead: string, atEnd?: string) => (socket: Socket, index: number, app: TestApp) => {
  let isHeadSeen = false
  let served = 0
  socket.on('data', () => {
    const text = app.received[index] as string
    if (!isHeadSeen && text.includes('\r\n\r\n')) {
      isHeadSeen = true
      socket.write(atHead)
    }
    const { messages } = readMessages(text)
    for (; served < messages.length && atEnd !== undefined; served++) socket.write(atEnd)
  })
}

suite('Expect: 100-continue', () => {
  test('reaches the app; its 100 reaches the client, then the body the app', async () => {
    await using world = await startWorld(deciding(CONTINUE, ok('thanks')))
    const client = world.bed.send(HEAD)
    await client.until(CONTINUE)
    assert.equal(client.text, CONTINUE)
    assert.match(world.app.received[0]!, /\r\nExpect: 100-continue\r\n/)
    assert.ok(world.app.received[0]!.endsWith('\r\n\r\n'), 'no byte of the body before the client sends it')
    client.send(BODY)
    await client.until('thanks')
    assert.equal(readMessages(world.app.received[0]!).messages[0]!.body, BODY)
  })
  test('in any case of letters, in chunks', async () => {
    await using world = await startWorld(deciding(CONTINUE, ok('thanks')))
    const client = world.bed.send('POST / HTTP/1.1\r\nHost: shop.test\r\nEXPECT: 100-Continue\r\nTransfer-Encoding: chunked\r\n\r\n')
    await client.until(CONTINUE)
    client.send('5\r\nhello\r\n0\r\n\r\n')
    await client.until('thanks')
    assert.equal(readMessages(world.app.received[0]!).messages[0]!.body, 'hello')
  })
  test('a second 100 is dropped, 103 between them passes', async () => {
    await using world = await startWorld(deciding(`${CONTINUE}HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${CONTINUE}`, ok('thanks')))
    const client = world.bed.send(HEAD)
    await client.until('103 Early Hints')
    client.send(BODY)
    await client.until('thanks')
    assert.deepEqual(
      readAnswers(client.text, ['POST']).map(answer => answer.line.slice(9, 12)),
      ['100', '103', '200'],
    )
  })
  test('the rate of the body counts from the 100 on, not from the head', async () => {
    await using world = await startWorld(
      socket => {
        socket.once('data', () => {
          setTimeout(() => socket.write(CONTINUE), 150)
          socket.on('data', () => socket.write(ok('thanks')))
        })
      },
      { limits: { bodyWindowMs: 250, bodyBytesPerSecondMin: 10 } },
    )
    const client = world.bed.send(HEAD)
    await client.until(CONTINUE)
    await new Promise(resolve => setTimeout(resolve, 150))
    client.send(BODY)
    await client.until('thanks')
  })
  for (const [status, name] of [
    [417, 'Expectation Failed'],
    [413, 'Content Too Large'],
    [401, 'Unauthorized'],
  ]) {
    test(`${status} instead of 100: it passes, the connection ends, the app never gets a whole request`, async () => {
      await using world = await startWorld(deciding(`HTTP/1.1 ${status} ${name}\r\nContent-Length: 2\r\n\r\nno`))
      const client = world.bed.send(HEAD)
      await client.until(/\r\n\r\nno$/)
      assert.match(client.text, new RegExp(`^HTTP/1\\.1 ${status} ${name}\r\n[\\s\\S]*Connection: close\r\n`))
      // Who has not read the answer yet goes on with the body, and a request behind it: none of it is read as a request.
      if (client.socket.writable) client.send(`GET /smuggled HTTP/1.1\r\nHost: shop.test\r\n\r\n${BODY}`)
      await client.ended
      await untilFreed(world)
      assert.equal(world.app.sockets.length, 1)
      assert.deepEqual(readMessages(world.app.received[0]!).messages, [])
      assert.doesNotMatch(world.app.received[0]!, /smuggled/)
    })
  }
  test('a final answer before the 100 is the answer; a 100 behind it reaches nobody', async () => {
    await using world = await startWorld(deciding(`${ok('early')}${CONTINUE}`))
    const client = world.bed.send(HEAD)
    await client.ended
    assert.match(client.text, /early$/)
    assert.doesNotMatch(client.text, /100 Continue/)
    await untilFreed(world)
  })
  test('a client that does not wait gets its answer, with or without 100', async () => {
    for (const first of [CONTINUE, '']) {
      await using world = await startWorld(deciding(first, ok('thanks')))
      const client = await exchange(world.bed, HEAD + BODY)
      assert.deepEqual(
        readAnswers(client.text, ['POST']).map(answer => answer.line.slice(9, 12)),
        first === '' ? ['200'] : ['100', '200'],
      )
      assert.equal(readMessages(world.app.received[0]!).messages[0]!.body, BODY)
    }
  })
  test('a short body right behind the head is one request with its body', async () => {
    await using world = await startWorld(echoing)
    const client = await exchange(
      world.bed,
      `POST /a HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi${LAST}`,
    )
    assert.deepEqual(
      readAnswers(client.text, ['POST', 'GET']).map(answer => answer.body),
      ['/a', '/last'],
    )
  })
  test('without a body is no reason to wait', async () => {
    await using world = await startWorld(echoing)
    const client = await exchange(world.bed, `GET /a HTTP/1.1\r\nHost: shop.test\r\nExpect: 100-continue\r\n\r\n${LAST}`)
    assert.deepEqual(
      readAnswers(client.text, ['GET', 'GET']).map(answer => answer.body),
      ['/a', '/last'],
    )
  })
  test('of HTTP/1.0 is ignored: not forwarded, no 100', async () => {
    await using world = await startWorld(deciding(CONTINUE, ok('thanks')))
    const client = await exchange(world.bed, `POST / HTTP/1.0\r\nHost: shop.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi`)
    assert.match(client.text, /^HTTP\/1\.1 200 [\s\S]*thanks$/)
    assert.doesNotMatch(world.app.received[0]!, /expect/i)
  })
  for (const value of ['100-continue, x', '200-ok', '100-continue; q=1', '"100-continue"', '100']) {
    test(`${JSON.stringify(value)} is refused with 417, and nothing forwarded`, async () => {
      await using world = await startWorld(echoing)
      const client = await exchange(
        world.bed,
        `POST / HTTP/1.1\r\nHost: shop.test\r\nExpect: ${value}\r\nContent-Length: 2\r\n\r\nhi${LAST}`,
      )
      assert.match(client.text, /^HTTP\/1\.1 417 /)
      assert.equal(client.text.match(/HTTP\/1\.1/g)?.length, 1)
      assert.deepEqual(world.app.received, [])
    })
  }
  test('to an app that is down gets the router’s answer instead of a 100', async () => {
    await using world = await startWorld(socket => socket.destroy())
    const client = world.bed.send(HEAD)
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 502 /)
    assert.match(client.text, /\r\nConnection: close\r\n/)
  })
  test('when the client goes instead of sending the body, the app’s connection is freed', async () => {
    await using world = await startWorld(deciding(CONTINUE))
    const client = world.bed.send(HEAD)
    await client.until(CONTINUE)
    client.reset()
    await untilFreed(world)
    await until(() => world.bed.server.stats().connectionsOpen === 0)
  })
})
