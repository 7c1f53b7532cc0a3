import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { createLog, silentLog } from '../../kernel/log.ts'
import { SavedTable } from './saved-table.ts'
import { parseStateKey } from './seal.ts'
import type { TableDelta } from './spec.ts'

const TABLE: TableDelta = {
  ...{ version: 7, whole: true, routes: [], hosts: [['a.test', { app: 'a/a', certificate: 'a/a-cert' }]] },
  certificates: [['a/a-cert', { id: '1', chain: 'CHAIN', key: 'SECRET KEY', names: [], notAfterMs: 0 }]],
  defaultCertificate: 'drycc/drycc-router-platform-cert',
}

const KEY = randomBytes(32)

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
    for (const text of ['', '{', '{"format":99,"table":{}}', '{"format":2,"table":{}}\n{"isWhole":true}\n']) {
      await writeFile(join(folder, 'table.json'), text)
      assert.equal(await saved.read(), undefined, text)
    }
  })

  test('with a key keeps certificates too, and nothing in the clear', async () => {
    await save(KEY)
    const text = await readFile(join(folder, 'table.json'), 'utf8')
    assert.doesNotMatch(text, /SECRET KEY|CHAIN|a\.test|platform-cert/)
    assert.deepEqual(await new SavedTable(folder, silentLog, KEY).read(), TABLE)
  })

  test('is none, and says why, with another key, without one, or changed anywhere', async () => {
    const lines: string[] = []
    const log = createLog({ role: 'router', write: line => lines.push(line) })
    await save(KEY)
    const path = join(folder, 'table.json')
    assert.equal(await new SavedTable(folder, log, randomBytes(32)).read(), undefined)
    assert.equal(await new SavedTable(folder, log).read(), undefined)
    assert.match(lines.join(), /another key.*ROUTER_STATE_KEY is not set/s)
    for (const key of [KEY, undefined]) {
      await save(key)
      const bytes = await readFile(path)
      for (let at = 0; at < bytes.length; at += 7) {
        const changed = Buffer.from(bytes)
        changed[at] = (changed[at] as number) ^ 1
        await writeFile(path, changed)
        const read = await new SavedTable(folder, log, key).read()
        // What stands behind the salt or the format in its own line may be anything, as long as the table is the one that was saved.
        if (read !== undefined)
          assert.deepEqual(read, key ? TABLE : { ...TABLE, certificates: [], credentials: [], defaultCertificate: null }, `byte ${at}`)
      }
      await writeFile(path, bytes)
      const own = bytes.toString().split('\n')
      for (const order of [own.toSpliced(1, 1), [own[0], own[2], own[1], ...own.slice(3)], own.slice(0, -2)]) {
        await writeFile(path, order.join('\n'))
        assert.equal(await new SavedTable(folder, log, key).read(), undefined)
      }
    }
  })

  test('is whole at every moment of a process that is killed while it writes', async () => {
    const script = `
      const { SavedTable } = await import(process.argv[1])
      const saved = new SavedTable(process.argv[2], { warn: console.error })
      const hosts = Array.from({ length: 5000 }, (_, index) => ['a' + index + '.test', { app: 'a/a' }])
      for (let version = 1; ; version++) {
        saved.save(() => ({ version, whole: true, routes: [], hosts, certificates: [] }))
        await saved.stop()
        if (version === 1) process.send('begun')
      }
    `
    const args = ['--input-type=module', '-e', script, join(import.meta.dirname, 'saved-table.ts'), folder]
    for (let round = 0; round < 4; round++) {
      const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
      await new Promise(resolve => child.once('message', resolve))
      await new Promise(resolve => setTimeout(resolve, round * 7))
      child.kill('SIGKILL')
      await new Promise(resolve => child.once('exit', resolve))
      assert.equal((await new SavedTable(folder, silentLog).read())?.hosts.length, 5000)
    }
  })

  async function save(key: Uint8Array | undefined): Promise<void> {
    const saved = new SavedTable(folder, silentLog, key)
    saved.save(() => TABLE)
    await saved.stop()
  }

  test('a folder that cannot be written costs a line of the log and no more', async () => {
    await writeFile(join(folder, 'file'), '')
    const saved = new SavedTable(join(folder, 'file/state'), silentLog)
    saved.save(() => TABLE)
    await saved.stop()
  })
})

suite('parseStateKey()', () => {
  test('takes 32 bytes in hexadecimal or base64', () => {
    assert.deepEqual(Buffer.from(parseStateKey(KEY.toString('hex'))), KEY)
    assert.deepEqual(Buffer.from(parseStateKey(KEY.toString('base64'))), KEY)
  })
  for (const text of ['secret', 'ab'.repeat(31), `${KEY.toString('base64')}=`])
    test(`refuses ${text.length} characters of another kind`, () => assert.throws(() => parseStateKey(text), RangeError))
})
