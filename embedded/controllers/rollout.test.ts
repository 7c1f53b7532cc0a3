import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Deployment, ReplicaSet } from 'kubernetes-types/apps/v1'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { DESIRED_ANNOTATION, MAX_ANNOTATION } from './revision.ts'
import { isScaled, planRolling, planScale, readLimits, type Scaling } from './rollout.ts'
import { deployment } from './testing/world.ts'

suite('readLimits()', () => {
  const cases: [number, number | string, number | string, number, number][] = [
    [2, '25%', '25%', 1, 0],
    [1, '0%', '1%', 0, 1],
    [10, '25%', '25%', 3, 2],
    [3, 1, 0, 1, 0],
    [4, 0, 0, 0, 1],
    [2, 0, 5, 0, 2],
  ]
  for (const [replicas, maxSurge, maxUnavailable, surge, unavailable] of cases) {
    test(`of ${replicas} pods, ${maxSurge} and ${maxUnavailable}: ${surge} and ${unavailable}`, () => {
      assert.deepEqual(readLimits(rolling(replicas, maxSurge, maxUnavailable)), { maxSurge: surge, maxUnavailable: unavailable })
    })
  }
})

suite('planRolling()', () => {
  test('grows the new set into the surge before it shrinks an old one', () => {
    const plan = planRolling(rolling(10, 3, 2), set('new', 0), [set('old', 10, { available: 10 })])
    assert.deepEqual(sizes(plan), { new: 3 })
  })
  test('shrinks the old set by what may be unavailable once the surge is used', () => {
    const plan = planRolling(rolling(10, 3, 2), set('new', 3), [set('old', 10, { available: 10 })])
    assert.deepEqual(sizes(plan), { old: 8 })
  })
  test('does not count pods as available that an old set is about to give up', () => {
    const old = set('old', 4, { available: 5, present: 5 })
    assert.deepEqual(sizes(planRolling(rolling(5, 1, 1), set('new', 2, { available: 1 }), [old])), { old: 3 })
  })
  test('takes all broken pods of all old sets before the first that serves', () => {
    const olds = [set('older', 3, { available: 3, age: 2 }), set('broken', 2, { available: 0, age: 1 })]
    assert.deepEqual(sizes(planRolling(rolling(4, 1, 2), set('new', 0), olds)), { older: 2, broken: 0 })
  })
  test('waits while the new pods are not available', () => {
    const plan = planRolling(rolling(4, 1, 0), set('new', 1), [set('old', 4, { available: 4 })])
    assert.deepEqual(plan, [])
  })
  test('waits for room while an old set has more pods than it shall have', () => {
    const old = set('old', 2, { available: 2, present: 4 })
    assert.deepEqual(planRolling(rolling(4, 1, 2), set('new', 1), [old]), [])
  })
  test('shrinks a new set that is too large at once', () => {
    assert.deepEqual(sizes(planRolling(rolling(2, 1, 0), set('new', 5, { available: 5 }), [])), { new: 2 })
  })
})

suite('planScale()', () => {
  test('gives all to the only active set', () => {
    assert.deepEqual(sizes(planScale(rolling(7, 1, 0), { newSet: set('new', 3), oldSets: [set('old', 0)] })), { new: 7 })
  })
  test('gives all to the newest set when none is active', () => {
    assert.deepEqual(sizes(planScale(rolling(7, 1, 0), { newSet: set('new', 0), oldSets: [set('old', 0)] })), { new: 7 })
  })
  test('empties the old sets once the new one has all', () => {
    const sets = { newSet: set('new', 5, { available: 5, desired: 5 }), oldSets: [set('old', 2)] }
    assert.deepEqual(sizes(planScale(rolling(5, 1, 0), sets)), { old: 0 })
  })
  test('shares out in proportion, the rest to the largest set', () => {
    const sets = { newSet: set('new', 5, { desired: 10, max: 13, age: 0 }), oldSets: [set('old', 8, { desired: 10, max: 13, age: 1 })] }
    assert.deepEqual(sizes(planScale(rolling(15, 3, 2), sets)), { old: 11, new: 7 })
    assert.deepEqual(sizes(planScale(rolling(5, 3, 2), sets)), { old: 5, new: 3 })
    assert.deepEqual(sizes(planScale(rolling(0, 3, 2), sets)), { old: 0, new: 0 })
  })
  test('never adds or takes more than there is to share, whatever the sizes', () => {
    for (let seed = 1; seed < 400; seed++) {
      const [a, b, c, desired] = [1 + (seed % 7), 1 + (seed % 5), 1 + (seed % 11), seed % 13]
      const before = a + b + c
      const sized = { desired: before - 1, max: before }
      const sets = {
        newSet: set('a', a, { ...sized, age: 0 }),
        oldSets: [set('b', b, { ...sized, age: 1 }), set('c', c, { ...sized, age: 2 })],
      }
      const plan = planScale(rolling(desired, 1, 0), sets)
      const total = plan.reduce((sum, { replicas }) => sum + replicas, 0)
      assert.equal(total, desired === 0 ? 0 : desired + 1, `${a}+${b}+${c} to ${desired}`)
      assert.ok(plan.every(({ replicas }) => replicas >= 0))
    }
  })
})

suite('isScaled()', () => {
  test('compares with what active sets were sized for', () => {
    const sets = { newSet: set('new', 2, { desired: 3 }), oldSets: [set('old', 0, { desired: 9 })] }
    assert.equal(isScaled(rolling(3, 1, 0), sets), false)
    assert.equal(isScaled(rolling(4, 1, 0), sets), true)
  })
})

function rolling(replicas: number, maxSurge: number | string, maxUnavailable: number | string): Deployment {
  return deployment({ replicas, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } })
}

function set(
  name: string,
  replicas: number,
  { available = 0, present = replicas, desired = 0, max = 0, age = 0 } = {},
): Stored<ReplicaSet> {
  return {
    metadata: {
      name,
      uid: name,
      resourceVersion: '1',
      creationTimestamp: `2026-01-01T00:00:0${9 - age}Z`,
      annotations: { ...(desired ? { [DESIRED_ANNOTATION]: `${desired}` } : {}), ...(max ? { [MAX_ANNOTATION]: `${max}` } : {}) },
    },
    spec: { replicas, selector: {} },
    status: { replicas: present, availableReplicas: available },
  }
}

function sizes(plan: readonly Scaling[]): Record<string, number> {
  return Object.fromEntries(plan.map(({ set: { metadata }, replicas }) => [metadata.name, replicas]))
}
