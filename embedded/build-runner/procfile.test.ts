import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { BuildFailure } from './failure.ts'
import { parseProcfile } from './procfile.ts'

suite('parseProcfile()', () => {
  const cases: Record<string, [text: string, processes: Record<string, string>]> = {
    'reads one process a line': ['web: node a.js\nworker: node b.js\n', { web: 'node a.js', worker: 'node b.js' }],
    'takes line ends of any system': ['web: a\r\nworker: b\rclock: c', { web: 'a', worker: 'b', clock: 'c' }],
    'passes over comments, empty lines and a byte order mark': ['\ufeff# what runs\n\n  web: a\n', { web: 'a' }],
    'keeps colons, quotes and variables within a command': [
      `web: sh -c "echo $PORT && run --at=http://x:1"`,
      { web: `sh -c "echo $PORT && run --at=http://x:1"` },
    ],
    'takes off quotes around a whole command, as YAML has them': [
      `web: "say \\"hi\\""\nworker: 'it''s'\n`,
      { web: 'say "hi"', worker: "it's" },
    ],
    'lets the last of two lines count': ['web: a\nweb: b', { web: 'b' }],
    'allows dashes and digits in a type': ['queue-2: a', { 'queue-2': 'a' }],
  }
  for (const [name, [text, processes]] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(parseProcfile(text).processes, processes))
  }

  test('warns of a type that stands twice and of a port of its own', () => {
    assert.match(parseProcfile('web: a\nweb: b').warnings.join(), /"web" twice/)
    assert.match(parseProcfile('web: server --port 3000').warnings.join(), /PORT/)
    assert.deepEqual(parseProcfile('web: server --port $PORT').warnings, [])
  })

  test('names the line that it cannot read', () => {
    for (const text of ['web', 'web:', 'a b: c', ': x']) {
      assert.throws(
        () => parseProcfile(`clock: x\n${text}`),
        (error: unknown) => error instanceof BuildFailure && /line 2/.test(error.message),
      )
    }
  })

  test('refuses a type that the control plane would refuse', () => {
    for (const type of ['Web', 'my_worker', '-web', 'web-', 'a--b']) assert.throws(() => parseProcfile(`${type}: x`), /process type/)
  })
})
