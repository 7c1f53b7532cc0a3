import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formatClassic, formatJson } from './format.ts'
import { type LogRecord, sortableTime } from './record.ts'

const LINE: LogRecord = {
  ts: '2026-11-22T18:00:00.123456789Z',
  source: 'app',
  text: 'hello',
  process: 'web',
  release: 'v3',
  pod: 'shop-web-7d4b9c6f5-k2x9f',
  container: 'shop-web',
}

suite('formatClassic()', () => {
  test('names app, process, release and the end of the pod', () => {
    assert.equal(formatClassic('shop', LINE), '2026-11-22T18:00:00+00:00 shop[web.v3.k2x9f]: hello\n')
  })

  test('shows lines of the platform with their level', () => {
    const line: LogRecord = { ts: LINE.ts, source: 'controller', level: 'INFO', text: 'ana created initial release' }
    assert.equal(formatClassic('shop', line), '2026-11-22T18:00:00+00:00 deis[controller]: INFO ana created initial release\n')
  })

  for (const [name, text, shown] of [
    ['keeps colours', '\x1b[31mred\x1b[0m', '\x1b[31mred\x1b[0m'],
    ['drops cursor movement', 'a\x1b[2Jb\x1b[1Gc', 'abc'],
    ['drops titles and links', 'a\x1b]0;title\x07b\x1b]8;;http://x\x1b\\c', 'abc'],
    ['drops a title without end', 'a\x1b]0;title', 'a'],
    ['drops carriage returns, bells and C1', 'a\rb\x07c\x9bd', 'abcd'],
    ['keeps tabs and letters of all scripts', 'a\tü漢', 'a\tü漢'],
    ['drops a lone escape at the end', 'a\x1b', 'a'],
  ] as const) {
    test(name, () =>
      assert.equal(
        formatClassic('shop', { ...LINE, text })
          .slice(46 - 1)
          .trimStart(),
        `${shown}\n`,
      ),
    )
  }
})

suite('formatJson()', () => {
  test('is one line whatever stands in the text', () => {
    assert.deepEqual(JSON.parse(formatJson('shop', { ...LINE, text: 'a\nb' })), { app: 'shop', ...LINE, text: 'a\nb' })
  })
})

suite('sortableTime()', () => {
  test('brings every form to nine digits in UTC', () => {
    assert.equal(sortableTime('2026-11-22T18:00:00Z'), '2026-11-22T18:00:00.000000000Z')
    assert.equal(sortableTime('2026-11-22T18:00:00.5Z'), '2026-11-22T18:00:00.500000000Z')
    assert.equal(sortableTime('2026-11-22T18:00:00.25+02:00'), '2026-11-22T16:00:00.250000000Z')
  })

  test('refuses what is no time', () => {
    for (const text of ['', 'now', '2026-11-22 18:00:00Z', '2026-11-22T18:00:00']) assert.equal(sortableTime(text), undefined)
  })
})
