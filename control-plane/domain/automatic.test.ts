import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import {
  type Automatic,
  adopt,
  automaticName,
  directoryIndex,
  failed,
  issued,
  nextStep,
  note,
  orderableAt,
  ordered,
  retire,
  scheduled,
} from './automatic.ts'

const MINUTE = 60_000
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR
const T0 = Date.parse('2026-01-01T00:00:00Z')
const NEW = adopt(undefined, 'www.shop.test', 'shop')
const REFUSED = { message: 'No', isRefusal: true, keepsOrder: false }
const UNREACHABLE = { message: 'It leads elsewhere', isRefusal: false, keepsOrder: true }

suite('nextStep()', () => {
  test('obtains what is wanted and not there', () => {
    assert.deepEqual(nextStep(undefined, undefined, T0), { do: 'nothing' })
    assert.deepEqual(nextStep(undefined, 'shop', T0), { do: 'adopt' })
    assert.deepEqual(nextStep(NEW, 'shop', T0), { do: 'obtain', renews: false })
  })
  test('asks when to renew, then waits for that moment', () => {
    const record = got(NEW, 90)
    assert.deepEqual(nextStep(record, 'shop', T0), { do: 'ask' })
    const told = scheduled(record, { startMs: T0 + 50 * DAY, endMs: T0 + 52 * DAY, againAfterMs: 6 * HOUR }, T0, 0.5)
    assert.equal(told.renewAt, new Date(T0 + 51 * DAY).toISOString())
    assert.deepEqual(nextStep(told, 'shop', T0), { do: 'wait', ms: 6 * HOUR })
    assert.deepEqual(nextStep(told, 'shop', T0 + 6 * HOUR), { do: 'ask' })
    assert.deepEqual(nextStep({ ...told, askAt: iso(60 * DAY) }, 'shop', T0 + 51 * DAY), { do: 'obtain', renews: true })
  })
  test('renews at once what its authority wants to be renewed', () => {
    const told = scheduled(got(NEW, 90), { startMs: T0 - 2 * DAY, endMs: T0 - DAY, againAfterMs: HOUR }, T0, 0.5)
    assert.deepEqual(nextStep(told, 'shop', T0), { do: 'obtain', renews: true })
  })
  test('renews between 0.61 and 0.67 of its life where nobody says when', () => {
    for (const chance of [0, 0.5, 1]) {
      const record = scheduled(got(NEW, 90, chance), undefined, T0, 0)
      assert.deepEqual(nextStep({ ...record, askAt: iso(99 * DAY) }, 'shop', T0 + 55 * DAY), { do: 'wait', ms: 12 * HOUR })
      assert.equal(nextStep({ ...record, askAt: iso(99 * DAY) }, 'shop', T0 + 60 * DAY).do, 'obtain')
    }
  })
  test('chooses one moment of a window, each as likely, and another one of another window', () => {
    const window = { startMs: T0 + 50 * DAY, endMs: T0 + 60 * DAY, againAfterMs: HOUR }
    const moments = [0, 0.25, 1].map(chance => scheduled(got(NEW, 90), window, T0, chance).renewAt)
    assert.deepEqual(moments, [iso(50 * DAY), iso(52.5 * DAY), iso(60 * DAY)])
    const told = scheduled(got(NEW, 90), window, T0, 0.1)
    assert.equal(scheduled(told, window, T0 + HOUR, 0.9).renewAt, told.renewAt)
    assert.equal(scheduled(told, undefined, T0 + HOUR, 0.9).renewAt, told.renewAt)
    assert.equal(scheduled(told, { ...window, startMs: T0 + 40 * DAY }, T0 + HOUR, 0).renewAt, iso(40 * DAY))
    assert.equal(got(told, 90).window, undefined)
  })
  for (const [said, ms] of [
    [undefined, 6 * HOUR],
    [0, MINUTE],
    [30_000, MINUTE],
    [HOUR, HOUR],
    [7 * DAY, DAY],
  ] as const)
    test(`asks again after ${ms / MINUTE} minutes where the authority says ${said}`, () => {
      const window = { startMs: T0 + 50 * DAY, endMs: T0 + 60 * DAY, ...(said !== undefined && { againAfterMs: said }) }
      assert.equal(scheduled(got(NEW, 90), window, T0, 0).askAt, iso(ms))
    })
  test('tells where the authority says why it wants it sooner, once', () => {
    const window = { startMs: T0, endMs: T0 + DAY, explanation: 'https://ca.test/why' }
    const told = scheduled(scheduled(got(NEW, 90), window, T0, 0), window, T0 + HOUR, 0)
    assert.match(told.events.at(-1)?.message ?? '', /see https:\/\/ca\.test\/why$/)
    assert.equal(told.events.length, 2)
  })
  test('is never asked for by the same clock twice: whatever was done moves a time', () => {
    let record: Automatic = NEW
    for (let round = 0; round < 50; round++) {
      const step = nextStep(record, 'shop', T0)
      if (step.do === 'wait') return
      if (step.do === 'obtain') record = round % 2 === 0 ? failed(record, REFUSED, T0, 0) : got(record, 90)
      else if (step.do === 'ask') record = scheduled(record, undefined, T0, 0)
    }
    assert.fail('It goes on for ever')
  })
  test('goes on with an order that stands, whatever stands', () => {
    const order = { url: 'https://ca.test/1', directory: 'https://ca.test' }
    assert.deepEqual(nextStep({ ...got(NEW, 90), order }, 'shop', T0), { do: 'obtain', renews: true })
    assert.deepEqual(nextStep({ ...NEW, order }, 'shop', T0), { do: 'obtain', renews: false })
  })
  test('survives times that nobody can read', () => {
    assert.equal(nextStep({ ...got(NEW, 90), renewAt: 'soon' }, 'shop', T0).do, 'obtain')
    assert.equal(nextStep({ ...NEW, nextAttemptAt: '' }, 'shop', T0).do, 'obtain')
  })
})

