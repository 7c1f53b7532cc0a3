import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { bitsOf, contentOf, der, generalizedTime, oid, partsOf, readDer, sequence, timeOf } from './der.ts'

suite('der()', () => {
  test('writes lengths of every size, which readDer() reads', () => {
    for (const length of [0, 1, 127, 128, 255, 256, 65_535]) {
      const bytes = der(0x04, Buffer.alloc(length, 7))
      assert.equal(contentOf(readDer(bytes), 0x04).length, length)
      assert.ok(readDer(bytes).bytes.equals(bytes))
    }
  })
  test('oid() writes numbers of every size (X.690 §8.19)', () => {
    assert.equal(oid(1, 2, 840, 113549, 1, 1, 11).toString('hex'), '06092a864886f70d01010b')
    assert.equal(oid(2, 5, 29, 17).toString('hex'), '0603551d11')
  })
  test('generalizedTime() is read by timeOf()', () => {
    const ms = Date.parse('2026-02-28T23:59:59Z')
    assert.equal(generalizedTime(ms).toString('latin1', 2), '20260228235959Z')
    assert.equal(timeOf(readDer(generalizedTime(ms))), ms)
  })
})

suite('readDer() and its kin', () => {
  test('find the parts of a value', () => {
    const parts = partsOf(readDer(sequence(oid(1, 2, 3), der(0x03, Buffer.from([0, 9])))))
    assert.deepEqual([...bitsOf(parts[1])], [9])
  })
  for (const [name, hex] of Object.entries({
    nothing: '',
    'a tag alone': '30',
    'a value that is cut': '3003020100'.slice(0, 8),
    'a length that is cut': '3082ff',
    'two values': '05000500',
    'an indefinite length': '30800000',
    'a length that could be shorter': `3081${'03'}020101`,
    'a length with a leading zero': `30820080${'00'.repeat(128)}`,
    'a length of five octets': '30850000000000',
    'a tag of many octets': '1f1f00',
  }))
    test(`refuse ${name}`, () => assert.throws(() => readDer(Buffer.from(hex, 'hex')), SyntaxError))
  for (const text of ['20260228235959', '20260228235959.5Z', '260228235959Z', '20261328235959Z', '20260228235959+0100'])
    test(`refuse the time ${text}`, () => assert.throws(() => timeOf(readDer(der(0x18, Buffer.from(text)))), SyntaxError))
  test('refuse another tag, an absent value, and bits that fill no octets', () => {
    assert.throws(() => partsOf(readDer(der(0x31, Buffer.alloc(0)))), SyntaxError)
    assert.throws(() => contentOf(undefined, 0x04), SyntaxError)
    assert.throws(() => bitsOf(readDer(der(0x03, Buffer.from([1, 2])))), SyntaxError)
  })
})
