import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { startApp, startBed, until } from '../../router/serve/testbed.ts'
import { endpoint } from '../../router/table/route.ts'
import { echoing, exchange, GET, LAST, readAnswers, readMessages, startWorld, untilFreed, type WorldOptions } from './world.ts'

// Each limit at its last allowed value and one beyond, small where it can be set.

const request = (fields: string, line = 'GET / HTTP/1.1') => `${line}\r\nHost: shop.test\r\n${fields}\r\n`
const fieldsOf = (count: number) => Array.from({ length: count }, (_, index) => `F${index}: x\r\n`).join('')
/** A request whose head has exactly so many bytes. */
const headOf = (size: number) => {
  const bare = request('A: \r\n')
  return bare.replace('A: ', `A: ${'b'.repeat(size - bare.length)}`)
}
const postOf = (size: number, framing = `Content-Length: ${size}\r\n`) => request(framing, 'POST / HTTP/1.1')

suite('Sizes', () => {
  const cases: Readonly<Record<string, readonly [WorldOptions, allowed: string, beyond: string, status: number]>> = {
    'request line: 414': [
      { limits: { requestLineBytesMax: 100 } },
      request('', `GET /${'a'.repeat(86)} HTTP/1.1`),
      request('', `GET /${'a'.repeat(87)} HTTP/1.1`),
      414,
    ],
    'request line by default 16 KB: 414': [
      {},
      request('', `GET /${'a'.repeat(16_384 - 14)} HTTP/1.1`),
      request('', `GET /${'a'.repeat(16_384 - 13)} HTTP/1.1`),
      414,
    ],
    'head: 431': [{ settings: { headBytesMax: 1000 } }, headOf(1000), headOf(1001), 431],
    'head by default 128 KB: 431': [{}, headOf(131_072), headOf(131_073), 431],
    'header fields: 431': [{ limits: { fieldCountMax: 20 } }, request(fieldsOf(19)), request(fieldsOf(20)), 431],
    'header fields by default 200: 431': [{}, request(fieldsOf(199)), request(fieldsOf(200)), 431],
    'body of an app, announced: 413': [{ policy: { bodyBytesMax: 10 } }, `${postOf(10)}0123456789`, `${postOf(11)}0123456789a`, 413],
    'body of an app, in chunks: 413': [
      { policy: { bodyBytesMax: 10 } },
      `${postOf(0, 'Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n`,
      `${postOf(0, 'Transfer-Encoding: chunked\r\n')}5\r\nhello\r\n6\r\nworld!\r\n0\r\n\r\n`,
      413,
    ],
  }
  for (const [name, [options, allowed, beyond, status]] of Object.entries(cases)) {
    test(name, async () => {
      for (const [bytes, isAllowed] of [
        [allowed, true],
        [beyond, false],
      ] as const) {
        for (const width of [bytes.length, 1000, 7]) {
          if (bytes.length / width > 2000) continue
          await using world = await startWorld(echoing, options)
          const cuts = Array.from({ length: Math.ceil(bytes.length / width) }, (_, index) => Math.min(bytes.length, (index + 1) * width))
          const client = await exchange(world.bed, bytes + LAST, [...cuts, bytes.length + LAST.length])
          const answers = readAnswers(client.text, ['', ''])
          const arrived = world.app.received.flatMap(text => readMessages(text).messages)
          if (isAllowed) assert.deepEqual([answers.length, arrived.length], [2, 2], `${name}, ${width} at a time`)
          else {
            // A body that was dropped leaves the connection as it was: the request behind it is served.
            assert.equal(answers[0]?.line.slice(9, 12), String(status), `${name}, ${width} at a time`)
            assert.ok(answers[0]?.fields.includes('Connection: close') || (status === 413 && answers.length === 2))
            assert.deepEqual(
              arrived.filter(message => !message.line.includes('/last')),
              [],
            )
          }
        }
      }
    })
  }
  test('an announced body over its limit is refused before the app is asked at all', async () => {
    await using world = await startWorld(echoing, { policy: { bodyBytesMax: 10 } })
    const client = world.bed.send(postOf(1_000_000))
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 413 /)
    assert.equal(world.app.sockets.length, 0)
  })
  test('head of an answer: 502 R35', async () => {
    for (const [size, isAllowed] of [
      [500, true],
      [501, false],
    ] as const) {
      const bare = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\nA: \r\n\r\n'
      const answer = bare.replace('A: ', `A: ${'b'.repeat(size - bare.length)}`)
      await using world = await startWorld(socket => socket.on('data', () => socket.write(answer)), {
        limits: { responseHeadBytesMax: 500 },
      })
      const client = await exchange(world.bed, LAST)
      assert.match(client.text, isAllowed ? /^HTTP\/1\.1 200 / : /^HTTP\/1\.1 502 .*R35/s)
    }
  })
  test('interim answers: 502 R34', async () => {
    for (const [count, isAllowed] of [
      [3, true],
      [4, false],
    ] as const) {
      const answer = `${'HTTP/1.1 103 Early Hints\r\n\r\n'.repeat(count)}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n`
      await using world = await startWorld(socket => socket.on('data', () => socket.write(answer)), { limits: { interimCountMax: 3 } })
      const client = await exchange(world.bed, LAST)
      assert.equal(client.text.match(/HTTP\/1\.1 103/g)?.length, 3)
      assert.match(client.text, isAllowed ? /HTTP\/1\.1 200 OK/ : /HTTP\/1\.1 502 .*R34/s)
    }
  })
})

