import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { HttpClient } from '../kernel/http.ts'
import { silentLog } from '../kernel/log.ts'
import { PlatformLog } from './platform-log.ts'

suite('PlatformLog', () => {
  test('sends lines in order, those of one app together', async () => {
    const { http, calls } = logger()
    const log = new PlatformLog(http, silentLog)
    for (const [app, text] of [
      ['a', '1'],
      ['a', '2'],
      ['b', '3'],
      ['a', '4'],
    ] as const)
      log.say(app, text)
    await log.stop()
    assert.deepEqual(calls, ['POST a 1,2', 'POST b 3', 'POST a 4'])
  })

  test('tries again when the logger fails, and loses no order', async () => {
    const { http, calls, fail } = logger()
    fail.count = 1
    const log = new PlatformLog(http, silentLog)
    log.say('a', '1')
    log.say('b', '2')
    await log.stop()
    assert.deepEqual(calls, ['POST a 1', 'POST b 2'])
  })

  test('lets no line arrive after its app was forgotten', async () => {
    const { http, calls, hold } = logger()
    const held = Promise.withResolvers<void>()
    hold.until = held.promise
    const log = new PlatformLog(http, silentLog)
    log.say('a', '1')
    await Promise.resolve()
    await Promise.resolve()
    log.say('a', '2')
    const forgotten = log.forget('a')
    held.resolve()
    await forgotten
    await log.stop()
    assert.deepEqual(calls, ['POST a 1', 'DELETE a'])
  })

  test('ends in time when the logger is away, and forgetting is no error', async () => {
    const { http, fail } = logger()
    fail.count = Number.POSITIVE_INFINITY
    const log = new PlatformLog(http, silentLog)
    log.say('a', '1')
    await log.forget('a')
    await log.stop()
  })
})

/** A logger that writes down what it is sent. */
function logger() {
  const calls: string[] = []
  const fail = { count: 0 }
  const hold: { until: Promise<void> } = { until: Promise.resolve() }
  const json = async (method: string, path: string, body?: unknown) => {
    await hold.until
    if (fail.count-- > 0) throw new Error('away')
    const texts = String(body ?? '')
      .split('\n')
      .filter(Boolean)
      .map(line => (JSON.parse(line) as { text: string }).text)
    calls.push(`${method} ${path.replace('/logs/', '')} ${texts.join()}`.trim())
    return { status: 200, headers: {}, body: undefined as never }
  }
  return { http: { json } as unknown as HttpClient, calls, fail, hold }
}
