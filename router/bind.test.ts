import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentLog } from '../kernel/log.ts'
import { parseBind, usableAddresses } from './bind.ts'

suite('parseBind()', () => {
  test('reads addresses, each once', () => {
    assert.deepEqual(parseBind('127.0.0.1, ::1,127.0.0.1'), ['127.0.0.1', '::1'])
    assert.deepEqual(parseBind('::'), ['::'])
  })
  for (const text of ['localhost', '127.0.0.1,', '*', '10.0.0.0/8', '[::1]'])
    test(`refuses ${text}`, () => assert.throws(() => parseBind(text), /Cannot read address/))
})

suite('usableAddresses()', () => {
  const without =
    (...absent: string[]) =>
    (address: string) => {
      if (absent.includes(address)) throw Object.assign(new Error('no such address'), { code: 'EADDRNOTAVAIL' })
    }
  test('are all of them on a machine with both families', () => {
    assert.deepEqual(usableAddresses(['127.0.0.1', '::1'], silentLog, without()), ['127.0.0.1', '::1'])
  })
  test('are those of IPv4 where IPv6 is off', () => {
    assert.deepEqual(usableAddresses(['127.0.0.1', '::1'], silentLog, without('::1')), ['127.0.0.1'])
    assert.deepEqual(usableAddresses(['::'], silentLog, without('::')), ['0.0.0.0'])
  })
  test('are never none', () => {
    assert.throws(() => usableAddresses(['::1'], silentLog, without('::1')), { code: 'EADDRNOTAVAIL' })
  })
  test('fail for another reason', () => {
    const denied = () => {
      throw Object.assign(new Error('denied'), { code: 'EACCES' })
    }
    assert.throws(() => usableAddresses(['127.0.0.1'], silentLog, denied), { code: 'EACCES' })
  })
})
