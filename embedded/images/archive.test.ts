import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { gzipSync } from 'node:zlib'
import { type Header, pack } from 'tar-stream'
import { importArchive } from './archive.ts'
import { type ImageStore, openImageStore } from './store.ts'
import { TreeError } from './tree.ts'

suite('importArchive()', () => {
  let dir: string
  let store: ImageStore
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'drycc-archive-'))
    store = openImageStore(join(dir, 'images'))
  })
  after(() => rm(dir, { recursive: true, force: true }))

  const load = async (bytes: Buffer, options: { sha256?: string; limits?: { entries: number; bytes: number } } = {}) => {
    const file = join(dir, 'archive.tar')
    await writeFile(file, bytes)
    return await importArchive(store, file, { scratch: join(dir, 'images/tmp'), ...options })
  }

  test('unpacks files, folders, links and modes, gzipped or not, to one digest', async () => {
    const bytes = await archive([
      [{ name: 'bin/', type: 'directory' }],
      [{ name: './bin/run', mode: 0o755 }, '#!/bin/sh\n'],
      [{ name: 'deep/er/file' }, 'x'],
      [{ name: 'again', type: 'symlink', linkname: 'deep/er/file' }],
      [{ name: 'hard', type: 'link', linkname: 'deep/er/file' }],
    ])
    const { digest } = await load(bytes)
    assert.equal((await load(gzipSync(bytes), { sha256: createHash('sha256').update(gzipSync(bytes)).digest('hex') })).digest, digest)
    const { root } = (await store.resolve(`x@${digest}`))!
    assert.equal((await stat(join(root, 'bin/run'))).mode & 0o777, 0o755)
    assert.equal(await readFile(join(root, 'hard'), 'utf8'), 'x')
    assert.equal(await readlink(join(root, 'again')), 'deep/er/file')
  })

  const attacks: Record<string, [Partial<Header> & { name: string }, string?][]> = {
    'a parent folder': [[{ name: '../evil' }, 'x']],
    'a parent folder inside': [[{ name: 'a/../../evil' }, 'x']],
    'an absolute name': [[{ name: '/tmp/evil' }, 'x']],
    'an absolute link': [[{ name: 'l', type: 'symlink', linkname: '/etc/passwd' }]],
    'a link out': [[{ name: 'a/l', type: 'symlink', linkname: '../../x' }]],
    'a file through a link': [[{ name: 'l', type: 'symlink', linkname: '.' }], [{ name: 'l/evil' }, 'x']],
    'a hard link out': [[{ name: 'l', type: 'link', linkname: '../../x' }]],
    'a hard link to nothing': [[{ name: 'l', type: 'link', linkname: 'none' }]],
    'a device': [[{ name: 'null', type: 'character-device', devmajor: 1, devminor: 3 }]],
    'a FIFO': [[{ name: 'pipe', type: 'fifo' }]],
  }
  for (const [what, entries] of Object.entries(attacks))
    test(`refuses ${what}`, async () => {
      await assert.rejects(load(await archive(entries)), TreeError)
      assert.deepEqual(await readdir(join(dir, 'images/tmp')), [])
    })

  test('refuses another hash than the one expected', async () =>
    assert.rejects(load(await archive([]), { sha256: '0'.repeat(64) }), /SHA-256/))
  test('refuses too many entries and too many bytes', async () => {
    const bytes = await archive([
      [{ name: 'a' }, 'xx'],
      [{ name: 'b' }, 'xx'],
    ])
    await assert.rejects(load(bytes, { limits: { entries: 1, bytes: 100 } }), /too many/)
    await assert.rejects(load(bytes, { limits: { entries: 9, bytes: 3 } }), /too large/)
  })
  test('refuses an archive that ends early', async () => {
    const bytes = await archive([[{ name: 'a' }, 'x'.repeat(5000)]])
    await assert.rejects(load(bytes.subarray(0, 2000)))
    await assert.rejects(load(gzipSync(bytes).subarray(0, 40)))
  })
})

async function archive(entries: [Partial<Header> & { name: string }, string?][]): Promise<Buffer> {
  const tar = pack()
  for (const [header, content] of entries) tar.entry(header, content ?? '')
  tar.finalize()
  const chunks: Buffer[] = []
  for await (const chunk of tar) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}
