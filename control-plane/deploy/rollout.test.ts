import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Deployment } from 'kubernetes-types/apps/v1'
import type { Pod } from 'kubernetes-types/core/v1'
import { findFault, findPodFault, isObserved, isSettled } from './rollout.ts'

suite('isSettled()', () => {
  const deployment = (status: Deployment['status']): Deployment => ({
    metadata: { generation: 3 },
    spec: { replicas: 2, selector: {}, template: {} },
    status: status!,
  })
  test('wants all pods new, all available, and no other', () => {
    assert.equal(isSettled(deployment({ updatedReplicas: 2, replicas: 2, availableReplicas: 2 })), true)
    assert.equal(isSettled(deployment({ updatedReplicas: 2, replicas: 3, availableReplicas: 2 })), false)
    assert.equal(isSettled(deployment({ updatedReplicas: 2, replicas: 2, availableReplicas: 1 })), false)
    assert.equal(isSettled(deployment({ updatedReplicas: 1, replicas: 2, availableReplicas: 2 })), false)
  })
  test('is not asked before the controller has seen the write', () => {
    assert.equal(isObserved(deployment({ observedGeneration: 3 }), 3), true)
    assert.equal(isObserved(deployment({ observedGeneration: 2 }), 3), false)
    assert.equal(isObserved(deployment({ observedGeneration: 3 }), 4), false)
  })
})

suite('findPodFault()', () => {
  const waiting = (reason: string, message = ''): Pod => ({
    metadata: { name: 'shop-web-1', labels: { type: 'web' } },
    status: {
      containerStatuses: [
        { name: 'x', image: 'shop:1', imageID: '', ready: false, restartCount: 0, state: { waiting: { reason, message } } },
      ],
    },
  })
  test('gives the words that clients look for', () => {
    assert.equal(
      findPodFault(waiting('ErrImagePull', 'manifest unknown'))?.message,
      'shop-web-1 (web): image shop:1 not found: ErrImagePull: manifest unknown',
    )
    assert.match(
      findPodFault(waiting('ImagePullBackOff', 'unauthorized'))?.message ?? '',
      /Permission Denied attempting to pull image shop:1/,
    )
  })
  test('does not mind what passes', () => {
    for (const reason of ['ContainerCreating', 'PodInitializing']) assert.equal(findPodFault(waiting(reason)), undefined)
  })
  test('gives a pod without a node its grace', () => {
    const pod = (agoMs: number): Pod => ({
      metadata: { name: 'p', labels: { type: 'web' } },
      status: {
        conditions: [
          {
            type: 'PodScheduled',
            status: 'False',
            reason: 'Unschedulable',
            message: 'full',
            lastTransitionTime: new Date(Date.now() - agoMs).toISOString() as never,
          },
        ],
      },
    })
    assert.equal(findPodFault(pod(1000)), undefined)
    assert.equal(findPodFault(pod(60_000))?.message, 'p (web): FailedScheduling: full')
  })
})

test('findFault() reports pods that cannot be made, once that has lasted', () => {
  const fault = (agoMs: number) => {
    const lastTransitionTime = new Date(Date.now() - agoMs).toISOString() as never
    const conditions = [{ type: 'ReplicaFailure', status: 'True', reason: 'FailedCreate', message: 'exceeded quota', lastTransitionTime }]
    return findFault({ status: { conditions } }, [])?.message
  }
  assert.equal(fault(10_000), 'FailedCreate: exceeded quota')
  assert.equal(fault(500), undefined)
})
