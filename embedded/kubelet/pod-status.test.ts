import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { ContainerState, ContainerStatus, Pod } from 'kubernetes-types/core/v1'
import { mayRestart } from './container-status.ts'
import { buildStatus, decideQosClass, type PodView } from './pod-status.ts'

const NOW = '2026-01-02T03:04:05Z'
const running: ContainerState = { running: { startedAt: NOW } }
const waiting: ContainerState = { waiting: { reason: 'ContainerCreating' } }
const ended = (exitCode: number): ContainerState => ({ terminated: { exitCode } })
const status = (name: string, state: ContainerState, more: Partial<ContainerStatus> = {}): ContainerStatus => ({
  ...{ name, image: 'i', imageID: '', restartCount: 0, ready: state.running !== undefined, started: state.running !== undefined, state },
  ...more,
})
const view = (containers: ContainerStatus[], initContainers: ContainerStatus[] = [], more: Partial<PodView> = {}): PodView => ({
  ...{ podIp: '127.1.2.3', hostIp: '127.0.0.1', startTime: NOW, containers, initContainers },
  ...more,
})
const pod = (restartPolicy = 'Always', inits: { name: string; restartPolicy?: string }[] = []): Pod => ({
  spec: { restartPolicy, containers: [{ name: 'a' }, { name: 'b' }], initContainers: inits },
})
const phaseOf = (of: Pod, seen: PodView) => buildStatus(of, seen, undefined, NOW).phase
const holds = (of: Pod, seen: PodView) =>
  Object.fromEntries(buildStatus(of, seen, undefined, NOW).conditions!.map(({ type, status }) => [type, status === 'True']))

suite('buildStatus()', () => {
  const crashed = status('a', { waiting: { reason: 'CrashLoopBackOff' } }, { lastState: ended(1) })
  for (const [phase, policy, states] of [
    ['Pending', 'Always', [status('a', waiting), status('b', waiting)]],
    ['Pending', 'Always', []],
    ['Running', 'Always', [status('a', running), status('b', waiting)]],
    ['Running', 'Always', [crashed, status('b', waiting)]],
    ['Running', 'Always', [status('a', ended(0)), status('b', ended(0))]],
    ['Succeeded', 'OnFailure', [status('a', ended(0)), status('b', ended(0))]],
    ['Running', 'OnFailure', [status('a', ended(1)), status('b', ended(0))]],
    ['Failed', 'Never', [status('a', ended(1)), status('b', ended(0))]],
    ['Running', 'Never', [status('a', ended(1)), status('b', running)]],
  ] as const)
    test(`${phase} with ${policy} and ${states.map(({ state }) => Object.keys(state!)[0]).join(', ') || 'nothing'}`, () =>
      assert.equal(phaseOf(pod(policy), view([...states])), phase))

  test('is Pending until the init containers are through, and Failed when one is for good', () => {
    const of = (policy: string) => pod(policy, [{ name: 'i' }])
    const mains = [status('a', waiting), status('b', waiting)]
    assert.equal(phaseOf(of('Always'), view(mains, [status('i', running)])), 'Pending')
    assert.equal(phaseOf(of('Always'), view(mains, [status('i', ended(1))])), 'Pending')
    assert.equal(phaseOf(of('Never'), view(mains, [status('i', ended(1))])), 'Failed')
    assert.equal(holds(of('Always'), view(mains, [status('i', running)]))['Initialized'], false)
    assert.equal(holds(of('Always'), view(mains, [status('i', ended(0))]))['Initialized'], true)
  })

  test('counts a side-car for readiness, and keeps the pod running while it runs', () => {
    const of = pod('Never', [{ name: 's', restartPolicy: 'Always' }])
    const mains = [status('a', running), status('b', running)]
    assert.equal(holds(of, view(mains, [status('s', running, { ready: false })]))['Ready'], false)
    assert.equal(holds(of, view(mains, [status('s', running)]))['Ready'], true)
    const over = [status('a', ended(0)), status('b', ended(0))]
    assert.equal(phaseOf(of, view(over, [status('s', running)])), 'Running')
    assert.equal(phaseOf(of, view(over, [status('s', ended(0))])), 'Succeeded')
  })

  test('is ready only with all containers and readiness gates', () => {
    const mains = [status('a', running), status('b', running, { ready: false })]
    const built = buildStatus(pod(), view(mains), undefined, NOW).conditions!.find(({ type }) => type === 'Ready')!
    assert.deepEqual([built.status, built.reason, built.message], ['False', 'ContainersNotReady', 'containers with unready status: [b]'])
    const gated = { ...pod(), spec: { ...pod().spec!, readinessGates: [{ conditionType: 'x/y' }] } }
    const all = view([status('a', running), status('b', running)])
    assert.deepEqual([holds(gated, all)['Ready'], holds(gated, all)['ContainersReady']], [false, true])
    const open = { ...gated, status: { conditions: [{ type: 'x/y', status: 'True' }] } }
    assert.equal(holds(open, all)['Ready'], true)
  })

  test('keeps conditions of others, and times of those that did not change', () => {
    const standing = [{ type: 'x/y', status: 'True' }]
    const before = { conditions: [{ type: 'Ready', status: 'False', lastTransitionTime: 'then' }] }
    const { conditions = [] } = buildStatus({ ...pod(), status: { conditions: standing } }, view([status('a', waiting)]), before, NOW)
    assert.equal(conditions.find(({ type }) => type === 'Ready')?.lastTransitionTime, 'then')
    assert.equal(conditions.find(({ type }) => type === 'PodScheduled')?.lastTransitionTime, NOW)
    assert.ok(conditions.some(({ type }) => type === 'x/y'))
  })

  test('says at the end of a deleted pod whether all went well', () => {
    const seen = (exitCode: number) => view([status('a', ended(0)), status('b', ended(exitCode))], [], { isFinal: true })
    assert.equal(phaseOf(pod(), seen(0)), 'Succeeded')
    assert.equal(phaseOf(pod(), seen(143)), 'Failed')
    assert.equal(holds(pod(), seen(0))['Ready'], false)
  })
})

suite('decideQosClass()', () => {
  const of = (...resources: object[]): Pod => ({ spec: { containers: resources.map((r, i) => ({ name: `${i}`, resources: r })) } })
  const whole = { limits: { cpu: '1', memory: '1Gi' } }
  test('BestEffort without a word', () => assert.equal(decideQosClass(of({}, {})), 'BestEffort'))
  test('Guaranteed when all is limited and requested whole', () =>
    assert.equal(decideQosClass(of(whole, { ...whole, requests: { cpu: '1', memory: '1Gi' } })), 'Guaranteed'))
  test('Burstable between', () => {
    assert.equal(decideQosClass(of(whole, {})), 'Burstable')
    assert.equal(decideQosClass(of({ requests: { cpu: '1m' } })), 'Burstable')
    assert.equal(decideQosClass(of({ ...whole, requests: { cpu: '1m' } })), 'Burstable')
  })
})

suite('mayRestart()', () => {
  for (const [kind, policy, exitCode, expected] of [
    ['main', 'Always', 0, true],
    ['main', undefined, 0, true],
    ['main', 'OnFailure', 0, false],
    ['main', 'OnFailure', 1, true],
    ['main', 'Never', 1, false],
    ['init', 'Always', 0, false],
    ['init', 'Always', 1, true],
    ['init', 'Never', 1, false],
    ['sidecar', 'Never', 0, true],
  ] as const)
    test(`${kind} of a pod with ${policy} after ${exitCode}: ${expected}`, () => assert.equal(mayRestart(kind, policy, exitCode), expected))
})
