import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  parseBoolean,
  parseCidr,
  parseDomain,
  parseInteger,
  parseObjectName,
  parsePair,
  parsePathPrefix,
  parseSize,
  parseTime,
  parseWord,
} from './values.ts'

reads('parseBoolean()', parseBoolean, { true: true, True: true, TRUE: true, false: false, False: false }, ['1', '0', 'yes', '', ' true'])

reads(
  'parseTime()',
  parseTime,
  {
    10: 10_000,
    1200: 1_200_000,
    '500ms': 500,
    '5s': 5000,
    '2m': 120_000,
    '1h': 3_600_000,
    '1d': 86_400_000,
    '1w': 604_800_000,
    '1M': 2_592_000_000,
    '1y': 31_536_000_000,
  },
  ['0', '0s', '1.5s', '-1', 's', '', '10 s', '10S', '1e3', '1min'],
)

reads('parseSize()', parseSize, { 0: 0, 512: 512, '64k': 65_536, '64K': 65_536, '10m': 10_485_760, '1M': 1_048_576 }, [
  '',
  '1g',
  '1.5k',
  '-1',
  'k',
  '1kb',
])

reads(
  'parseDomain()',
  parseDomain,
  {
    shop: 'shop',
    'my-shop2': 'my-shop2',
    'Www.Example.COM': 'www.example.com',
    '*.example.com': '*.example.com',
    'bücher.example': 'xn--bcher-kva.example',
    'xn--bcher-kva.example': 'xn--bcher-kva.example',
    'a.b.c.example.com': 'a.b.c.example.com',
    '10.0.0.12': '10.0.0.12',
  },
  [
    '',
    '.',
    '*',
    '*.',
    '*.com*',
    '*.shop*',
    'a.b',
    'foo_bar',
    'foo_bar.com',
    'example.com:80',
    '-a.example.com',
    'a-.example.com',
    'example..com',
    '.example.com',
    'example.com.',
    'a b.example.com',
    'foo.*.com',
    'example.com/x',
    '$x.example.com',
    `${'a'.repeat(64)}.example.com`,
    `${'a.'.repeat(126)}example`,
    '[::1]',
    'http://example.com',
  ],
)

reads(
  'parseCidr()',
  parseCidr,
  {
    '10.0.0.0/8': '10.0.0.0/8',
    '1.2.3.4': '1.2.3.4/32',
    '0.0.0.0/0': '0.0.0.0/0',
    '::1': '::1/128',
    '2001:DB8::/32': '2001:db8::/32',
    '::/0': '::/0',
  },
  ['', '1.2.3', '1.2.3.41.2.3.5', '1.2.3.4/33', '1.2.3.4/', '1.2.3.4/-1', '::1/129', 'fe80::1%eth0', '256.0.0.1', 'all', '10.0.0.0/8/8'],
)

reads('parsePathPrefix()', parsePathPrefix, { '/': '/', '/git/': '/git/', '/a%20b': '/a%20b', '/v1.0/x-y_z~': '/v1.0/x-y_z~' }, [
  '',
  'git',
  '~ ^/x',
  '/a b',
  '/a?b',
  '/a#b',
  '/ { return 200; }',
  '/a\n',
  `/${'a'.repeat(1024)}`,
])

reads('parseObjectName()', parseObjectName, { 'www-cert': 'www-cert', 'a.b': 'a.b' }, ['', 'A', '../x', 'a_b', '-a', 'a..b'])

suite('parsePair()', () => {
  test('splits at the first colon', () => assert.deepEqual(parsePair('a.example.com : b:c'), ['a.example.com', 'b:c']))
  for (const text of ['a', ':a', 'a:', '']) test(`refuses "${text}"`, () => assert.throws(() => parsePair(text), RangeError))
})

suite('parseInteger() and parseWord()', () => {
  test('keep to their bounds', () => {
    assert.equal(parseInteger('9', 1, 9), 9)
    for (const text of ['0', '10', 'x', '1.0', '']) assert.throws(() => parseInteger(text, 1, 9), RangeError, text)
  })
  test('keep to their words', () => {
    assert.equal(parseWord('on', ['on', 'off']), 'on')
    assert.throws(() => parseWord('On', ['on', 'off']), /Cannot read "On": write one of on, off/)
  })
})

function reads<T>(name: string, parse: (value: string) => T, good: Record<string, T>, bad: string[]) {
  suite(name, () => {
    for (const [value, expected] of Object.entries(good)) test(`reads "${value}"`, () => assert.equal(parse(value), expected))
    for (const value of bad) test(`refuses "${value.slice(0, 40)}"`, () => assert.throws(() => parse(value), RangeError))
  })
}
