import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { suite, test } from 'node:test'
import { formatEnvFile, parseEnvFile, parsePair } from './env-file.ts'

const AWKWARD: Readonly<Record<string, string>> = {
  PLAIN: 'value',
  EMPTY: '',
  URL: 'postgres://ana:s3cret@db.example.com:5432/shop?x=1&y=2',
  SPACES: '  two  spaces  ',
  LINES: 'one\ntwo\n\nfour\n',
  SINGLE: "it's",
  DOUBLE: 'say "hi"',
  BOTH: `it's "both" $HOME \`id\` \\n \\`,
  HASH: '# no comment',
  EQUALS: 'a=b=c',
  DASH: '-x --y',
  UNICODE: 'Þetta er 日本語 Привет 🙂',
  TAB: 'a\tb',
  JSON: '{"a":["b\\n"]}',
  KEY: '-----BEGIN KEY-----\nMIIE/+=\n-----END KEY-----\n',
}

suite('formatEnvFile()', () => {
  const file = formatEnvFile(AWKWARD)

  test('is read back as it was', () => assert.deepEqual(parseEnvFile(file), AWKWARD))

  test('is read by a shell as it was', () => {
    const names = Object.keys(AWKWARD)
    const script = `${file}\nprintf '%s\\0' ${names.map(name => `"$${name}"`).join(' ')}`
    const { stdout } = spawnSync('sh', ['-c', script], { encoding: 'utf8' })
    assert.deepEqual(stdout.split('\0').slice(0, -1), Object.values(AWKWARD))
  })

  test('quotes only what needs it', () => assert.match(file, /^PLAIN=value\nEMPTY=\nURL='/))
})

suite('parseEnvFile()', () => {
  test('takes what people write', () =>
    assert.deepEqual(
      parseEnvFile(
        '\ufeff# a comment\r\n\r\nexport A=1\r\n  B = two words # said so\nC="x\\ty\\n\\"z\\"" # quoted\nD=\'raw \\n $HOME\'\nE=\nF=a#b\nG=http://x/#y\nA=2',
      ),
      { A: '2', B: 'two words', C: 'x\ty\n"z"', D: 'raw \\n $HOME', E: '', F: 'a#b', G: 'http://x/#y' },
    ))

  for (const [what, content, message] of [
    ['a line without a value', 'A=1\nnonsense', /line 2 .*NAME=value/],
    ['a name that none can have', '1A=2', /line 1 /],
    ['a quote that is never closed', 'A=1\n\nB="x\ny', /line 3 .*never closed/],
    ['text behind a quote', "A='x' y", /line 1 .*closing quote/],
  ] as const)
    test(`refuses ${what}, and names the line`, () => assert.throws(() => parseEnvFile(content), message))

  test('does not fall for names of objects', () => {
    const values = parseEnvFile('__proto__=1\nconstructor=2')
    assert.equal(Object.getPrototypeOf(values), Object.prototype)
    assert.equal(values['constructor'], '2')
  })
})

suite('parsePair()', () => {
  test('splits at the first equals sign', () => assert.deepEqual(parsePair('A=b=c'), ['A', 'b=c']))
  test('takes an empty value', () => assert.deepEqual(parsePair('A='), ['A', '']))
  test('refuses what has no name', () => assert.throws(() => parsePair('=b'), /NAME=value/))
})
