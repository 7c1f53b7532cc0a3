import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { DEFAULT_LIMITS } from '../serve/limits.ts'
import { type Field, field } from './hpack/table.ts'
import { RequestFields } from './request.ts'

type List = readonly (readonly [name: string, value: string])[]

const BYTES_MAX = 16 * 1024
const GET: List = [
  [':method', 'GET'],
  [':scheme', 'https'],
  [':authority', 'a.test'],
  [':path', '/first'],
  ['user-agent', 'browser'],
  ['cookie', 'a=1'],
  ['cookie', 'b=2'],
  ['authorization', 'Basic YTpi'],
]

suite('RequestFields', () => {
  // Whatever came before on the connection, a request is what it is alone.
  const next: [name: string, list: List, body?: string][] = [
    ['the same again', GET],
    ['another path', changed(':path', '/second?x=1')],
    ['a longer path', changed(':path', `/${'x'.repeat(4000)}`)],
    ['a path that is too long', changed(':path', `/${'x'.repeat(DEFAULT_LIMITS.requestLineBytesMax)}`)],
    ['a path with a blank', changed(':path', '/a b')],
    ['a path with a fragment', changed(':path', '/a#b')],
    ['a path with a high octet', changed(':path', '/\xe9')],
    ['a path that is none', changed(':path', 'http://b.test/')],
    ['a path that is an asterisk', changed(':path', '*')],
    ['an empty path', changed(':path', '')],
    ['a path with CR LF', changed(':path', '/\r\nhost: b.test')],
    ['another host', changed(':authority', 'b.test')],
    ['another method', changed(':method', 'DELETE')],
    ['another cookie', changed('cookie', 'c=3')],
    ['another password', changed('authorization', 'Basic Yzpk')],
    ['a field less', GET.slice(0, -1)],
    ['a field more', [...GET, ['accept', '*/*']]],
    ['the path twice', [...GET.slice(0, 4), [':path', '/second'], ...GET.slice(4)]],
    ['the path in the place of another field', GET.map(([name, value]) => (name === 'user-agent' ? [':path', '/second'] : [name, value]))],
    ['no path', GET.filter(([name]) => name !== ':path')],
    ['a body that is to come', GET, 'to come'],
    ['a body that is here', GET, 'abc'],
    ['a list that is too large', [...GET, ['x-large', 'x'.repeat(BYTES_MAX)]]],
    ['an empty list', []],
  ]
  for (const [name, list, body] of next) {
    test(`reads ${name} after another as if it were the first`, () => {
      const fields = new RequestFields(DEFAULT_LIMITS)
      const first = read(fields, GET.map(make))
      assert.ok(typeof first === 'object')
      const entries = list.map(make)
      const alone = read(new RequestFields(DEFAULT_LIMITS), entries, body)
      assert.deepEqual(read(fields, entries, body), alone)
      assert.deepEqual(read(fields, entries, body), alone)
      assert.deepEqual(read(fields, GET.map(make)), first)
    })
  }

  test('takes over what is known where nothing but the path differs', () => {
    const fields = new RequestFields(DEFAULT_LIMITS)
    const entries = GET.map(make)
    const first = read(fields, entries)
    assert.ok(typeof first === 'object')
    const again = read(fields, entries)
    assert.equal(again, first)
    const other = read(fields, changed(':path', '/second').map(make))
    assert.ok(typeof other === 'object')
    assert.equal(other.head.target, '/second')
    assert.equal(other.head.fields, first.head.fields)
    assert.match(other.head.raw, /^GET \/second HTTP\/1\.1\r\nhost: a\.test\r\n/)
  })
})

function changed(name: string, value: string): List {
  return GET.map(entry => (entry[0] === name ? [name, value] : entry))
}

function make([name, value]: List[number]): Field {
  return field(name, value)
}

function read(fields: RequestFields, entries: readonly Field[], body?: string) {
  fields.begin(BYTES_MAX)
  for (const entry of entries) fields.field(entry)
  return body === 'to come' ? fields.read(false, undefined) : fields.read(true, body)
}
