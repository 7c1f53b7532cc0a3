import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { formatLogLine, parseLogLine } from './log-line.ts'

const plain = { style: (_: string, text: string) => text, hasColours: false }
const APP_LINE = {
  ...{ app: 'shop', ts: '2026-11-22T18:00:00.123456789Z', source: 'app', text: 'hello' },
  ...{ process: 'web', release: 'v3', pod: 'shop-web-7d4b9c6f5-k2x9f' },
}

suite('parseLogLine()', () => {
  test('reads a line', () => assert.deepEqual(parseLogLine(JSON.stringify(APP_LINE)), APP_LINE))
  for (const text of ['', '2026-11-22T18:00:00+00:00 shop[web.v3.k2x9f]: hello', '{"app":"shop"}', '{"app"', '{}'])
    test(`takes ${JSON.stringify(text)} for none`, () => assert.equal(parseLogLine(text), undefined))
})

suite('formatLogLine()', () => {
  test('writes a line of a process as the classic clients show it', () =>
    assert.equal(formatLogLine(APP_LINE, plain), '2026-11-22T18:00:00+00:00 shop[web.v3.k2x9f]: hello'))

  test("writes the platform's own with their level", () =>
    assert.equal(
      formatLogLine({ app: 'shop', ts: APP_LINE.ts, source: 'controller', level: 'WARN', text: 'x' }, plain),
      '2026-11-22T18:00:00+00:00 deis[controller]: WARN x',
    ))

  test('leaves colours to a terminal alone', () => {
    const line = { ...APP_LINE, text: '\x1b[31mred\x1b]0;evil\x07' }
    assert.match(formatLogLine(line, plain), /: red$/)
    assert.match(formatLogLine(line, { ...plain, hasColours: true }), /: \x1b\[31mred\x1b\[0m$/)
  })
})
