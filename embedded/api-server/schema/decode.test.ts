import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { DecodeError, decode } from './decode.ts'

const POD = 'io.k8s.api.core.v1.Pod'
const SECRET = 'io.k8s.api.core.v1.Secret'
const LEASE = 'io.k8s.api.coordination.v1.Lease'
const container = (fields: object) => ({ spec: { containers: [{ name: 'c', ...fields }] } })
// biome-ignore lint/suspicious/noExplicitAny: tests walk the result freely
const read = (type: string, value: unknown): any => decode(type, value).object

suite('decode()', () => {
  test('drops what Go leaves out: nulls, and zero values of optional fields that are no pointers', () => {
    const { metadata, spec } = read(POD, {
      metadata: { name: 'p', labels: {}, finalizers: [], generation: 0, deletionTimestamp: null },
      spec: { hostNetwork: false, nodeName: '', containers: [{ name: 'c', command: [], env: null }] },
    })
    assert.deepEqual(metadata, { name: 'p' })
    assert.deepEqual(spec, { containers: [{ name: 'c', resources: {} }] })
  })
  test('keeps zero values of pointers', () => {
    const { spec } = read(POD, {
      spec: { containers: [], automountServiceAccountToken: false, terminationGracePeriodSeconds: 0, securityContext: {} },
    })
    assert.deepEqual(spec, { containers: [], automountServiceAccountToken: false, terminationGracePeriodSeconds: 0, securityContext: {} })
  })
  test('fills required fields that are missing', () => {
    assert.deepEqual(read(POD, { spec: {} }).spec, { containers: null })
    assert.deepEqual(read('io.k8s.api.apps.v1.Deployment', {}).spec, {
      selector: null,
      template: { metadata: {}, spec: { containers: null } },
      strategy: {},
    })
  })
  test('names unknown fields with their place', () => {
    const { unknown } = decode(POD, { nope: 1, spec: { containers: [{ name: 'c', Image: 'x' }], x: { y: 1 } }, constructor: 1 })
    assert.deepEqual(unknown, ['spec.containers[0].Image', 'spec.x', 'nope', 'constructor'])
  })
  test('brings amounts and times into their one spelling', () => {
    const { spec } = read(POD, container({ resources: { limits: { cpu: 1.5, memory: '1024Ki' } } }))
    assert.deepEqual(spec.containers[0].resources.limits, { cpu: '1500m', memory: '1Mi' })
    const times = read(LEASE, {
      metadata: { creationTimestamp: '2020-01-01T02:00:00.9+02:00' },
      spec: { renewTime: '2020-01-01T00:00:00.123456Z' },
    })
    assert.deepEqual([times.metadata.creationTimestamp, times.spec.renewTime], ['2020-01-01T00:00:00Z', '2020-01-01T00:00:00.123456Z'])
  })
  test('reads a null in a map as an empty value', () => {
    assert.deepEqual(read(SECRET, { data: { a: null }, stringData: { b: null } }), { metadata: {}, data: { a: '' }, stringData: { b: '' } })
  })
  test('keeps __proto__ as a key like others', () => {
    const { data } = read(SECRET, JSON.parse('{"data":{"__proto__":"YQ=="}}'))
    assert.equal(JSON.stringify(data), '{"__proto__":"YQ=="}')
    assert.equal(Object.getPrototypeOf(data), Object.prototype)
  })
  for (const [title, type, value, message] of [
    [
      'text for a number',
      POD,
      container({ ports: [{ containerPort: '80' }] }),
      /cannot unmarshal string into Go struct field ContainerPort\.spec\.containers\.ports\.containerPort of type int32/,
    ],
    ['a fraction', POD, container({ ports: [{ containerPort: 1.5 }] }), /cannot unmarshal number 1\.5 into Go struct field/],
    ['a number out of range', POD, container({ ports: [{ containerPort: 2 ** 31 }] }), /cannot unmarshal number 2147483648/],
    [
      'a map for a list',
      POD,
      { spec: { containers: {} } },
      /cannot unmarshal object into Go struct field PodSpec\.spec\.containers of type \[\]v1\.Container/,
    ],
    ['a list for a struct', POD, { spec: [] }, /cannot unmarshal array into Go struct field Pod\.spec of type v1\.PodSpec/],
    ['text for a switch', POD, { spec: { hostNetwork: 'yes' } }, /cannot unmarshal string into .* of type bool/],
    ['broken base64', SECRET, { data: { a: 'YQ=' } }, /illegal base64 data at input byte/],
    ['milliseconds for microseconds', LEASE, { spec: { renewTime: '2020-01-01T00:00:00.123Z' } }, /cannot parse "\.123Z" as "\.000000"/],
    ['an impossible date', POD, { metadata: { creationTimestamp: '2020-13-01T00:00:00Z' } }, /parsing time/],
  ] as const) {
    test(`refuses ${title}`, () =>
      assert.throws(
        () => decode(type, value),
        error => error instanceof DecodeError && message.test(error.message),
      ))
  }
})
