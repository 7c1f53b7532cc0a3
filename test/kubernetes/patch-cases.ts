import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isFailure } from './answers.ts'
import { type Api, at, type Json, type PatchKind } from './api.ts'
import { configMap, container, deployment, pod, service, template } from './samples.ts'

/** RFC 6902 on `data` of a ConfigMap that is `{a: '1', b: '2'}`, and what `data` is then. */
const JSON_PATCHES: readonly (readonly [title: string, operations: Json, data: Json])[] = [
  ['add', [{ op: 'add', path: '/data/c', value: '3' }], { a: '1', b: '2', c: '3' }],
  ['add over what is there', [{ op: 'add', path: '/data/a', value: '3' }], { a: '3', b: '2' }],
  ['replace', [{ op: 'replace', path: '/data/a', value: '3' }], { a: '3', b: '2' }],
  ['remove', [{ op: 'remove', path: '/data/a' }], { b: '2' }],
  ['move', [{ op: 'move', from: '/data/a', path: '/data/c' }], { b: '2', c: '1' }],
  ['copy', [{ op: 'copy', from: '/data/a', path: '/data/c' }], { a: '1', b: '2', c: '1' }],
  [
    'test that holds',
    [
      { op: 'test', path: '/data/a', value: '1' },
      { op: 'remove', path: '/data/b' },
    ],
    { a: '1' },
  ],
  [
    'a slash and a tilde in a name',
    [
      { op: 'add', path: '/metadata/labels', value: { 'x.y/z': '1' } },
      { op: 'test', path: '/metadata/labels/x.y~1z', value: '1' },
      { op: 'remove', path: '/data/b' },
    ],
    { a: '1' },
  ],
  ['a whole member', [{ op: 'replace', path: '/data', value: { z: '9' } }], { z: '9' }],
  ['no operations', [], { a: '1', b: '2' }],
]

/** What a JSON patch cannot do: nothing of it then happens. */
const REFUSED_JSON_PATCHES: readonly (readonly [title: string, operations: Json])[] = [
  [
    'a test that fails',
    [
      { op: 'remove', path: '/data/b' },
      { op: 'test', path: '/data/a', value: '2' },
    ],
  ],
  ['a test of what is not there', [{ op: 'test', path: '/data/zz', value: '2' }]],
  ['removal of what is not there', [{ op: 'remove', path: '/data/zz' }]],
  ['addition under what is not there', [{ op: 'add', path: '/nope/zz', value: '1' }]],
  ['a move from what is not there', [{ op: 'move', from: '/data/zz', path: '/data/y' }]],
  ['an operation that is none', [{ op: 'frob', path: '/data/a' }]],
  ['no operation', [{ path: '/data/a', value: '1' }]],
]

/** Strategic merge on the containers of a Deployment that are `c` (port 80, env A=1 B=2, args x y) and `e`; then what stands of them. */
const STRATEGIC: readonly (readonly [title: string, podSpec: Json, containers: Json])[] = [
  ['merges containers by name', { containers: [{ name: 'e', image: 'e:2' }] }, [{ name: 'c' }, { name: 'e', image: 'e:2' }]],
  [
    'puts a new container first',
    { containers: [{ name: 'n', image: 'n:1' }] },
    [{ name: 'n', image: 'n:1' }, { name: 'c' }, { name: 'e' }],
  ],
  ['deletes one by $patch', { containers: [{ name: 'c', $patch: 'delete' }] }, [{ name: 'e' }]],
  ['deletes one that is not there without complaint', { containers: [{ name: 'zz', $patch: 'delete' }] }, [{ name: 'c' }, { name: 'e' }]],
  ['replaces the list by $patch', { containers: [{ $patch: 'replace' }, { name: 'n', image: 'n:1' }] }, [{ name: 'n', image: 'n:1' }]],
  [
    'merges env by name',
    {
      containers: [
        {
          name: 'c',
          env: [
            { name: 'B', value: '3' },
            { name: 'C', value: '4' },
          ],
        },
      ],
    },
    [
      {
        name: 'c',
        env: [
          { name: 'A', value: '1' },
          { name: 'B', value: '3' },
          { name: 'C', value: '4' },
        ],
      },
      { name: 'e' },
    ],
  ],
  [
    'deletes an env entry',
    { containers: [{ name: 'c', env: [{ name: 'A', $patch: 'delete' }] }] },
    [{ name: 'c', env: [{ name: 'B', value: '2' }] }, { name: 'e' }],
  ],
  [
    'merges ports by their number',
    { containers: [{ name: 'c', ports: [{ containerPort: 80, name: 'web' }, { containerPort: 81 }] }] },
    [
      {
        name: 'c',
        ports: [
          { name: 'web', containerPort: 80, protocol: 'TCP' },
          { containerPort: 81, protocol: 'TCP' },
        ],
      },
      { name: 'e' },
    ],
  ],
  ['replaces plain lists whole', { containers: [{ name: 'c', args: ['z'] }] }, [{ name: 'c', args: ['z'] }, { name: 'e' }]],
  ['null removes a field', { containers: [{ name: 'c', args: null }] }, [{ name: 'c', args: undefined }, { name: 'e' }]],
  [
    '$setElementOrder puts elements into an order',
    { '$setElementOrder/containers': [{ name: 'e' }, { name: 'c' }], containers: [{ name: 'e', image: 'e:2' }] },
    [{ name: 'e', image: 'e:2' }, { name: 'c' }],
  ],
]

