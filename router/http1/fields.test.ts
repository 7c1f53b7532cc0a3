import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { headValue } from './fields.ts'

suite('headValue()', () => {
  test('finds a field in any case and none where there is none', () => {
    assert.equal(headValue('GET / HTTP/1.1\r\nUser-AGENT:  x y \r\n\r\n', 'user-agent'), 'x y')
    assert.equal(headValue('GET / HTTP/1.1\r\nA: user-agent: x\r\n\r\n', 'user-agent'), '')
  })
})
