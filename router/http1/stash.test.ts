import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { Stash } from './stash.ts'

suite('Stash', () => {
  test('gives back what came, in order, whatever was used in between', () => {
    const stash = new Stash()
    const bytes = Buffer.from(Array.from({ length: 5000 }, (_, index) => index % 251))
    let used = Buffer.alloc(0)
    for (let at = 0; at < bytes.length; at += 7) {
      stash.add(bytes, at, Math.min(at + 7, bytes.length))
      if (at % 5 === 0)
        stash.use((kept, from, end) => {
          const stop = Math.min(end, from + 100)
          used = Buffer.concat([used, kept.subarray(from, stop)])
          return stop
        })
    }
    stash.use((kept, from, end) => {
      used = Buffer.concat([used, kept.subarray(from, end)])
      return end
    })
    assert.deepEqual(used, bytes)
    assert.equal(stash.size, 0)
  })
  test('stays empty when it was cleared while in use', () => {
    const stash = new Stash()
    stash.add(Buffer.from('abc'), 0, 3)
    stash.use((_bytes, at) => {
      stash.clear()
      return at + 1
    })
    assert.equal(stash.size, 0)
  })
  test('copies what it keeps a few times, not once for each piece', () => {
    const copied = (count: number) => {
      const stash = new Stash()
      const piece = Buffer.from('x')
      let bytes = 0
      let seen: Buffer | undefined
      for (let index = 0; index < count; index++) {
        stash.add(piece, 0, 1)
        stash.use((kept, at) => {
          if (kept !== seen) bytes += kept.length
          seen = kept
          return at
        })
      }
      return bytes
    }
    assert.ok(copied(64_000) < 64_000 * 6, `${copied(64_000)}`)
  })
})
