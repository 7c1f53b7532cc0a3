import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { LineSplitter } from './lines.ts'

suite('LineSplitter', () => {
  function read(...chunks: Buffer[]) {
    const splitter = new LineSplitter()
    return chunks.flatMap(chunk => splitter.take(chunk))
  }

  test('splits wherever the bytes are cut, even inside a character', () => {
    const bytes = Buffer.from('{"a":"ü"}\n{"b":"漢"}\n')
    for (let cut = 0; cut <= bytes.length; cut++)
      for (let next = cut; next <= bytes.length; next++)
        assert.deepEqual(read(bytes.subarray(0, cut), bytes.subarray(cut, next), bytes.subarray(next)), ['{"a":"ü"}', '{"b":"漢"}'])
  })

  test('drops what is left without a line end, and empty lines', () => {
    assert.deepEqual(read(Buffer.from('\na\n\n'), Buffer.from('\n'), Buffer.from('b')), ['a'])
  })

  test('refuses a line without end', () => {
    const endless = Array.from({ length: 20 }, () => Buffer.alloc(1024 * 1024, 'x'))
    assert.throws(() => read(...endless), RangeError)
  })
})
