import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { holds, isFailure, names } from './answers.ts'
import { type Api, at, type Json, unique } from './api.ts'
import {
  autoscaler,
  configMap,
  deployment,
  endpointSlice,
  event,
  ingress,
  job,
  lease,
  pod,
  replicaSet,
  secret,
  service,
} from './samples.ts'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const SECONDS = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/

/** Kind, `apiVersion`, an object, and whether the kind counts its generations from the first write on. */
const KINDS: readonly (readonly [
  plural: string,
  apiVersion: string,
  kind: string,
  object: (namespace: string) => Json,
  generations: boolean,
])[] = [
  ['configmaps', 'v1', 'ConfigMap', () => configMap('x'), false],
  ['secrets', 'v1', 'Secret', () => secret('x'), false],
  ['services', 'v1', 'Service', () => service('x'), false],
  ['pods', 'v1', 'Pod', () => pod('x'), true],
  ['events', 'v1', 'Event', namespace => event('x', namespace), false],
  ['endpoints', 'v1', 'Endpoints', () => ({ metadata: { name: 'x' } }), false],
  ['serviceaccounts', 'v1', 'ServiceAccount', () => ({ metadata: { name: 'x' } }), false],
  ['resourcequotas', 'v1', 'ResourceQuota', () => ({ metadata: { name: 'x' }, spec: { hard: { pods: '100' } } }), false],
  ['deployments', 'apps/v1', 'Deployment', () => deployment('x'), true],
  ['replicasets', 'apps/v1', 'ReplicaSet', () => replicaSet('x'), true],
  ['jobs', 'batch/v1', 'Job', () => job('x'), true],
  ['endpointslices', 'discovery.k8s.io/v1', 'EndpointSlice', () => endpointSlice('x'), true],
  ['ingresses', 'networking.k8s.io/v1', 'Ingress', () => ingress('x'), true],
  ['horizontalpodautoscalers', 'autoscaling/v2', 'HorizontalPodAutoscaler', () => autoscaler('x'), true],
  ['leases', 'coordination.k8s.io/v1', 'Lease', () => lease('x'), false],
]

