import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { printable, printableColours, printableValue } from './printable.ts'

const ATTACKS: readonly [what: string, text: string, left: string][] = [
  ['a colour', '\x1b[31mred\x1b[0m', 'red'],
  ['a title (OSC, BEL)', 'a\x1b]0;title\x07b', 'ab'],
  ['a link (OSC, ST)', 'a\x1b]8;;http://evil\x1b\\b', 'ab'],
  ['a sequence that never ends', 'a\x1b]52;c;cm0gLXJm', 'a'],
  ['a cleared screen', 'a\x1b[2J\x1b[Hb', 'ab'],
  ['a device report', 'a\x1b[6nb', 'ab'],
  ['a DCS string', 'a\x1bPq#0\x1b\\b', 'ab'],
  ['a reset', 'a\x1bcb', 'ab'],
  ['an escape at the end', 'a\x1b', 'a'],
  ['a C1 sequence', 'a\x9b31mb', 'a31mb'],
  ['carriage return, backspace, bell, DEL, NUL', 'a\rb\bc\x07d\x7fe\0', 'abcde'],
]

suite('printable()', () => {
  for (const [what, text, left] of ATTACKS) test(`takes out ${what}`, () => assert.equal(printable(text), left))

  test('leaves text, tabs, line breaks and every script', () => {
    const text = 'tab\tline\nÅ 日本語 🙂 עברית'
    assert.equal(printable(text), text)
  })
})

suite('printableColours()', () => {
  test('leaves colours, and ends them', () => assert.equal(printableColours('\x1b[31mred'), '\x1b[31mred\x1b[0m'))

  for (const [what, text, left] of ATTACKS.slice(1))
    test(`takes out ${what}`, () => assert.equal(printableColours(text).replaceAll('\x1b[0m', ''), left))

  test('lets nobody build a sequence of what is left', () =>
    assert.doesNotMatch(printableColours('\x1b\x1b[2J[2J\x1b[31m\x1b[\x1b[1mK'), /\x1b(?!\[[0-9;]*m)/))
})

suite('printableValue()', () => {
  test('reaches every text and name of a value', () =>
    assert.deepEqual(printableValue({ 'a\x07': ['b\x1b[31m', { c: 'd\r', n: 1, x: null, t: true }] }), {
      a: ['b', { c: 'd', n: 1, x: null, t: true }],
    }))
})
