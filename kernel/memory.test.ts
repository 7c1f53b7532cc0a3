import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { collectGarbage } from './memory.ts'

suite('collectGarbage()', () => {
  test('gives back the space of what nobody holds any more', async () => {
    let much: unknown[] | undefined = Array.from({ length: 300_000 }, (_, index) => ({ index, text: `${index}` }))
    await collectGarbage()
    const held = process.memoryUsage().heapTotal
    assert.equal(much.length, 300_000)
    much = undefined
    await collectGarbage()
    assert.ok(process.memoryUsage().heapTotal < held - 10_000_000, `${process.memoryUsage().heapTotal} of ${held}`)
  })
})