/** Making, reading, listing, replacing and removing an object of each kind, and what the server itself writes into one. */
export function createCases(api: Api): void {
  suite('every kind', () => {
    for (const [plural, apiVersion, kind, object, generations] of KINDS) {
      test(`${plural}: created, read, listed, replaced and deleted`, async () => {
        const namespace = await api.namespace()
        const created = await api.post(at(plural, namespace), object(namespace))
        assert.equal(created.status, 201, created.text)
        holds(created.body, { apiVersion, kind, metadata: { name: 'x', namespace, generation: generations ? 1 : undefined } })
        assert.match(created.body.metadata.uid, UUID)
        assert.match(created.body.metadata.creationTimestamp, SECONDS)
        assert.match(created.body.metadata.resourceVersion, /^\d+$/)

        const read = await api.get(at(plural, namespace, 'x'))
        assert.equal(read.status, 200)
        assert.deepEqual(read.body, created.body)

        const list = await api.must('GET', at(plural, namespace))
        assert.deepEqual([list.kind, list.apiVersion, names(list)], [`${kind}List`, apiVersion, ['x']])
        assert.match(list.metadata.resourceVersion, /^\d+$/)
        assert.equal(list.items[0].kind, undefined, 'an item of a list does not repeat its kind')

        const replaced = await api.put(at(plural, namespace, 'x'), {
          ...read.body,
          metadata: { ...read.body.metadata, labels: { ...read.body.metadata.labels, changed: 'yes' } },
        })
        assert.equal(replaced.status, 200, replaced.text)
        assert.equal(replaced.body.metadata.labels.changed, 'yes')
        // A label is no part of the spec, save that an EndpointSlice's generation counts them in.
        assert.equal(replaced.body.metadata.generation, plural === 'endpointslices' ? 2 : created.body.metadata.generation)
        assert.notEqual(replaced.body.metadata.resourceVersion, read.body.metadata.resourceVersion)
        assert.equal(replaced.body.metadata.uid, read.body.metadata.uid)

        const removed = await api.delete(at(plural, namespace, 'x'), undefined, { propagationPolicy: 'Background' })
        assert.equal(removed.status, 200, removed.text)
        isFailure(await api.get(at(plural, namespace, 'x')), 404, 'NotFound')
      })
    }
    test('namespaces: created active, with their own name as a label', async () => {
      const name = unique('t')
      const { status, body } = await api.post(at('namespaces'), { metadata: { name } })
      assert.equal(status, 201)
      holds(body, {
        metadata: { name, labels: { 'kubernetes.io/metadata.name': name } },
        spec: { finalizers: ['kubernetes'] },
        status: { phase: 'Active' },
      })
      assert.equal(body.metadata.namespace, undefined)
    })
    test('nodes: created cluster-wide', async () => {
      const name = unique('node')
      const { status, body } = await api.post(at('nodes'), { metadata: { name, labels: { a: 'b' } } })
      assert.equal(status, 201)
      holds(body, { kind: 'Node', metadata: { name, labels: { a: 'b' } } })
      assert.equal((await api.delete(at('nodes', '', name))).status, 200)
    })
  })

  suite('create', () => {
    test('generateName adds five characters that no other object has', async () => {
      const namespace = await api.namespace()
      const made = await Promise.all(
        Array.from({ length: 10 }, () => api.must('POST', at('configmaps', namespace), { metadata: { generateName: 'made-' } })),
      )
      for (const { metadata } of made) {
        assert.match(metadata.name, /^made-[bcdfghjklmnpqrstvwxz2456789]{5}$/)
        assert.equal(metadata.generateName, 'made-')
      }
      assert.equal(new Set(made.map(each => each.metadata.name)).size, 10)
    })
    test('generateName of 63 characters is cut to make room', async () => {
      const { metadata } = await api.must('POST', at('configmaps', await api.namespace()), { metadata: { generateName: 'a'.repeat(63) } })
      assert.match(metadata.name, /^a{58}[a-z0-9]{5}$/)
    })
    test('a name wins over generateName', async () => {
      const { metadata } = await api.must('POST', at('configmaps', await api.namespace()), { metadata: { name: 'y', generateName: 'x-' } })
      assert.deepEqual([metadata.name, metadata.generateName], ['y', 'x-'])
    })
    test('the server keeps uid, creationTimestamp and deletionTimestamp to itself', async () => {
      const { metadata } = await api.must(
        'POST',
        at('configmaps', await api.namespace()),
        configMap(
          'x',
          {},
          {
            uid: 'mine',
            creationTimestamp: '2000-01-01T00:00:00Z',
            deletionTimestamp: '2000-01-01T00:00:00Z',
            deletionGracePeriodSeconds: 3,
          },
        ),
      )
      assert.match(metadata.uid, UUID)
      assert.ok(Date.now() - Date.parse(metadata.creationTimestamp) < 60_000)
      assert.deepEqual([metadata.deletionTimestamp, metadata.deletionGracePeriodSeconds], [undefined, undefined])
    })
    test('a status that a client sends with a new object is dropped', async () => {
      const namespace = await api.namespace()
      const made = await api.must('POST', at('deployments', namespace), { ...deployment('d'), status: { replicas: 7, readyReplicas: 7 } })
      assert.deepEqual(made.status, {})
      const waiting = await api.must('POST', at('pods', namespace), { ...pod('p'), status: { phase: 'Running', podIP: '10.0.0.1' } })
      assert.deepEqual([waiting.status.phase, waiting.status.podIP], ['Pending', undefined])
    })
    test('an object of that name: 409 AlreadyExists', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('configmaps', namespace), configMap('x'))
      const again = await api.post(at('configmaps', namespace), configMap('x'))
      isFailure(again, 409, 'AlreadyExists', 'configmaps "x" already exists')
      assert.deepEqual(again.body.details, { name: 'x', kind: 'configmaps' })
      await api.must('POST', at('deployments', namespace), deployment('x'))
      isFailure(await api.post(at('deployments', namespace), deployment('x')), 409, 'AlreadyExists', 'deployments.apps "x" already exists')
    })
    test('of twenty creators of one name, one wins', async () => {
      const namespace = await api.namespace()
      const answers = await Promise.all(
        Array.from({ length: 20 }, (_, n) => api.post(at('secrets', namespace), secret('one', { stringData: { n: `${n}` } }))),
      )
      assert.deepEqual(answers.map(each => each.status).sort(), [201, ...Array(19).fill(409)])
      const winner = answers.find(each => each.status === 201)
      assert.deepEqual((await api.get(at('secrets', namespace, 'one'))).body.data, winner?.body.data)
    })
    test('in a namespace that is not there: 404', async () => {
      const answer = await api.post(at('configmaps', 'not-there'), configMap('x'))
      isFailure(answer, 404, 'NotFound', 'namespaces "not-there" not found')
      assert.deepEqual(answer.body.details, { name: 'not-there', kind: 'namespaces' })
    })
    test('with the namespace of another path: 400', async () => {
      const answer = await api.post(at('configmaps', await api.namespace()), configMap('x', {}, { namespace: 'default' }))
      isFailure(answer, 400, 'BadRequest', 'the namespace of the provided object does not match the namespace sent on the request')
    })
    test('of another kind: 400', async () => {
      const answer = await api.post(at('configmaps', await api.namespace()), { apiVersion: 'v1', kind: 'Secret', metadata: { name: 'x' } })
      isFailure(answer, 400, 'BadRequest', /^Secret in version "v1" cannot be handled as a ConfigMap/)
    })
    test('of another version: 400', async () => {
      const answer = await api.post(at('configmaps', await api.namespace()), {
        apiVersion: 'apps/v1',
        kind: 'ConfigMap',
        metadata: { name: 'x' },
      })
      isFailure(answer, 400, 'BadRequest', /^ConfigMap in version "v1" cannot be handled as a ConfigMap/)
    })
    test('with a resourceVersion: refused', async () => {
      const { status, body } = await api.post(at('configmaps', await api.namespace()), configMap('x', {}, { resourceVersion: '5' }))
      assert.deepEqual([status, body.message], [500, 'resourceVersion should not be set on objects to be created'])
    })
    test('a body that is no JSON: 400', async () => {
      const path = at('configmaps', await api.namespace())
      isFailure(await api.post(path, '{bad'), 400, 'BadRequest')
      isFailure(await api.post(path, ''), 400, 'BadRequest')
    })
    test('a body of a type that is not known: 415', async () => {
      isFailure(
        await api.send('POST', at('configmaps', await api.namespace()), { body: 'a=b', type: 'text/plain' }),
        415,
        'UnsupportedMediaType',
        /^the body of the request was in an unknown format - accepted media types include: application\/json/,
      )
    })
    test('a body in YAML is taken', async () => {
      const { status, body } = await api.send('POST', at('configmaps', await api.namespace()), {
        type: 'application/yaml',
        body: 'metadata: {name: x}\ndata: {a: b}\n',
      })
      assert.deepEqual([status, body.data], [201, { a: 'b' }])
    })
    test('a body of more than 3 MiB: 413', async () => {
      isFailure(
        await api.post(at('configmaps', await api.namespace()), configMap('x', { a: 'x'.repeat(3 << 20) })),
        413,
        'RequestEntityTooLarge',
        'Request entity too large: limit is 3145728',
      )
    })
    test('data of more than 1 MiB: 422', async () => {
      const answer = await api.post(at('configmaps', await api.namespace()), configMap('x', { a: 'x'.repeat((1 << 20) | 1) }))
      isFailure(answer, 422, 'Invalid', /Too long: may not be more than 1048576 bytes/)
      const hidden = await api.post(at('secrets', await api.namespace()), secret('x', { stringData: { a: 'x'.repeat((1 << 20) | 1) } }))
      isFailure(hidden, 422, 'Invalid', /Too long: may not be more than 1048576 bytes/)
    })
    test('the answer can be YAML', async () => {
      const { headers, text } = await api.send('GET', at('namespaces', '', 'default'), { headers: { accept: 'application/yaml' } })
      assert.match(String(headers['content-type']), /^application\/yaml/)
      assert.match(text, /^kind: Namespace$/m)
    })
    test('an answer that the server cannot give: 406', async () => {
      isFailure(await api.send('GET', at('namespaces', '', 'default'), { headers: { accept: 'text/html' } }), 406, 'NotAcceptable')
    })
  })
}
