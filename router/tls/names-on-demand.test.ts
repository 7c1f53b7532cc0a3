import assert from 'node:assert/strict'
import { EventEmitter } from 'node:events'
import { mock, suite, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import type { Table } from '../table/table.ts'
import { NamesOnDemand } from './names-on-demand.ts'

suite('NamesOnDemand', () => {
  test('holds nobody while no app wants it, whatever the name', () => {
    const { names, wanted } = make()
    assert.equal(names.holds('a.shop.test', {} as Table, undefined, assert.fail), false)
    assert.deepEqual(wanted, [])
  })
  test('asks once for all who come, and lets each go on once', () => {
    const { names, wanted, wentOn, hold } = make()
    for (let count = 0; count < 3; count++) assert.ok(hold('a.shop.test'))
    assert.ok(hold('b.shop.test'))
    assert.deepEqual([wanted, names.count], [['a.shop.test', 'b.shop.test'], 4])
    names.look(tableOf('b.shop.test', 'c.shop.test'))
    assert.deepEqual([wentOn, names.count], [['b.shop.test'], 3])
    names.deny(['a.shop.test', 'a.shop.test', 'never.shop.test'])
    names.stop()
    assert.deepEqual([wentOn.length, names.count], [4, 0])
    // Of one that came or was denied just now nothing more is asked.
    for (const name of ['a.shop.test', 'b.shop.test']) assert.ok(!hold(name))
    assert.equal(wanted.length, 2)
  })
  test('lets go on who has waited long enough, and who comes late with the first', () => {
    mock.timers.enable({ apis: ['setTimeout'] })
    try {
      const { names, wentOn, hold } = make()
      hold('a.shop.test')
      mock.timers.tick(900)
      hold('a.shop.test')
      mock.timers.tick(99)
      assert.equal(wentOn.length, 0)
      mock.timers.tick(1)
      assert.deepEqual([wentOn.length, names.count], [2, 0])
    } finally {
      mock.timers.reset()
    }
  })
  test('forgets who has gone, and never calls him', () => {
    const { names, wentOn, hold } = make({ waitingMax: 2 })
    const socket = new EventEmitter()
    assert.ok(hold('a.shop.test', socket))
    assert.ok(hold('a.shop.test'))
    assert.ok(!hold('b.shop.test'))
    socket.emit('close')
    socket.emit('close')
    assert.equal(names.count, 1)
    assert.ok(hold('c.shop.test'))
    names.stop()
    assert.deepEqual(wentOn, ['a.shop.test', 'c.shop.test'])
  })
  for (const name of [
    '',
    'shop',
    '10.0.0.1',
    '[::1]',
    'a_b.test',
    '-a.test',
    'a-.test',
    'a..test',
    '*.test',
    'a.1',
    `${'a'.repeat(64)}.test`,
  ])
    test(`is nothing for "${name.slice(0, 20)}"`, () => assert.ok(!make().hold(name)))
  test('remembers no more than ten thousand names', () => {
    const { names, wanted, hold } = make({ waitingMax: 1 })
    for (let index = 0; index <= 10_000; index++) hold(`x${index}.shop.test`)
    names.stop()
    assert.equal(wanted.length, 10_001)
    // The first was forgotten, the last was not.
    hold('x10000.shop.test')
    assert.equal(wanted.length, 10_001)
    hold('x0.shop.test')
    assert.equal(wanted.length, 10_002)
    names.stop()
  })
})

function make({ waitingMax = 10 } = {}) {
  const wanted: string[] = []
  const wentOn: string[] = []
  const names = new NamesOnDemand({ waitMs: 1_000, waitingMax, want: name => wanted.push(name) })
  const hold = (name: string, socket?: EventEmitter) =>
    names.holds(name, tableOf(), socket as TLSSocket | undefined, () => wentOn.push(name))
  return { names, wanted, wentOn, hold }
}

/** One that would have a certificate for any name, and has some. */
function tableOf(...certified: string[]): Table {
  return { mayAskFor: () => true, isCertified: (name: string) => certified.includes(name) } as unknown as Table
}
