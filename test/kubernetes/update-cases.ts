import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { holds, isFailure, isInvalid } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import { configMap, container, deployment, endpointSlice, job, lease, pod, secret, service, template } from './samples.ts'

const POD_SPEC_FIXED =
  'pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)'

/** Replacing objects: conflicts, what counts as a change, and what may not change. */
export function updateCases(api: Api): void {
  /** Makes an object in a namespace of its own and returns its path with it. */
  const made = async (plural: string, object: Json): Promise<{ path: string; object: Json }> => {
    const collection = at(plural, await api.namespace())
    const created = await api.must('POST', collection, object)
    return { path: `${collection}/${created.metadata.name}`, object: created }
  }

  suite('update', () => {
    test('with the newest resourceVersion succeeds, with an older one conflicts', async () => {
      const { path, object } = await made('configmaps', configMap('x'))
      const next = await api.must('PUT', path, { ...object, data: { a: '2' } })
      assert.deepEqual(next.data, { a: '2' })
      const stale = await api.put(path, { ...object, data: { a: '3' } })
      isFailure(
        stale,
        409,
        'Conflict',
        'Operation cannot be fulfilled on configmaps "x": the object has been modified; please apply your changes to the latest version and try again',
      )
      assert.deepEqual(stale.body.details, { name: 'x', kind: 'configmaps' })
      assert.deepEqual((await api.get(path)).body, next)
    })
    test('without a resourceVersion overwrites', async () => {
      const { path } = await made('configmaps', configMap('x'))
      assert.deepEqual((await api.must('PUT', path, configMap('x', { b: '2' }))).data, { b: '2' })
    })
    test('of twenty writers with one resourceVersion, one wins', async () => {
      const { path, object } = await made('configmaps', configMap('x'))
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => api.put(path, { ...object, data: { n: `${n}` } })))
      assert.deepEqual(answers.map(each => each.status).sort(), [200, ...Array(19).fill(409)])
    })
    test('with a resourceVersion that is no number: refused', async () => {
      const { path, object } = await made('configmaps', configMap('x'))
      assert.ok((await api.put(path, { ...object, metadata: { ...object.metadata, resourceVersion: 'abc' } })).status >= 400)
    })
    test('with the uid of another object: 409', async () => {
      const { path } = await made('configmaps', configMap('x'))
      isFailure(
        await api.put(path, configMap('x', {}, { uid: '00000000-0000-4000-8000-000000000000' })),
        409,
        'Conflict',
        /Precondition failed: UID in precondition: 00000000/,
      )
    })
    test('of an object that is not there: 404', async () => {
      isFailure(await api.put(at('configmaps', await api.namespace(), 'x'), configMap('x')), 404, 'NotFound', 'configmaps "x" not found')
    })
    test('without a name: 400', async () => {
      const answer = await api.put(at('configmaps', await api.namespace(), 'x'), { metadata: {} })
      isFailure(answer, 400, 'BadRequest', 'the name of the object (x based on URL) was undeterminable: name must be provided')
    })
    test('with the namespace of another path: 400', async () => {
      const answer = await api.put(at('configmaps', await api.namespace(), 'x'), configMap('x', {}, { namespace: 'other' }))
      isFailure(answer, 400, 'BadRequest', 'the namespace of the provided object does not match the namespace sent on the request')
    })
    test('of a Lease that is not there makes it', async () => {
      const answer = await api.put(at('leases', await api.namespace(), 'x'), lease('x', { holderIdentity: 'me' }))
      assert.deepEqual([answer.status, answer.body.spec.holderIdentity], [201, 'me'])
    })
    test('under another name: 400', async () => {
      const { path } = await made('configmaps', configMap('x'))
      isFailure(await api.put(path, configMap('y')), 400, 'BadRequest', 'the name of the object (y) does not match the name on the URL (x)')
    })
    test('that changes nothing keeps the resourceVersion', async () => {
      const { path, object } = await made('deployments', deployment('d'))
      const same = await api.must('PUT', path, deployment('d'))
      assert.equal(same.metadata.resourceVersion, object.metadata.resourceVersion)
      assert.deepEqual(same, object)
    })
    test('keeps what the server set, whatever the client sends', async () => {
      const { path, object } = await made('configmaps', configMap('x'))
      const next = await api.must('PUT', path, configMap('x', { b: '2' }, { creationTimestamp: '2000-01-01T00:00:00Z' }))
      assert.deepEqual([next.metadata.uid, next.metadata.creationTimestamp], [object.metadata.uid, object.metadata.creationTimestamp])
    })
    test('generation counts changes of the spec only', async () => {
      const { path } = await made('deployments', deployment('d'))
      const generation = async (patch: Json) => (await api.patch('merge', path, patch)).body.metadata.generation
      assert.equal(await generation({ metadata: { labels: { a: 'b' } } }), 1)
      assert.equal(await generation({ spec: { replicas: 3 } }), 2)
      assert.equal(await generation({ spec: { replicas: 3 } }), 2)
      assert.equal(await generation({ spec: { paused: true } }), 3)
      // Of all kinds a Deployment alone counts its annotations in: its controller copies them to the ReplicaSets.
      assert.equal(await generation({ metadata: { annotations: { c: 'd' } } }), 4)
    })
    test('resourceVersion grows across kinds and namespaces', async () => {
      const [one, two] = [await api.namespace(), await api.namespace()]
      const versions = [
        await api.must('POST', at('configmaps', one), configMap('x')),
        await api.must('POST', at('secrets', two), secret('x')),
        await api.must('POST', at('pods', one), pod('x')),
        await api.must('GET', at('services', two)),
      ].map(each => Number(each.metadata.resourceVersion))
      assert.deepEqual(
        versions,
        versions.toSorted((a, b) => a - b),
      )
      assert.equal(new Set(versions.slice(0, 3)).size, 3)
    })
    test('managedFields name the writer and what it wrote', async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('configmaps', namespace), configMap('x'), { fieldManager: 'first' })
      const { metadata } = (await api.patch('merge', at('configmaps', namespace, 'x'), { data: { b: '2' } }, { fieldManager: 'second' }))
        .body
      const byManager = Object.fromEntries(metadata.managedFields.map((each: Json) => [each.manager, each]))
      holds(byManager.first, { operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1', fieldsV1: { 'f:data': { 'f:a': {} } } })
      assert.deepEqual(byManager.second.fieldsV1, { 'f:data': { 'f:b': {} } })
    })
  })

  suite('immutable fields', () => {
    test('the selector of a Deployment', async () => {
      const { path } = await made('deployments', deployment('d'))
      const other = deployment('d', { selector: { matchLabels: { app: 'b' } }, template: template({}, { labels: { app: 'b' } }) })
      isInvalid(await api.put(path, other), 'deployments', 'd', [
        'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable',
      ])
    })
    test('the template and completions of a Job; its parallelism may change', async () => {
      const { path } = await made('jobs', job('j'))
      isInvalid(await api.patch('merge', path, { spec: { completions: 3 } }), 'jobs', 'j', [
        'spec.completions: Invalid value: 3: field is immutable',
      ])
      isFailure(
        await api.patch('merge', path, { spec: { template: { spec: { terminationGracePeriodSeconds: 3 } } } }),
        422,
        'Invalid',
        /spec\.template: Invalid value: .*field is immutable$/s,
      )
      assert.equal((await api.patch('merge', path, { spec: { parallelism: 3 } })).body.spec.parallelism, 3)
    })
    test('the spec of a Pod', async () => {
      const { path } = await made('pods', pod('p'))
      for (const spec of [
        { restartPolicy: 'Never' },
        { nodeName: 'n' },
        { containers: [container({ env: [{ name: 'a', value: 'b' }] })] },
      ]) {
        const answer = await api.patch('strategic', path, { spec })
        isFailure(answer, 422, 'Invalid')
        const [cause] = answer.body.details.causes
        assert.deepEqual([cause.field, cause.reason], ['spec', 'FieldValueForbidden'])
        assert.ok(cause.message.startsWith(`Forbidden: ${POD_SPEC_FIXED}`), cause.message)
      }
      const more = await api.patch('strategic', path, { spec: { containers: [{ name: 'd', image: 'i' }] } })
      isInvalid(more, 'pods', 'p', ['spec.containers: Forbidden: pod updates may not add or remove containers'])
    })
    test('the time of a delete', async () => {
      const { path } = await made('configmaps', configMap('x'))
      const time = '2026-01-01T00:00:00Z'
      isInvalid(await api.patch('merge', path, { metadata: { deletionTimestamp: time } }), 'configmaps', 'x', [
        `metadata.deletionTimestamp: Invalid value: "${time}": field is immutable`,
      ])
    })
    test('but not the image of a Pod', async () => {
      const { path } = await made('pods', pod('p'))
      const { body } = await api.patch('strategic', path, { spec: { containers: [{ name: 'c', image: 'registry.test/c:2' }] } })
      assert.deepEqual([body.spec.containers[0].image, body.metadata.generation], ['registry.test/c:2', 2])
    })
    test('the cluster IP of a Service', async () => {
      const { path, object } = await made('services', service('s'))
      const other = object.spec.clusterIP.replace(/\d+$/, (last: string) => `${(Number(last) % 200) + 1}`)
      const answer = await api.patch('merge', path, { spec: { clusterIP: other, clusterIPs: [other] } })
      isInvalid(answer, 'services', 's', [`spec.clusterIPs[0]: Invalid value: ["${other}"]: may not change once set`])
    })
    test('what belongs to the type of a Service goes and comes with it', async () => {
      const { path, object } = await made('services', service('s', { selector: { app: 'a' } }))
      const turn = async (spec: Json): Promise<Json> => {
        const answer = await api.patch('merge', path, { spec })
        assert.equal(answer.status, 200, answer.text)
        return answer.body.spec
      }
      const { clusterIP } = object.spec
      const open = await turn({ type: 'NodePort' })
      assert.deepEqual([typeof open.ports[0].nodePort, open.externalTrafficPolicy, open.clusterIP], ['number', 'Cluster', clusterIP])
      const closed = await turn({ type: 'ClusterIP' })
      assert.deepEqual([closed.ports[0].nodePort, closed.externalTrafficPolicy, closed.clusterIP], [undefined, undefined, clusterIP])
      const outside = await turn({ type: 'ExternalName', externalName: 'a.test' })
      assert.deepEqual([outside.clusterIP, outside.clusterIPs, outside.ipFamilies], [undefined, undefined, undefined])
      assert.match((await turn({ type: 'ClusterIP', externalName: null })).clusterIP, /^\d+\.\d+\.\d+\.\d+$/)
    })
    test('which a Service keeps when an update leaves it out', async () => {
      const { path, object } = await made('services', service('s'))
      const next = await api.must('PUT', path, service('s', { ports: [{ port: 81 }] }))
      assert.deepEqual([next.spec.clusterIP, next.spec.ports[0].port], [object.spec.clusterIP, 81])
    })
    test('data of an immutable Secret, for good', async () => {
      const { path } = await made('secrets', secret('s', { immutable: true, stringData: { a: 'b' } }))
      isInvalid(await api.patch('merge', path, { stringData: { a: 'c' } }), 'secrets', 's', [
        'data: Forbidden: field is immutable when `immutable` is set',
      ])
      isInvalid(await api.patch('merge', path, { data: { more: 'Yg==' } }), 'secrets', 's', [
        'data: Forbidden: field is immutable when `immutable` is set',
      ])
      isInvalid(await api.patch('merge', path, { immutable: false }), 'secrets', 's', [
        'immutable: Forbidden: field is immutable when `immutable` is set',
      ])
      isInvalid(await api.patch('merge', path, { immutable: null }), 'secrets', 's', [
        'immutable: Forbidden: field is immutable when `immutable` is set',
      ])
    })
    test('whose labels may change, and which may be deleted', async () => {
      const { path } = await made('secrets', secret('s', { immutable: true, stringData: { a: 'b' } }))
      const { status, body } = await api.patch('merge', path, { metadata: { labels: { a: 'b' } }, stringData: { a: 'b' } })
      assert.deepEqual([status, body.metadata.labels], [200, { a: 'b' }])
      assert.equal((await api.delete(path)).status, 200)
    })
    test('the type of a Secret', async () => {
      const { path } = await made('secrets', secret('s'))
      isInvalid(await api.patch('merge', path, { type: 'x/y' }), 'secrets', 's', ['type: Invalid value: "x/y": field is immutable'])
    })
    test('data of an immutable ConfigMap', async () => {
      const { path } = await made('configmaps', { ...configMap('x'), immutable: true })
      isInvalid(await api.patch('merge', path, { data: { a: 'c' } }), 'configmaps', 'x', [
        'data: Forbidden: field is immutable when `immutable` is set',
      ])
    })
    test('the address type of an EndpointSlice', async () => {
      const { path } = await made('endpointslices', endpointSlice('e'))
      isFailure(
        await api.patch('merge', path, { addressType: 'IPv6' }),
        422,
        'Invalid',
        /addressType: Invalid value: .*: field is immutable$/,
      )
    })
    test('uid, name and namespace', async () => {
      const { path } = await made('configmaps', configMap('x'))
      isInvalid(await api.patch('merge', path, { metadata: { uid: 'y' } }), 'configmaps', 'x', [
        'metadata.uid: Invalid value: "y": field is immutable',
      ])
      isFailure(
        await api.patch('merge', path, { metadata: { name: 'y' } }),
        400,
        'BadRequest',
        'the name of the object (y) does not match the name on the URL (x)',
      )
      isFailure(
        await api.patch('merge', path, { metadata: { namespace: 'y' } }),
        400,
        'BadRequest',
        'the namespace of the provided object does not match the namespace sent on the request',
      )
    })
  })
}
