import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Container, Pod } from 'kubernetes-types/core/v1'
import { buildEnvironment, ConfigError } from './environment.ts'
import { expand } from './expand.ts'
import type { Sources } from './sources.ts'

const place = { podIp: '127.1.2.3', hostIp: '127.0.0.1', allocatable: { cpu: 4, memory: 2 ** 30 } }
const pod: Pod = {
  metadata: { name: 'web-1', namespace: 'shop', uid: 'u1', labels: { app: 'shop' }, annotations: { 'a/b': 'c' } },
  spec: { nodeName: 'local', containers: [] },
}
const sources: Sources = {
  secret: async name => (name === 'config' ? { A: Buffer.from('1'), PORT: Buffer.from('5000'), 'x=y': Buffer.from('') } : undefined),
  configMap: async name => (name === 'map' ? { A: Buffer.from('2'), B: Buffer.from('3') } : undefined),
}
const build = async (container: Partial<Container>, ports: Record<string, number> = {}) =>
  await buildEnvironment(pod, { name: 'web', ...container }, sources, place, ports)

suite('buildEnvironment()', () => {
  test('lets later sources win, and env over envFrom', async () => {
    const envFrom = [{ secretRef: { name: 'config' } }, { configMapRef: { name: 'map' } }, { prefix: 'P_', configMapRef: { name: 'map' } }]
    assert.deepEqual(await build({ envFrom, env: [{ name: 'B', value: 'own' }] }), { A: '2', PORT: '5000', B: 'own', P_A: '2', P_B: '3' })
  })
  test('expands what stands before, not what comes after', async () => {
    const env = [
      { name: 'LATE', value: '$(X)' },
      { name: 'X', value: 'x' },
      { name: 'Y', value: '$(X)$(X)' },
    ]
    assert.deepEqual(await build({ env }), { LATE: '$(X)', X: 'x', Y: 'xx' })
  })
  test('reads fields of the pod', async () => {
    const paths = [
      'metadata.name',
      'metadata.namespace',
      'metadata.uid',
      'spec.nodeName',
      'status.podIP',
      'status.hostIP',
      'spec.serviceAccountName',
    ]
    const fields = [...paths, "metadata.labels['app']", "metadata.annotations['a/b']", "metadata.labels['none']"]
    const env = fields.map((fieldPath, i) => ({ name: `F${i}`, valueFrom: { fieldRef: { fieldPath } } }))
    const expected = ['web-1', 'shop', 'u1', 'local', '127.1.2.3', '127.0.0.1', 'default', 'shop', 'c', '']
    assert.deepEqual(Object.values(await build({ env })), expected)
  })
  test('reads resources in units of their divisor, rounded up', async () => {
    const read = async (resource: string, divisor?: string) => {
      const env = [{ name: 'R', valueFrom: { resourceFieldRef: { resource, ...(divisor ? { divisor } : {}) } } }]
      return (await build({ env, resources: { limits: { cpu: '1500m' }, requests: { memory: '64Mi' } } }))['R']
    }
    assert.equal(await read('limits.cpu'), '2')
    assert.equal(await read('limits.cpu', '1m'), '1500')
    assert.equal(await read('requests.memory', '1Mi'), '64')
    assert.equal(await read('limits.memory', '1Gi'), '1')
  })
  for (const [what, env] of Object.entries({
    'secret "none" not found': { secretKeyRef: { name: 'none', key: 'A' } },
    "couldn't find key NO in Secret shop/config": { secretKeyRef: { name: 'config', key: 'NO' } },
    'configmap "none" not found': { configMapKeyRef: { name: 'none', key: 'A' } },
    'unsupported fieldPath: spec.volumes': { fieldRef: { fieldPath: 'spec.volumes' } },
    'unsupported container resource: limits.gpu': { resourceFieldRef: { resource: 'limits.gpu' } },
  }))
    test(`fails with: ${what}`, () =>
      assert.rejects(build({ env: [{ name: 'V', valueFrom: env }] }), error => error instanceof ConfigError && error.message === what))
  test('leaves out what is optional and not there', async () => {
    const valueFrom = { secretKeyRef: { name: 'config', key: 'NO', optional: true } }
    assert.deepEqual(await build({ env: [{ name: 'V', valueFrom }], envFrom: [{ secretRef: { name: 'none', optional: true } }] }), {})
  })
  test('puts the own port in place of the declared one, also in what refers to it', async () => {
    const env = [
      { name: 'PORT', value: '5000' },
      { name: 'URL', value: 'http://x:$(PORT)' },
      { name: 'OTHER', value: '5000' },
    ]
    const ports = [{ containerPort: 5000 }]
    assert.deepEqual(await build({ env, ports }, { 5000: 31005 }), { PORT: '31005', URL: 'http://x:31005', OTHER: '5000' })
    assert.deepEqual(await build({ ports }, { 5000: 31005 }), { PORT: '31005' })
    assert.equal((await build({ envFrom: [{ secretRef: { name: 'config' } }], ports }, { 5000: 31005 }))['PORT'], '31005')
    assert.deepEqual(await build({ env: [{ name: 'PORT', value: '9' }], ports }, { 5000: 31005 }), { PORT: '9' })
    assert.deepEqual(await build({ ports }), {})
  })
})

suite('expand()', () => {
  for (const [text, expected] of [
    ['$(A)', '1'],
    ['$$(A)', '$(A)'],
    ['$$$(A)', '$1'],
    ['$(NONE) $A $', '$(NONE) $A $'],
    ['$(A', '$(A'],
    ['$(toString)', '$(toString)'],
  ] as const)
    test(`${text} → ${expected}`, () => assert.equal(expand(text, { A: '1' }), expected))
})
