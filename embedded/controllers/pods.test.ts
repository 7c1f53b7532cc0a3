import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Pod } from 'kubernetes-types/core/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { availableInMs, sortForDeletion } from './pods.ts'

suite('sortForDeletion()', () => {
  test('takes what serves least to the front', () => {
    const sorted = sortForDeletion(
      [
        pod('oldest', { readyAt: '2026-01-01T00:00:00Z' }),
        pod('ready later', { readyAt: '2026-01-01T01:00:00Z' }),
        pod('restarted', { readyAt: '2026-01-01T00:00:00Z', restarts: 3 }),
        pod('not ready', {}),
        pod('cheap', { readyAt: '2026-01-01T00:00:00Z', cost: '-5' }),
        pod('pending', { phase: 'Pending' }),
        pod('no node', { phase: 'Pending', node: '' }),
        pod('younger', { readyAt: '2026-01-01T00:00:00Z', made: '2026-01-02T00:00:00Z' }),
        pod('crowded', { readyAt: '2026-01-01T00:00:00Z', node: 'b' }),
      ],
      ({ spec }) => (spec?.nodeName === 'b' ? 4 : 2),
    )
    const names = ['no node', 'pending', 'not ready', 'cheap', 'crowded', 'ready later', 'restarted', 'younger', 'oldest']
    assert.deepEqual(
      sorted.map(({ metadata }) => metadata.name),
      names,
    )
  })
})

suite('availableInMs()', () => {
  const now = Date.parse('2026-01-01T00:00:10Z')
  test('counts from when the pod became ready', () => {
    assert.equal(availableInMs(pod('a', { readyAt: '2026-01-01T00:00:00Z' }), 30, now), 20_000)
    assert.equal(availableInMs(pod('a', { readyAt: '2026-01-01T00:00:00Z' }), 10, now), 0)
    assert.equal(availableInMs(pod('a', { readyAt: '2026-01-01T00:00:00Z' }), 0, now), 0)
    assert.equal(availableInMs(pod('a', {}), 0, now), undefined)
  })
})

function pod(
  name: string,
  options: { readyAt?: string; restarts?: number; cost?: string; phase?: string; node?: string; made?: string },
): Stored<Pod> {
  const { readyAt, restarts = 0, cost, phase = 'Running', node = 'a', made = '2026-01-01T00:00:00Z' } = options
  const annotations = cost ? { 'controller.kubernetes.io/pod-deletion-cost': cost } : {}
  return {
    metadata: { name, uid: name, resourceVersion: '1', creationTimestamp: made, annotations },
    spec: { containers: [], ...(node ? { nodeName: node } : {}) },
    status: {
      phase,
      conditions: [{ type: 'Ready', status: readyAt ? 'True' : 'False', ...(readyAt ? { lastTransitionTime: readyAt } : {}) }],
      containerStatuses: [{ name: 'x', image: 'x', imageID: 'x', ready: true, restartCount: restarts }],
    },
  }
}
