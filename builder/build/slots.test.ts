import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Slots } from './slots.ts'

const never = new AbortController().signal

suite('Slots', () => {
  test('runs so many at once, and the rest in their order', async () => {
    const slots = new Slots(2)
    const began: number[] = []
    const ends: (() => void)[] = []
    const ahead: number[] = []
    const work = (n: number) => () => {
      began.push(n)
      return new Promise<void>(resolve => ends.push(resolve))
    }
    const runs = [1, 2, 3, 4].map(n => slots.run(work(n), never, before => ahead.push(before)))
    assert.deepEqual([began, ahead, slots.running, slots.waiting], [[1, 2], [0, 1], 2, 2])
    ends[0]!()
    await runs[0]
    ends[1]!()
    await runs[1]
    await Promise.resolve()
    assert.deepEqual(began, [1, 2, 3, 4])
    for (const end of ends.slice(2)) end()
    await Promise.all(runs)
    assert.deepEqual([slots.running, slots.waiting], [0, 0])
  })

  test('gives the place back when the work fails', async () => {
    const slots = new Slots(1)
    await assert.rejects(
      slots.run(
        () => Promise.reject(new Error('no')),
        never,
        () => {},
      ),
      /no/,
    )
    assert.equal(
      await slots.run(
        async () => 'yes',
        never,
        () => {},
      ),
      'yes',
    )
  })

  test('lets go of one who gives up waiting', async () => {
    const slots = new Slots(1)
    let end = () => {}
    const first = slots.run(
      () => new Promise<void>(resolve => (end = resolve)),
      never,
      () => {},
    )
    const patience = new AbortController()
    const second = slots.run(
      async () => assert.fail('began'),
      patience.signal,
      () => {},
    )
    patience.abort(new Error('gave up'))
    await assert.rejects(second, /gave up/)
    end()
    await first
    assert.deepEqual([slots.running, slots.waiting], [0, 0])
  })
})