/** Merge, JSON and strategic merge patches, and what all three have in common. */
export function patchCases(api: Api): void {
  const made = async (plural: string, object: Json): Promise<string> => {
    const collection = at(plural, await api.namespace())
    await api.must('POST', collection, object)
    return `${collection}/${object.metadata.name}`
  }
  const patched = async (kind: PatchKind, path: string, body: Json): Promise<Json> => {
    const answer = await api.patch(kind, path, body)
    assert.equal(answer.status, 200, answer.text)
    return answer.body
  }

  suite('merge patch', () => {
    test('sets, adds and removes members', async () => {
      const path = await made('configmaps', configMap('x', { a: '1', b: '2' }, { labels: { l: 'm' } }))
      const { data, metadata } = await patched('merge', path, { data: { a: null, b: '3', c: '4' }, metadata: { annotations: { n: 'o' } } })
      assert.deepEqual([data, metadata.labels, metadata.annotations], [{ b: '3', c: '4' }, { l: 'm' }, { n: 'o' }])
    })
    test('replaces lists whole', async () => {
      const path = await made(
        'deployments',
        deployment('d', { template: template({ containers: [container(), container({ name: 'e' })] }) }),
      )
      const { spec } = await patched('merge', path, { spec: { template: { spec: { containers: [{ name: 'n', image: 'n:1' }] } } } })
      assert.deepEqual(
        spec.template.spec.containers.map((each: Json) => each.name),
        ['n'],
      )
    })
    test('null removes a member, and its default comes back', async () => {
      const path = await made('deployments', deployment('d', { replicas: 5, progressDeadlineSeconds: 7 }))
      const { spec } = await patched('merge', path, { spec: { replicas: null, progressDeadlineSeconds: null } })
      assert.deepEqual([spec.replicas, spec.progressDeadlineSeconds], [1, 600])
    })
    test('null for what is not there is nothing', async () => {
      const path = await made('configmaps', configMap('x'))
      assert.deepEqual((await patched('merge', path, { data: { zz: null } })).data, { a: '1' })
    })
    test('writes stringData into data', async () => {
      const path = await made('secrets', { metadata: { name: 's' }, stringData: { a: '1' } })
      assert.deepEqual((await patched('merge', path, { stringData: { b: '2' } })).data, { a: 'MQ==', b: 'Mg==' })
    })
    test('that changes nothing keeps the resourceVersion', async () => {
      const path = await made('configmaps', configMap('x'))
      const before = await api.must('GET', path)
      assert.deepEqual(await patched('merge', path, { data: { a: '1' } }), before)
      assert.deepEqual(await patched('merge', path, {}), before)
    })
    test('a list is no merge patch: 400', async () => {
      isFailure(await api.patch('merge', await made('configmaps', configMap('x')), []), 400, 'BadRequest')
    })
  })

  suite('JSON patch', () => {
    for (const [title, operations, data] of JSON_PATCHES) {
      test(title, async () => {
        const path = await made('configmaps', configMap('x', { a: '1', b: '2' }))
        assert.deepEqual((await patched('json', path, operations)).data, data)
      })
    }
    test('adds to lists by place and at the end', async () => {
      const path = await made('deployments', deployment('d', { template: template({ containers: [container({ args: ['b'] })] }) }))
      const list = '/spec/template/spec/containers/0/args'
      const { spec } = await patched('json', path, [
        { op: 'add', path: `${list}/0`, value: 'a' },
        { op: 'add', path: `${list}/-`, value: 'c' },
        { op: 'add', path: `${list}/1`, value: 'x' },
        { op: 'remove', path: `${list}/1` },
      ])
      assert.deepEqual(spec.template.spec.containers[0].args, ['a', 'b', 'c'])
    })
    for (const [title, operations] of REFUSED_JSON_PATCHES) {
      test(`${title}: 422`, async () => {
        const path = await made('configmaps', configMap('x', { a: '1', b: '2' }))
        isFailure(
          await api.patch('json', path, operations),
          422,
          'Invalid',
          'the server rejected our request due to an error in our request',
        )
        assert.deepEqual((await api.must('GET', path)).data, { a: '1', b: '2' })
      })
    }
    test('an object is no JSON patch: 400', async () => {
      isFailure(
        await api.patch('json', await made('configmaps', configMap('x')), { op: 'add' }),
        400,
        'BadRequest',
        /^error decoding patch: /,
      )
    })
  })

  suite('strategic merge patch', () => {
    for (const [title, podSpec, containers] of STRATEGIC) {
      test(title, async () => {
        const c = container({
          ports: [{ containerPort: 80 }],
          env: [
            { name: 'A', value: '1' },
            { name: 'B', value: '2' },
          ],
          args: ['x', 'y'],
        })
        const path = await made('deployments', deployment('d', { template: template({ containers: [c, container({ name: 'e' })] }) }))
        const { spec } = await patched('strategic', path, { spec: { template: { spec: podSpec } } })
        const seen = spec.template.spec.containers.map((each: Json, n: number) =>
          Object.fromEntries(Object.keys(containers[n] ?? each).map(key => [key, each[key]])),
        )
        assert.deepEqual(seen, containers)
      })
    }
    test('merges maps, null removes from them', async () => {
      const path = await made('deployments', deployment('d', {}, { labels: { a: '1', b: '2' } }))
      assert.deepEqual((await patched('strategic', path, { metadata: { labels: { a: null, c: '3' } } })).metadata.labels, {
        b: '2',
        c: '3',
      })
    })
    test('$patch: replace on a map leaves nothing of the old', async () => {
      const path = await made('configmaps', configMap('x', { a: '1', b: '2' }))
      assert.deepEqual((await patched('strategic', path, { data: { $patch: 'replace', c: '3' } })).data, { c: '3' })
    })
    test('$retainKeys drops the other members of a union', async () => {
      const path = await made('deployments', deployment('d'))
      assert.deepEqual(
        (await patched('strategic', path, { spec: { strategy: { $retainKeys: ['type'], type: 'Recreate' } } })).spec.strategy,
        { type: 'Recreate' },
      )
    })
    test('merges finalizers as a set; $deleteFromPrimitiveList takes from it', async () => {
      const path = await made('configmaps', configMap('x', {}, { finalizers: ['a.test/c', 'a.test/d'] }))
      const finalizers = async (metadata: Json) => (await patched('strategic', path, { metadata })).metadata.finalizers
      assert.deepEqual((await finalizers({ finalizers: ['a.test/d', 'a.test/e'] })).toSorted(), ['a.test/c', 'a.test/d', 'a.test/e'])
      assert.deepEqual((await finalizers({ '$deleteFromPrimitiveList/finalizers': ['a.test/c'] })).toSorted(), ['a.test/d', 'a.test/e'])
    })
    test('merges the ports of a Service by port number', async () => {
      const path = await made(
        'services',
        service('s', {
          ports: [
            { name: 'a', port: 80, targetPort: 1 },
            { name: 'b', port: 81 },
          ],
        }),
      )
      const { spec } = await patched('strategic', path, { spec: { ports: [{ port: 80, targetPort: 2 }] } })
      assert.deepEqual(
        spec.ports.map((each: Json) => [each.name, each.port, each.targetPort]),
        [
          ['a', 80, 2],
          ['b', 81, 81],
        ],
      )
    })
    test('merges owner references by uid', async () => {
      const owner = (uid: string) => ({ apiVersion: 'v1', kind: 'Pod', name: uid, uid })
      const path = await made('configmaps', configMap('x', {}, { ownerReferences: [owner('u1')] }))
      const { metadata } = await patched('strategic', path, { metadata: { ownerReferences: [owner('u2')] } })
      assert.deepEqual(metadata.ownerReferences.map((each: Json) => each.uid).sort(), ['u1', 'u2'])
    })
    test('an element without its key is refused', async () => {
      const path = await made('deployments', deployment('d'))
      const { status, body } = await api.patch('strategic', path, { spec: { template: { spec: { containers: [{ image: 'x' }] } } } })
      assert.deepEqual([status, body.message], [500, 'map: map[image:x] does not contain declared merge key: name'])
    })
    test('an unknown directive is refused', async () => {
      const path = await made('deployments', deployment('d'))
      const { status, body } = await api.patch('strategic', path, {
        spec: { template: { spec: { containers: [{ name: 'c', $patch: 'frob' }] } } },
      })
      assert.equal(status, 500)
      assert.match(body.message, /^unknown patch type: frob/)
    })
  })

  suite('any patch', () => {
    test('of an object that is not there: 404', async () => {
      const path = at('configmaps', await api.namespace(), 'x')
      for (const kind of ['merge', 'strategic'] as const)
        isFailure(await api.patch(kind, path, { data: {} }), 404, 'NotFound', 'configmaps "x" not found')
      isFailure(await api.patch('json', path, []), 404, 'NotFound')
    })
    test('of a type that is not known: 415', async () => {
      const path = await made('configmaps', configMap('x'))
      for (const type of ['application/json', 'text/plain'])
        isFailure(await api.send('PATCH', path, { body: '{}', type }), 415, 'UnsupportedMediaType')
    })
    test('that is no JSON: 400', async () => {
      const path = await made('configmaps', configMap('x'))
      for (const kind of ['merge', 'json'] as const) isFailure(await api.patch(kind, path, '{'), 400, 'BadRequest', 'invalid JSON patch')
    })
    test('whose result is invalid: 422, and nothing changes', async () => {
      const path = await made('deployments', deployment('d'))
      for (const kind of ['merge', 'strategic'] as const) {
        isFailure(
          await api.patch(kind, path, { spec: { replicas: -1 } }),
          422,
          'Invalid',
          /spec\.replicas: Invalid value: -1: must be greater than or equal to 0/,
        )
      }
      assert.equal((await api.must('GET', path)).spec.replicas, 1)
    })
    test('whose result has a wrong type: 422', async () => {
      const path = await made('configmaps', configMap('x'))
      isFailure(
        await api.patch('merge', path, { data: { a: 1 } }),
        422,
        'Invalid',
        /cannot unmarshal number into Go struct field ConfigMap\.data of type string$/,
      )
      isFailure(await api.patch('json', path, [{ op: 'add', path: '/data/a', value: 1 }]), 422, 'Invalid')
      isFailure(await api.patch('strategic', path, { data: { a: 1 } }), 422, 'Invalid')
    })
    test('with an old resourceVersion conflicts; without one it never does', async () => {
      const path = await made('configmaps', configMap('x'))
      const { metadata } = await api.must('GET', path)
      await patched('merge', path, { data: { b: '2' } })
      const { resourceVersion } = metadata
      for (const kind of ['merge', 'strategic'] as const)
        isFailure(await api.patch(kind, path, { metadata: { resourceVersion }, data: { c: '3' } }), 409, 'Conflict')
      const all = await Promise.all(Array.from({ length: 10 }, (_, n) => api.patch('merge', path, { data: { [`n${n}`]: 'x' } })))
      assert.deepEqual(new Set(all.map(each => each.status)), new Set([200]))
      assert.equal(Object.keys((await api.must('GET', path)).data).length, 12)
    })
    test('cannot reach the status', async () => {
      const path = await made('pods', pod('p'))
      assert.equal((await patched('merge', path, { status: { phase: 'Running' } })).status.phase, 'Pending')
    })
    test('takes force only when it applies: 422', async () => {
      const path = await made('configmaps', configMap('x'))
      isFailure(
        await api.patch('merge', path, {}, { force: true }),
        422,
        'Invalid',
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
      )
    })
  })
}
