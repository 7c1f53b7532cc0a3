import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ObjectStore } from '../store/object-store.ts'
import { expireEvents } from './event-expiry.ts'

test('expireEvents() deletes events that nobody has renewed for an hour', () => {
  const store = new ObjectStore({ path: ':memory:' })
  const put = (name: string, creationTimestamp: string, fields: object = {}) =>
    store.put('events', `a/${name}`, { kind: 'Event', metadata: { name, uid: name, resourceVersion: '', creationTimestamp }, ...fields })
  put('old', '2020-01-01T00:00:00Z')
  put('renewed', '2020-01-01T00:00:00Z', { lastTimestamp: '2020-01-01T00:50:00Z' })
  put('series', '2020-01-01T00:00:00Z', { series: { lastObservedTime: '2020-01-01T00:50:00.000000Z' } })
  put('new', '2020-01-01T00:30:00Z')
  expireEvents(store, Date.parse('2020-01-01T01:00:01Z'))
  assert.deepEqual(
    [...store.list('events')].map(({ key }) => key),
    ['a/new', 'a/renewed', 'a/series'],
  )
})
