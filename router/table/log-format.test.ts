import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { parseLogFormat } from './log-format.ts'
import { readSettings } from './settings.ts'

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: nginx writes variables as templates are written
suite('parseLogFormat()', () => {
  test('reads variables in both spellings, and text between them', () => {
    assert.deepEqual(parseLogFormat('[$msec] ${host}x "$http_user_agent"'), [
      '[',
      { variable: 'msec' },
      '] ',
      { variable: 'host' },
      'x "',
      { variable: 'http_user_agent' },
      '"',
    ])
    assert.deepEqual(parseLogFormat('plain é'), ['plain Ã©'])
  })
  for (const [bad, why] of [
    ['$nope', /Cannot log "\$nope"/],
    ['100 $', /Cannot log "\$"/],
    ['${status', /Cannot log "\$"/],
    ['$sent_http_content_length', /Cannot log/],
    ['$status\n$host', /line break/],
    ['x'.repeat(5000), /4096/],
  ] as const) {
    test(`refuses ${JSON.stringify(bad.slice(0, 20))}`, () => assert.throws(() => parseLogFormat(bad), why))
  }
  test('is a fault of the router when it cannot be read, and the last good format stays', () => {
    const read = (format: string, last?: ReturnType<typeof readSettings>) =>
      readSettings({ 'router.deis.io/nginx.logFormat': format }, 'router.drycc.cc/', last)
    const good = read('$status $app_name')
    assert.deepEqual([good.settings.logFormat, good.faults], ['$status $app_name', []])
    const bad = read('$status $secret', good)
    assert.equal(bad.settings.logFormat, '$status $app_name')
    assert.deepEqual([bad.faults.length, bad.faults[0]?.key], [1, 'nginx.logFormat'])
    assert.equal(read('$nope').settings.logFormat, undefined)
  })
})
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: nginx writes variables as templates are written