suite('failed()', () => {
  test('doubles the wait up to a day', () => {
    let record: Automatic = NEW
    const waits: number[] = []
    for (let attempt = 0; attempt < 14; attempt++) {
      record = failed(record, REFUSED, T0, 0)
      waits.push((Date.parse(record.nextAttemptAt ?? '') - T0) / MINUTE)
    }
    assert.deepEqual(waits, [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 1440, 1440, 1440])
    assert.deepEqual(nextStep(record, 'shop', T0), { do: 'wait', ms: 12 * HOUR })
  })
  test('waits an hour at most for a domain that leads elsewhere, which costs no authority anything', () => {
    let record: Automatic = NEW
    for (let attempt = 0; attempt < 20; attempt++) record = failed(record, UNREACHABLE, T0, 1)
    assert.equal(Date.parse(record.nextAttemptAt ?? '') - T0, 75 * MINUTE)
    assert.equal(directoryIndex(record, 2), 0)
  })
  test('waits as long as it was told', () => {
    const record = failed(NEW, { ...REFUSED, retryAfterMs: 3 * DAY }, T0, 0)
    assert.equal(record.nextAttemptAt, iso(3 * DAY))
  })
  test('drops the challenge, and the order unless it may still come to something', () => {
    const order = { url: 'https://ca.test/1', directory: 'https://ca.test' }
    const busy = { ...NEW, order, challenge: { token: 't', keyAuthorization: 't.x' } }
    assert.deepEqual([failed(busy, REFUSED, T0, 0).order, failed(busy, REFUSED, T0, 0).challenge], [undefined, undefined])
    assert.equal(failed(busy, { ...REFUSED, keepsOrder: true }, T0, 0).order, order)
  })
  test('leaves what is served as it is', () => {
    const record = failed(got(NEW, 90), REFUSED, T0 + 60 * DAY, 0)
    assert.equal(record.certificate, 'chain')
    assert.equal(record.lastError, 'No')
  })
  test('turns to the next directory after three refusals', () => {
    let record: Automatic = NEW
    const asked: number[] = []
    for (let attempt = 0; attempt < 7; attempt++) {
      asked.push(directoryIndex(record, 2))
      record = failed(record, REFUSED, T0, 0)
    }
    assert.deepEqual(asked, [0, 0, 0, 1, 1, 1, 0])
    assert.equal(directoryIndex(got(record, 90), 2), 0)
  })
})

