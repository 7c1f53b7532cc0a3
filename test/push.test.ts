import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { Person, type Repository, succeed } from './platform/person.ts'
import { type PlatformUnderTest, startTestPlatform } from './platform/platform-under-test.ts'
import { SAMPLE_APP } from './platform/sample-app.ts'
import { httpGet } from './platform/traffic.ts'

suite('pushes over HTTP, through the router', () => {
  let platform: PlatformUnderTest
  let shop: Repository

  before(async () => {
    platform = await startTestPlatform()
    const ana = new Person(platform, 'ana')
    await ana.settle()
    shop = await ana.repository('shop', SAMPLE_APP)
    succeed(await shop.drycc('create', 'shop'))
  })
  after(() => platform.end())

  test('may be larger than what an app takes by default', async () => {
    writeFileSync(join(shop.folder, 'photo'), randomBytes(3 * 1024 ** 2))
    await shop.commit({})
    assert.match(succeed(await shop.git('push', 'drycc', 'main')).stderr, /shop:v2 deployed/)
    assert.equal((await httpGet(platform.ports['http-port'], 'shop.localhost')).status, 200)
  })

  test('that are interrupted while the build is silent end the build, and the next is let in', async () => {
    await shop.commit({ 'package.json': JSON.stringify({ name: 'shop', scripts: { build: 'sleep 600' } }) })
    // A group of its own, which a Ctrl-C at a terminal would end as a whole.
    const child = spawn('git', ['push', 'drycc', 'main'], {
      cwd: shop.folder,
      env: shop.env,
      detached: true,
      stdio: ['ignore', 'ignore', 'pipe'],
    })
    let output = ''
    child.stderr.on('data', chunk => (output += chunk))
    while (!/sleep 600/.test(output)) await once(child.stderr, 'data')
    process.kill(-child.pid!, 'SIGINT')
    await once(child, 'close')

    await shop.commit({ 'package.json': JSON.stringify({ name: 'shop' }) })
    const deadline = AbortSignal.timeout(10_000)
    for (;;) {
      const { code, stderr } = await shop.git('push', 'drycc', 'main')
      if (code === 0) return assert.match(stderr, /shop:v3 deployed/)
      assert.match(stderr, /Another git push is ongoing/)
      deadline.throwIfAborted()
    }
  })
})
