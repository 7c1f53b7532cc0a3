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
  test('offers what waits in order, as far as it is taken, while more comes', () => {
    for (const width of [1, 3, 1000, 70_000]) {
      const gathered = new Gathered()
      let out = ''
      let into = ''
      for (let round = 0; round < 300; round++) {
        const piece = String(round).repeat((round * 7) % 50)
        into += piece
        gathered.add(Buffer.from(piece), 0, piece.length)
        const before = out.length
        const taken = gathered.offer(width * 2, (bytes, start, end) => {
          const to = Math.min(end, start + width)
          out += bytes.toString('latin1', start, to)
          return to
        })
        assert.equal(out.length - before, taken)
        assert.equal(gathered.bytes, into.length - out.length)
      }
      assert.equal(out + Buffer.concat(gathered.take()).toString('latin1'), into, `${width} at a time`)
    }
  })
  test('takes a no for an answer, and keeps everything', () => {
    const gathered = new Gathered()
    gathered.add(Buffer.from('abc'), 0, 3)
    assert.equal(
      gathered.offer(10, (_, start) => start),
      0,
    )
    assert.equal(String(gathered.take()[0]), 'abc')
  })
  test('is empty before and after', () => {
    const gathered = new Gathered()
    assert.deepEqual(gathered.take(), [])
    gathered.add(Buffer.from('abc'), 1, 2)
    assert.equal(String(gathered.take()[0]), 'b')
    assert.deepEqual([gathered.bytes, gathered.take()], [0, []])
  })
})
