import assert from 'node:assert/strict'
import { mock, suite, test } from 'node:test'
import { Gather } from './gather.ts'

suite('Gather', () => {
  // The mocked timers and the clock that Gather reads must advance together.
  let now = 0
  let flushes: number[] = []
  const advance = (ms: number) => {
    for (let step = 0; step < ms; step++) {
      now++
      mock.timers.tick(1)
    }
  }
  const start = () => {
    now = 1000
    flushes = []
    return new Gather(() => flushes.push(now))
  }
  const timed = (name: string, run: () => void) =>
    test(name, context => {
      mock.timers.enable({ apis: ['setTimeout'] })
      context.mock.method(performance, 'now', () => now)
      try {
        run()
      } finally {
        mock.timers.reset()
      }
    })

  timed('lets a lone change through at once', () => {
    start().touch()
    advance(5)
    assert.deepEqual(flushes, [1001])
  })

  timed('gathers what follows until it is quiet', () => {
    const gather = start()
    gather.touch()
    advance(1)
    for (let index = 0; index < 5; index++) {
      gather.touch()
      advance(10)
    }
    advance(30)
    assert.deepEqual(flushes, [1001, 1061])
  })

  timed('never waits longer than its bound', () => {
    const gather = start()
    for (let index = 0; index < 100; index++) {
      gather.touch()
      gather.touch()
      advance(5)
    }
    assert.ok(
      flushes.every((at, index) => at - (flushes[index - 1] ?? 1000) <= 206),
      String(flushes),
    )
    assert.ok(flushes.length <= 6)
  })

  timed('now() flushes what waits and nothing else', () => {
    const gather = start()
    gather.now()
    gather.touch()
    gather.now()
    advance(50)
    assert.deepEqual(flushes, [1000])
  })
})
