import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Api, at, type Json } from './api.ts'
import type { Kubectl } from './kubectl.ts'
import { CONDUCT, type NodeAgent } from './node-agent.ts'
import { isRolledOut, observeOne } from './observe.ts'
import { deployment, template } from './samples.ts'

/** How kubectl sees and steers a rollout: scale, set and rollout. */
export function kubectlRolloutCases(api: Api, kubectl: Kubectl, _agent: NodeAgent): void {
  const ground = async (spec: Json = {}) => {
    const namespace = await api.namespace()
    await api.must('POST', at('deployments', namespace), deployment('d', spec))
    return {
      namespace,
      ok: (...args: string[]) => kubectl.ok(['-n', namespace, ...args]),
      run: (...args: string[]) => kubectl.run(['-n', namespace, ...args]),
      read: async (): Promise<Json> => api.must('GET', at('deployments', namespace, 'd')),
      settled: () => observeOne(api, at('deployments', namespace), 'd', isRolledOut),
    }
  }

  suite('rolling out', () => {
    test('scale, and scale --current-replicas', async () => {
      const { ok, run, read } = await ground()
      assert.equal(await ok('scale', 'deployment', 'd', '--replicas=3'), 'deployment.apps/d scaled\n')
      assert.equal((await read()).spec.replicas, 3)
      const { code, stderr } = await run('scale', 'deployment', 'd', '--current-replicas=2', '--replicas=4')
      assert.deepEqual([code, stderr], [1, 'error: Expected replicas to be 2, was 3\n'])
    })
    test('set image, set env and set resources', async () => {
      const { ok, read } = await ground()
      assert.equal(await ok('set', 'image', 'deployment/d', 'c=i:2'), 'deployment.apps/d image updated\n')
      await ok('set', 'env', 'deployment/d', 'A=1')
      await ok('set', 'resources', 'deployment/d', '--limits=memory=64Mi')
      const [container] = (await read()).spec.template.spec.containers
      assert.deepEqual(
        [container.image, container.env, container.resources.limits],
        ['i:2', [{ name: 'A', value: '1' }], { memory: '64Mi' }],
      )
    })
    test('rollout status waits for the rollout', async () => {
      const { ok } = await ground({ replicas: 2 })
      assert.match(await ok('rollout', 'status', 'deployment/d', '--timeout=60s'), /deployment "d" successfully rolled out\n$/)
    })
    test('rollout status tells when a deadline has passed', async () => {
      const { run } = await ground({ progressDeadlineSeconds: 1, template: template({}, { annotations: { [CONDUCT]: 'starting' } }) })
      const { code, stderr } = await run('rollout', 'status', 'deployment/d', '--timeout=60s')
      assert.deepEqual([code, stderr], [1, 'error: deployment "d" exceeded its progress deadline\n'])
    })
    test('rollout history and undo', async () => {
      const { ok, read, settled } = await ground()
      await settled()
      await ok('set', 'image', 'deployment/d', 'c=i:2')
      await ok('rollout', 'status', 'deployment/d', '--timeout=60s')
      assert.match(await ok('rollout', 'history', 'deployment/d'), /^REVISION +CHANGE-CAUSE\n1 +<none>\n2 +<none>\n/m)
      assert.match(await ok('rollout', 'history', 'deployment/d', '--revision=1'), /Image:\s+registry\.test\/c:1/)
      assert.equal(await ok('rollout', 'undo', 'deployment/d'), 'deployment.apps/d rolled back\n')
      await ok('rollout', 'status', 'deployment/d', '--timeout=60s')
      const back = await read()
      assert.deepEqual(
        [back.spec.template.spec.containers[0].image, back.metadata.annotations['deployment.kubernetes.io/revision']],
        ['registry.test/c:1', '3'],
      )
      assert.match(await ok('rollout', 'history', 'deployment/d'), /\n2 +<none>\n3 +<none>\n/)
      await ok('rollout', 'undo', 'deployment/d', '--to-revision=2')
      assert.equal((await read()).spec.template.spec.containers[0].image, 'i:2')
    })
    test('rollout restart makes new pods', async () => {
      const { ok, settled, namespace } = await ground()
      await settled()
      const names = async () =>
        (await api.must('GET', at('pods', namespace))).items
          .filter((each: Json) => !each.metadata.deletionTimestamp)
          .map((each: Json) => each.metadata.name)
      const before = await names()
      assert.equal(await ok('rollout', 'restart', 'deployment/d'), 'deployment.apps/d restarted\n')
      await ok('rollout', 'status', 'deployment/d', '--timeout=60s')
      assert.deepEqual(
        (await names()).filter((name: string) => before.includes(name)),
        [],
      )
    })
    test('rollout pause and resume', async () => {
      const { ok, read, settled } = await ground()
      await settled()
      assert.equal(await ok('rollout', 'pause', 'deployment/d'), 'deployment.apps/d paused\n')
      assert.equal((await read()).spec.paused, true)
      assert.equal(await ok('rollout', 'resume', 'deployment/d'), 'deployment.apps/d resumed\n')
      assert.equal((await read()).spec.paused, undefined)
    })
  })
}
