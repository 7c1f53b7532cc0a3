import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isFailure } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import { configMap, container, deployment, event, pod, secret, service } from './samples.ts'

/** How a quantity is written, and how it is read back. */
const QUANTITIES: readonly (readonly [written: string, read: string])[] = [
  ['0.1', '100m'],
  ['1000m', '1'],
  ['1.25', '1250m'],
  ['.5', '500m'],
  ['0.5Gi', '512Mi'],
  ['1.5Gi', '1536Mi'],
  ['1024Mi', '1Gi'],
  ['1000000', '1M'],
  ['1024', '1024'],
  ['100k', '100k'],
  ['1e3', '1e3'],
  ['0', '0'],
]

/** What has the wrong type, and what is said of it after `cannot be handled as a KIND: `. */
const WRONG_TYPES: readonly (readonly [plural: string, object: (namespace: string) => Json, message: string])[] = [
  [
    'deployments',
    () => deployment('x', { replicas: 2.5 }),
    'json: cannot unmarshal number 2.5 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  [
    'deployments',
    () => deployment('x', { replicas: 99999999999 }),
    'json: cannot unmarshal number 99999999999 into Go struct field DeploymentSpec.spec.replicas of type int32',
  ],
  ['secrets', () => secret('x', { immutable: 'true' }), 'json: cannot unmarshal string into Go struct field Secret.immutable of type bool'],
  ['configmaps', () => configMap('x', []), 'json: cannot unmarshal array into Go struct field ConfigMap.data of type map[string]string'],
  ['configmaps', () => ({ metadata: 'x' }), 'json: cannot unmarshal string into Go struct field ConfigMap.metadata of type v1.ObjectMeta'],
  [
    'configmaps',
    () => configMap('x', {}, { labels: { a: 1 } }),
    'json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string',
  ],
  [
    'pods',
    () => pod('x', { containers: 'x' }),
    'json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container',
  ],
  [
    'services',
    () => service('x', { ports: [{ port: '80' }] }),
    'json: cannot unmarshal string into Go struct field ServicePort.spec.ports.port of type int32',
  ],
  [
    'events',
    namespace => event('x', namespace, { firstTimestamp: 'x' }),
    'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
  ],
]

