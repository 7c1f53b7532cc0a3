import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { FairQueue } from './fair-queue.ts'

suite('FairQueue', () => {
  const setUp = () => {
    const begun: string[] = []
    const ends = new Map<string, () => void>()
    const queue = new FairQueue<string>(item => {
      begun.push(item)
      return new Promise<void>(resolve => ends.set(item, resolve))
    })
    const end = async (item: string) => {
      ends.get(item)!()
      await new Promise(resolve => setImmediate(resolve))
    }
    return { queue, begun, end }
  }

  test('begins two things of an owner at once, and the next when one has ended', async () => {
    const { queue, begun, end } = setUp()
    for (const item of ['a1', 'a2', 'a3', 'a4']) queue.add('a', item)
    assert.deepEqual(begun, ['a1', 'a2'])
    await end('a2')
    assert.deepEqual(begun, ['a1', 'a2', 'a3'])
  })

  test('does sixteen things at once, and gives each owner its turn', async () => {
    const { queue, begun, end } = setUp()
    for (let item = 0; item < 20; item++) for (let owner = 0; owner < 9; owner++) queue.add(`${owner}`, `${owner}.${item}`)
    assert.equal(begun.length, 16)
    await end('0.0')
    await end('1.0')
    queue.add('late', 'late.0')
    for (const item of begun.slice(2, 13)) await end(item)
    assert.ok(begun.includes('late.0'))
    assert.ok(begun.includes('8.0') && begun.includes('8.1'))
  })

  test('stop() begins nothing more and waits for what runs', async () => {
    const { queue, begun, end } = setUp()
    for (const item of ['a1', 'a2', 'a3']) queue.add('a', item)
    let isStopped = false
    const stopped = queue.stop().then(() => {
      isStopped = true
    })
    await end('a1')
    assert.equal(isStopped, false)
    await end('a2')
    await stopped
    queue.add('b', 'b1')
    assert.deepEqual(begun, ['a1', 'a2'])
  })
})
