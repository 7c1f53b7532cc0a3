import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { AppLoad } from '../table/app-load.ts'
import { parseRate } from '../table/extensions/rate-limit.ts'
import { RateLimiter } from './rate-limit.ts'

suite('RateLimiter.takeClient()', () => {
  test('grants a burst, then one an interval, and says when', () => {
    const limiter = new RateLimiter(100)
    const take = (nowMs: number) => limiter.takeClient('shop', '192.0.2.1', parseRate('10/s burst=3'), nowMs)
    assert.deepEqual([take(1000), take(1000), take(1000)], [0, 0, 0])
    assert.equal(take(1000), 100)
    assert.equal(take(1099), 1)
    assert.equal(take(1100), 0)
    assert.equal(take(1100), 100)
    assert.deepEqual([take(9000), take(9000), take(9000), take(9000) > 0], [0, 0, 0, true])
  })
  test('over an hour grants what was said, however it comes', () => {
    const limiter = new RateLimiter(100)
    let granted = 0
    for (let nowMs = 0; nowMs < 3_600_000; nowMs += 777)
      granted += Number(limiter.takeClient('a', '::1', parseRate('100/h burst=7'), nowMs) === 0)
    assert.ok(granted >= 106 && granted <= 107, String(granted))
  })
  test('keeps apps and clients apart, and takes the /64 of IPv6 for one', () => {
    const limiter = new RateLimiter(100)
    const take = (app: string, address: string) => limiter.takeClient(app, address, parseRate('1/h'), 0)
    assert.deepEqual(
      ['192.0.2.1', '192.0.2.2', '2001:db8::1', '2001:db8:0:1::1'].map(address => take('a', address)),
      [0, 0, 0, 0],
    )
    assert.equal(take('b', '192.0.2.1'), 0)
    assert.ok(take('a', '2001:db8::ffff') > 0)
  })
  test('a flood of addresses costs bounded memory, and does not set free who keeps asking', () => {
    const limiter = new RateLimiter(1000)
    const rate = parseRate('1/s burst=1')
    let granted = 0
    for (let index = 0; index < 100_000; index++) {
      limiter.takeClient('shop', `10.${index >> 16}.${(index >> 8) & 255}.${index & 255}`, rate, 5)
      if (index % 100 === 0) granted += Number(limiter.takeClient('shop', '192.0.2.66', rate, 5) === 0)
    }
    assert.equal(granted, 1)
    assert.ok(limiter.size <= 1001, String(limiter.size))
  })
})

suite('RateLimiter.takeApp()', () => {
  test('gives each worker its share', () => {
    const limiter = new RateLimiter(10)
    const [one, other] = [new AppLoad(), new AppLoad()]
    const take = (load: AppLoad, nowMs: number) => limiter.takeApp(load, parseRate('10/s burst=4'), 2, nowMs)
    assert.deepEqual([take(one, 0), take(one, 0), take(one, 0), take(other, 0)], [0, 0, 200, 0])
    assert.equal(take(one, 200), 0)
  })
})

suite('parseRate()', () => {
  for (const text of ['', '10', '0/s', '10/d', '1.5/s', '10/s burst=0', '10/s burst', '9999999/s', '10/s,5/m'])
    test(`refuses "${text}"`, () => assert.throws(() => parseRate(text), /Cannot read rate/))
  test('has the number itself as burst', () => assert.deepEqual(parseRate('100/m'), { intervalMs: 600, burst: 100 }))
})
