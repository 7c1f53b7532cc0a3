import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { der, generalizedTime, oid, sequence } from './der.ts'
import { DerCursor, NotPlain } from './der-cursor.ts'

suite('DerCursor', () => {
  test('goes through values of every size', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_000]) {
      const inside = DerCursor.whole(sequence(der(0x04, Buffer.alloc(length, 7)), oid(1, 2, 840)))
      assert.equal(inside.tag, 0x04)
      assert.equal(inside.inside(0x04).rest().length, length)
      assert.equal(inside.identifier(), '2a8648')
      assert.deepEqual([inside.isAtEnd, inside.tag], [true, -1])
      inside.end()
    }
  })

  test('reads times of both forms', () => {
    const ms = Date.parse('2026-02-28T23:59:59Z')
    const times = [generalizedTime(ms), der(0x17, Buffer.from('260228235959Z')), der(0x17, Buffer.from('991231235959Z'))]
    const cursor = DerCursor.over(Buffer.concat(times))
    assert.deepEqual([cursor.time(), cursor.time(), cursor.time()], [ms, ms, Date.parse('1999-12-31T23:59:59Z')])
  })

  test('reads bits, numbers and what is true', () => {
    const cursor = DerCursor.over(Buffer.from('030200ff030205a0020200800101ff', 'hex'))
    assert.equal(cursor.bits().rest().toString('hex'), 'ff')
    assert.equal(cursor.bits(true).rest().toString('hex'), 'a0')
    assert.equal(cursor.positive().toString('hex'), '02020080')
    cursor.yes()
    cursor.end()
  })

  const cases: Record<string, readonly [hex: string, read: (cursor: DerCursor) => unknown]> = {
    'nothing at all': ['', cursor => cursor.skip(0x02)],
    'a tag alone': ['02', cursor => cursor.skip(0x02)],
    'another tag': ['0401ff', cursor => cursor.skip(0x02)],
    'a value that is cut': ['020300ff', cursor => cursor.skip(0x02)],
    'a value longer than what it is in': ['3003020301ff', cursor => cursor.inside(0x30).skip(0x02)],
    'a length that is cut': ['0482ff', cursor => cursor.skip(0x04)],
    'an indefinite length': ['3080020101', cursor => cursor.skip(0x30)],
    'a length that could be shorter': ['04810100', cursor => cursor.skip(0x04)],
    'a length with a leading zero': [`04820080${'00'.repeat(128)}`, cursor => cursor.skip(0x04)],
    'a length of four octets': ['048400000001ff', cursor => cursor.skip(0x04)],
    'something behind the end': ['020101', cursor => cursor.end()],
    'a number below 0': ['020180', cursor => cursor.positive()],
    'a number that is 0': ['020100', cursor => cursor.positive()],
    'a number that could be shorter': ['02020001', cursor => cursor.positive()],
    'a number without octets': ['0200', cursor => cursor.positive()],
    'bits that fill no octet': ['030205a0', cursor => cursor.bits()],
    'bits without the number of those unused': ['0300', cursor => cursor.bits()],
    'more unused bits than an octet has': ['030208a0', cursor => cursor.bits(true)],
    'unused bits that are not 0': ['030207d0', cursor => cursor.bits(true)],
    'unused bits of no octet': ['030101', cursor => cursor.bits(true)],
    'an identifier without octets': ['0600', cursor => cursor.identifier()],
    'an identifier that does not end': ['06022a81', cursor => cursor.identifier()],
    'an identifier with a leading zero': ['06032a8001', cursor => cursor.identifier()],
    'what is false': ['010100', cursor => cursor.yes()],
    'what is true in another way': ['010101', cursor => cursor.yes()],
    'a number in place of a time': ['020101', cursor => cursor.time()],
    ...Object.fromEntries(
      ['20260228235959', '20260230000000Z', '20261328235959Z', '20260228245959Z', '20260228235959.5Z', '20260228235959+0100'].map(
        text => [`the time ${text}`, [der(0x18, Buffer.from(text)).toString('hex'), (cursor: DerCursor) => cursor.time()]] as const,
      ),
    ),
  }
  for (const [name, [hex, read]] of Object.entries(cases))
    test(`refuses ${name}`, () => assert.throws(() => read(DerCursor.over(Buffer.from(hex, 'hex'))), NotPlain))
})