suite('Times of a client', () => {
  const cases: Readonly<Record<string, readonly [WorldOptions, sent: string, drip: string, answer: RegExp | undefined]>> = {
    'that says nothing is closed without a word': [{ limits: { firstByteMs: 50 } }, '', '', undefined],
    'that stops in its head: 408': [{ limits: { headMs: 50 } }, 'GET / HTTP/1.1\r\nHo', '', /^HTTP\/1\.1 408 /],
    'that drips its head: 408 after the same time': [{ limits: { headMs: 80 } }, 'GET / HTTP/1.1\r\n', 'A: b\r\n', /^HTTP\/1\.1 408 /],
    'that drips its request line: 408': [{ limits: { headMs: 80 } }, 'GET /', 'a', /^HTTP\/1\.1 408 /],
    'that stops in its body: 408': [{ limits: { bodyWindowMs: 50 } }, `${postOf(100)}abc`, '', /^HTTP\/1\.1 408 /],
    'that brings less than the rate: 408': [
      { limits: { bodyWindowMs: 100, bodyBytesPerSecondMin: 500 } },
      postOf(100_000),
      'x',
      /^HTTP\/1\.1 408 /,
    ],
    'that stops in a chunk: 408': [
      { limits: { bodyWindowMs: 50 } },
      `${postOf(0, 'Transfer-Encoding: chunked\r\n')}5\r\nhel`,
      '',
      /^HTTP\/1\.1 408 /,
    ],
    'that drips an extension: 408': [
      { limits: { bodyWindowMs: 100 } },
      `${postOf(0, 'Transfer-Encoding: chunked\r\n')}5;a`,
      'b',
      /^HTTP\/1\.1 408 /,
    ],
    'that is silent between two requests is closed without a word': [
      { settings: { defaultTimeoutMs: 60 } },
      GET,
      '',
      /^HTTP\/1\.1 200 [\s\S]*\/$/,
    ],
  }
  for (const [name, [options, sent, drip, answer]] of Object.entries(cases)) {
    test(name, async () => {
      await using world = await startWorld(echoing, { ...options, limits: { lingerMs: 50, ...options.limits } })
      const client = world.bed.send(sent)
      const timer = drip === '' ? undefined : setInterval(() => client.socket.writable && client.send(drip), 10)
      await client.ended
      clearInterval(timer)
      if (answer === undefined) assert.equal(client.text, '')
      else {
        assert.match(client.text, answer)
        assert.equal(client.text.match(/HTTP\/1\.1/g)?.length, 1)
      }
      await until(() => world.bed.server.stats().connectionsOpen === 0, 'the connection to be forgotten')
    })
  }
  test('never end an upload that keeps its rate, however long it takes', async () => {
    await using world = await startWorld(echoing, { limits: { bodyWindowMs: 50, headMs: 50, firstByteMs: 50, bodyBytesPerSecondMin: 100 } })
    const client = world.bed.send(postOf(3000))
    for (let sent = 0; sent < 3000; sent += 100) {
      client.send('x'.repeat(100))
      await new Promise(resolve => setTimeout(resolve, 12))
    }
    await client.until('200 OK')
  })
  test('do not count while the app is the slow one', async () => {
    let read = () => {}
    await using world = await startWorld(
      socket => {
        socket.pause()
        read = () => socket.resume()
        let bytes = 0
        socket.on('data', chunk => {
          bytes += chunk.length
          if (bytes > 20_000_000) socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n')
        })
      },
      { limits: { bodyWindowMs: 40, bodyBytesPerSecondMin: 1000 }, policy: { bodyBytesMax: 0 } },
    )
    const client = world.bed.send(postOf(20_000_000))
    client.socket.write(Buffer.alloc(20_000_000))
    await new Promise(resolve => setTimeout(resolve, 250))
    assert.equal(client.text, '')
    read()
    await client.until('200 OK')
  })
})

