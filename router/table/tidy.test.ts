import assert from 'node:assert/strict'
import { mock, suite, test } from 'node:test'
import { Tidy } from './tidy.ts'

suite('Tidy', () => {
  const changes = (count: number) => ({
    services: new Set<string>(),
    slices: new Set(Array.from({ length: count }, (_, index) => `a/${index}`)),
    secrets: new Set<string>(),
    router: false,
    builder: false,
  })

  test('collects once after many changes, when it is quiet, and not for few', context => {
    mock.timers.enable({ apis: ['setTimeout'] })
    context.after(() => mock.timers.reset())
    let collections = 0
    const tidy = new Tidy({ quietMs: 100, collect: async () => void collections++ })
    tidy.note(changes(1000))
    mock.timers.tick(500)
    assert.equal(collections, 0)
    tidy.note(changes(1000))
    mock.timers.tick(99)
    tidy.note(changes(1))
    mock.timers.tick(99)
    assert.equal(collections, 0)
    mock.timers.tick(1)
    mock.timers.tick(500)
    assert.equal(collections, 1)
    tidy.note(changes(10))
    mock.timers.tick(500)
    assert.equal(collections, 1)
    tidy.stop()
  })

  test('does not count changes that come one by one, however many', context => {
    mock.timers.enable({ apis: ['setTimeout'] })
    context.after(() => mock.timers.reset())
    const tidy = new Tidy({ quietMs: 100, collect: () => assert.fail('collected') })
    for (let change = 0; change < 5000; change++) tidy.note(changes(1))
    mock.timers.tick(500)
    tidy.stop()
  })
})
