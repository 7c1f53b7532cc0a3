import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { createLog, silentLog } from '../../kernel/log.ts'
import { endpoint } from './route.ts'
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

  test('writes at once where it is told to, and not a second time at its end', async () => {
    let count = 0
    const saved = new SavedTable(folder, silentLog)
    saved.save(() => assert.fail('the older one'))
    saved.write(() => ({ ...TABLE, version: ++count }))
    await saved.stop()
    assert.deepEqual([(await saved.read())?.version, count], [1, 1])
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

  for (const key of [undefined, KEY])
    suite(`that changes, ${key ? 'with' : 'without'} a key`, () => {
      const change = (version: number, hosts: TableDelta['hosts'], more: Partial<TableDelta> = {}) =>
        ({ version, whole: false, routes: [], hosts, certificates: [], ...more }) satisfies TableDelta
      const changes = [
        change(8, [
          ['a.test', null],
          ['b.test', { app: 'b/b' }],
        ]),
        change(9, [['c.test', { app: 'c/c' }]], {
          certificates: [['b/b-cert', { id: '2', chain: 'CHAIN', key: 'SECRET KEY', names: [], notAfterMs: 0 }]],
          credentials: [['b/users', { kind: 'plain', users: [] } as never]],
          defaultCertificate: 'b/b-cert',
        }),
      ]
      const never = () => assert.fail('written as a whole')
      let path: string
      let saved: SavedTable
      beforeEach(async () => {
        path = join(folder, 'table.json')
        saved = new SavedTable(folder, silentLog, key)
        saved.save(() => TABLE)
        await saved.stop()
      })

      test('gets what changes at its end', async () => {
        const { ino, size } = await stat(path)
        for (const one of changes) {
          saved.save(never, one)
          await saved.stop()
        }
        const after = await stat(path)
        assert.equal(after.ino, ino)
        assert.ok(after.size > size)
        assert.doesNotMatch(await readFile(path, 'utf8'), /SECRET KEY|CHAIN|users/)
        const read = await new SavedTable(folder, silentLog, key).read()
        assert.deepEqual([read?.version, read?.hosts.map(([pattern]) => pattern)], [9, ['b.test', 'c.test']])
        assert.deepEqual(
          [read?.certificates.map(([name]) => name), read?.credentials?.length, read?.defaultCertificate],
          key ? [['a/a-cert', 'b/b-cert'], 1, 'b/b-cert'] : [[], 0, null],
        )
      })

      test('gets endpoints alone', async () => {
        const route = { app: 'a', endpoints: [], locations: [] } as never as NonNullable<TableDelta['routes'][number][1]>
        const moved = [endpoint('10.0.0.1', 5000)]
        saved.save(never, change(8, [], { routes: [['a/a', route]] }))
        saved.save(
          never,
          change(9, [], {
            endpoints: [
              ['a/a', moved],
              ['gone/gone', moved],
            ],
          }),
        )
        await saved.stop()
        const read = await new SavedTable(folder, silentLog, key).read()
        assert.deepEqual(read?.routes, [['a/a', { ...route, endpoints: moved }]])
        assert.equal(read?.endpoints, undefined)
      })

      test('is what stood before where the end was cut or changed, and says so', async () => {
        const whole = await readFile(path)
        const ends = [whole.length]
        for (const one of changes) {
          saved.save(never, one)
          await saved.stop()
          ends.push((await stat(path)).size)
        }
        const all = await readFile(path)
        const lines: string[] = []
        const log = createLog({ role: 'router', write: line => lines.push(line) })
        const reader = new SavedTable(folder, log, key)
        for (let length = ends[0]!; length < all.length; length += 11) {
          await writeFile(path, all.subarray(0, length))
          // Without the line end behind it the last line is there all the same.
          const reached = ends.findLastIndex(end => end - 1 <= length)
          assert.equal((await reader.read())?.version, 7 + reached, `${length} bytes`)
        }
        assert.match(lines.join(), /last changes of the saved table cannot be read/)
        for (let at = ends[0]!; at < all.length; at += 11) {
          const changed = Buffer.from(all)
          changed[at] = (changed[at] as number) ^ 1
          await writeFile(path, changed)
          const { version, hosts } = (await reader.read())!
          const expected = [['a.test'], ['b.test'], ['b.test', 'c.test']][version - 7]
          assert.deepEqual(
            hosts.map(([pattern]) => pattern),
            expected,
            `byte ${at}`,
          )
          assert.ok(version <= (at < ends[1]! ? 8 : 9))
        }
      })

      test('is written as a whole where another process has the place, or it has gone', async () => {
        const other = new SavedTable(folder, silentLog, key)
        other.save(() => ({ ...TABLE, version: 20 }))
        await other.stop()
        saved.save(() => ({ ...TABLE, version: 21 }), changes[0])
        await saved.stop()
        assert.equal((await saved.read())?.version, 21)
        await rm(path)
        saved.save(() => ({ ...TABLE, version: 22 }), changes[0])
        await saved.stop()
        assert.equal((await saved.read())?.version, 22)
      })

      test('is written as a whole once changes outweigh it', async () => {
        const { ino } = await stat(path)
        const hosts = Array.from({ length: 600 }, (_, index) => [`a${index}.test`, { app: 'a/a' }] as const)
        saved.save(never, change(8, hosts))
        await saved.stop()
        assert.equal((await stat(path)).ino, ino)
        saved.save(() => ({ ...TABLE, version: 9 }), change(9, hosts))
        await saved.stop()
        assert.equal((await saved.read())?.version, 9)
        assert.deepEqual((await saved.read())?.hosts, TABLE.hosts)
      })
    })

  test('is whole at every moment of a process that is killed while it writes', () =>
    killed(
      `
      const hosts = Array.from({ length: 5000 }, (_, index) => ['a' + index + '.test', { app: 'a/a' }])
      const save = version => saved.save(() => ({ version, whole: true, routes: [], hosts, certificates: [] }))
      `,
      read => assert.equal(read.hosts.length, 5000),
    ))

  test('has all of a change or nothing when its process is killed while it writes changes', () =>
    killed(
      `
      const table = (version, whole) => {
        const hosts = Array.from({ length: 300 }, (_, index) => ['a' + index + '.test', { app: 'a/' + version }])
        return { version, whole, routes: [], hosts, certificates: [] }
      }
      const save = version => saved.save(() => table(version, true), table(version, false))
      `,
      ({ version, hosts }) => assert.deepEqual([...new Set(hosts.map(([, host]) => host?.app))], [`a/${version}`]),
    ))

  /** @param save defines what saves a version */
  async function killed(save: string, look: (read: TableDelta) => void): Promise<void> {
    const script = `
      const { SavedTable } = await import(process.argv[1])
      const saved = new SavedTable(process.argv[2], { warn: console.error })
      ${save}
      for (let version = 1; ; version++) {
        save(version)
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
      look((await new SavedTable(folder, silentLog).read())!)
    }
  }

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
