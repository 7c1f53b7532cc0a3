import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { ok, startApp, startBed, startHttpApp, type TestApp, until } from './testbed.ts'

const GET = 'GET / HTTP/1.1\r\nHost: shop.test\r\n\r\n'
const LAST = 'GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'

suite('An app that fails as a whole', () => {
  const requestsOf = (...apps: TestApp[]) =>
    apps
      .flatMap(({ received }) => received)
      .join('')
      .match(/ HTTP\/1\.1\r\n/g)?.length ?? 0
  const failing = () => startApp(socket => socket.once('data', () => socket.end()))

  test('gets no more than its budget on top of its load', async () => {
    await using one = await failing()
    await using two = await failing()
    await using bed = await startBed({ apps: { 'shop.test': [one.endpoint, two.endpoint] } })
    for (let count = 0; count < 100; count++) assert.match(await bed.exchange(LAST), /R33/)
    const sent = requestsOf(one, two)
    assert.ok(sent > 110 && sent <= 130, `${sent} requests for 100`)
    const { retriesRefused, ejections } = bed.server.stats()
    assert.ok(retriesRefused >= 70, `${retriesRefused} refused`)
    assert.ok(ejections >= 2, `${ejections} ejections`)
  })
  test('gets nothing on top where its budget is off', async () => {
    await using one = await failing()
    await using two = await failing()
    await using bed = await startBed({ apps: { 'shop.test': [one.endpoint, two.endpoint] }, policy: { retryPercent: 0 } })
    for (let count = 0; count < 20; count++) assert.match(await bed.exchange(LAST), /R33/)
    assert.equal(requestsOf(one, two), 20)
  })
})

suite('An endpoint that fails', () => {
  test('gets one request when its time is over, and all the others go elsewhere meanwhile', async () => {
    let isBroken = true
    await using bad = await startApp(socket =>
      socket.on('data', () => (isBroken ? socket.destroy() : setTimeout(() => socket.write(ok('bad')), 100))),
    )
    await using good = await startHttpApp(() => ok('good'))
    await using bed = await startBed({ apps: { 'shop.test': [bad.endpoint, good.endpoint] } })
    await until(() => {
      void bed.exchange(LAST)
      return bed.server.stats().ejections === 1
    })
    isBroken = false
    const before = bad.sockets.length
    // Its half second: whoever asks now is served by the other.
    assert.match(await bed.exchange(LAST), /good$/)
    let texts: string[] = []
    await until(() => {
      void bed.exchange(LAST).then(text => texts.push(text))
      return bad.sockets.length > before
    })
    texts = await Promise.all(Array.from({ length: 20 }, () => bed.exchange(LAST)))
    assert.ok(texts.every(text => text.endsWith('good')))
    assert.equal(bad.sockets.length, before + 1, 'one trial at a time')
    await until(() => {
      void bed.exchange(LAST).then(text => texts.push(text))
      return texts.some(text => text.endsWith('bad'))
    })
  })
})

