import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { type Timed, Wheel } from './wheel.ts'

suite('Wheel', () => {
  test('does not heed the wall clock: neither a jump ahead nor one back', async t => {
    let jump = 3_600_000
    const { now } = Date
    t.mock.method(Date, 'now', () => now() + (jump = -jump))
    const wheel = new Wheel(10)
    const from = performance.now()
    await new Promise<void>(resolve => wheel.arm(timed(resolve), 40))
    wheel.stop()
    assert.ok(performance.now() - from >= 40)
  })
  test('is never early and two ticks late at most', t => {
    const { wheel, pass, now } = started(t, 10)
    const waits = [1, 15, 40, 77, 120]
    const late: number[] = []
    for (const ms of waits)
      wheel.arm(
        timed(() => late.push(now() - ms)),
        ms,
      )
    pass(200)
    assert.equal(late.length, waits.length)
    for (const excess of late) assert.ok(excess >= 0 && excess <= 20, `${excess}`)
  })
  test('follows a deadline that moves later by assignment', t => {
    const { wheel, pass } = started(t, 5)
    let expired = 0
    const entry = timed(() => expired++)
    wheel.arm(entry, 20)
    for (let moves = 0; moves < 20; moves++) {
      pass(15)
      entry.deadlineAt = wheel.after(20)
    }
    assert.equal(expired, 0)
    pass(35)
    assert.equal(expired, 1)
  })
  test('follows a deadline that moves earlier by arming', t => {
    const { wheel, pass } = started(t, 5)
    let expired = 0
    const entry = timed(() => expired++)
    wheel.arm(entry, 10_000)
    wheel.arm(entry, 20)
    pass(30)
    assert.equal(expired, 1)
  })
  test('forgets what is disarmed, also by another that expires in the same turn', t => {
    const { wheel, pass } = started(t, 5)
    const calls: string[] = []
    const second = timed(() => calls.push('second'))
    const first = timed(() => {
      calls.push('first')
      wheel.disarm(second)
    })
    wheel.arm(first, 10)
    wheel.arm(second, 10)
    pass(60)
    assert.deepEqual(calls, ['first'])
  })
  test('holds deadlines beyond its horizon', t => {
    const { wheel, pass } = started(t, 1)
    let expired = 0
    wheel.arm(
      timed(() => expired++),
      700,
    )
    pass(699)
    assert.equal(expired, 0)
    pass(3)
    assert.equal(expired, 1)
  })
  test('looks at every slot after a long stall, each once', t => {
    const { wheel, pass, stall } = started(t, 5)
    const calls: number[] = []
    for (const ms of [10, 1_000, 2_500, 60_000])
      wheel.arm(
        timed(() => calls.push(ms)),
        ms,
      )
    stall(50_000)
    assert.deepEqual(
      calls.toSorted((a, b) => a - b),
      [10, 1_000, 2_500],
    )
    pass(10_010)
    assert.equal(calls.length, 4)
  })
})

/** A wheel whose time passes when the test says so: in ticks, or all at once as when the process gets no turn. */
function started(t: TestContext, tickMs: number) {
  t.mock.timers.enable({ apis: ['setInterval'] })
  let nowMs = 1_000
  const wheel = new Wheel(tickMs, () => nowMs)
  t.after(() => wheel.stop())
  const stall = (ms: number) => {
    nowMs += ms
    t.mock.timers.tick(tickMs)
  }
  const pass = (ms: number) => {
    for (let passed = 0; passed < ms; passed += tickMs) stall(tickMs)
  }
  return { wheel, pass, stall, now: () => nowMs - 1_000 }
}

function timed(expired: () => void): Timed {
  return { deadlineAt: Number.POSITIVE_INFINITY, wheelSlot: -1, expired }
}
