import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { holds, isFailure } from './answers.ts'
import { type Answer, type Api, at, type Json } from './api.ts'
import { container, deployment, template } from './samples.ts'

/** Server-side apply: who owns which field, and what follows from it. */
export function applyCases(api: Api): void {
  const config = (data: Json, metadata: Json = {}): Json => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'x', ...metadata },
    data,
  })
  const workload = (spec: Json): Json => ({ apiVersion: 'apps/v1', kind: 'Deployment', ...deployment('x', spec) })
  /** Applies to one object of a namespace of its own. */
  const ground = async (plural = 'configmaps') => {
    const path = at(plural, await api.namespace(), 'x')
    const apply = (fieldManager: string, body: Json, query: Record<string, boolean> = {}): Promise<Answer> =>
      api.patch('apply', path, body, { fieldManager, ...query })
    const owners = async (): Promise<Record<string, Json>> =>
      Object.fromEntries(
        (await api.must('GET', path)).metadata.managedFields.map((each: Json) => [`${each.manager} ${each.operation}`, each.fieldsV1]),
      )
    return { path, apply, owners }
  }

  suite('apply', () => {
    test('creates what is not there, and notes the owner of each field', async () => {
      const { apply, owners } = await ground()
      const { status, body } = await apply('one', config({ a: '1', b: '1' }))
      assert.deepEqual([status, body.data], [201, { a: '1', b: '1' }])
      assert.deepEqual(await owners(), { 'one Apply': { 'f:data': { 'f:a': {}, 'f:b': {} } } })
    })
    test('again with the same changes nothing', async () => {
      const { apply } = await ground()
      const { body } = await apply('one', config({ a: '1' }))
      // Whatever the clock says: what managedFields notes of the time is no change by itself.
      await nextSecond()
      const again = await apply('one', config({ a: '1' }))
      assert.deepEqual([again.status, again.body], [200, body])
    })
    test('by another adds its fields beside', async () => {
      const { apply } = await ground()
      await apply('one', config({ a: '1' }))
      assert.deepEqual((await apply('two', config({ b: '2' }))).body.data, { a: '1', b: '2' })
    })
    test('over the field of another conflicts, and names the field and its owner', async () => {
      const { apply } = await ground()
      await apply('one', config({ a: '1', b: '1' }))
      const answer = await apply('two', config({ a: '2' }))
      isFailure(answer, 409, 'Conflict', 'Apply failed with 1 conflict: conflict with "one": .data.a')
      assert.deepEqual(answer.body.details, {
        causes: [{ reason: 'FieldManagerConflict', message: 'conflict with "one"', field: '.data.a' }],
      })
      isFailure(
        await apply('two', config({ a: '2', b: '2' })),
        409,
        'Conflict',
        'Apply failed with 2 conflicts: conflicts with "one":\n- .data.a\n- .data.b',
      )
    })
    test('by force takes the field', async () => {
      const { apply, owners } = await ground()
      await apply('one', config({ a: '1', b: '1' }))
      const { status, body } = await apply('two', config({ a: '2' }), { force: true })
      assert.deepEqual([status, body.data], [200, { a: '2', b: '1' }])
      assert.deepEqual(await owners(), { 'one Apply': { 'f:data': { 'f:b': {} } }, 'two Apply': { 'f:data': { 'f:a': {} } } })
    })
    test('of the same value shares the field, which stays until both have dropped it', async () => {
      const { apply } = await ground()
      for (const manager of ['one', 'two']) await apply(manager, config({ a: '1', z: '1' }))
      assert.deepEqual((await apply('one', config({ z: '1' }))).body.data, { a: '1', z: '1' })
      assert.deepEqual((await apply('two', config({ z: '1' }))).body.data, { z: '1' })
    })
    test('without a field that it set before removes it', async () => {
      const { apply } = await ground()
      await apply('one', config({ a: '1', b: '1' }, { labels: { l: 'm', n: 'o' } }))
      const { body } = await apply('one', config({ b: '1' }, { labels: { l: 'm' } }))
      assert.deepEqual([body.data, body.metadata.labels], [{ b: '1' }, { l: 'm' }])
    })
    test('of nothing but the name lets all fields of its own go', async () => {
      const { apply } = await ground()
      await apply('one', config({ a: '1' }, { labels: { l: 'm' } }))
      await apply('two', config({ b: '2' }))
      const { status, body } = await apply('one', { apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'x' } })
      assert.deepEqual([status, body.data, body.metadata.labels], [200, { b: '2' }, undefined])
    })
    test('leaves what an update wrote, and conflicts over it', async () => {
      const { path, apply } = await ground()
      await apply('one', config({ a: '1' }))
      await api.patch('merge', path, { data: { a: '9', c: '9' } }, { fieldManager: 'editor' })
      isFailure(
        await apply('one', config({ a: '1' })),
        409,
        'Conflict',
        'Apply failed with 1 conflict: conflict with "editor" using v1: .data.a',
      )
      assert.deepEqual((await apply('one', config({ a: '9' }))).body.data, { a: '9', c: '9' })
    })
    test('merges containers by name and env by name', async () => {
      const { apply } = await ground('deployments')
      const pods = (...containers: Json[]) => workload({ template: template({ containers }) })
      await apply(
        'one',
        pods(
          container({
            env: [
              { name: 'A', value: '1' },
              { name: 'B', value: '1' },
            ],
          }),
        ),
      )
      const other = {
        apiVersion: 'apps/v1',
        kind: 'Deployment',
        metadata: { name: 'x' },
        spec: { template: { spec: { containers: [{ name: 'c', env: [{ name: 'C', value: '2' }] }] } } },
      }
      const beside = await apply('two', other)
      assert.equal(beside.status, 200, beside.text)
      const { body } = await apply('one', pods(container({ env: [{ name: 'A', value: '1' }] })))
      assert.deepEqual(body.spec.template.spec.containers[0].env, [
        { name: 'A', value: '1' },
        { name: 'C', value: '2' },
      ])
    })
    test('notes elements of lists by their keys', async () => {
      const { apply, owners } = await ground('deployments')
      await apply(
        'one',
        workload({ template: template({ containers: [container({ ports: [{ containerPort: 80 }], env: [{ name: 'A', value: '1' }] })] }) }),
      )
      holds((await owners())['one Apply'], {
        'f:spec': {
          'f:template': {
            'f:spec': {
              'f:containers': {
                'k:{"name":"c"}': {
                  '.': {},
                  'f:image': {},
                  'f:env': { 'k:{"name":"A"}': { '.': {}, 'f:value': {} } },
                  'f:ports': { 'k:{"containerPort":80,"protocol":"TCP"}': { '.': {} } },
                },
              },
            },
          },
        },
      })
    })
    test('without a container that it set before removes it', async () => {
      const { apply } = await ground('deployments')
      await apply('one', workload({ template: template({ containers: [container(), container({ name: 'e' })] }) }))
      const { body } = await apply('one', workload({ template: template({ containers: [container({ name: 'e' })] }) }))
      assert.deepEqual(
        body.spec.template.spec.containers.map((each: Json) => each.name),
        ['e'],
      )
    })
    test('without replicas leaves them to who scales', async () => {
      const { path, apply } = await ground('deployments')
      await apply('one', workload({ replicas: 2 }))
      await api.patch('merge', path, { spec: { replicas: 5 } }, { fieldManager: 'scaler' })
      isFailure(
        await apply('one', workload({ replicas: 2 })),
        409,
        'Conflict',
        'Apply failed with 1 conflict: conflict with "scaler" using apps/v1: .spec.replicas',
      )
      assert.equal((await apply('one', workload({}))).body.spec.replicas, 5)
    })
    test('without a manager: 422', async () => {
      const { path } = await ground()
      isFailure(
        await api.patch('apply', path, config({})),
        422,
        'Invalid',
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
      )
    })
    test('of another name than the path: 400', async () => {
      const { apply } = await ground()
      isFailure(
        await apply('one', config({}, { name: 'y' })),
        400,
        'BadRequest',
        'the name of the object (y) does not match the name on the URL (x)',
      )
    })
    test('with managedFields: 400', async () => {
      const { apply } = await ground()
      isFailure(await apply('one', config({}, { managedFields: [{}] })), 400, 'BadRequest', 'metadata.managedFields must be nil')
    })
    test('with an old resourceVersion: 409', async () => {
      const { path, apply } = await ground()
      const { body } = await apply('one', config({ a: '1' }))
      await api.patch('merge', path, { data: { c: '1' } })
      isFailure(await apply('one', config({ a: '2' }, { resourceVersion: body.metadata.resourceVersion })), 409, 'Conflict')
    })
    test('with a field that the kind does not have is refused', async () => {
      const { apply } = await ground()
      const { status, body } = await apply('one', { ...config({}), nope: 1 })
      assert.equal(status, 500)
      assert.match(body.message, /\.nope: field not declared in schema$/)
    })
    test('in YAML', async () => {
      const { path } = await ground()
      const body = 'apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\ndata:\n  a: b\n'
      const answer = await api.send('PATCH', path, { type: 'application/apply-patch+yaml', body, query: { fieldManager: 'one' } })
      assert.deepEqual([answer.status, answer.body.data], [201, { a: 'b' }])
    })
    test('as a dry run stores nothing', async () => {
      const { path } = await ground()
      const { status } = await api.patch('apply', path, config({ a: '1' }), { fieldManager: 'one', dryRun: 'All' })
      assert.equal(status, 201)
      isFailure(await api.get(path), 404, 'NotFound')
    })
  })
}

/** Waits until the wall clock shows another second, which is what timestamps are told in. */
function nextSecond(): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, 1050 - (Date.now() % 1000)))
}
