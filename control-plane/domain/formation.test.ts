import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Build } from './build.ts'
import { formationFor, parseScale, routableType } from './formation.ts'

suite('formationFor()', () => {
  test('starts web where there is one, else what the kind of build has', () => {
    assert.deepEqual(formationFor({}, undefined, build({ sha: 'a', procfile: { web: 'x', worker: 'y' } })), { web: 1 })
    assert.deepEqual(formationFor({}, undefined, build({ sha: 'a', procfile: { worker: 'y' } })), {})
    assert.deepEqual(formationFor({}, undefined, build({ sha: 'a' })), { web: 1 })
    assert.deepEqual(formationFor({}, undefined, build({})), { cmd: 1 })
    assert.deepEqual(formationFor({}, undefined, build({ dockerfile: 'true', procfile: { worker: 'y' } })), { cmd: 1 })
  })

  test('leaves the numbers as they are from build to build', () => {
    const before = build({ sha: 'a', procfile: { web: 'x', worker: 'y' } })
    assert.deepEqual(formationFor({ web: 3, worker: 2 }, before, { ...before, sha: 'b' }), { web: 3, worker: 2 })
    assert.deepEqual(formationFor({ web: 0 }, before, { ...before, sha: 'b' }), { web: 0 })
  })

  test('stops types that have gone', () => {
    const before = build({ sha: 'a', procfile: { web: 'x', worker: 'y' } })
    assert.deepEqual(formationFor({ web: 3, worker: 2 }, before, build({ sha: 'b', procfile: { web: 'x' } })), { web: 3, worker: 0 })
  })

  test('starts afresh when the kind of build changes', () => {
    const before = build({ sha: 'a', procfile: { web: 'x' } })
    assert.deepEqual(formationFor({ web: 3 }, before, build({})), { web: 0, cmd: 1 })
    assert.deepEqual(formationFor({ web: 0, cmd: 4 }, build({}), before), { web: 1, cmd: 0 })
  })

  test('gives the type that took the traffic a successor', () => {
    const before = build({ procfile: { web: 'x' } })
    assert.deepEqual(formationFor({ web: 3 }, before, build({})), { web: 0, cmd: 1 })
  })
})

suite('routableType()', () => {
  test('is web where the build has it, else what runs, else what would', () => {
    assert.equal(routableType({ cmd: 1 }, build({ procfile: { web: 'x' } })), 'web')
    assert.equal(routableType({ web: 0, cmd: 1 }, build({})), 'cmd')
    assert.equal(routableType({}, build({})), 'cmd')
    assert.equal(routableType({}, build({ sha: 'a', procfile: { worker: 'x' } })), undefined)
  })
})

suite('parseScale()', () => {
  const web = build({ procfile: { web: 'x' } })
  test('reads numbers, also as text', () => assert.deepEqual(parseScale({ web: 3, cmd: '0' }, {}, web), { web: 3, cmd: 0 }))
  test('knows no web where there is none', () => assert.throws(() => parseScale({ web: 1 }, {}, build({})), /web does not exist/))
  test('lets what a build no longer has be set to 0 only', () => {
    assert.deepEqual(parseScale({ worker: 0 }, { worker: 2 }, web), { worker: 0 })
    assert.throws(() => parseScale({ worker: 1 }, { worker: 2 }, web), /worker does not exist in application/)
  })
  test('bounds a slip of the finger', () => assert.throws(() => parseScale({ web: 100_000 }, {}, web), /at most 1000/))
})

function build(parts: Partial<Build>): Build {
  return { uuid: '', owner: '', image: 'x', sha: '', procfile: {}, dockerfile: '', created: '', updated: '', ...parts }
}
