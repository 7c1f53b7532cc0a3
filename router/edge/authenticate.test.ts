import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type BedOptions, ok, startBed, startHttpApp, until } from '../serve/testbed.ts'
import type { Credentials } from '../table/credentials.ts'
import { addressMatcher, type Policy } from '../table/route.ts'
import { Gate } from './gate.ts'
import { SlowPasswords } from './slow-passwords.ts'

const BCRYPT = '$2y$05$eT8WQy.fcdc.O4/cLbr.kO/0SFaY2gdZbDZosaQCaCur4uFfEI/2G'
const FAST: Credentials = {
  id: 'fast',
  users: [
    ['ann', '{PLAIN}a:b'],
    ['joe', '{SHA}EfatjsUqKYSrqv18O1FlA3hcIHI='],
  ],
}
const SLOW: Credentials = { id: 'slow', users: [['ann', BCRYPT]] }
const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`
const get = (credentials?: string, fields = '') =>
  `GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n${credentials === undefined ? '' : `Authorization: ${credentials}\r\n`}${fields}\r\n`

suite('x-basic-auth', () => {
  test('asks: 401 R14, whatever the app’s state, and the app sees nothing', async () => {
    await using world = await start(FAST, { maintenance: true })
    const text = await world.bed.exchange(get())
    assert.match(text, /^HTTP\/1\.1 401 Unauthorized\r\n.*\r\nWWW-Authenticate: Basic realm="shop\.test", charset="UTF-8"\r\n.*R14/s)
    assert.equal(world.app.sockets.length, 0)
    assert.match(await world.bed.exchange(get(basic('ann:a:b'))), /^HTTP\/1\.1 503 .*R21/s)
  })
  for (const [name, header] of [
    ['a wrong password', basic('ann:a')],
    ['a longer one', basic('ann:a:b ')],
    ['an unknown name', basic('eve:a:b')],
    ['no name', basic(':a:b')],
    ['no colon', basic('ann')],
    ['another scheme', 'Bearer YW5uOmE6Yg=='],
    ['no base64', 'Basic ann:a:b'],
    ['a megabyte', `Basic ${'A'.repeat(30_000)}`],
    ['two headers, one of them right', `${basic('ann:a:b')}\r\nAuthorization: ${basic('eve:x')}`],
  ] as const) {
    test(`refuses ${name}`, async () => {
      await using world = await start(FAST)
      assert.match(await world.bed.exchange(get(header)), /^HTTP\/1\.1 401 /)
      assert.equal(world.app.sockets.length, 0)
    })
  }
  test('lets in who knows the password, and passes it on as nginx does', async () => {
    await using world = await start(FAST)
    assert.match(await world.bed.exchange(get(basic('ann:a:b'))), /^HTTP\/1\.1 200 /)
    assert.match(await world.bed.exchange(get(basic('joe:x').replace('Basic', 'BASIC'))), /^HTTP\/1\.1 200 /)
    assert.ok(world.app.received[0]?.includes(`Authorization: ${basic('ann:a:b')}\r\n`))
  })
  test('computes a slow hash beside the requests: body, pipelined requests and a second connection wait their turn', async () => {
    await using world = await start(SLOW)
    const post = `POST / HTTP/1.1\r\nHost: shop.test\r\nAuthorization: ${basic('ann:geheim')}\r\nContent-Length: 40000\r\n\r\n${'b'.repeat(40_000)}`
    const client = world.bed.send(post + get(basic('ann:geheim')))
    assert.match(await world.bed.exchange(get(basic('ann:geheim'))), /seen 0$/)
    assert.match(await client.until(/seen 40000.*seen 0/s), /200 OK.*200 OK/s)
    assert.match(await world.bed.exchange(get(basic('ann:falsch'))), /^HTTP\/1\.1 401 /)
  })
  for (const [name, policy] of [
    ['goes out at once on a kept connection', {}],
    ['is gathered first', { requestBufferBytes: 1024 * 1024 }],
  ] as const) {
    test(`loses nothing of a body that ${name}`, async () => {
      await using world = await start(SLOW, policy)
      const keep = (text: string) => text.replace('Connection: close\r\n', '')
      const first = world.bed.send(keep(get(basic('ann:geheim'))))
      await first.until('seen 0')
      world.bed.table = { ...world.bed.table, credentials: () => ({ ...SLOW, id: 'other' }) }
      const put = `PUT / HTTP/1.1\r\nHost: shop.test\r\nAuthorization: ${basic('ann:geheim')}\r\nContent-Length: 40000\r\n\r\n`
      const client = world.bed.send(put + 'b'.repeat(30_000))
      await until(() => world.bed.server.stats().connectionsOpen === 2)
      client.send('b'.repeat(10_000))
      assert.match(await client.until('seen 40000'), /200 OK/)
      assert.equal(world.app.sockets.length, 1)
    })
  }
  test('forgets a client that leaves meanwhile, and answers no one twice', async () => {
    await using world = await start(SLOW)
    for (let index = 0; index < 5; index++) world.bed.send(get(basic(`ann:${index}`))).reset()
    assert.match(await world.bed.exchange(get(basic('ann:geheim'))), /^HTTP\/1\.1 200 /)
    await until(() => world.bed.server.stats().connectionsOpen === 0, 'all gone')
    assert.equal(world.app.received.join('').match(/GET/g)?.length, 1)
  })
  test('lets nobody in while there is no Secret: 503 R19', async () => {
    await using world = await start(undefined)
    assert.match(await world.bed.exchange(get(basic('ann:a:b'))), /^HTTP\/1\.1 503 .*\r\nRetry-After: 5\r\n.*R19/s)
    assert.equal(world.app.sockets.length, 0)
  })
  test('knows an old password no more once the Secret is another', async () => {
    await using world = await start(SLOW)
    assert.match(await world.bed.exchange(get(basic('ann:geheim'))), /^HTTP\/1\.1 200 /)
    world.bed.table = { ...world.bed.table, credentials: () => FAST }
    assert.match(await world.bed.exchange(get(basic('ann:geheim'))), /^HTTP\/1\.1 401 /)
  })
  test('comes behind the lists, and sends to https before it asks', async () => {
    await using world = await start(FAST, { sslEnforce: true })
    assert.match(await world.bed.exchange(get(basic('ann:a:b'))), /^HTTP\/1\.1 301 .*\r\nLocation: https:/s)
    await using closed = await start(FAST, { allow: addressMatcher(['192.0.2.1']) })
    assert.match(await closed.bed.exchange(get()), /^HTTP\/1\.1 403 /)
  })
})

suite('Gate', () => {
  test('computes once for all who bring the same, and remembers wrong ones too', async () => {
    const gate = new Gate()
    const answers: unknown[] = []
    const verdicts = Array.from({ length: 50 }, () => gate.check('a', SLOW, basic('ann:geheim'), answer => answers.push(answer)))
    const wrong = gate.check('a', SLOW, basic('ann:x'), answer => answers.push(answer))
    assert.deepEqual([new Set(verdicts), wrong], [new Set(['later']), 'later'])
    await until(() => answers.length === 51)
    assert.deepEqual(new Set(answers), new Set([true, false]))
    assert.deepEqual(
      ['geheim', 'x'].map(password => gate.check('a', SLOW, basic(`ann:${password}`), () => {})),
      ['yes', 'no'],
    )
    await gate.stop()
  })
  test('says busy when too many guess at one app, and still serves another', async () => {
    const gate = new Gate()
    const verdicts = Array.from({ length: 100 }, (_, index) => gate.check('a', SLOW, basic(`ann:${index}`), () => {}))
    assert.deepEqual([verdicts.includes('busy'), verdicts.filter(verdict => verdict === 'later').length], [true, 33])
    let right: boolean | undefined
    assert.equal(
      gate.check('b', SLOW, basic('ann:geheim'), answer => {
        right = answer
      }),
      'later',
    )
    await until(() => right === true, 'the other app')
    await gate.stop()
  })
})

suite('SlowPasswords', () => {
  test('tells all who wait when it is stopped, and starts anew', async () => {
    const slow = new SlowPasswords(10)
    const answers: unknown[] = []
    const ask = (stored: string) => slow.check('a', { password: Buffer.from('geheim'), stored, done: answer => answers.push(answer) })
    for (let index = 0; index < 3; index++) ask(BCRYPT)
    await slow.stop()
    assert.deepEqual(answers, [undefined, undefined, undefined])
    ask(BCRYPT)
    await until(() => answers.length === 4)
    assert.equal(answers[3], true)
    await slow.stop()
  })
})

async function start(credentials: Credentials | undefined, policy: Partial<Policy> = {}) {
  const app = await startHttpApp(request => ok(`seen ${request.body.length}`))
  const options: BedOptions = {
    apps: { 'shop.test': app },
    policy: { ...policy, bodyBytesMax: 0, edge: { auth: 'shop/users' } },
    ...(credentials && { credentials: { 'shop/users': credentials } }),
  }
  const bed = await startBed(options)
  return {
    ...{ app, bed },
    async [Symbol.asyncDispose]() {
      await bed[Symbol.asyncDispose]()
      await app[Symbol.asyncDispose]()
    },
  }
}
