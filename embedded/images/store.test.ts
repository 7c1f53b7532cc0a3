import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readdir, readFile, readlink, rm, stat, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { type ImageStore, openImageStore } from './store.ts'
import { TreeError } from './tree.ts'

suite('openImageStore()', () => {
  let dir: string
  let store: ImageStore
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drycc-images-'))
    store = openImageStore(join(dir, 'images'))
  })
  after(() => rm(dir, { recursive: true, force: true }))

  const tree = async (files: Record<string, string>) => {
    const root = await mkdtemp(join(dir, 'tree-'))
    for (const [name, text] of Object.entries(files)) {
      await mkdir(join(root, name, '..'), { recursive: true })
      await writeFile(join(root, name), text)
    }
    return root
  }

  test('keeps contents, modes and links', async () => {
    const root = await tree({ 'bin/run': 'echo', 'lib/a': 'a' })
    await chmod(join(root, 'bin/run'), 0o755)
    await symlink('../lib/a', join(root, 'bin/a'))
    await symlink('/bin/sh', join(root, 'bin/sh'))
    const { digest } = await store.put(root, { command: ['bin/run'] })
    const image = await store.resolve(`any@${digest}`)
    assert.equal(await readFile(join(image!.root, 'bin/a'), 'utf8'), 'a')
    assert.equal(await readlink(join(image!.root, 'bin/sh')), '/bin/sh')
    assert.equal((await stat(join(image!.root, 'bin/run'))).mode & 0o777, 0o755)
    assert.deepEqual(image!.config, { command: ['bin/run'] })
    assert.deepEqual(await readdir(join(dir, 'images/tmp')), [])
  })

  test('gives one digest to one tree, whatever its times and order of keys', async () => {
    const [first, second] = [await tree({ b: '1', a: '2' }), await tree({ a: '2', b: '1' })]
    await utimes(join(second, 'a'), 1, 1)
    const one = await store.put(first, { env: { A: '1', B: '2' }, workingDir: '/app' })
    const two = await store.put(second, { workingDir: '/app', env: { B: '2', A: '1' } }, { move: true })
    assert.equal(one.digest, two.digest)
    await assert.rejects(stat(second), { code: 'ENOENT' })
  })

  for (const [what, change] of Object.entries({
    'a content': (root: string) => writeFile(join(root, 'a'), 'other'),
    'a name': (root: string) => writeFile(join(root, 'b'), ''),
    'a mode': (root: string) => chmod(join(root, 'a'), 0o755),
  }))
    test(`gives another digest for ${what}`, async () => {
      const root = await tree({ a: 'same' })
      await chmod(join(root, 'a'), 0o644)
      const before = await store.put(root, {})
      await change(root)
      assert.notEqual((await store.put(root, {})).digest, before.digest)
    })

  test('gives another digest for a configuration', async () => {
    const root = await tree({ a: '' })
    assert.notEqual((await store.put(root, {})).digest, (await store.put(root, { command: ['x'] })).digest)
  })

  for (const target of ['../outside', 'a/../../b', '/no/such/file'])
    test(`refuses a link to ${target}`, async () => {
      const root = await tree({ 'a/b': '' })
      await symlink(target, join(root, 'link'))
      await assert.rejects(store.put(root, {}), TreeError)
    })

  test('refuses a FIFO', async () => {
    const root = await tree({})
    execFileSync('mkfifo', [join(root, 'pipe')])
    await assert.rejects(store.put(root, {}), /"pipe"/)
    assert.deepEqual(await readdir(join(dir, 'images/tmp')), [])
  })

  test('moves a tag by one step and forgets it', async () => {
    const [one, two] = [await store.put(await tree({ v: '1' }), {}), await store.put(await tree({ v: '2' }), {})]
    await store.tag('embedded/shop', 'v1', one.digest)
    await store.tag('embedded/shop', 'v1', two.digest)
    assert.equal((await store.resolve('embedded/shop:v1'))?.digest, two.digest)
    await store.untag('embedded/shop', 'v1')
    assert.equal(await store.resolve('embedded/shop:v1'), undefined)
    assert.equal(await store.resolve('embedded/shop'), undefined)
  })

  test('refuses a tag of an image that is not there, and names that leave the store', async () => {
    await assert.rejects(store.tag('embedded/shop', 'v1', `sha256:${'0'.repeat(64)}`), RangeError)
    const { digest } = await store.put(await tree({ x: '' }), {})
    await assert.rejects(store.tag('../x', 'v1', digest), RangeError)
    await assert.rejects(store.tag('x', '../v1', digest), RangeError)
    await assert.rejects(store.resolve('../x:v1'), RangeError)
  })

  test('collects what has no tag and is not in use, but nothing young', async () => {
    const [tagged, used, stray] = [
      await store.put(await tree({ n: 'tagged' }), {}),
      await store.put(await tree({ n: 'used' }), {}),
      await store.put(await tree({ n: 'stray' }), {}),
    ]
    await store.tag('embedded/keep', 'v1', tagged.digest)
    assert.deepEqual(await store.collect(new Set([used.digest])), [])
    const removed = await store.collect(new Set([used.digest]), { minAgeMs: -1000 })
    assert.ok(removed.includes(stray.digest))
    assert.ok(await store.resolve('embedded/keep:v1'))
    assert.ok(await store.resolve(`x@${used.digest}`))
    assert.equal(await store.resolve(`x@${stray.digest}`), undefined)
  })

  test('removes a repository with the images that only it names', async () => {
    const [own, shared] = [await store.put(await tree({ r: 'own' }), {}), await store.put(await tree({ r: 'shared' }), {})]
    await store.tag('embedded/gone', 'v1', own.digest)
    await store.tag('embedded/gone', 'v2', shared.digest)
    await store.tag('embedded/stays', 'v1', shared.digest)
    await store.removeRepository('embedded/gone', new Set())
    assert.equal(await store.resolve(`x@${own.digest}`), undefined)
    assert.ok(await store.resolve('embedded/stays:v1'))
    assert.deepEqual(
      (await store.tags()).filter(({ repository }) => repository === 'embedded/gone'),
      [],
    )
  })
})
