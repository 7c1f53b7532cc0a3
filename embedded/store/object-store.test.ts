import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, suite, test } from 'node:test'
import { type Change, ExpiredError, ObjectStore, type StoredObject } from './object-store.ts'
import { openRevisionLog, type RevisionLog } from './revision-log.ts'

const folder = mkdtempSync(join(tmpdir(), 'object-store-'))
after(() => rmSync(folder, { recursive: true }))
let files = 0
const newPath = () => join(folder, `${files++}.db`)
const object = (name: string, fields: object = {}): StoredObject => ({
  kind: 'Thing',
  metadata: { name, uid: name, resourceVersion: '', creationTimestamp: '' },
  ...fields,
})
const refuse = () => {
  throw new Error('disk full')
}
const names = (revisions: Iterable<{ key: string }>) => [...revisions].map(({ key }) => key)

suite('ObjectStore', () => {
  test('gives every write a higher version, and the object that version', () => {
    const store = new ObjectStore({ path: ':memory:' })
    const first = store.put('things', 'a', object('a'))
    const second = store.put('others', 'b', object('b'))
    const gone = store.delete('things', 'a')
    assert.deepEqual([first.version, second.version, gone.version], [1, 2, 3])
    assert.equal(second.object.metadata.resourceVersion, '2')
    assert.equal(gone.object.metadata.resourceVersion, '3')
    assert.equal(store.get('things', 'a'), undefined)
  })

  test('is the same after it was closed and opened again', async () => {
    const path = newPath()
    const store = new ObjectStore({ path })
    store.put('things', 'a/x', object('x', { value: 1 }))
    store.put('things', 'a/y', object('y'))
    store.put('things', 'a/x', object('x', { value: 2 }))
    store.delete('things', 'a/y')
    await store.close()
    const again = new ObjectStore({ path })
    assert.equal(again.version, 4)
    assert.deepEqual(names(again.list('things')), ['a/x'])
    assert.equal(again.get('things', 'a/x')?.object['value'], 2)
    assert.deepEqual(
      again.since('things', 1).map(({ type, revision, previous }) => [type, revision.key, revision.version, previous?.version]),
      [
        ['ADDED', 'a/y', 2, undefined],
        ['MODIFIED', 'a/x', 3, 1],
        ['DELETED', 'a/y', 4, 2],
      ],
    )
    assert.equal(again.put('things', 'b', object('b')).version, 5)
    await again.close()
  })

  test('tells listeners only what is on disk, a transaction at a time', async () => {
    const path = newPath()
    const store = new ObjectStore({ path })
    const told: Change[][] = []
    store.subscribe('things', changes => told.push([...changes]))
    store.put('things', 'a', object('a'))
    store.put('others', 'b', object('b'))
    store.put('things', 'c', object('c'))
    assert.deepEqual([told.length, store.committedVersion], [0, 0])
    await store.settled()
    assert.deepEqual(
      told.map(changes => changes.map(({ revision }) => revision.key)),
      [['a', 'c']],
    )
    assert.equal(store.committedVersion, 3)
    await store.close()
  })

  test('listAt() shows what stood then', () => {
    const store = new ObjectStore({ path: ':memory:' })
    store.put('things', 'a/x', object('x', { value: 1 }))
    store.put('things', 'a/y', object('y'))
    store.put('things', 'a/x', object('x', { value: 2 }))
    store.delete('things', 'a/y')
    store.put('things', 'a/z', object('z'))
    assert.deepEqual(names(store.listAt('things', 2)), ['a/x', 'a/y'])
    assert.equal(store.listAt('things', 2)[0]?.object['value'], 1)
    assert.deepEqual(names(store.listAt('things', 4)), ['a/x'])
    assert.deepEqual(names(store.listAt('things', 5, 'a/', 'a/x')), ['a/z'])
  })

  test('compact() forgets history, keeps what stands, and does not use a version twice', async () => {
    const path = newPath()
    const store = new ObjectStore({ path })
    for (let index = 0; index < 10; index++) store.put('things', 'a', object('a', { index }))
    store.put('things', 'b', object('b'))
    store.delete('things', 'b')
    await store.settled()
    store.compact()
    assert.throws(() => store.since('things', 5), ExpiredError)
    assert.throws(() => store.listAt('things', 5), ExpiredError)
    assert.deepEqual(store.since('things', 12), [])
    await store.close()
    const database = new DatabaseSync(path)
    assert.deepEqual(
      database
        .prepare('SELECT version FROM revisions')
        .all()
        .map(row => row['version']),
      [10],
    )
    database.close()
    const again = new ObjectStore({ path })
    assert.equal(again.get('things', 'a')?.object['index'], 9)
    assert.equal(again.version, 12)
    await again.close()
  })

  test('cuts its history by itself, on disk too', async () => {
    const path = newPath()
    const store = new ObjectStore({ path, historyMax: 100 })
    for (let index = 0; index < 1000; index++) {
      store.put('things', `k${index % 7}`, object('k'))
      if (index % 50 === 0) await store.settled()
    }
    await store.close()
    const database = new DatabaseSync(path)
    const { rows } = database.prepare('SELECT count(*) AS rows FROM revisions').get() as { rows: number }
    database.close()
    assert.ok(rows <= 180, `${rows} rows`)
  })

  test('cuts its history when its objects are large', async () => {
    const store = new ObjectStore({ path: ':memory:', historyBytesMax: 100_000 })
    for (let index = 0; index < 50; index++) {
      store.put('things', 'a', object('a', { value: 'x'.repeat(10_000) }))
      await store.settled()
    }
    assert.throws(() => store.since('things', 20), ExpiredError)
    assert.ok(store.since('things', 45).length > 0)
  })

  for (const broken of ['append', 'commit'] as const) {
    test(`takes writes back when the disk refuses to ${broken}, and tells who waits`, async () => {
      const disk = openRevisionLog(':memory:')
      let isFull = false
      const log: RevisionLog = {
        ...disk,
        append: row => (broken === 'append' && isFull ? refuse() : disk.append(row)),
        commit: () => (broken === 'commit' && isFull ? refuse() : disk.commit()),
      }
      const store = new ObjectStore({ path: '', log })
      store.put('things', 'a', object('a', { value: 1 }))
      await store.settled()
      const told: string[] = []
      store.subscribe('things', changes => told.push(...changes.map(({ revision }) => revision.key)))
      isFull = true
      store.put('things', 'a', object('a', { value: 2 }))
      store.put('things', 'b', object('b'))
      await assert.rejects(store.settled(), /taken back/)
      assert.equal(store.get('things', 'a')?.object['value'], 1)
      assert.deepEqual([names(store.list('things')), told], [['a'], []])
      isFull = false
      store.put('things', 'c', object('c'))
      await store.settled()
      assert.deepEqual([names(store.list('things')), told], [['a', 'c'], ['c']])
    })
  }

  test('refuses a file that another store has open', async () => {
    const path = newPath()
    const store = new ObjectStore({ path })
    assert.throws(() => new ObjectStore({ path }), /Another process uses/)
    await store.close()
  })

  test('refuses a file that is no database', () => {
    const path = newPath()
    rmSync(path, { force: true })
    assert.throws(() => new ObjectStore({ path: folder }), /Cannot open|Cannot use/)
  })
})
