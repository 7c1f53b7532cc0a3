import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { CODE, FLAG } from './frames.ts'
import { HeaderBlock } from './header-block.ts'

const bytes = (text: string) => Buffer.from(text, 'latin1')
const whole = (block: HeaderBlock) => block.bytes.toString('latin1', block.start, block.end)

suite('HeaderBlock', () => {
  test('reads a block of one frame where it stands', () => {
    const block = new HeaderBlock()
    const payload = bytes('..block..')
    assert.equal(block.begin(FLAG.endHeaders | FLAG.endStream, 1, payload, 2, 7), CODE.noError)
    assert.deepEqual([whole(block), block.ends, block.stream, block.size], ['block', true, 0, 5])
    assert.equal(block.bytes, payload)
    block.release()
    assert.equal(block.bytes.length, 0)
  })
  test('gathers the fragments of a longer one, which may be read into the same memory', () => {
    const block = new HeaderBlock()
    const memory = bytes('one')
    assert.equal(block.begin(0, 3, memory, 0, 3), CODE.noError)
    assert.deepEqual([block.stream, block.ends], [3, false])
    memory.write('two')
    block.add(0, memory, 0, 3)
    block.add(0, memory, 0, 0)
    memory.write('end')
    block.add(FLAG.endHeaders, memory, 0, 3)
    assert.deepEqual([whole(block), block.stream, block.size], ['onetwoend', 0, 9])
    block.begin(FLAG.endHeaders, 5, memory, 0, 3)
    assert.equal(whole(block), 'end', 'nothing of one is left in the next')
  })
  test('passes over padding and priority', () => {
    const block = new HeaderBlock()
    const payload = Buffer.concat([Buffer.from([2, 0, 0, 0, 9, 15]), bytes('blockxx')])
    assert.equal(block.begin(FLAG.endHeaders | FLAG.padded | FLAG.priority, 1, payload, 0, payload.length), CODE.noError)
    assert.equal(whole(block), 'block')
  })
  for (const [why, flags, payload, code] of [
    ['padding longer than the rest', FLAG.padded, [3, 1, 2], CODE.protocolError],
    ['no room for the length of padding', FLAG.padded, [], CODE.frameSizeError],
    ['no room for a priority', FLAG.priority, [0, 0, 0, 1], CODE.frameSizeError],
    ['padding that reaches into the priority', FLAG.padded | FLAG.priority, [1, 0, 0, 0, 9, 15], CODE.protocolError],
    ['a stream that waits for itself', FLAG.priority, [0x80, 0, 0, 1, 15], CODE.protocolError],
  ] as const) {
    test(`refuses ${why}`, () => {
      const block = new HeaderBlock()
      assert.equal(block.begin(flags | FLAG.endHeaders, 1, Buffer.from(payload), 0, payload.length), code)
      assert.equal(block.stream, 0)
    })
  }
})
