import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { ContainerState, Pod } from 'kubernetes-types/core/v1'
import { podState, showPods } from './pod-state.ts'

suite('podState()', () => {
  const cases: [string, Pod][] = [
    ['initializing', pod({ phase: 'Pending' })],
    ['creating', pod({ phase: 'Pending', state: { waiting: { reason: 'ContainerCreating' } } })],
    ['ErrImagePull', pod({ phase: 'Pending', state: { waiting: { reason: 'ErrImagePull' } } })],
    ['CrashLoopBackOff', pod({ phase: 'Running', state: { waiting: { reason: 'CrashLoopBackOff' } } })],
    ['starting', pod({ phase: 'Running', state: { running: {} } })],
    ['up', pod({ phase: 'Running', state: { running: {} }, ready: true })],
    ['terminating', pod({ phase: 'Running', state: { running: {} }, ready: true, deletionTimestamp: '2026-01-01T00:00:30Z' })],
    ['crashed', pod({ phase: 'Running', state: { terminated: { exitCode: 1 } } })],
    ['down', pod({ phase: 'Succeeded' })],
    ['crashed', pod({ phase: 'Failed' })],
  ]
  for (const [state, subject] of cases) test(`is ${state}`, () => assert.equal(podState(subject), state))
})

suite('showPods()', () => {
  const now = Date.parse('2026-01-01T00:01:00Z')
  const up = { phase: 'Running', state: { running: {} }, ready: true }
  const shown = (pods: Pod[]) => showPods(pods, 2, now).map(({ name }) => name)

  test('leaves out other releases, one-off commands, what has ended and what outlives its deletion', () => {
    const pods = [
      pod({ ...up, name: 'mine' }),
      pod({ ...up, name: 'old', version: 'v1' }),
      pod({ ...up, name: 'run', type: 'run' }),
      pod({ name: 'ended', phase: 'Failed' }),
      pod({ ...up, name: 'ending', deletionTimestamp: '2026-01-01T00:01:10Z' }),
      pod({ ...up, name: 'stuck', deletionTimestamp: '2026-01-01T00:00:30Z' }),
    ]
    assert.deepEqual(shown(pods), ['ending', 'mine'])
  })

  test('shows the youngest first, in whole seconds', () => {
    const pods = [
      pod({ ...up, name: 'a', startTime: '2026-01-01T00:00:01Z' }),
      pod({ ...up, name: 'b', startTime: '2026-01-01T00:00:02Z' }),
    ]
    assert.deepEqual(shown(pods), ['b', 'a'])
    assert.equal(showPods(pods, 2, now)[0]?.started, '2026-01-01T00:00:02Z')
  })
})

interface Traits {
  name?: string
  type?: string
  version?: string
  phase: string
  state?: ContainerState
  ready?: boolean
  startTime?: string
  deletionTimestamp?: string
}

function pod({ name = 'p', type = 'web', version = 'v2', phase, state, ready = false, ...times }: Traits): Pod {
  const { deletionTimestamp, startTime = '2026-01-01T00:00:00Z' } = times
  return {
    metadata: { name, labels: { type, version }, ...(deletionTimestamp ? { deletionTimestamp: deletionTimestamp as never } : {}) },
    status: {
      phase,
      startTime: startTime as never,
      ...(state ? { containerStatuses: [{ name: 'c', image: '', imageID: '', ready, restartCount: 0, state }] } : {}),
    },
  }
}
