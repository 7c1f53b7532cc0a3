import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { silentLog } from '../kernel/log.ts'
import { ConfigAge } from './config-age.ts'

suite('ConfigAge', () => {
  test('says once that the API server is away, once that it is back, and meanwhile beside "ready"', async context => {
    context.mock.timers.enable({ apis: ['setInterval'] })
    let ageMs = 0
    const said: string[] = []
    const note = (message: string) => void said.push(message)
    const age = new ConfigAge(() => ageMs, { ...silentLog, warn: note, info: note })
    const look = () => context.mock.timers.tick(5_000)
    look()
    assert.deepEqual([said, age.notes()], [[], []])
    ageMs = 119_000
    look()
    assert.deepEqual([said, age.notes()], [[], []])
    ageMs = 121_000
    for (let count = 0; count < 5; count++) look()
    assert.deepEqual(said, ['API server not heard of, routes stay as they were'])
    assert.deepEqual(age.notes(), ['API server not heard of for 121 s: routes stay as they were'])
    ageMs = 10
    for (let count = 0; count < 5; count++) look()
    assert.deepEqual([said.length, said[1], age.notes()], [2, 'API server heard of again', []])
    age.stop()
    ageMs = 500_000
    look()
    assert.equal(said.length, 2)
  })
})
