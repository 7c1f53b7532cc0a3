import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Gathered } from './gathered.ts'

suite('Gathered', () => {
  test('gives back what it was given, in whatever pieces that came', () => {
    const bytes = Buffer.from(Array.from({ length: 300_000 }, (_, index) => index % 251))
    for (const width of [1, 7, 255, 4096, 65_536, 300_000]) {
      const gathered = new Gathered()
      for (let at = 0; at < bytes.length; at += width) gathered.add(bytes, at, Math.min(bytes.length, at + width))
      assert.equal(gathered.bytes, bytes.length)
      assert.ok(Buffer.concat(gathered.take()).equals(bytes), `${width} at a time`)
    }
  })
  test('allocates twice as much and 256 bytes at most', () => {
    for (const length of [1, 300, 5000, 100_000, 1_000_000]) {
      const gathered = new Gathered()
      for (let count = 0; count < length; count++) gathered.add(Buffer.from('x'), 0, 1)
      const allocated = gathered.take().reduce((sum, block) => sum + block.buffer.byteLength, 0)
      assert.ok(allocated <= 2 * length + 256, `${allocated} for ${length}`)
    }
  })
  test('is empty before and after', () => {
    const gathered = new Gathered()
    assert.deepEqual(gathered.take(), [])
    gathered.add(Buffer.from('abc'), 1, 2)
    assert.equal(String(gathered.take()[0]), 'b')
    assert.deepEqual([gathered.bytes, gathered.take()], [0, []])
  })
})
