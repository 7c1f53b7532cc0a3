import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { after, before, suite, test } from 'node:test'
import { DependencyCache } from './dependency-cache.ts'
import { SourceTree } from './source-tree.ts'

suite('DependencyCache', () => {
  let root: string
  before(async () => {
    root = await mkdtemp(path.join(os.tmpdir(), 'dependency-cache-test-'))
    await mkdir(path.join(root, 'app'))
  })
  after(() => rm(root, { recursive: true, force: true }))

  async function cacheOf(lock: string, version = '1'): Promise<DependencyCache> {
    await writeFile(path.join(root, 'app/lock'), lock)
    return new DependencyCache(path.join(root, 'cache'), new SourceTree(path.join(root, 'app')), {
      files: ['lock', 'none'],
      texts: [version],
    })
  }
  async function install(content: string): Promise<string> {
    const installed = path.join(root, 'app/installed')
    await rm(installed, { recursive: true, force: true })
    await mkdir(installed)
    await writeFile(path.join(installed, 'file'), content)
    return installed
  }

  test('gives back what was installed from the same files and tools, and nothing else', async () => {
    const first = await cacheOf('a')
    assert.equal(await first.restore(path.join(root, 'app/installed')), false)
    await first.save(await install('of a'))
    const target = await install('of something else')
    assert.equal(await (await cacheOf('a')).restore(target), true)
    assert.equal(await readFile(path.join(target, 'file'), 'utf8'), 'of a')
    assert.equal(await (await cacheOf('b')).restore(target), false)
    assert.equal(await (await cacheOf('a', '2')).restore(target), false)
  })

  test('keeps the two that were used last', async () => {
    for (const lock of ['c', 'd', 'e']) await (await cacheOf(lock)).save(await install(lock))
    assert.equal((await readdir(path.join(root, 'cache/dependencies'))).length, 2)
    assert.equal(await (await cacheOf('e')).restore(path.join(root, 'app/installed')), true)
    assert.equal(await (await cacheOf('a')).restore(path.join(root, 'app/installed')), false)
  })

  test('saves nothing where nothing was installed', async () => {
    await (await cacheOf('f')).save(path.join(root, 'nowhere'))
    assert.equal(await (await cacheOf('f')).restore(path.join(root, 'app/installed')), false)
  })
})
