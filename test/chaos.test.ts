import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { Person, type Repository, succeed } from './platform/person.ts'
import { type PlatformUnderTest, startTestPlatform } from './platform/platform-under-test.ts'
import { SAMPLE_APP } from './platform/sample-app.ts'
import { httpGet, Load } from './platform/traffic.ts'

suite('kill -9 of each role under load', () => {
  let platform: PlatformUnderTest
  let ana: Person
  let shop: Repository

  before(async () => {
    platform = await startTestPlatform()
    ana = new Person(platform, 'ana')
    await ana.settle()
    shop = await ana.repository('shop', SAMPLE_APP)
    succeed(await shop.drycc('create', 'shop'))
    succeed(await shop.git('push', 'drycc', 'main'))
    succeed(await shop.drycc('scale', 'web=2'))
  })
  after(() => platform.end())

  for (const name of ['control-plane', 'builder', 'logger', 'controllers', 'kubelet', 'api-server']) {
    test(`${name}: apps keep serving, and it comes back by itself`, async () => {
      const load = new Load(platform.ports['http-port'], 'shop.localhost', 50)
      await killAndWait(name)
      await works()
      await load.reaches(10)
      await load.end()
      assert.deepEqual(load.failures, [])
    })
  }

  test('router: it comes back by itself and serves the same', async () => {
    await killAndWait('router')
    await works()
  })

  test('state is whole: releases, config, processes and a further push', async () => {
    succeed(await shop.drycc('config:set', 'GREETING=still here'))
    const page = JSON.parse((await httpGet(platform.ports['http-port'], 'shop.localhost')).body) as { greeting: string; release: string }
    assert.deepEqual(page, { ...page, greeting: 'still here', release: 'v3' })
    await shop.commit({ 'more.txt': 'more' })
    assert.match(succeed(await shop.git('push', 'drycc', 'main')).stderr, /Done, shop:v4 deployed/)
    const states = succeed(await shop.drycc('ps')).stdout
    assert.equal(states.match(/ up \(v4\)/g)?.length, 2, states)
    const logs = succeed(await shop.drycc('logs', '--lines', '10000')).stdout
    const starts = [...logs.matchAll(/shop\[(web\.v\d+\.\w+)\]: listening/g)].map(match => match[1])
    assert.ok(starts.length >= 5, logs)
    assert.deepEqual(starts, [...new Set(starts)], 'no line is kept twice, though logger and kubelet were killed')
    const releases = succeed(await shop.drycc('releases')).stdout
    assert.match(releases, /v4 [\s\S]*v3 [\s\S]*v2 [\s\S]*v1 /)
  })

  /** Kills the role's process and waits until another one has said that it is ready. */
  async function killAndWait(name: string): Promise<void> {
    const role = platform.roles[name]!
    const before = role.pid!
    const again = role.nextReady()
    process.kill(before, 'SIGKILL')
    await again
    assert.notEqual(role.pid, before)
  }

  /** The API answers, an app answers, and its logs are there. */
  async function works(): Promise<void> {
    const deadline = AbortSignal.timeout(20_000)
    for (;;) {
      deadline.throwIfAborted()
      const { code, stdout } = await ana.drycc('logs', '--app', 'shop')
      const { status } = await httpGet(platform.ports['http-port'], 'shop.localhost').catch(() => ({ status: 0 }))
      if (code === 0 && /listening/.test(stdout) && status === 200) return
    }
  }
})
