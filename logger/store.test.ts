import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { FileStore } from './file-store.ts'
import { MemoryStore } from './memory-store.ts'
import type { LogRecord } from './record.ts'
import type { LogStore, Retention } from './store.ts'

const RETENTION: Retention = { lineCountMax: 1000, bytesMax: 1024 * 1024, ageMs: 3_600_000 }
const root = mkdtempSync(join(tmpdir(), 'log-store-'))
let count = 0
after(() => rmSync(root, { recursive: true }))

for (const [name, open] of [
  ['MemoryStore', (retention: Retention) => new MemoryStore(retention)],
  ['FileStore', (retention: Retention) => new FileStore(join(root, String(count++)), retention)],
] as [string, (retention: Retention) => LogStore][]) {
  suite(name, () => {
    test('gives the newest lines, the oldest of them first, in the order of their times', async () => {
      const store = open(RETENTION)
      await store.append('shop', [line(1), line(3)])
      await store.append('shop', [line(2), line(4)])
      assert.deepEqual(texts(await store.last('shop', 3)), ['2', '3', '4'].slice(-3))
      assert.deepEqual(texts(await store.last('shop', 100)), ['1', '2', '3', '4'])
      assert.deepEqual(await store.last('other', 100), [])
      await store.close()
    })

    test('keeps what its retention allows, by lines and by bytes', async () => {
      const byLines = open({ ...RETENTION, lineCountMax: 100 })
      for (let index = 0; index < 500; index++) await byLines.append('shop', [line(index)])
      const kept = await byLines.last('shop', 10_000)
      assert.equal(kept.length, 100)
      assert.equal(kept.at(-1)?.text, '499')
      const byBytes = open({ ...RETENTION, bytesMax: 10_000 })
      for (let index = 0; index < 100; index++) await byBytes.append('shop', [{ ...line(index), text: 'x'.repeat(1000) }])
      const few = (await byBytes.last('shop', 10_000)).length
      assert.ok(few >= 5 && few <= 12, String(few))
      await byLines.close()
      await byBytes.close()
    })

    test('knows where each container stands, lines of one time counted', async () => {
      const store = open(RETENTION)
      await store.append('shop', [line(1, 'a'), line(2, 'a'), line(2, 'a'), line(1, 'b')])
      const positions = await store.positions('shop')
      assert.deepEqual(positions.get('a/main'), { ts: line(2).ts, count: 2 })
      assert.deepEqual(positions.get('b/main'), { ts: line(1).ts, count: 1 })
      await store.close()
    })

    test('forgets an app whole', async () => {
      const store = open(RETENTION)
      await store.append('shop', [line(1, 'a')])
      await store.destroy('shop')
      assert.deepEqual([await store.last('shop', 10), (await store.positions('shop')).size], [[], 0])
      await store.append('shop', [line(2)])
      assert.deepEqual(texts(await store.last('shop', 10)), ['2'])
      await store.close()
    })

    test('takes many writers at once without losing a line', async () => {
      const store = open(RETENTION)
      await Promise.all(Array.from({ length: 200 }, (_, index) => store.append('shop', [line(index)])))
      assert.deepEqual(
        texts(await store.last('shop', 1000)),
        Array.from({ length: 200 }, (_, index) => String(index)),
      )
      await store.close()
    })
  })
}

suite('FileStore on disk', () => {
  test('goes on where it was, positions of dropped segments included', async () => {
    const folder = join(root, 'again')
    const first = new FileStore(folder, { ...RETENTION, lineCountMax: 50 })
    await first.append('shop', [line(1, 'early')])
    for (let index = 2; index < 200; index++) await first.append('shop', [line(index, 'a')])
    await first.close()
    const second = new FileStore(folder, { ...RETENTION, lineCountMax: 50 })
    assert.equal((await second.last('shop', 1000)).at(-1)?.text, '199')
    const positions = await second.positions('shop')
    assert.equal(positions.get('early/main')?.ts, line(1).ts)
    assert.equal(positions.get('a/main')?.ts, line(199).ts)
    await second.append('shop', [line(200)])
    assert.equal((await second.last('shop', 1))[0]?.text, '200')
    assert.ok(readdirSync(join(folder, 'shop')).length < 15)
    await second.close()
  })

  test('cuts off a line that a crash left half', async () => {
    const folder = join(root, 'crash')
    const first = new FileStore(folder, RETENTION)
    await first.append('shop', [line(1)])
    await first.close()
    appendFileSync(join(folder, 'shop', '1.ndjson'), '{"ts":"2026')
    const second = new FileStore(folder, RETENTION)
    await second.append('shop', [line(2)])
    assert.deepEqual(texts(await second.last('shop', 10)), ['1', '2'])
    await second.close()
  })

  test('lets go of what is too old', async () => {
    const folder = join(root, 'old')
    const store = new FileStore(folder, RETENTION)
    await store.append('shop', [line(1)])
    const path = join(folder, 'shop', '1.ndjson')
    assert.equal(statSync(path).mode & 0o777, 0o600)
    utimesSync(path, 0, 0)
    await store.sweep(Date.now())
    assert.ok(!existsSync(path))
    assert.deepEqual(await store.last('shop', 10), [])
    await store.close()
  })

  for (const app of ['..', '../x', 'a/b', '', 'A', '.']) {
    test(`makes no path of "${app}"`, () => assert.rejects(new FileStore(join(root, 'none'), RETENTION).append(app, [line(1)]), RangeError))
  }
})

function line(index: number, pod?: string): LogRecord {
  const ts = `2026-11-22T18:00:00.${String(index).padStart(9, '0')}Z`
  return { ts, source: 'app', text: String(index), ...(pod ? { pod, container: 'main' } : {}) }
}

function texts(records: readonly LogRecord[]): string[] {
  return records.map(({ text }) => text)
}
