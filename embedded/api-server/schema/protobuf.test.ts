import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { decodeProtobuf, ProtobufError } from './protobuf.ts'

// Bytes as Kubernetes' protobuf has them, put together by hand: field number and wire type, length, content.
const varint = (value: number | bigint): Buffer => {
  const bytes: number[] = []
  let rest = BigInt.asUintN(64, BigInt(value))
  do {
    bytes.push(Number(rest & 0x7fn) | (rest > 0x7fn ? 0x80 : 0))
    rest >>= 7n
  } while (rest > 0n)
  return Buffer.from(bytes)
}
const field = (number: number, content: Buffer | string): Buffer =>
  Buffer.concat([varint((number << 3) | 2), varint(Buffer.byteLength(content)), Buffer.from(content)])
const number = (at: number, value: number | bigint): Buffer => Buffer.concat([varint(at << 3), varint(value)])
const all = (...parts: Buffer[]): Buffer => Buffer.concat(parts)
const envelope = (apiVersion: string, kind: string, raw: Buffer): Buffer =>
  all(Buffer.from('k8s\0'), field(1, all(field(1, apiVersion), field(2, kind))), field(2, raw))
const read = (bytes: Buffer) => decodeProtobuf(bytes, (_, kind) => (kind === 'Nope' ? undefined : `io.k8s.api.core.v1.${kind}`))

suite('decodeProtobuf()', () => {
  test('reads text, maps, lists, numbers, switches, amounts, ports by number and by name, and times', () => {
    const probe = all(field(1, field(2, all(field(1, '/ok'), field(2, all(number(1, 1), field(3, 'web')))))), number(2, 5))
    const amount = field(1, all(field(1, 'cpu'), field(2, field(1, '500m'))))
    const container = all(field(1, 'c'), field(3, 'sh'), field(3, '-c'), field(8, amount), field(11, probe))
    const metadata = all(field(1, 'p'), field(8, all(number(1, 1_577_836_800))), field(11, all(field(1, 'a'), field(2, 'b'))))
    const spec = all(field(2, container), number(4, -1n), number(11, 1))
    assert.deepEqual(read(envelope('v1', 'Pod', all(field(1, metadata), field(2, spec)))), {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { name: 'p', creationTimestamp: '2020-01-01T00:00:00.000000Z', labels: { a: 'b' } },
      spec: {
        containers: [
          {
            name: 'c',
            command: ['sh', '-c'],
            resources: { limits: { cpu: '500m' } },
            readinessProbe: { httpGet: { path: '/ok', port: 'web' }, initialDelaySeconds: 5 },
          },
        ],
        terminationGracePeriodSeconds: -1,
        hostNetwork: true,
      },
    })
  })
  test('reads bytes as base64', () => {
    const secret = field(2, all(field(1, 'k'), field(2, Buffer.from([0xff, 0]))))
    assert.deepEqual(read(envelope('v1', 'Secret', secret)), { apiVersion: 'v1', kind: 'Secret', data: { k: '/wA=' } })
  })
  test('skips fields that it does not know', () => {
    assert.deepEqual(read(envelope('v1', 'Secret', all(number(99, 1), field(98, 'x'), field(3, 'Opaque')))).type, 'Opaque')
  })
  for (const [title, bytes] of [
    ['nothing', Buffer.alloc(0)],
    ['no magic', Buffer.from('{"kind":"Pod"}')],
    ['a kind that nobody knows', envelope('v1', 'Nope', Buffer.alloc(0))],
    ['a length beyond the end', all(Buffer.from('k8s\0'), Buffer.from([0x0a, 0xff, 0x01]))],
    ['a number without end', all(Buffer.from('k8s\0'), Buffer.alloc(12, 0xff))],
    ['a number where a message stands', envelope('v1', 'Pod', number(1, 1))],
    ['groups, which are no more', all(Buffer.from('k8s\0'), Buffer.from([0x0b]))],
  ] as const) {
    test(`refuses ${title}`, () => assert.throws(() => read(bytes), ProtobufError))
  }
})
