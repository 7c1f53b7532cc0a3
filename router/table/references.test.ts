import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { References } from './references.ts'

suite('References', () => {
  test('knows both directions, whatever was named before', () => {
    const references = new References()
    const expected = new Map<string, Set<string>>()
    let state = 7
    const random = (below: number) => (state = (state * 48_271) % 2_147_483_647) % below
    for (let step = 0; step < 2000; step++) {
      const app = `app${random(6)}`
      const things = new Set(Array.from({ length: random(4) }, () => `thing${random(5)}`))
      const before = expected.get(app) ?? new Set()
      assert.deepEqual([...references.set(app, things)].sort(), [...before.symmetricDifference(things)].sort())
      expected.set(app, things)
      for (const thing of ['thing0', 'thing1', 'thing2', 'thing3', 'thing4']) {
        const apps = [...expected].filter(([, all]) => all.has(thing)).map(([name]) => name)
        assert.deepEqual([...references.get(thing)].sort(), apps.sort())
        assert.equal(references.has(thing), apps.length > 0)
      }
    }
    assert.deepEqual([...references.things()].sort(), [...new Set([...expected.values()].flatMap(all => [...all]))].sort())
  })
})
