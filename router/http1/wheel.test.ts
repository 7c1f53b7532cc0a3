import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
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
  test('is never early and two ticks late at most', async () => {
    const wheel = new Wheel(10)
    const waits = [1, 15, 40, 77, 120]
    const late = await Promise.all(
      waits.map(
        ms =>
          new Promise<number>(resolve => {
            const from = performance.now()
            wheel.arm(
              timed(() => resolve(performance.now() - from - ms)),
              ms,
            )
          }),
      ),
    )
    wheel.stop()
    for (const excess of late) assert.ok(excess >= -1 && excess < 120, `${excess}`)
  })
  test('follows a deadline that moves later by assignment', async () => {
    const wheel = new Wheel(5)
    let expired = 0
    const entry = timed(() => expired++)
    wheel.arm(entry, 20)
    const mover = setInterval(() => (entry.deadlineAt = wheel.after(20)), 5)
    await sleep(100)
    assert.equal(expired, 0)
    clearInterval(mover)
    await sleep(80)
    assert.equal(expired, 1)
    wheel.stop()
  })
  test('follows a deadline that moves earlier by arming', async () => {
    const wheel = new Wheel(5)
    const from = performance.now()
    await new Promise<void>(resolve => {
      const entry = timed(resolve)
      wheel.arm(entry, 10_000)
      wheel.arm(entry, 20)
    })
    assert.ok(performance.now() - from < 500)
    wheel.stop()
  })
  test('forgets what is disarmed, also by another that expires in the same turn', async () => {
    const wheel = new Wheel(5)
    const calls: string[] = []
    const second = timed(() => calls.push('second'))
    const first = timed(() => {
      calls.push('first')
      wheel.disarm(second)
    })
    wheel.arm(first, 10)
    wheel.arm(second, 10)
    await sleep(60)
    assert.deepEqual(calls, ['first'])
    wheel.stop()
  })
  test('holds deadlines beyond its horizon', async () => {
    const wheel = new Wheel(1)
    let expired = 0
    wheel.arm(
      timed(() => expired++),
      700,
    )
    await sleep(600)
    assert.equal(expired, 0)
    await sleep(250)
    assert.equal(expired, 1)
    wheel.stop()
  })
})

function timed(expired: () => void): Timed {
  return { deadlineAt: Number.POSITIVE_INFINITY, wheelSlot: -1, expired }
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
