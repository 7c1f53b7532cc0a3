import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { endpoint } from '../table/route.ts'
import { reviveSteering, type SteeringSpec } from '../table/steering.ts'
import type { Exchange } from './exchange.ts'
import { stickyLine } from './steer.ts'
import { type Bed, ok, startBed, startHttpApp, type TestApp } from './testbed.ts'

const COOKIE = /^Set-Cookie: SRV=([\w-]{22}); Path=\/; HttpOnly; SameSite=Lax\r$/m

suite('A sticky cookie', () => {
  const spec = { sticky: { cookie: 'SRV', salt: 'a-uid' } }

  test('keeps a client with its endpoint, tells nothing of it, and is set once', async () => {
    await using apps = await threeApps()
    await using bed = await steeredBed(apps.all, spec)
    const first = await ask(bed)
    const [, token] = COOKIE.exec(first) ?? assert.fail(first)
    assert.doesNotMatch(first, /127\.0\.0\.1/)
    for (let count = 0; count < 20; count++) {
      const text = await ask(bed, `Cookie: a=b; SRV=${token}; c=d`)
      assert.equal(bodyOf(text), bodyOf(first))
      assert.doesNotMatch(text, /Set-Cookie/)
    }
  })
  test('is found among others, and in no other', async () => {
    await using apps = await threeApps()
    await using bed = await steeredBed(apps.all, spec)
    const [, token] = COOKIE.exec(await ask(bed)) ?? assert.fail()
    for (const cookies of [`SRV=${token}`, `a=SRV; \tSRV =\t${token} ;b`, `XSRV=1;SRV=${token}`, `SRVX=1; SRV=other; SRV=${token}`])
      assert.doesNotMatch(await ask(bed, `Cookie: ${cookies}`), COOKIE, cookies)
    for (const cookies of [`XSRV=${token}`, `SRVX=${token}`, `a=SRV=${token}`, `x SRV=${token}`, 'SRV', `SRV;=${token}`, `srv=${token}`])
      assert.match(await ask(bed, `Cookie: ${cookies}`), COOKIE, cookies)
  })
  test('costs no time however many there are', () => {
    const endpoints = [endpoint('192.0.2.1', 80), endpoint('192.0.2.2', 80)]
    const steering = reviveSteering(spec, endpoints, '/')
    const raw = `GET / HTTP/1.1\r\nCookie: ${'a=b;'.repeat(30_000)}\r\n\r\n`
    const exchange = { head: { raw }, endpoint: endpoints[0], origin: { secure: true } } as unknown as Exchange
    const beganAt = performance.now()
    for (let count = 0; count < 100; count++) assert.match(stickyLine(steering, exchange), /^Set-Cookie: SRV=/)
    assert.ok(performance.now() - beganAt < 150)
  })
  test('that nobody gave is worth nothing', async () => {
    await using apps = await threeApps()
    await using bed = await steeredBed(apps.all, spec)
    for (const value of ['127.0.0.1', 'x'.repeat(22), '', '__proto__', '"'.repeat(30)])
      assert.match(await ask(bed, `Cookie: SRV=${value}`), COOKIE)
  })
  test('of two with one name is the one that was ours', async () => {
    await using apps = await threeApps()
    await using bed = await steeredBed(apps.all, spec)
    const first = await ask(bed)
    const [, token] = COOKIE.exec(first) ?? []
    assert.equal(bodyOf(await ask(bed, `Cookie: SRV=of-another-path; SRV=${token}`)), bodyOf(first))
  })
  for (const [how, change] of Object.entries({
    'has gone': (all: TestApp[], one: number) => all.filter((_, index) => index !== one).map(app => app.endpoint),
    'is going': (all: TestApp[], one: number) => all.map((app, index) => ({ ...app.endpoint, terminating: index === one })),
    'is not ready': (all: TestApp[], one: number) => all.map((app, index) => ({ ...app.endpoint, serving: index !== one })),
  })) {
    test(`chooses anew when its endpoint ${how}`, async () => {
      await using apps = await threeApps()
      await using bed = await steeredBed(apps.all, spec)
      const first = await ask(bed)
      const [, token] = COOKIE.exec(first) ?? []
      steerBed(bed, change(apps.all, Number(bodyOf(first))), spec)
      const second = await ask(bed, `Cookie: SRV=${token}`)
      assert.notEqual(bodyOf(second), bodyOf(first))
      const [, other] = COOKIE.exec(second) ?? assert.fail(second)
      assert.notEqual(other, token)
    })
  }
  test('chooses anew when its endpoint refuses', async () => {
    await using apps = await threeApps()
    await using bed = await steeredBed(apps.all, spec)
    const first = await ask(bed)
    const [, token] = COOKIE.exec(first) ?? []
    await apps.all[Number(bodyOf(first))]?.[Symbol.asyncDispose]()
    const second = await ask(bed, `Cookie: SRV=${token}`)
    assert.notEqual(bodyOf(second), bodyOf(first))
    assert.match(second, COOKIE)
  })
  test('is the same in every replica, and another in every app', () => {
    const tokens = (salt: string) => [
      ...(reviveSteering({ sticky: { cookie: 'a', salt } }, [{ ...ENDPOINT }], '/').sticky?.tokens.values() ?? []),
    ]
    assert.deepEqual(tokens('a'), tokens('a'))
    assert.notDeepEqual(tokens('a'), tokens('b'))
  })
})