suite('retire()', () => {
  test('keeps nothing secret, and remembers what must not be begun again at once', () => {
    const record = retire(failed(got(NEW, 90), REFUSED, T0, 0))
    assert.deepEqual([record.certificate, record.key, record.order, record.challenge], [undefined, undefined, undefined, undefined])
    assert.deepEqual(nextStep(record, undefined, T0), { do: 'wait', ms: 12 * HOUR })
    assert.deepEqual(nextStep(record, undefined, T0 + 7 * DAY), { do: 'forget' })
    const again = adopt(record, 'www.shop.test', 'shop')
    assert.deepEqual(nextStep(again, 'shop', T0), { do: 'wait', ms: MINUTE })
  })
  test('lets nobody have a name certified more than four times a week by turning it off and on', () => {
    let record: Automatic = NEW
    for (let round = 0; round < 4; round++) record = adopt(retire(got(record, 90)), 'www.shop.test', 'shop')
    assert.deepEqual(nextStep(record, 'shop', T0), { do: 'wait', ms: 12 * HOUR })
    assert.deepEqual(nextStep(record, 'shop', T0 + 7 * DAY), { do: 'obtain', renews: false })
  })
  test('renewals are as many as an authority with short lives asks for', () => {
    let record: Automatic = NEW
    for (let round = 0; round < 20; round++) record = got(record, 1)
    assert.equal(record.issues.length, 1)
  })
  test('gives another app nothing of it', () => {
    const record = got(NEW, 90)
    assert.deepEqual(nextStep(record, 'other', T0), { do: 'adopt' })
    const theirs = adopt(record, 'www.shop.test', 'other')
    assert.deepEqual([theirs.app, theirs.certificate, theirs.key, theirs.events], ['other', undefined, undefined, []])
  })
})

suite('orderableAt()', () => {
  const record = (domain: string, ...hours: number[]) =>
    hours.reduce((standing, hour) => ordered(standing, 'ana', T0 + hour * HOUR), adopt(undefined, domain, 'shop'))
  const now = T0 + 10 * HOUR
  test('is now while there is some left, else when the oldest of so many is a week old', () => {
    const records = [record('a.test', 1, 3), record('b.test', 2)]
    assert.deepEqual(
      [4, 3, 2, 1].map(max => orderableAt(records, 'ana', max, now)),
      [0, T0 + 7 * DAY + HOUR, T0 + 7 * DAY + 2 * HOUR, T0 + 7 * DAY + 3 * HOUR],
    )
    assert.equal(orderableAt(records, 'ana', 3, T0 + 7 * DAY + HOUR), 0)
    assert.equal(orderableAt(records, 'bob', 1, now), 0)
  })
  test('counts what was ordered for domains that have gone or are another’s now', () => {
    const gone = retire(record('a.test', 1))
    assert.ok(orderableAt([gone], 'ana', 1, now) > now)
    assert.equal(nextStep(gone, undefined, T0 + 2 * HOUR).do, 'wait')
    assert.equal(nextStep(gone, undefined, T0 + 8 * DAY).do, 'forget')
    assert.ok(orderableAt([adopt(gone, 'a.test', 'theirs')], 'ana', 1, now) > now)
  })
})

suite('note()', () => {
  test('keeps the last twenty, and one of a row of the same', () => {
    let record: Automatic = NEW
    for (let count = 0; count < 30; count++) record = note(record, { time: iso(count), type: 'Normal', status: 'S', message: `${count}` })
    for (let count = 0; count < 30; count++) record = note(record, { time: iso(count), type: 'Warning', status: 'F', message: 'same' })
    assert.equal(record.events.length, 20)
    assert.equal(record.events.filter(({ message }) => message === 'same').length, 1)
  })
})

suite('automaticName()', () => {
  test('is a name of an object that no certificate of a user can have', () => {
    assert.match(automaticName('WWW.shop.test'), /^auto\.[0-9a-f]{40}$/)
    assert.equal(automaticName('WWW.shop.test'), automaticName('www.shop.test'))
  })
})

function iso(ms: number): string {
  return new Date(T0 + ms).toISOString()
}

function got(record: Automatic, days: number, chance = 0): Automatic {
  const validity = { notBefore: new Date(T0), notAfter: new Date(T0 + days * DAY) }
  return issued(record, { certificate: 'chain', key: 'key', directory: 'https://ca.test', ...validity }, T0, chance)
}
