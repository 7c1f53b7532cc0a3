import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Claim, Claims } from './claims.ts'

suite('Claims', () => {
  test('the oldest has it, then the first by key, whatever the order in which they came', () => {
    for (const order of [
      ['b', 'a', 'old'],
      ['old', 'b', 'a'],
      ['a', 'old', 'b'],
    ]) {
      const claims = new Claims()
      for (const app of order) claims.set(app, wants(app, app === 'old' ? '2026-01-01' : '2026-02-02', 'x.test'))
      assert.deepEqual(
        claims.claimants('x.test').map(({ app }) => app),
        ['old', 'a', 'b'],
      )
    }
  })

  test('set() names the patterns whose owner may be another, and no others', () => {
    const claims = new Claims()
    assert.deepEqual([...claims.set('a', wants('a', '1', 'x.test', 'y.test'))], ['x.test', 'y.test'])
    assert.deepEqual([...claims.set('a', wants('a', '1', 'x.test', 'z.test'))], ['y.test', 'z.test'])
    assert.deepEqual([...claims.set('a', wants('a', '1', 'x.test', 'z.test'))], [])
    assert.deepEqual([...claims.set('a', wants('a', '2', 'x.test', 'z.test'))], ['x.test', 'z.test'])
  })

  test('an app that goes leaves nothing behind', () => {
    const claims = new Claims()
    claims.set('a', wants('a', '1', 'x.test'))
    claims.set('b', wants('b', '2', 'x.test'))
    claims.set('a', new Map())
    assert.equal(claims.owner('x.test')?.app, 'b')
    claims.set('b', new Map())
    assert.deepEqual([...claims.patterns()], [])
  })
})

function wants(app: string, createdAt: string, ...patterns: string[]): Map<string, Claim> {
  return new Map(patterns.map(pattern => [pattern, { app, createdAt, domain: pattern }]))
}