suite('Times of an app', () => {
  test('connect: 504 R31, or R30 where the network says at once that there is no way', async () => {
    await using bed = await startBed({ apps: { 'shop.test': [endpoint('192.0.2.1', 9)] }, policy: { connectTimeoutMs: 50 } })
    assert.match(await bed.exchange(LAST), /^HTTP\/1\.1 50[24] .*R3[01]/s)
  })
  const cases: Readonly<Record<string, readonly [says: string, drip: string, expected: RegExp]>> = {
    'first byte: 504 R32': ['', '', /^HTTP\/1\.1 504 .*R32/s],
    'a head that does not end: 504 R32': ['HTTP/1.1 200 OK\r\nA: ', '', /^HTTP\/1\.1 504 .*R32/s],
    'a head that drips: 504 R32': ['HTTP/1.1 200 OK\r\nA: ', 'b', /^HTTP\/1\.1 504 .*R32/s],
    'interim answers do not count as the answer: 504 R32': [
      'HTTP/1.1 103 Early Hints\r\n\r\n',
      '',
      /^HTTP\/1\.1 103 .*HTTP\/1\.1 504 .*R32/s,
    ],
    'between two bytes of a body: the answer is cut': ['HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello', '', /hello$/],
  }
  for (const [name, [says, drip, expected]] of Object.entries(cases)) {
    test(name, async () => {
      await using world = await startWorld(
        socket => {
          socket.once('data', () => {
            socket.write(says)
            if (drip === '') return
            const timer = setInterval(() => socket.write(drip), 10)
            socket.on('close', () => clearInterval(timer))
          })
        },
        { policy: { idleTimeoutMs: 80 } },
      )
      const client = world.bed.send(LAST)
      await client.ended
      assert.match(client.text, expected)
      await untilFreed(world)
    })
  }
  test('a drip within the idle time goes on for ever', async () => {
    const app = await startApp(socket => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 30\r\n\r\n')
        const timer = setInterval(() => socket.write('x'), 10)
        socket.on('close', () => clearInterval(timer))
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { idleTimeoutMs: 100 } })
    const client = bed.send(GET)
    await client.until('x'.repeat(30))
    await app[Symbol.asyncDispose]()
  })
})
