import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { SharedMap } from './shared-map.ts'

suite('SharedMap', () => {
  test('says in each version what a Map of that version says', () => {
    const versions: [SharedMap<number>, Map<string, number>][] = [[SharedMap.empty<number>(), new Map()]]
    let random = 1
    const next = (below: number) => {
      random = (random * 48_271) % 2_147_483_647
      return random % below
    }
    for (let version = 1; version <= 300; version++) {
      const [before, known] = versions[next(versions.length)] as [SharedMap<number>, Map<string, number>]
      const after = new Map(known)
      const changes = Array.from({ length: next(200) }, (): [string, number | undefined] => [
        `app-${next(2000)}.test`,
        next(3) === 0 ? undefined : version,
      ])
      for (const [key, value] of changes) {
        if (value === undefined) after.delete(key)
        else after.set(key, value)
      }
      versions.push([before.with(changes), after])
    }
    for (const [map, known] of versions) {
      assert.equal(map.size, known.size)
      assert.deepEqual([...map.keys()].sort(), [...known.keys()].sort())
      for (let index = 0; index < 2000; index++) assert.equal(map.get(`app-${index}.test`), known.get(`app-${index}.test`))
    }
  })

  test('keeps apart the many keys that share a slot', () => {
    const keys = Array.from({ length: 100_000 }, (_, index) => `${index}`)
    const map = SharedMap.empty<string>().with(keys.map(key => [key, key]))
    assert.equal(map.size, keys.length)
    for (const key of keys) assert.equal(map.get(key), key)
    const rest = map.with(keys.slice(1).map(key => [key, undefined]))
    assert.deepEqual([...rest.keys()], ['0'])
    assert.equal(rest.get('1'), undefined)
    assert.equal(map.get('1'), '1')
  })

  test('takes empty text, and text beyond ASCII, for keys', () => {
    const map = SharedMap.empty<number>().with([
      ['', 1],
      ['ü\u{1f600}', 2],
    ])
    assert.deepEqual([map.get(''), map.get('ü\u{1f600}'), map.get('ü')], [1, 2, undefined])
  })
})
