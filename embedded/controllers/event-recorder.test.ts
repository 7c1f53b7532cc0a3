import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { EventRecorder } from './event-recorder.ts'
import { MemoryApi } from './testing/memory-api.ts'

suite('EventRecorder.record()', () => {
  test('counts repetitions up and keeps other messages apart', async () => {
    const { api, record, recorder } = await fixture()
    for (const message of ['once', 'again', 'again', 'again']) record(message)
    await recorder.flushed()
    assert.deepEqual(
      api.all(RESOURCES.events).map(({ message, count }) => [message, count]),
      [
        ['once', 1],
        ['again', 3],
      ],
    )
  })

  test('names the object, and who saw it', async () => {
    const { api, record, recorder, pod } = await fixture()
    record('x')
    await recorder.flushed()
    const [event] = api.all(RESOURCES.events)
    assert.match(event!.metadata.name, /^web\.[0-9a-f]{16}$/)
    assert.deepEqual([event?.involvedObject.kind, event?.involvedObject.uid, event?.source?.component], ['Pod', pod.metadata.uid, 'tester'])
    assert.deepEqual([event?.type, event?.reason, event?.metadata.namespace], ['Warning', 'Trouble', 'shop'])
  })

  test('writes a repetition anew when the API server has forgotten the first', async () => {
    const { api, record, recorder } = await fixture()
    record('x')
    await recorder.flushed()
    await api.delete(RESOURCES.events, 'shop', api.all(RESOURCES.events)[0]!.metadata.name)
    record('x')
    await recorder.flushed()
    assert.deepEqual(
      api.all(RESOURCES.events).map(({ count }) => count),
      [1],
    )
  })

  test('bears with an object that causes event upon event, and with a server that refuses them', async () => {
    const { api, record, recorder, clock } = await fixture()
    for (let index = 0; index < 100; index++) record(`trouble ${index}`)
    await recorder.flushed()
    assert.equal(api.all(RESOURCES.events).length, 25)
    clock.nowMs += 301_000
    record('one more')
    await recorder.flushed()
    assert.equal(api.all(RESOURCES.events).length, 26)
    api.onWrite = () => {
      throw new Error('away')
    }
    clock.nowMs += 301_000
    record('lost')
    await recorder.stop()
    assert.equal(api.all(RESOURCES.events).length, 26)
  })
})

async function fixture() {
  const api = new MemoryApi()
  const clock = { nowMs: Date.parse('2026-01-01T00:00:00Z'), now: () => clock.nowMs }
  const pod = await api.create(RESOURCES.pods, { metadata: { name: 'web', namespace: 'shop' } })
  const recorder = new EventRecorder(api, { log: silentLog, clock })
  const record = (message: string) =>
    recorder.record(RESOURCES.pods, pod, { type: 'Warning', reason: 'Trouble', message, component: 'tester' })
  return { api, clock, pod, recorder, record }
}
