import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { suite, test } from 'node:test'
import { run, TestBed } from './test-bed.ts'

suite('limits of a push', () => {
  test('a build over its time is ended and told', async t => {
    const bed = await started(t, { BUILDER_BUILD_TIMEOUT: '700ms' })
    const push = await bed.git('ana', await bed.workTree({ hang: '' }), 'push', bed.sshUrl('shop'), 'main')
    assert.equal(push.code, 1)
    assert.match(push.stderr, /remote: error: The build took longer than 700ms and was stopped/)
  })

  test('more output than the limit is cut, and the build goes on', async t => {
    const bed = await started(t, { BUILDER_BUILD_OUTPUT_MAX: '1M' })
    const work = await bed.workTree({ output: `${'x'.repeat(99)}\n`.repeat(50_000) })
    const push = await bed.git('ana', work, 'push', bed.sshUrl('shop'), 'main')
    assert.equal(push.code, 0)
    const end = push.stderr.slice(-1000)
    assert.match(end, /remote: warning: the output is longer than 1 MB/)
    assert.match(end, /remote: Done, shop:v2/)
    assert.ok(push.stderr.length < 2 * 1024 ** 2)
  })

  test('a tree of too many files is refused', async t => {
    const bed = await started(t, { BUILDER_SOURCE_FILES_MAX: '3' })
    const push = await bed.git('ana', await bed.workTree({ a: '', b: '', c: '', d: '' }), 'push', bed.sshUrl('shop'), 'main')
    assert.match(push.stderr, /remote: error: The app has more than 3 files/)
  })

  test('a link out of the tree is refused', async t => {
    const bed = await started(t)
    const work = await bed.workTree({ file: '' })
    await run('ln', ['-s', '../../../etc/passwd', 'link'], { cwd: work })
    await bed.commit(work, {})
    const push = await bed.git('ana', work, 'push', bed.sshUrl('shop'), 'main')
    assert.equal(push.code, 1)
    assert.match(push.stderr, /remote: error: The link "link" leads out of the app/)
  })

  test('builds beyond their number wait for their turn, and one who leaves the queue is not waited for', async t => {
    const bed = await started(t, { BUILDER_BUILD_COUNT_MAX: '1' })
    await bed.addUser('bob', ['cafe', 'bistro'])
    const first = bed.startGit('ana', await bed.workTree({ hang: '' }), 'push', bed.sshUrl('shop'), 'main')
    await first.said('hanging')
    const leaving = bed.startGit('bob', await bed.workTree({ file: '' }), 'push', bed.sshUrl('cafe'), 'main')
    await leaving.said('other apps are being built, yours is next')
    const staying = bed.startGit('bob', await bed.workTree({ file: '' }), 'push', bed.sshUrl('bistro'), 'main')
    await staying.said('yours is next after 1 more')
    process.kill(-leaving.child.pid!, 'SIGKILL')
    await leaving.ended
    process.kill(-first.child.pid!, 'SIGKILL')
    const outcome = await staying.ended
    assert.equal(outcome.code, 0, outcome.stderr)
  })

  test('a pusher who sends nothing loses the app to others', async t => {
    const bed = await started(t, { BUILDER_IDLE_TIMEOUT: '3s' })
    const silent = bed.startSsh('ana', "git-receive-pack 'shop.git'")
    await silent.said('0000')
    const work = await bed.workTree({ file: randomBytes(10) })
    assert.match((await bed.git('ana', work, 'push', bed.sshUrl('shop'), 'main')).stderr, /Another git push is ongoing/)
    assert.notEqual((await silent.ended).code, 0)
    assert.equal((await bed.git('ana', work, 'push', bed.sshUrl('shop'), 'main')).code, 0)
  })

  test('a control plane that goes away in the middle of a push is named', async t => {
    const bed = await started(t)
    bed.controlPlane.onRelease = () => bed.controlPlane.stop()
    const push = await bed.git('ana', await bed.workTree({ file: '' }), 'push', bed.sshUrl('shop'), 'main')
    assert.equal(push.code, 1)
    assert.match(push.stderr, /remote: error: The control plane does not answer *\nremote: hint: push again in a moment/)
  })

  test('stopping the builder ends its builds and frees its ports', async t => {
    const bed = await started(t)
    const hanging = bed.startGit('ana', await bed.workTree({ hang: '' }), 'push', bed.sshUrl('shop'), 'main')
    await hanging.said('hanging')
    await bed.stopBuilder()
    assert.notEqual((await hanging.ended).code, 0)
    await bed.startBuilder()
    assert.equal((await bed.git('ana', await bed.workTree({ file: '' }), 'push', bed.sshUrl('shop'), 'main')).code, 0)
  })
})

async function started(t: { after(stop: () => Promise<void>): void }, env: Record<string, string> = {}): Promise<TestBed> {
  const bed = await TestBed.start(env)
  t.after(() => bed.stop())
  await bed.addUser('ana', ['shop'])
  return bed
}
