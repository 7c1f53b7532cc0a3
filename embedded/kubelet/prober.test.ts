import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Probe } from 'kubernetes-types/core/v1'
import { runProber } from './prober.ts'

suite('runProber()', () => {
  test('checks at its period after its delay, and tells by thresholds', async () => {
    const probe = { initialDelaySeconds: 2, periodSeconds: 3, failureThreshold: 2, successThreshold: 2 }
    const { checks, told } = await runFor(26, probe, second => second < 10 || second > 16)
    assert.deepEqual(checks, [2, 5, 8, 11, 14, 17, 20, 23, 26])
    assert.deepEqual(told, ['up 5', 'failure 11', 'failure 14', 'down 14', 'up 20'])
  })

  test('finds a fast app at once, and then keeps to its period', async () => {
    const { checks, told } = await runFor(25, { httpGet: { port: 80 }, periodSeconds: 10 }, second => second >= 0.2)
    assert.deepEqual(told, ['up 0.2'])
    assert.deepEqual(checks.slice(-2), [10.2, 20.2])
  })

  test('counts only the failures at its period while it is eager, and does not flood', async () => {
    const { checks, told } = await runFor(11, { tcpSocket: { port: 80 }, periodSeconds: 5, failureThreshold: 2 }, () => false)
    assert.deepEqual(told, ['failure 5', 'failure 10', 'down 10'])
    assert.ok(checks.length > 15 && checks.length < 80, `${checks.length} checks`)
  })

  test('is never eager with a command', async () => {
    const { checks } = await runFor(11, { exec: { command: ['x'] }, periodSeconds: 5 }, () => false)
    assert.deepEqual(checks, [0, 5, 10])
  })
})

/** Runs a prober for so many seconds of a clock that stands still but while the prober waits. */
async function runFor(seconds: number, probe: Probe, result: (second: number) => boolean) {
  const checks: number[] = []
  const told: string[] = []
  const stop = new AbortController()
  let now = 0
  const second = () => Math.round(now / 10) / 100
  await runProber({
    ...{ probe, isEager: true, signal: stop.signal },
    clock: {
      now: () => now,
      wait: async ms => {
        now += ms
        if (now > seconds * 1000) stop.abort()
      },
    },
    check: async () => {
      checks.push(second())
      return { isSuccess: result(second()), message: 'no' }
    },
    onChange: isSuccess => told.push(`${isSuccess ? 'up' : 'down'} ${second()}`),
    onFailure: () => told.push(`failure ${second()}`),
  })
  return { checks, told }
}
