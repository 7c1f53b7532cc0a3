import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { gitEnvironment } from '../receive/git.ts'
import { extractSource } from './source.ts'

const LIMITS = { sourceBytesMax: 1024 ** 2, sourceFileCountMax: 1000 }
const never = new AbortController().signal

suite('extractSource()', () => {
  let root: string
  let repository: string
  let count = 0
  before(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), 'source-test-'))
    repository = path.join(root, 'r.git')
    git('init', '-q', '--bare', repository)
  })
  after(() => rm(root, { recursive: true, force: true }))

  const author = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b' }
  function git(...args: string[]): string {
    return execFileSync('git', args, { env: { ...gitEnvironment(), ...author }, encoding: 'utf8' }).trim()
  }
  const inRepository = (input: string, ...args: string[]) =>
    execFileSync('git', ['--git-dir', repository, ...args], { env: { ...gitEnvironment(), ...author }, input, encoding: 'utf8' }).trim()

  /** A commit of entries in the form of `git mktree`, which checks nothing. */
  function commit(entries: readonly [mode: string, name: string, content: string][]): string {
    const lines = entries.map(([mode, name, content]) => {
      const isTree = mode === '040000'
      const id = isTree ? content : inRepository(content, 'hash-object', '-w', '--stdin')
      return `${mode} ${isTree ? 'tree' : 'blob'} ${id}\t${name}\n`
    })
    return inRepository('x', 'commit-tree', inRepository(lines.join(''), 'mktree'))
  }
  async function extract(sha: string, limits = LIMITS) {
    const directory = path.join(root, `out-${++count}`)
    await mkdir(directory)
    const report = await extractSource({ repository, quarantine: '', sha }, directory, limits, never)
    return { directory, report }
  }

  test('writes files with their modes, folders and inner links', async () => {
    const inner = inRepository(`100644 blob ${inRepository('deep', 'hash-object', '-w', '--stdin')}\tfile\n`, 'mktree')
    const { directory, report } = await extract(
      commit([
        ['100755', 'run', '#!'],
        ['120000', 'link', 'sub/file'],
        ['040000', 'sub', inner],
      ]),
    )
    assert.deepEqual((await readdir(directory)).sort(), ['link', 'run', 'sub'])
    assert.equal((await stat(path.join(directory, 'run'))).mode & 0o777, 0o755)
    assert.equal(await readFile(path.join(directory, 'link'), 'utf8'), 'deep')
    assert.equal(await readlink(path.join(directory, 'link')), 'sub/file')
    assert.equal(report.bytes, '#!deep'.length)
  })

  test('warns of submodules and of Git LFS', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n'
    const { report } = await extract(
      commit([
        ['100644', '.gitmodules', ''],
        ['100644', 'big.bin', pointer],
      ]),
    )
    assert.deepEqual(report.warnings.map(warning => warning.split(' ')[0]).sort(), ['"big.bin"', 'submodules'])
  })

  test('refuses links that lead out, absolute or by their way', async () => {
    for (const target of ['/etc/passwd', '../x', 'a/../../x']) {
      await assert.rejects(extract(commit([['120000', 'link', target]])), /The link "link" leads out/, target)
    }
  })

  test('refuses a tree over a limit while it is read', async () => {
    const sha = commit([['100644', 'big', 'x'.repeat(2000)]])
    await assert.rejects(extract(sha, { ...LIMITS, sourceBytesMax: 1000 }), /larger than/)
    await assert.rejects(
      extract(
        commit([
          ['100644', 'a', ''],
          ['100644', 'b', ''],
        ]),
        { ...LIMITS, sourceFileCountMax: 1 },
      ),
      /more than 1 files/,
    )
  })

  test('says what git says of a commit that is not there', async () => {
    await assert.rejects(extract('f'.repeat(40)), /git archive failed/)
  })

  test('ends with its signal', async () => {
    await assert.rejects(
      extractSource({ repository, quarantine: '', sha: commit([['100644', 'a', '']]) }, root, LIMITS, AbortSignal.abort()),
      /abort/i,
    )
  })
})
