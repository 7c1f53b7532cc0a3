import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { after, before, suite, test } from 'node:test'
import { TestBed } from '../../builder/test-bed.ts'

suite('A push of objects that no git makes', { timeout: 60_000 }, () => {
  let bed: TestBed
  before(async () => {
    bed = await TestBed.start({})
    await bed.addUser('ana', ['shop'])
  })
  after(() => bed.stop())

  const blob = (work: string, text: string) => git(work, ['hash-object', '-w', '--stdin'], text)
  const files: Record<string, (work: string) => string> = {
    'a file .git': work => `100644 blob ${blob(work, 'x')}\t.git`,
    'a file .GIT': work => `100644 blob ${blob(work, 'x')}\t.GIT`,
    'a file git~1': work => `100644 blob ${blob(work, 'x')}\tgit~1`,
    'a file .g\u200cit': work => `100644 blob ${blob(work, 'x')}\t.g\u200cit`,
    'a file ..': work => `100644 blob ${blob(work, 'x')}\t..`,
    'a module with an option for a URL': work =>
      `100644 blob ${blob(work, '[submodule "a"]\n\tpath = a\n\turl = -u./payload\n')}\t.gitmodules`,
    'a module in a folder above': work =>
      `100644 blob ${blob(work, '[submodule "../../x"]\n\tpath = a\n\turl = https://x.test\n')}\t.gitmodules`,
    'a link for .gitmodules': work => `120000 blob ${blob(work, '/etc/passwd')}\t.gitmodules`,
  }
  for (const [name, entry] of Object.entries(files)) {
    test(`${name} is refused before anything is made of it`, async () => {
      const work = await bed.workTree({ file: name })
      const tree = git(work, ['mktree'], `${entry(work)}\n`)
      const commit = git(work, ['commit-tree', tree, '-m', name])
      const push = await bed.git('ana', work, 'push', bed.sshUrl('shop'), `${commit}:refs/heads/main`)
      assert.notEqual(push.code, 0)
      assert.match(push.stderr, /remote: fatal: fsck error|remote: error: object [0-9a-f]+: \w*[gG]it\w*/)
      assert.deepEqual(bed.controlPlane.releases, [])
    })
  }

  test('leaves the repository as it was: an honest push goes through', async () => {
    const push = await bed.git('ana', await bed.workTree({ file: 'x' }), 'push', bed.sshUrl('shop'), 'main')
    assert.equal(push.code, 0, push.stderr)
    assert.equal(bed.controlPlane.releases.length, 1)
  })
})

function git(work: string, args: readonly string[], input = ''): string {
  const author = ['-c', 'user.name=a', '-c', 'user.email=a@x.test', '-c', 'core.protectNTFS=false', '-c', 'core.protectHFS=false']
  const { status, stdout, stderr } = spawnSync('git', ['-C', work, ...author, ...args], { input, encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout.trim()
}
