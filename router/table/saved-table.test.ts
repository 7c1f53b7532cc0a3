import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { silentLog } from '../../kernel/log.ts'
import { SavedTable } from './saved-table.ts'
import type { TableDelta } from './spec.ts'

const TABLE: TableDelta = {
  ...{ version: 7, whole: true, routes: [], hosts: [['a.test', { app: 'a/a', certificate: 'a/a-cert' }]] },
  certificates: [['a/a-cert', { id: '1', chain: 'CHAIN', key: 'SECRET KEY', names: [], notAfterMs: 0 }]],
  defaultCertificate: 'drycc/drycc-router-platform-cert',
}

suite('SavedTable', () => {
  let folder: string
  beforeEach(async () => void (folder = await mkdtemp(join(tmpdir(), 'saved-'))))
  afterEach(() => rm(folder, { recursive: true }))

  test('reads what it wrote, without certificates', async () => {
    const saved = new SavedTable(join(folder, 'state'), silentLog)
    saved.save(() => TABLE)
    await saved.stop()
    const path = join(folder, 'state/table.json')
    assert.doesNotMatch(await readFile(path, 'utf8'), /SECRET KEY|CHAIN/)
    assert.equal((await stat(path)).mode & 0o777, 0o600)
    const read = await new SavedTable(join(folder, 'state'), silentLog).read()
    assert.deepEqual([read?.version, read?.hosts, read?.certificates, read?.defaultCertificate], [7, TABLE.hosts, [], null])
  })

  test('keeps a table of many lines, and takes a cut one for none', async () => {
    const hosts = Array.from({ length: 1001 }, (_, index) => [`a${index}.test`, { app: 'a/a' }] as const)
    const saved = new SavedTable(folder, silentLog)
    saved.save(() => ({ ...TABLE, hosts }))
    await saved.stop()
    assert.deepEqual((await saved.read())?.hosts, hosts)
    const path = join(folder, 'table.json')
    const text = await readFile(path, 'utf8')
    for (const length of [text.length - 20, text.length >> 1, text.indexOf('\n') + 1, 5]) {
      await writeFile(path, text.slice(0, length))
      assert.equal(await saved.read(), undefined, `${length} bytes`)
    }
  })

  test('has none where there is no file, a broken one, or one of another format', async () => {
    const saved = new SavedTable(folder, silentLog)
    assert.equal(await saved.read(), undefined)
    for (const text of ['', '{', '{"format":99,"table":{}}']) {
      await writeFile(join(folder, 'table.json'), text)
      assert.equal(await saved.read(), undefined, text)
    }
  })

  test('a folder that cannot be written costs a line of the log and no more', async () => {
    await writeFile(join(folder, 'file'), '')
    const saved = new SavedTable(join(folder, 'file/state'), silentLog)
    saved.save(() => TABLE)
    await saved.stop()
  })
})
