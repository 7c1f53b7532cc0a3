import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { readLimits } from './limit-settings.ts'
import { DEFAULT_LIMITS } from './serve/limits.ts'

suite('readLimits()', () => {
  test('reads numbers, durations, sizes and shares, and nothing else', () => {
    const env = {
      ROUTER_LIMIT_CONNECTIONS_MAX: '20000',
      ROUTER_LIMIT_HEAD: '10s',
      ROUTER_LIMIT_STASH_BYTES_MAX: '128k',
      ROUTER_LIMIT_CLIENT_SHARE: '0.5',
      ROUTER_LIMIT_FIRST_BYTE: '',
      ROUTER_HTTP_PORT: '80',
    }
    assert.deepEqual(readLimits(env), { connectionsMax: 20_000, headMs: 10_000, stashBytesMax: 131_072, clientShare: 0.5 })
  })

  test('knows every limit that there is', () => {
    for (const [key, value] of Object.entries(DEFAULT_LIMITS)) {
      const name = `ROUTER_LIMIT_${key.replace(/Ms$/, '').replace(/[A-Z]/g, '_$&').toUpperCase()}`
      const read = readLimits({ [name]: key.endsWith('Ms') ? `${value}ms` : String(value) })
      assert.deepEqual(read, { [key]: value }, name)
    }
  })

  test('names every bad value and every name that is no limit', () => {
    const env = {
      ROUTER_LIMIT_CONNECTIONS_MAX: '-1',
      ROUTER_LIMIT_HEAD: '10',
      ROUTER_LIMIT_CLIENT_SHARE: '25%',
      ROUTER_LIMIT_LINGER: '0s',
      ROUTER_LIMIT_TICK: '2s',
      ROUTER_LIMIT_STREAM_WINDOW: '65534',
      ROUTER_LIMIT_CONNECTION_WINDOW: '2048m',
      ROUTER_LIMIT_CONECTIONS: '5',
    }
    const fault = (error: Error) => Object.keys(env).every(name => error.message.includes(`${name}: `))
    assert.throws(() => readLimits(env), fault)
  })
})
