import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Wheel } from '../http1/wheel.ts'
import { type Idler, Shedder } from './shedder.ts'

class Idle implements Idler {
  idleSince: number
  ended: 'no' | 'shed' | 'destroyed' = 'no'

  constructor(idleSince: number) {
    this.idleSince = idleSince
  }

  shed(): void {
    this.ended = 'shed'
    this.idleSince = Number.POSITIVE_INFINITY
  }

  destroy(): void {
    this.ended = 'destroyed'
    this.idleSince = Number.POSITIVE_INFINITY
  }
}

suite('Shedder', () => {
  test('closes the longest idle one first, never who is at work or has just begun to idle', () => {
    const all = [500, 100, Number.POSITIVE_INFINITY, 300, 9500].map(since => new Idle(since))
    const shedder = new Shedder(all, { now: 10_000 } as Wheel, 1000)
    assert.deepEqual([shedder.shed(false), shedder.shed(true)], [true, true])
    assert.deepEqual(
      all.map(idle => idle.ended),
      ['no', 'shed', 'no', 'destroyed', 'no'],
    )
    assert.deepEqual([shedder.shed(false), shedder.shed(false)], [true, false])
    assert.equal(all[4]?.ended, 'no')
  })

  test('passes over who has gone on since it was found', () => {
    const all = [100, 200].map(since => new Idle(since))
    const shedder = new Shedder([...all, new Idle(50)], { now: 10_000 } as Wheel, 1000)
    shedder.shed(false)
    all[0]!.idleSince = 9990
    assert.equal(shedder.shed(false), true)
    assert.deepEqual(
      all.map(idle => idle.ended),
      ['no', 'shed'],
    )
  })

  test('looks at 50,000 once for many newcomers, and not for each where nobody idles', () => {
    let looks = 0
    const idle = Array.from({ length: 50_000 }, (_, index) => new Idle(index % 7000))
    const counted = (all: readonly Idle[]) => ({
      *[Symbol.iterator]() {
        looks++
        yield* all
      },
    })
    const clock = { now: 100_000 } as { now: number }
    const shedder = new Shedder(counted(idle), clock as Wheel, 1000)
    for (let count = 0; count < 200; count++) assert.equal(shedder.shed(true), true)
    assert.equal(looks, 2)
    const last = Math.max(...idle.filter(({ ended }) => ended !== 'no').map(found => idle.indexOf(found) % 7000))
    assert.ok(last <= 200 / 7 + 1, `${last}`)
    looks = 0
    const busy = new Shedder(counted([new Idle(Number.POSITIVE_INFINITY)]), clock as Wheel, 1000)
    for (let count = 0; count < 100; count++) assert.equal(busy.shed(true), false)
    assert.equal(looks, 1)
    clock.now += 1000
    assert.equal(busy.shed(true), false)
    assert.equal(looks, 2)
  })
})