/** Values, types and HTTP itself: what goes in and what comes back. */
export function wireCases(api: Api): void {
  suite('values', () => {
    test('text comes back as it was, whatever is in it', async () => {
      const data = { 'a.b_c-D': 'é\n\t"\\ 😀\u2028<>&\u0001', empty: '' }
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('x', data, { labels: { e: '', 'x.y/z': 'A.b_c' }, annotations: { 'x.y/z': '{"a": "b"}\n' } }))
      const { body } = await api.get(`${path}/x`)
      assert.deepEqual(
        [body.data, body.metadata.labels, body.metadata.annotations],
        [data, { e: '', 'x.y/z': 'A.b_c' }, { 'x.y/z': '{"a": "b"}\n' }],
      )
    })
    test('empty maps, lists and nulls are left out', async () => {
      const namespace = await api.namespace()
      const made = await api.must('POST', at('configmaps', namespace), {
        metadata: { name: 'x', labels: null, annotations: {} },
        data: null,
        binaryData: {},
      })
      assert.deepEqual(Object.keys(made).sort(), ['apiVersion', 'kind', 'metadata'])
      assert.deepEqual([made.metadata.labels, made.metadata.annotations], [undefined, undefined])
      const { spec } = await api.must(
        'POST',
        at('pods', namespace),
        pod('x', {
          volumes: [],
          imagePullSecrets: [],
          nodeSelector: {},
          containers: [container({ env: [], args: [], command: null, ports: [] })],
        }),
      )
      assert.deepEqual([spec.volumes, spec.imagePullSecrets, spec.nodeSelector], [undefined, undefined, undefined])
      assert.deepEqual(Object.keys(spec.containers[0]).sort(), [
        'image',
        'imagePullPolicy',
        'name',
        'resources',
        'terminationMessagePath',
        'terminationMessagePolicy',
      ])
    })
    test('a null in a map is an empty value', async () => {
      const namespace = await api.namespace()
      assert.deepEqual((await api.must('POST', at('configmaps', namespace), configMap('x', { a: null }))).data, { a: '' })
      const made = await api.must('POST', at('secrets', namespace), secret('x', { data: { a: null }, stringData: { b: null } }))
      assert.deepEqual(Object.keys(made.data).sort(), ['a', 'b'])
    })
    test('quantities take their canonical form', async () => {
      const path = at('pods', await api.namespace())
      for (const [written, read] of QUANTITIES) {
        const { body } = await api.post(path, pod('x', { containers: [container({ resources: { requests: { memory: written } } })] }), {
          dryRun: 'All',
        })
        assert.equal(body.spec.containers[0].resources.requests.memory, read, written)
      }
    })
    test('times are read in any zone and told in UTC, to the second', async () => {
      const namespace = await api.namespace()
      const made = await api.must(
        'POST',
        at('events', namespace),
        event('x', namespace, { firstTimestamp: '2026-01-02T03:04:05+02:00', lastTimestamp: '2026-01-02T03:04:05.999Z' }),
      )
      assert.deepEqual([made.firstTimestamp, made.lastTimestamp], ['2026-01-02T01:04:05Z', '2026-01-02T03:04:05Z'])
    })
    test('a port is a number or a name, and "8080" is neither', async () => {
      const path = at('services', await api.namespace())
      const { spec } = await api.must(
        'POST',
        path,
        service('x', {
          ports: [
            { name: 'a', port: 80, targetPort: 'web' },
            { name: 'b', port: 81, targetPort: 8080 },
          ],
        }),
      )
      assert.deepEqual(
        spec.ports.map((each: Json) => each.targetPort),
        ['web', 8080],
      )
      isFailure(
        await api.post(path, service('y', { ports: [{ port: 80, targetPort: '8080' }] })),
        422,
        'Invalid',
        /targetPort: Invalid value: "8080": must contain at least one letter \(a-z\)$/,
      )
    })
    test('annotations of more than 256 KiB: 422', async () => {
      const answer = await api.post(at('configmaps', await api.namespace()), configMap('x', {}, { annotations: { a: 'x'.repeat(262145) } }))
      isFailure(answer, 422, 'Invalid', 'ConfigMap "x" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes')
    })
    for (const [plural, object, message] of WRONG_TYPES) {
      test(`${plural}: ${message}`, async () => {
        const namespace = await api.namespace()
        const answer = await api.post(at(plural, namespace), object(namespace))
        isFailure(answer, 400, 'BadRequest')
        assert.ok(answer.body.message.endsWith(`: ${message}`), answer.body.message)
      })
    }
    test('a body that is a list, a text or null is no object', async () => {
      const path = at('configmaps', await api.namespace())
      for (const body of ['[]', '"x"']) isFailure(await api.post(path, body), 400, 'BadRequest')
      isFailure(
        await api.post(path, 'null'),
        422,
        'Invalid',
        'ConfigMap "" is invalid: metadata.name: Required value: name or generateName is required',
      )
    })
  })

  suite('HTTP', () => {
    const ground = async () => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('we'))
      return path
    }
    test('a body in chunks, and one of a type with parameters', async () => {
      const path = await ground()
      for (const [name, headers] of [
        ['a', { 'transfer-encoding': 'chunked' }],
        ['b', { 'content-type': 'application/json; charset=utf-8' }],
      ] as const) {
        const { status, text } = await api.send('POST', path, { body: configMap(name), headers })
        assert.equal(status, 201, text)
      }
    })
    test('a path with encoded letters, dots or a slash at its end', async () => {
      const path = await ground()
      for (const each of [`${path}/%77e`, `${path}/x/../we`]) assert.equal((await api.get(each)).body.metadata?.name, 'we', each)
      assert.equal((await api.get(`${path}/`)).body.kind, 'ConfigMapList')
    })
    test('a slash in a name is no name: 404', async () => {
      isFailure(await api.get(`${await ground()}/a%2Fb`), 404, 'NotFound')
    })
    test('query parameters that mean nothing are ignored', async () => {
      assert.equal((await api.get(`${await ground()}/we`, { nonsense: 1, pretty: 'false' })).status, 200)
    })
    test('any type of answer, or none asked for, is JSON', async () => {
      const path = await ground()
      for (const accept of ['*/*', 'text/html, */*;q=0.1', '']) {
        const { status, headers } = await api.send('GET', path, { headers: { accept } })
        assert.deepEqual([status, headers['content-type']], [200, 'application/json'], accept)
      }
    })
    test('answers are not to be cached, and name the request', async () => {
      const { headers } = await api.get(await ground())
      assert.equal(headers['cache-control'], 'no-cache, private')
      assert.match(String(headers['audit-id']), /^[0-9a-f-]{36}$/)
    })
    test('a list of a thousand objects comes whole', async () => {
      const path = at('configmaps', await api.namespace())
      for (let batch = 0; batch < 20; batch++) {
        await Promise.all(
          Array.from({ length: 50 }, (_, n) => api.must('POST', path, configMap(`c${batch}-${n}`, { a: 'x'.repeat(1000) }))),
        )
      }
      assert.equal((await api.must('GET', path)).items.length, 1000)
      let count = 0
      for (let token: string | undefined = ''; token !== undefined; ) {
        const page: Json = await api.must('GET', path, undefined, { limit: 300, ...(token && { continue: token }) })
        count += page.items.length
        token = page.metadata.continue
      }
      assert.equal(count, 1000)
    })
  })
}
