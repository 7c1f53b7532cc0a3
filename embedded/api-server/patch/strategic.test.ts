import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { Json } from '../schema/decode.ts'
import { StrategicPatchError, strategicPatch } from './strategic.ts'

const DEPLOYMENT = 'io.k8s.api.apps.v1.Deployment'
const inPod = (spec: Json): Json => ({ spec: { template: { spec } } })
const apply = (spec: Json, patch: Json) =>
  strategicPatch(DEPLOYMENT, inPod(spec), inPod(patch)) as unknown as { spec: { template: { spec: Json } } }
const patched = (spec: Json, patch: Json) => apply(spec, patch).spec.template.spec

suite('strategicPatch()', () => {
  const containers = [
    { name: 'a', image: '1', env: [{ name: 'X', value: '1' }] },
    { name: 'b', image: '1' },
  ]
  for (const [title, spec, patch, wanted] of [
    [
      'merges an element by its key',
      { containers },
      { containers: [{ name: 'b', image: '2' }] },
      { containers: [containers[0], { name: 'b', image: '2' }] },
    ],
    ['puts a new element in front', { containers }, { containers: [{ name: 'n' }] }, { containers: [{ name: 'n' }, ...containers] }],
    ['deletes an element', { containers }, { containers: [{ name: 'a', $patch: 'delete' }] }, { containers: [containers[1]] }],
    ['replaces a list', { containers }, { containers: [{ $patch: 'replace' }, { name: 'n' }] }, { containers: [{ name: 'n' }] }],
    [
      'orders by $setElementOrder',
      { containers },
      { '$setElementOrder/containers': [{ name: 'b' }, { name: 'a' }] },
      { containers: [containers[1], containers[0]] },
    ],
    [
      'merges lists within elements',
      { containers },
      { containers: [{ name: 'a', env: [{ name: 'Y', value: '2' }] }] },
      {
        containers: [
          {
            ...containers[0],
            env: [
              { name: 'Y', value: '2' },
              { name: 'X', value: '1' },
            ],
          },
          containers[1],
        ],
      },
    ],
    [
      'replaces lists without a key',
      { containers: [{ name: 'a', args: ['x', 'y'] }] },
      { containers: [{ name: 'a', args: ['z'] }] },
      { containers: [{ name: 'a', args: ['z'] }] },
    ],
    ['deletes a field by null', { nodeName: 'n', hostname: 'h' }, { nodeName: null }, { hostname: 'h' }],
    [
      'keeps only $retainKeys',
      { volumes: [{ name: 'v', emptyDir: {} }] },
      { volumes: [{ name: 'v', $retainKeys: ['name', 'secret'], secret: { secretName: 's' } }] },
      { volumes: [{ name: 'v', secret: { secretName: 's' } }] },
    ],
    [
      'replaces a map by $patch',
      { securityContext: { runAsUser: 1 } },
      { securityContext: { $patch: 'replace', runAsGroup: 2 } },
      { securityContext: { runAsGroup: 2 } },
    ],
  ] as [string, Json, Json, Json][]) {
    test(title, () => {
      const [before, patchBefore] = [structuredClone(spec), structuredClone(patch)]
      assert.deepEqual(patched(spec, patch), wanted)
      assert.deepEqual([spec, patch], [before, patchBefore])
    })
  }
  test('takes values out of a list of them', () => {
    const patch = { metadata: { '$deleteFromPrimitiveList/finalizers': ['a/b'], finalizers: ['e/f'] } }
    const { metadata } = strategicPatch(DEPLOYMENT, { metadata: { finalizers: ['a/b', 'c/d'] } }, patch) as { metadata: Json }
    assert.deepEqual(new Set(metadata['finalizers'] as string[]), new Set(['c/d', 'e/f']))
  })
  for (const [title, patch, code] of [
    ['an element without its key', { containers: [{ image: 'x' }] }, 500],
    ['an unknown directive', { containers: [{ name: 'a', $patch: 'frob' }] }, 500],
    ['fields beyond $retainKeys', { volumes: [{ name: 'v', $retainKeys: ['name'], emptyDir: {} }] }, 422],
  ] as [string, Json, number][]) {
    test(`refuses ${title}`, () => {
      const spec = { containers: [{ name: 'a' }], volumes: [{ name: 'v' }] }
      assert.throws(
        () => apply(spec, patch),
        error => error instanceof StrategicPatchError && error.code === code,
      )
    })
  }
})