suite('An endpoint on its way out', () => {
  test('keeps no connection, and finishes what it has begun', async () => {
    let answer = () => {}
    await using app = await startApp((socket, index) => {
      socket.on('data', () => {
        if (index === 0) socket.write(ok('first'))
        else answer = () => socket.write(ok('second'))
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app } })
    const [one, two] = [bed.send(GET), bed.send('')]
    await one.until('first')
    // The kept connection is taken by the first of these, and a second one is opened.
    one.send(GET)
    two.send(GET)
    await one.until(/first.*first/s)
    await until(() => app.sockets.length === 2)
    await until(() => bed.server.stats().upstreamConnectionsIdle === 1)
    bed.server.moveEndpoints({ left: [app.endpoint], arrived: [] })
    await until(() => app.open.size === 1)
    answer()
    await two.until('second')
    await until(() => app.open.size === 0)
    assert.equal(bed.server.stats().upstreamConnectionsIdle, 0)
  })
  test('is kept to again when a Service still has it', async () => {
    await using app = await startHttpApp(() => ok('fine'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    await bed.exchange(LAST)
    bed.server.moveEndpoints({ left: [app.endpoint], arrived: [] })
    await until(() => app.open.size === 0)
    for (let count = 0; count < 3; count++) await bed.exchange(LAST)
    assert.equal(app.sockets.length, 2)
  })
})

suite('An endpoint that joins others', () => {
  test('gets a small share at first', async () => {
    await using old = await startHttpApp(() => ok('old'))
    await using fresh = await startHttpApp(() => ok('fresh'))
    await using bed = await startBed({ apps: { 'shop.test': [old.endpoint, fresh.endpoint] }, limits: { slowStartMs: 60_000 } })
    bed.server.moveEndpoints({ left: [], arrived: [fresh.endpoint] })
    const texts = await Promise.all(Array.from({ length: 200 }, () => bed.exchange(LAST)))
    const share = texts.filter(text => text.endsWith('fresh')).length
    assert.ok(share > 5 && share < 90, `${share} of 200`)
  })
})

suite('A kept connection', () => {
  for (const fields of ['Keep-Alive: timeout=5, max=0\r\n', 'Keep-Alive: timeout=0\r\n', 'Keep-Alive: max=0\r\n']) {
    test(`is not kept when the app says ${fields.trim()}`, async () => {
      await using app = await startHttpApp(() => ok('fine', fields))
      await using bed = await startBed({ apps: { 'shop.test': app } })
      await bed.exchange(LAST)
      await until(() => app.open.size === 0)
    })
  }
  test('is kept when the app says max=10', async () => {
    await using app = await startHttpApp(() => ok('fine', 'Keep-Alive: timeout=5, max=10\r\n'))
    await using bed = await startBed({ apps: { 'shop.test': app } })
    for (let count = 0; count < 3; count++) await bed.exchange(LAST)
    assert.equal(app.sockets.length, 1)
    const { upstreamConnectionsOpened, upstreamConnectionsReused } = bed.server.stats()
    assert.deepEqual([upstreamConnectionsOpened, upstreamConnectionsReused], [1, 2])
  })
})

suite('Times of an app', () => {
  test('its first byte has its own, apart from the silence between bytes', async () => {
    await using app = await startApp(socket => {
      socket.on('data', (chunk: Buffer) => {
        if (!chunk.includes('/never')) setTimeout(() => socket.write('HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab'), 50)
      })
    })
    await using slow = await startBed({ apps: { 'shop.test': app }, policy: { idleTimeoutMs: 30, firstByteTimeoutMs: 5000 } })
    const client = slow.send(GET)
    const before = performance.now()
    await client.ended
    assert.match(client.text, /^HTTP\/1\.1 200 .*\r\n\r\nab$/s)
    assert.ok(performance.now() - before < 2000, 'the silence after the first byte is the shorter one')
    await using quick = await startBed({ apps: { 'shop.test': app }, policy: { firstByteTimeoutMs: 5 } })
    assert.match(await quick.exchange('GET /never HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n'), /504 .*R32/s)
  })
  test('a whole exchange is bounded where the app asks for it, and its answer never looks whole', async () => {
    await using app = await startApp(socket => {
      socket.on('data', (chunk: Buffer) => {
        if (!chunk.includes('/drip')) return
        socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        const timer = setInterval(() => socket.write('1\r\nx\r\n'), 5)
        socket.on('close', () => clearInterval(timer))
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { requestTimeoutMs: 60 } })
    assert.match(await bed.exchange(LAST), /504 .*R39/s)
    const text = await bed.exchange('GET /drip HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n')
    assert.match(text, /^HTTP\/1\.1 200 /)
    assert.doesNotMatch(text, /\r\n0\r\n/)
    await until(() => app.open.size === 0)
  })
  test('a bound on exchanges does not end an upgraded connection', async () => {
    await using app = await startApp(socket => {
      socket.once('data', () => {
        socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n')
        setTimeout(() => socket.write('later'), 150)
      })
    })
    await using bed = await startBed({ apps: { 'shop.test': app }, policy: { requestTimeoutMs: 40 } })
    await bed.send('GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n').until('later')
  })
})
