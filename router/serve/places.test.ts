import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { addressMatcher, DEFAULT_SETTINGS, type RouterSettings } from '../table/route.ts'
import { DEFAULT_LIMITS } from './limits.ts'
import { Places } from './places.ts'
import type { Shedder } from './shedder.ts'

function placesOf(limits: object, settings: Partial<RouterSettings> = {}, idleCount = 0) {
  const asked: boolean[] = []
  const shedder = {
    shed: (atOnce: boolean) => {
      asked.push(atOnce)
      return idleCount-- > 0
    },
  } as unknown as Shedder
  const places = new Places({ ...DEFAULT_LIMITS, ...limits }, () => ({ ...DEFAULT_SETTINGS, ...settings }), shedder)
  return { places, asked }
}

suite('Places', () => {
  test('are as many as the limit, and free again when they are given back', () => {
    const { places } = placesOf({ connectionsMax: 2, clientShare: 1 })
    const first = places.take('http', '192.0.2.1')
    places.take('http', '192.0.2.2')
    assert.equal(places.take('http', '192.0.2.3'), undefined)
    places.free(first!)
    assert.ok(places.take('http', '192.0.2.3'))
    assert.equal(places.taken, 2)
  })

  test('of one client are its share of them, an IPv6 /64 being one client', () => {
    const { places } = placesOf({ connectionsMax: 8, clientShare: 0.25 })
    for (const [address, mayCome] of [
      ['192.0.2.1', true],
      ['192.0.2.1', true],
      ['192.0.2.1', false],
      ['192.0.2.2', true],
      ['2001:db8::1', true],
      ['2001:db8::2', true],
      ['2001:db8::3', false],
      ['2001:db8:0:1::3', true],
    ] as const)
      assert.equal(places.take('http', address) !== undefined, mayCome, address)
    assert.equal(places.taken, 6)
  })

  test('refused leave no trace', () => {
    const { places } = placesOf({ connectionsMax: 4, clientShare: 0.5 })
    const mine = [places.take('http', '192.0.2.1'), places.take('http', '192.0.2.1')]
    for (let count = 0; count < 10; count++) assert.equal(places.take('http', '192.0.2.1'), undefined)
    places.free(mine[0]!)
    assert.ok(places.take('http', '192.0.2.1'))
    assert.equal(places.take('http', '192.0.2.1'), undefined)
  })

  test('of a trusted proxy have no share', () => {
    const { places } = placesOf({ connectionsMax: 8, clientShare: 0.25 }, { trusted: addressMatcher(['10.0.0.0/8']) })
    for (let count = 0; count < 8; count++) assert.ok(places.take('http', '10.1.2.3'))
    assert.equal(places.take('http', '10.1.2.3'), undefined)
  })

  test('that a PROXY header claims count to the client it names', () => {
    const { places } = placesOf({ connectionsMax: 8, clientShare: 0.25 })
    const three = [places.take('http'), places.take('http'), places.take('http')]
    assert.deepEqual(
      three.map(place => places.claim(place!, '192.0.2.1')),
      [true, true, false],
    )
    places.free(three[0]!)
    assert.equal(places.claim(three[2]!, '192.0.2.1'), true)
  })

  test('of git are apart', () => {
    const { places } = placesOf({ connectionsMax: 2, gitConnectionsMax: 1, clientShare: 1 })
    assert.ok(places.take('git', '192.0.2.1'))
    assert.equal(places.take('git', '192.0.2.2'), undefined)
    assert.ok(places.take('http', '192.0.2.1'))
    assert.ok(places.take('http', '192.0.2.1'))
  })

  test('are no more than nginx.maxWorkerConnections, and no more than the process allows', () => {
    const taken = (limit: number, annotation: number) => {
      const { places } = placesOf({ connectionsMax: limit, clientShare: 1 }, { workerConnectionsMax: annotation })
      while (places.take('http', '192.0.2.1'));
      return places.taken
    }
    assert.equal(taken(100, 7), 7)
    assert.equal(taken(5, 7), 5)
  })

  test('nearly all taken cost idle connections theirs: politely at first, at once when full', () => {
    const { places, asked } = placesOf({ connectionsMax: 32, clientShare: 1 }, {}, 4)
    for (let count = 0; count < 34; count++) assert.ok(places.take('http', '192.0.2.1'), `${count}`)
    assert.deepEqual(asked, [false, false, true, true])
    assert.equal(places.take('http', '192.0.2.1'), undefined)
    assert.equal(places.shedCount, 4)
  })
})