suite('A canary', () => {
  test('gets its share', async () => {
    await using apps = await threeApps()
    await using bed = await steeredBed(apps.all.slice(0, 2), canary(apps, { weight: 25 }))
    const bodies = await Promise.all(Array.from({ length: 400 }, async () => bodyOf(await ask(bed))))
    const share = bodies.filter(body => body === '2').length
    assert.ok(share > 50 && share < 150, `${share} of 400`)
  })
  test('gets nothing at 0, all at 100, and what a client wishes at any', async () => {
    await using apps = await threeApps()
    for (const [weight, lines, isCanary] of [
      [0, '', false],
      [100, '', true],
      [0, 'X-Canary: always', true],
      [100, 'x-canary: never', false],
      [100, 'X-Canary: perhaps', true],
      [0, 'Cookie: try=always', true],
      [0, 'Cookie: try=always\r\nX-Canary: never', false],
    ] as const) {
      await using bed = await steeredBed(apps.all.slice(0, 2), canary(apps, { weight, header: 'X-Canary', cookie: 'try' }))
      for (let count = 0; count < 8; count++) assert.equal(bodyOf(await ask(bed, lines)) === '2', isCanary, `${weight} ${lines}`)
    }
  })
  test('without endpoints leaves all to the other, and the other way round', async () => {
    await using apps = await threeApps()
    await using none = await steeredBed(apps.all.slice(0, 2), { canary: { weight: 100, endpoints: [] } })
    for (let count = 0; count < 8; count++) assert.match(await ask(none), /^HTTP\/1\.1 200/)
    await using only = await steeredBed([], canary(apps, { weight: 0 }))
    assert.equal(bodyOf(await ask(only)), '2')
    await using neither = await steeredBed([], { canary: { weight: 50, endpoints: [] } })
    assert.match(await ask(neither), /503 .*R20/s)
  })
  test('that refuses costs no request', async () => {
    await using apps = await threeApps()
    await using bed = await steeredBed(apps.all.slice(0, 2), canary(apps, { weight: 50 }))
    await apps.all[2]?.[Symbol.asyncDispose]()
    for (let count = 0; count < 20; count++) assert.match(await ask(bed), /^HTTP\/1\.1 200/)
  })
  test('keeps the clients that it has where there is a sticky cookie', async () => {
    await using apps = await threeApps()
    const spec = { ...canary(apps, { weight: 0, header: 'X-Canary' }), sticky: { cookie: 'SRV', salt: 'a' } }
    await using bed = await steeredBed(apps.all.slice(0, 2), spec)
    const first = await ask(bed, 'X-Canary: always')
    const [, token] = COOKIE.exec(first) ?? assert.fail(first)
    for (let count = 0; count < 8; count++) assert.equal(bodyOf(await ask(bed, `Cookie: SRV=${token}`)), '2')
    assert.notEqual(bodyOf(await ask(bed, `Cookie: SRV=${token}\r\nX-Canary: never`)), '2')
  })
})

const ENDPOINT = { address: '10.0.0.1', port: 80, key: '10.0.0.1:80', serving: true, terminating: false }

function canary(apps: { all: TestApp[] }, rest: { weight: number; header?: string; cookie?: string }): SteeringSpec {
  return { canary: { ...rest, endpoints: [apps.all[2]!.endpoint] } }
}

/** Three that answer with their number. */
async function threeApps() {
  const all = await Promise.all([0, 1, 2].map(number => startHttpApp(() => ok(String(number)))))
  return {
    all,
    async [Symbol.asyncDispose]() {
      await Promise.all(all.map(app => app[Symbol.asyncDispose]()))
    },
  }
}

async function steeredBed(apps: readonly TestApp[], spec: SteeringSpec): Promise<Bed> {
  const bed = await startBed({ apps: { 'shop.test': apps.map(app => app.endpoint) } })
  steerBed(
    bed,
    apps.map(app => app.endpoint),
    spec,
  )
  return bed
}

function steerBed(bed: Bed, endpoints: readonly TestApp['endpoint'][], spec: SteeringSpec): void {
  const route = bed.table.match('shop.test', '/')!
  const steered = { ...route, endpoints, steering: reviveSteering(spec, endpoints, '/') }
  bed.table = { ...bed.table, match: () => steered }
}

function ask(bed: Bed, lines = ''): Promise<string> {
  return bed.exchange(`GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n${lines === '' ? '' : `${lines}\r\n`}\r\n`)
}

function bodyOf(text: string): string {
  return text.slice(text.indexOf('\r\n\r\n') + 4)
}
