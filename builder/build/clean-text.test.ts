import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { cleanLine, cutLine, LineSplitter, maskSecrets } from './clean-text.ts'

suite('cleanLine()', () => {
  const cases: Record<string, [line: string, clean: string]> = {
    'leaves text alone': ['Grüße 你好 🚀', 'Grüße 你好 🚀'],
    'drops cursor moves and erasing': ['a\x1b[2J\x1b[1;1Hb\x1b[Kc\x1b[?25l', 'abc'],
    'drops titles, links and their text of either end': ['a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c', 'abc'],
    'drops a sequence that is not finished': ['a\x1b[1', 'a1'],
    'drops a lone escape': ['a\x1b', 'a'],
    'drops controls of both sets': ['a\x07\x00b\x08\x7fc\x9bd', 'abcd'],
    'keeps what a progress bar drew last': ['10%\r50%\r100%\r', '100%'],
    'drops colours that were not asked for': ['\x1b[31mred\x1b[0m', 'red'],
    'puts spaces for tabs': ['a\tb\tc', 'a       b       c'],
    'drops marks that turn text around': ['abc\u202edef', 'abcdef'],
  }
  for (const [name, [line, clean]] of Object.entries(cases)) test(name, () => assert.equal(cleanLine(line, false), clean))

  test('keeps colours when asked for, and ends them with the line', () => {
    assert.equal(cleanLine('\x1b[1;31mred\x1b[0m', true), '\x1b[1;31mred\x1b[0m')
    assert.equal(cleanLine('\x1b[31mred', true), '\x1b[31mred\x1b[0m')
    assert.equal(cleanLine('\x1b[31mred\x1b[0m and \x1b[1mbold', true), '\x1b[31mred\x1b[0m and \x1b[1mbold\x1b[0m')
    assert.equal(cleanLine('\x1b[2J\x1b[38:2::1:2:3mx\ue000', true), 'x')
  })
})

suite('maskSecrets()', () => {
  const mask = maskSecrets({
    PASSWORD: 'hunter22',
    DATABASE_URL: 'postgres://u:p@host/db',
    NODE_ENV: 'production',
    PORT: '5000',
    KEY: 'line one\nline two "quoted"',
    PREFIX: 'hunter22-and-more',
  })

  test('hides values, each line of a value, and their JSON and URL forms', () => {
    assert.equal(mask('login hunter22 ok'), 'login ******** ok')
    assert.equal(mask('postgres://u:p@host/db'), '********')
    assert.equal(mask(encodeURIComponent('postgres://u:p@host/db')), '********')
    assert.equal(mask(JSON.stringify('line two "quoted"')), '"********"')
  })
  test('hides the longer of two values that begin alike', () => assert.equal(mask('hunter22-and-more'), '********'))
  test('leaves plain words and short values', () => assert.equal(mask('production on 5000'), 'production on 5000'))
})

suite('LineSplitter', () => {
  const split = (...chunks: string[]) => {
    const lines: string[] = []
    const splitter = new LineSplitter(line => lines.push(line))
    for (const chunk of chunks) splitter.push(Buffer.from(chunk, 'latin1'))
    splitter.end()
    return lines
  }
  test('puts characters together that come in two chunks', () => assert.deepEqual(split('a\xc3', '\xa4\nb'), ['aä', 'b']))
  test('does not gather a line without end', () => {
    const lines = split(...Array.from({ length: 100 }, () => 'x'.repeat(10_000)))
    assert.equal(lines.join('').length, 1_000_000)
    assert.ok(lines.every(line => line.length < 100_000))
  })
  test('keeps only the last state of a bar that is drawn for ever', () => {
    const lines = split(...Array.from({ length: 1000 }, (_, n) => `\r${n}%${'.'.repeat(100)}`))
    assert.ok(lines.join('').length < 5000)
    assert.match(cleanLine(lines.at(-1)!, false), /^999%/)
  })
})

test('cutLine() loses nothing', () => {
  const pieces = cutLine('abc'.repeat(5000))
  assert.equal(pieces.join(''), 'abc'.repeat(5000))
  assert.ok(pieces.every(piece => piece.length <= 4096))
})
