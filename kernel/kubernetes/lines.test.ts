import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readLines } from './lines.ts'

suite('readLines()', () => {
  async function read(...chunks: Uint8Array[]) {
    const lines: string[] = []
    for await (const line of readLines(
      (async function* () {
        yield* chunks
      })(),
    ))
      lines.push(line)
    return lines
  }

  test('splits wherever the bytes are cut, even inside a character', async () => {
    const bytes = Buffer.from('{"a":"ü"}\n{"b":"漢"}\n')
    for (let cut = 0; cut <= bytes.length; cut++) {
      assert.deepEqual(await read(bytes.subarray(0, cut), bytes.subarray(cut)), ['{"a":"ü"}', '{"b":"漢"}'])
    }
  })

  test('drops what is left without a line end', async () => assert.deepEqual(await read(Buffer.from('a\nb')), ['a']))

  test('refuses a line without end', async () => {
    const endless = Array.from({ length: 20 }, () => Buffer.alloc(1024 * 1024, 'x'))
    await assert.rejects(read(...endless), RangeError)
  })
})
