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
  const start = (tookMs = 0) => {
    now = 1000
    flushes = []
    return new Gather(() => {
      flushes.push(now)
      now += tookMs
    })
  }
  const timed = (name: string, run: () => void) =>
    test(name, context => {
      mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] })
      context.mock.method(performance, 'now', () => now)
      try {
        run()
      } finally {
        mock.timers.reset()
      }
    })

  timed('lets cheap changes through at once', () => {
    const gather = start()
    for (let index = 0; index < 3; index++) {
      gather.touch()
      advance(5)
    }
    assert.deepEqual(flushes, [1001, 1006, 1011])
  })

  timed('gathers what follows until it is quiet, for ten times as long as the last call took', () => {
    const gather = start(1)
    gather.touch()
    advance(1)
    for (let index = 0; index < 5; index++) {
      gather.touch()
      advance(8)
    }
    advance(30)
    // The first took 1 ms, so the last change, at 1034, waits for 10.
    assert.deepEqual(flushes, [1001, 1044])
  })

  timed('waits 20 ms for quiet at most, and 200 ms in all', () => {
    const gather = start(50)
    gather.touch()
    advance(100)
    gather.touch()
    advance(1)
    assert.equal(flushes.length, 2)
    for (let index = 0; index < 100; index++) {
      gather.touch()
      advance(5)
    }
    const gaps = flushes.slice(1).map((at, index) => at - flushes[index]!)
    assert.ok(gaps.every(gap => gap <= 50 + 206) && flushes.length <= 6, String(flushes))
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
