import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isFailure } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import { configMap, container, deployment, service, template } from './samples.ts'

/** A Deployment with three fields that no Deployment has. */
const misspelt = (): Json => ({
  ...deployment('d', { also: 2, template: template({ containers: [container({ imagee: 'x' })] }) }),
  nope: 1,
})

const UNKNOWN = ['nope', 'spec.also', 'spec.template.spec.containers[0].imagee']

/** What a request may ask for besides: dry runs, the check of fields; and who may ask. */
export function requestCases(api: Api): void {
  suite('dry run', () => {
    test('of a create answers as if, and stores nothing', async () => {
      const path = at('configmaps', await api.namespace())
      const { status, body } = await api.post(path, configMap('x'), { dryRun: 'All' })
      assert.deepEqual([status, body.data, body.metadata.resourceVersion], [201, { a: '1' }, undefined])
      assert.ok(body.metadata.uid)
      isFailure(await api.get(`${path}/x`), 404, 'NotFound')
    })
    test('fills in defaults', async () => {
      const { body } = await api.post(at('services', await api.namespace()), service('s'), { dryRun: 'All' })
      assert.deepEqual([body.spec.type, body.spec.ports[0].targetPort], ['ClusterIP', 80])
    })
    test('validates, and finds what is there already', async () => {
      const path = at('configmaps', await api.namespace())
      isFailure(await api.post(path, configMap('Bad_'), { dryRun: 'All' }), 422, 'Invalid')
      await api.must('POST', path, configMap('x'))
      isFailure(await api.post(path, configMap('x'), { dryRun: 'All' }), 409, 'AlreadyExists')
    })
    test('of an update and of patches changes nothing', async () => {
      const path = at('configmaps', await api.namespace())
      const before = await api.must('POST', path, configMap('x'))
      assert.deepEqual((await api.put(`${path}/x`, configMap('x', { b: '2' }), { dryRun: 'All' })).body.data, { b: '2' })
      assert.deepEqual((await api.patch('merge', `${path}/x`, { data: { c: '3' } }, { dryRun: 'All' })).body.data, { a: '1', c: '3' })
      assert.deepEqual((await api.patch('json', `${path}/x`, [{ op: 'remove', path: '/data' }], { dryRun: 'All' })).body.data, undefined)
      assert.deepEqual((await api.get(`${path}/x`)).body, before)
    })
    test('is no event for a watch', async context => {
      const path = at('configmaps', await api.namespace())
      const { metadata } = await api.must('GET', path)
      const watch = await api.watch(path, { resourceVersion: metadata.resourceVersion })
      context.after(() => watch.close())
      await api.post(path, configMap('a'), { dryRun: 'All' })
      await api.post(path, configMap('b'))
      assert.deepEqual(await watch.names(1), ['ADDED b'])
    })
    test('of another value: 422', async () => {
      isFailure(
        await api.post(at('configmaps', await api.namespace()), configMap('x'), { dryRun: 'Some' }),
        422,
        'Invalid',
        'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: ["Some"]: supported values: "All"',
      )
    })
  })

  suite('field validation', () => {
    test('Strict refuses unknown fields and names each', async () => {
      const answer = await api.post(at('deployments', await api.namespace()), misspelt(), { fieldValidation: 'Strict' })
      isFailure(
        answer,
        400,
        'BadRequest',
        /^Deployment in version "v1" cannot be handled as a Deployment: strict decoding error: unknown field /,
      )
      assert.deepEqual([...answer.body.message.matchAll(/unknown field "([^"]+)"/g)].map(match => match[1]).sort(), UNKNOWN)
    })
    test('Warn takes the object, and says so in warnings; so does no word on it', async () => {
      for (const query of [{ fieldValidation: 'Warn' }, {}]) {
        const { status, headers, body } = await api.post(at('deployments', await api.namespace()), misspelt(), query)
        assert.deepEqual([status, body.nope, body.spec.also], [201, undefined, undefined])
        const warnings = String(headers['warning']).split(', ').sort()
        assert.deepEqual(
          warnings,
          UNKNOWN.map(field => `299 - "unknown field \\"${field}\\""`),
        )
      }
    })
    test('Ignore takes the object in silence', async () => {
      const { status, headers } = await api.post(at('deployments', await api.namespace()), misspelt(), { fieldValidation: 'Ignore' })
      assert.deepEqual([status, headers['warning']], [201, undefined])
    })
    test('of another value: 422', async () => {
      isFailure(
        await api.post(at('configmaps', await api.namespace()), configMap('x'), { fieldValidation: 'Bogus' }),
        422,
        'Invalid',
        'CreateOptions.meta.k8s.io "" is invalid: fieldValidation: Unsupported value: "Bogus": supported values: "", "Ignore", "Strict", "Warn"',
      )
    })
    test('finds fields given twice', async () => {
      const path = at('configmaps', await api.namespace())
      const send = (name: string, fieldValidation: string) =>
        api.send('POST', path, { body: `{"metadata":{"name":"${name}"},"data":{"a":"1","a":"2"}}`, query: { fieldValidation } })
      isFailure(
        await send('x', 'Strict'),
        400,
        'BadRequest',
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: duplicate field "data.a"',
      )
      const warned = await send('y', 'Warn')
      assert.deepEqual(
        [warned.status, warned.headers['warning'], warned.body.data],
        [201, '299 - "duplicate field \\"data.a\\""', { a: '2' }],
      )
    })
    test('finds fields in the wrong case', async () => {
      const answer = await api.post(
        at('configmaps', await api.namespace()),
        { metadata: { name: 'x' }, Data: { a: 'b' } },
        { fieldValidation: 'Strict' },
      )
      isFailure(
        answer,
        400,
        'BadRequest',
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: unknown field "Data"',
      )
    })
    test('of an update', async () => {
      const path = at('deployments', await api.namespace())
      await api.must('POST', path, deployment('d'))
      isFailure(
        await api.put(`${path}/d`, misspelt(), { fieldValidation: 'Strict' }),
        400,
        'BadRequest',
        /strict decoding error: unknown field/,
      )
      assert.match(String((await api.put(`${path}/d`, misspelt())).headers['warning']), /unknown field \\"spec\.also\\"/)
    })
    test('of merge, strategic and JSON patches', async () => {
      const path = at('deployments', await api.namespace())
      await api.must('POST', path, deployment('d'))
      for (const kind of ['merge', 'strategic', 'json'] as const) {
        const body = kind === 'json' ? [{ op: 'add', path: '/spec/nope', value: 1 }] : { spec: { nope: 1 } }
        isFailure(
          await api.patch(kind, `${path}/d`, body, { fieldValidation: 'Strict' }),
          422,
          'Invalid',
          /strict decoding error: unknown field "spec\.nope"$/,
        )
        const warned = await api.patch(kind, `${path}/d`, body)
        assert.deepEqual([warned.status, warned.headers['warning']], [200, '299 - "unknown field \\"spec.nope\\""'])
      }
    })
  })

  suite('credentials', () => {
    test('that are wrong: 401', async () => {
      isFailure(
        await api.send('GET', '/api/v1/namespaces', { anonymous: true, headers: { authorization: 'Bearer wrong' } }),
        401,
        'Unauthorized',
        'Unauthorized',
      )
    })
    test('that are missing: 401 or 403, and nothing is told', async () => {
      const { status, body } = await api.send('GET', '/api/v1/namespaces', { anonymous: true })
      assert.ok(status === 401 || status === 403, `${status}`)
      assert.equal(body.status, 'Failure')
    })
    test('are not needed to ask for health', async () => {
      for (const path of ['/healthz', '/livez', '/readyz']) assert.equal((await api.send('GET', path, { anonymous: true })).text, 'ok')
    })
    test('that are right may do everything, and say so', async () => {
      const { status, body } = await api.post('/apis/authorization.k8s.io/v1/selfsubjectaccessreviews', {
        apiVersion: 'authorization.k8s.io/v1',
        kind: 'SelfSubjectAccessReview',
        spec: { resourceAttributes: { verb: 'create', resource: 'pods', namespace: 'default' } },
      })
      assert.deepEqual([status, body.status.allowed], [201, true])
    })
  })
}
