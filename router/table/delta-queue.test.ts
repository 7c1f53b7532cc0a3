import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { DeltaQueue } from './delta-queue.ts'
import type { TableDelta } from './spec.ts'

suite('DeltaQueue', () => {
  const delta = (version: number): TableDelta => ({ version, whole: false, routes: [], hosts: [], certificates: [] })
  const start = () => {
    const versions: number[] = []
    const queue = new DeltaQueue()
    return { versions, queue, open: () => queue.open(({ version }) => versions.push(version)) }
  }

  test('passes one on at once, and of several one a turn, in their order', async () => {
    const { versions, queue, open } = start()
    open()
    queue.add(delta(1))
    assert.deepEqual(versions, [1])
    queue.add(delta(2), delta(3), delta(4))
    queue.add(delta(5))
    assert.deepEqual(versions, [1, 2])
    await nextTurn()
    assert.ok(versions.length < 5)
    for (let turn = 0; turn < 5; turn++) await nextTurn()
    assert.deepEqual(versions, [1, 2, 3, 4, 5])
  })

  test('keeps what comes before it is opened, and forgets all when it is stopped', async () => {
    const { versions, queue, open } = start()
    queue.add(delta(1), delta(2))
    await nextTurn()
    assert.deepEqual(versions, [])
    open()
    await nextTurn()
    assert.deepEqual(versions, [1, 2])
    queue.add(delta(3), delta(4))
    queue.stop()
    for (let turn = 0; turn < 3; turn++) await nextTurn()
    assert.deepEqual(versions, [1, 2, 3])
  })
})
