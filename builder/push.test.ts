import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { run, TestBed } from './test-bed.ts'

suite('git push over SSH', { concurrency: false }, () => {
  let bed: TestBed
  before(async () => {
    bed = await TestBed.start()
    await bed.addUser('ana', [
      'shop',
      'cafe',
      'foobar',
      'broken',
      'branches',
      'develop',
      'options',
      'shallow',
      'controls',
      'release',
      'gone',
      'busy',
      'env',
    ])
    await bed.addUser('bob', ['foobar'])
  })
  after(() => bed.stop())

  const push = async (app: string, work: string, ...args: string[]) => bed.git('ana', work, 'push', bed.sshUrl(app), ...args)
  const refs = async (app: string) =>
    (await run('git', ['--git-dir', path.join(bed.home, 'repos', `${app}.git`), 'for-each-ref', '--format=%(refname)'])).stdout
  const releasesOf = (app: string) => bed.controlPlane.releases.filter(release => release.receive_repo === app)

  test('builds, releases and tells the address; again it is up to date; a new commit is a new release', async () => {
    const work = await bed.workTree({ 'server.js': '1', Procfile: 'web: node server.js\n' })
    const first = await push('shop', work, 'main')
    assert.equal(first.code, 0, first.stderr)
    for (const line of [
      'remote: Starting build... but first, coffee!',
      'remote: -----> Building shop',
      'remote: Build complete.',
      'remote: Launching App...',
      'remote: Done, shop:v2 deployed to Workflow',
      'remote:   http://shop.localhost:8080/',
    ]) {
      assert.ok(first.stderr.includes(line), `${line} in ${first.stderr}`)
    }
    const sha = (await bed.git('ana', work, 'rev-parse', 'HEAD')).stdout.slice(0, 8)
    assert.deepEqual(releasesOf('shop'), [
      {
        receive_user: 'ana',
        receive_repo: 'shop',
        image: `embedded/shop:git-${sha}`,
        sha,
        procfile: { web: 'node server.js' },
        dockerfile: '',
      },
    ])

    assert.match((await push('shop', work, 'main')).stderr, /Everything up-to-date/)
    await bed.commit(work, { 'server.js': '2' })
    const second = await push('shop', work, 'main')
    assert.equal(second.code, 0, second.stderr)
    assert.equal(releasesOf('shop').length, 2)
  })

  test('gives back with a clone what was pushed', async () => {
    const work = await bed.workTree({ file: 'content' })
    await push('cafe', work, 'main')
    const clone = await bed.git('ana', bed.root, 'clone', '-q', bed.sshUrl('cafe'), 'cloned')
    assert.equal(clone.code, 0, clone.stderr)
    assert.ok(existsSync(path.join(bed.root, 'cloned/file')))
  })

  test('declines a push whose build fails, and takes the same commit later', async () => {
    const work = await bed.workTree({ fail: '', output: 'cannot compile\n' })
    for (const _ of [1, 2]) {
      const failed = await push('broken', work, 'main')
      assert.equal(failed.code, 1)
      assert.match(failed.stderr, /remote: cannot compile/)
      assert.match(failed.stderr, /remote: error: The build failed: it exited with code 7, stopping build/)
      assert.match(failed.stderr, /! \[remote rejected\] main -> main \(pre-receive hook declined\)/)
    }
    assert.equal(await refs('broken'), '')
    assert.deepEqual(releasesOf('broken'), [])
  })

  test('declines a push whose release fails, in the control plane’s words, and takes the same commit later', async () => {
    const work = await bed.workTree({ file: '' })
    bed.controlPlane.onRelease = async () => {
      throw new Error('web.1 crashed: listen EADDRINUSE')
    }
    const failed = await push('release', work, 'main')
    assert.equal(failed.code, 1)
    assert.match(failed.stderr, /remote: error: web\.1 crashed: listen EADDRINUSE *\nremote: hint: see what the app wrote/)
    bed.controlPlane.onRelease = async () => {
      throw new Error('release-web did not become ready within 120 seconds')
    }
    const silent = await push('release', work, 'main')
    assert.match(silent.stderr, /remote: hint: listen on 0\.0\.0\.0, at the port in \$PORT; see what the app wrote/)
    bed.controlPlane.onRelease = async () => {}
    const again = await push('release', work, 'main')
    assert.equal(again.code, 0, again.stderr)
  })

  suite('who may push', () => {
    test('a member of foobar is not one of foo', async () => {
      const work = await bed.workTree({ file: '' })
      for (const args of [
        ['push', bed.sshUrl('foo'), 'main'],
        ['clone', bed.sshUrl('foo'), 'foo-clone'],
        ['push', bed.sshUrl('shop'), 'main'],
      ]) {
        const refused = await bed.git('bob', work, ...args)
        assert.equal(refused.code, 128)
        assert.match(refused.stderr, /fatal: remote error: No app "(foo|shop)" that bob may use/)
      }
      assert.ok(!existsSync(path.join(bed.home, 'repos/foo.git')), 'nothing is stored for a stranger')
      assert.equal((await bed.git('bob', work, 'push', bed.sshUrl('foobar'), 'main')).code, 0)
    })

    test('a key that nobody has is refused', async () => {
      await bed.addUser('eve', [])
      bed.controlPlane.users.delete('eve')
      const refused = await bed.git('eve', await bed.workTree({ file: '' }), 'push', bed.sshUrl('shop'), 'main')
      assert.equal(refused.code, 128)
      assert.match(refused.stderr, /Permission denied \(publickey\)/)
    })

    test('a control plane that does not answer is named', async () => {
      bed.controlPlane.down = true
      try {
        const refused = await push('shop', await bed.workTree({ file: '' }), 'main')
        assert.equal(refused.code, 128)
        assert.match(refused.stderr, /fatal: remote error: The control plane does not answer/)
      } finally {
        bed.controlPlane.down = false
      }
    })

    test('names that lead elsewhere are none', async () => {
      for (const name of ['../shop', 'a/b', '..', '', 'SHOP', '-x', 'shop.git/hooks']) {
        const answer = await run('ssh', [...bed.sshArguments('ana'), 'git@127.0.0.1', `git-receive-pack '${name}'`])
        assert.equal(answer.code, 1)
        assert.match(answer.stderr, /error: Cannot read the repository's name/)
      }
    })
  })

  suite('one push at a time', () => {
    test('the second is refused at once, and its app is free again afterwards', async () => {
      const work = await bed.workTree({ hang: '' })
      const first = bed.startGit('ana', work, 'push', bed.sshUrl('busy'), 'main')
      await first.said('hanging')
      const second = await push('busy', work, 'main')
      assert.equal(second.code, 128)
      assert.match(second.stderr, /fatal: remote error: Another git push is ongoing/)
      process.kill(-first.child.pid!, 'SIGINT')
      await first.ended
    })

    test('Ctrl-C ends the build with all that it started, and the next push goes through', async () => {
      const work = await bed.workTree({ hang: '' })
      const interrupted = bed.startGit('ana', work, 'push', bed.sshUrl('gone'), 'main')
      await interrupted.said('hanging')
      process.kill(-interrupted.child.pid!, 'SIGINT')
      const outcome = await interrupted.ended
      const sleeper = Number(/hanging (\d+)/.exec(outcome.stderr)![1])
      await bed.commit(work, {})
      await bed.git('ana', work, 'rm', '-q', 'hang')
      await bed.commit(work, {})
      const startedAt = performance.now()
      let again = await push('gone', work, 'main')
      while (again.code === 128 && performance.now() - startedAt < 2000) again = await push('gone', work, 'main')
      assert.equal(again.code, 0, again.stderr)
      await ended(sleeper)
      const objects = await readdir(path.join(bed.home, 'repos/gone.git/objects'))
      assert.deepEqual(
        objects.filter(name => name.startsWith('tmp_objdir') || name.startsWith('incoming')),
        [],
      )
    })

    test('a push that is being released is carried through without its client', async () => {
      const work = await bed.workTree({ file: '' })
      let asked = () => {}
      let answer = () => {}
      const released = new Promise<void>(resolve => (asked = resolve))
      bed.controlPlane.onRelease = () => {
        asked()
        return new Promise<void>(resolve => (answer = resolve))
      }
      const before = await push('release', work, 'main:other')
      assert.equal(before.code, 0, before.stderr)
      await bed.commit(work, { file: 'new' })
      const gone = bed.startGit('ana', work, 'push', '-f', bed.sshUrl('release'), 'main')
      await released
      process.kill(-gone.child.pid!, 'SIGKILL')
      await gone.ended
      assert.match((await push('release', work, 'main')).stderr, /Another git push is ongoing/)
      bed.controlPlane.onRelease = async () => {}
      answer()
      let again = await push('release', work, 'main')
      for (const until = performance.now() + 2000; again.code !== 0 && performance.now() < until; )
        again = await push('release', work, 'main')
      assert.match(again.stderr, /Everything up-to-date/)
    })
  })

  suite('what is deployed', () => {
    test('main is; other branches, tags and deletes are stored and told', async () => {
      const work = await bed.workTree({ file: '' })
      await bed.git('ana', work, 'branch', 'feature')
      await bed.git('ana', work, 'tag', 'v1')
      const all = await push('branches', work, 'main', 'feature', 'v1')
      assert.equal(all.code, 0, all.stderr)
      assert.match(all.stderr, /hint: branch "feature" is stored, not deployed: push to main, or push with -o deploy/)
      assert.match(all.stderr, /hint: tag "v1" is stored/)
      assert.equal(releasesOf('branches').length, 1)
      await bed.commit(work, { file: '2' })
      assert.match((await push('branches', work, 'main:feature')).stderr, /branch "feature" is stored, not deployed/)
      assert.match((await push('branches', work, ':feature', ':v1')).stderr, /branch "feature" is deleted/)
      assert.equal((await push('branches', work, ':main')).code, 0)
      assert.equal(await refs('branches'), '')
      assert.equal(releasesOf('branches').length, 1)
      await push('branches', work, 'main:feature', '-o', 'deploy')
      assert.equal(releasesOf('branches').length, 2)
    })

    test('the branch that deployed first keeps deploying, and a clone checks it out', async () => {
      const work = await bed.workTree({ file: '' })
      await push('develop', work, 'main:develop')
      await bed.commit(work, { file: '2' })
      await push('develop', work, 'main:develop')
      assert.equal(releasesOf('develop').length, 2)
      await bed.git('ana', bed.root, 'clone', '-q', bed.sshUrl('develop'), 'develop-clone')
      assert.ok(existsSync(path.join(bed.root, 'develop-clone/file')))
    })

    test('a push of two branches that could be is one build', async () => {
      const work = await bed.workTree({ file: '' })
      const before = bed.controlPlane.releases.length
      const both = await push('options', work, 'main', 'main:master', '-o', 'nonsense')
      assert.equal(both.code, 0, both.stderr)
      assert.match(both.stderr, /warning: push option "nonsense" is not known here/)
      assert.equal(bed.controlPlane.releases.length, before + 1)
    })

    test('a shallow clone can be pushed', async () => {
      const work = await bed.workTree({ file: '1' })
      await bed.commit(work, { file: '2' })
      await bed.git('ana', bed.root, 'clone', '-q', '--depth', '1', `file://${work}`, 'shallow')
      const shallow = await push('shallow', path.join(bed.root, 'shallow'), 'main')
      assert.equal(shallow.code, 0, shallow.stderr)
      assert.equal(releasesOf('shallow').length, 1)
    })
  })

  suite('what the pusher reads', () => {
    test('holds no control of a terminal, whatever the build writes', async () => {
      const output =
        'a\x1b[2Jb\x1b]0;title\x07c\x1b[1Gd\n10%\r50%\r100%\n\x1b[31mred\x1b[0m\x07\ttab\x00\x9b5n\n\x1b[38:2::1:2:3mcolon\nunfinished \x1b[1'
      const work = await bed.workTree({ output: Buffer.from(output, 'latin1') })
      const plain = await push('controls', work, 'main')
      assert.equal(plain.code, 0, plain.stderr)
      assert.match(plain.stderr, /remote: abcd *\n/)
      assert.match(plain.stderr, /remote: 100% *\n/)
      const remote = plain.stderr
        .split('\n')
        .filter(line => line.startsWith('remote:'))
        .join('\n')
      assert.doesNotMatch(remote.replaceAll(/\x1b\[K/g, ''), /[\0-\x09\x0b-\x1f\x7f-\x9f]/)
      await bed.commit(work, {})
      const coloured = await push('controls', work, 'main', '-o', 'color=always')
      assert.match(coloured.stderr, /\x1b\[31mred\x1b\[0m/)
    })

    test('holds no value of the app’s config, and the build sees no setting of the builder', async () => {
      bed.controlPlane.config['SECRET'] = 'correct horse battery'
      const shown = await push('env', await bed.workTree({ 'show-env': '', file: '' }), 'main')
      assert.match(shown.stderr, /remote: secret is \*{8}/)
      assert.match(shown.stderr, /remote: environment has 0 settings of the builder/)
      assert.doesNotMatch(shown.stderr, /horse/)
    })
  })
})

/** The init of a machine may take a moment to bury a process that has lost its parent. */
async function ended(pid: number): Promise<void> {
  for (const until = performance.now() + 2000; performance.now() < until; await setImmediate()) {
    try {
      process.kill(pid, 0)
    } catch {
      return
    }
  }
  assert.fail(`process ${pid} still runs`)
}
