import assert from 'node:assert/strict'
import { after, before, suite, test } from 'node:test'
import { TestBed } from './test-bed.ts'

suite('git push over SSH', () => {
  let bed: TestBed
  before(async () => {
    bed = await TestBed.start()
    await bed.addUser('ana', ['shop', 'cafe', 'foobar'])
    await bed.addUser('bob', ['foobar'])
  })
  after(() => bed.stop())

  test('builds, releases and tells the address', async () => {
    const work = await bed.workTree({ 'server.js': '1', Procfile: 'web: node server.js\n' })
    const push = await bed.git('ana', work, 'push', bed.sshUrl('shop'), 'main')
    assert.equal(push.code, 0, push.stderr)
    for (const line of [
      'remote: Starting build... but first, coffee!',
      'remote: -----> Building shop',
      'remote: Build complete.',
      'remote: Launching App...',
      'remote: Done, shop:v2 deployed to Workflow',
      'remote:   http://shop.localhost:8080/',
    ]) {
      assert.ok(push.stderr.includes(line), `${line} in ${push.stderr}`)
    }
    const sha = (await bed.git('ana', work, 'rev-parse', 'HEAD')).stdout.slice(0, 8)
    const released = bed.controlPlane.releases.at(-1)
    assert.deepEqual(released, {
      receive_user: 'ana',
      receive_repo: 'shop',
      image: `embedded/shop:git-${sha}`,
      sha,
      procfile: { web: 'node server.js' },
      dockerfile: '',
    })

    const again = await bed.git('ana', work, 'push', bed.sshUrl('shop'), 'main')
    assert.match(again.stderr, /Everything up-to-date/)
    await bed.commit(work, { 'server.js': '2' })
    const second = await bed.git('ana', work, 'push', bed.sshUrl('shop'), 'main')
    assert.equal(second.code, 0, second.stderr)
    assert.match(second.stderr, /shop:v3 deployed/)
  })
})
