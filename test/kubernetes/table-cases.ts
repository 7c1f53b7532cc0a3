import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { type Api, at, type Json } from './api.ts'
import {
  autoscaler,
  configMap,
  container,
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
import { Watch } from './watch.ts'

const TABLE = 'application/json;as=Table;v=v1;g=meta.k8s.io,application/json'

/** Any age: what stands there depends on the clock. */
const AGE = 'AGE'

/** A kind, its columns (a star marks those that only `-o wide` shows), an object, and its row. */
const TABLES: readonly (readonly [plural: string, columns: string, object: (namespace: string) => Json, row: readonly unknown[]])[] = [
  [
    'pods',
    'Name,Ready,Status,Restarts,Age,IP*,Node*,Nominated Node*,Readiness Gates*',
    () => pod('x', { nodeName: 'n' }),
    ['x', '0/1', 'Pending', '0', AGE, '<none>', 'n', '<none>', '<none>'],
  ],
  [
    'deployments',
    'Name,Ready,Up-to-date,Available,Age,Containers*,Images*,Selector*',
    () => deployment('x'),
    ['x', '0/1', 0, 0, AGE, 'c', 'registry.test/c:1', 'app=a'],
  ],
  [
    'replicasets',
    'Name,Desired,Current,Ready,Age,Containers*,Images*,Selector*',
    () => replicaSet('x'),
    ['x', 1, 0, 0, AGE, 'c', 'registry.test/c:1', 'app=a'],
  ],
  ['secrets', 'Name,Type,Data,Age', () => secret('x', { stringData: { a: '1', b: '2' } }), ['x', 'Opaque', 2, AGE]],
  ['configmaps', 'Name,Data,Age', () => configMap('x'), ['x', 1, AGE]],
  [
    'endpointslices',
    'Name,AddressType,Ports,Endpoints,Age',
    () => endpointSlice('x', { endpoints: [{ addresses: ['10.0.0.1'] }], ports: [{ port: 80 }] }),
    ['x', 'IPv4', '80', '10.0.0.1', AGE],
  ],
  [
    'endpoints',
    'Name,Endpoints,Age',
    () => ({ metadata: { name: 'x' }, subsets: [{ addresses: [{ ip: '10.0.0.1' }], ports: [{ port: 80 }] }] }),
    ['x', '10.0.0.1:80', AGE],
  ],
  [
    'ingresses',
    'Name,Class,Hosts,Address,Ports,Age',
    () => ingress('x', { rules: [{ host: 'a.test' }] }),
    ['x', '<none>', 'a.test', '', '80', AGE],
  ],
  [
    'horizontalpodautoscalers',
    'Name,Reference,Targets,MinPods,MaxPods,Replicas,Age',
    () => autoscaler('x'),
    ['x', 'Deployment/d', 'cpu: <unknown>/80%', '1', 2, 0, AGE],
  ],
  ['leases', 'Name,Holder,Age', () => lease('x', { holderIdentity: 'me' }), ['x', 'me', AGE]],
  ['serviceaccounts', 'Name,Age', () => ({ metadata: { name: 'x' } }), ['x', AGE]],
  [
    'events',
    'Last Seen,Type,Reason,Object,Subobject*,Source*,Message,First Seen*,Count*,Name*',
    namespace => event('x', namespace, { count: 3 }),
    ['<unknown>', 'Normal', 'Tested', 'pod/p', '', '', 'a test', '<unknown>', 3, 'x'],
  ],
]

/** Lists as tables, as kubectl asks for them, and lists of metadata only. */
export function tableCases(api: Api): void {
  const ask = (path: string, query: Record<string, string> = {}, accept = TABLE) => api.send('GET', path, { headers: { accept }, query })
  const columns = (table: Json) => table.columnDefinitions.map((each: Json) => `${each.name}${each.priority ? '*' : ''}`).join(',')
  const cells = (table: Json) =>
    table.rows[0].cells.map((cell: unknown, n: number) =>
      table.columnDefinitions[n].name === 'Age' && /^\d+[smh]/.test(String(cell)) ? AGE : cell,
    )

  suite('tables', () => {
    for (const [plural, names, object, row] of TABLES) {
      test(`of ${plural}`, async () => {
        const namespace = await api.namespace()
        await api.must('POST', at(plural, namespace), object(namespace))
        const { body } = await ask(at(plural, namespace))
        assert.deepEqual([body.kind, body.apiVersion], ['Table', 'meta.k8s.io/v1'])
        assert.match(body.metadata.resourceVersion, /^\d+$/)
        assert.equal(columns(body), names)
        assert.deepEqual(cells(body), row)
        const { kind, apiVersion, metadata } = body.rows[0].object
        assert.deepEqual([kind, apiVersion, metadata.name, metadata.namespace], ['PartialObjectMetadata', 'meta.k8s.io/v1', 'x', namespace])
      })
    }
    test('of services', async () => {
      const namespace = await api.namespace()
      const { spec } = await api.must(
        'POST',
        at('services', namespace),
        service('x', {
          ports: [
            { name: 'a', port: 80 },
            { name: 'b', port: 81, protocol: 'UDP' },
          ],
          selector: { app: 'a' },
        }),
      )
      const { body } = await ask(at('services', namespace))
      assert.equal(columns(body), 'Name,Type,Cluster-IP,External-IP,Port(s),Age,Selector*')
      assert.deepEqual(cells(body), ['x', 'ClusterIP', spec.clusterIP, '<none>', '80/TCP,81/UDP', AGE, 'app=a'])
    })
    test('of jobs', async () => {
      const namespace = await api.namespace()
      const { metadata } = await api.must('POST', at('jobs', namespace), job('x'))
      const { body } = await ask(at('jobs', namespace))
      assert.equal(columns(body), 'Name,Status,Completions,Duration,Age,Containers*,Images*,Selector*')
      assert.deepEqual(cells(body), [
        'x',
        'Running',
        '0/1',
        '',
        AGE,
        'c',
        'registry.test/c:1',
        `batch.kubernetes.io/controller-uid=${metadata.uid}`,
      ])
    })
    test('of namespaces and nodes', async () => {
      const namespace = await api.namespace()
      const { body } = await ask(at('namespaces'), { fieldSelector: `metadata.name=${namespace}` })
      assert.deepEqual([columns(body), cells(body)], ['Name,Status,Age', [namespace, 'Active', AGE]])
      assert.equal(
        columns((await ask(at('nodes'))).body),
        'Name,Status,Roles,Age,Version,Internal-IP*,External-IP*,OS-Image*,Kernel-Version*,Container-Runtime*',
      )
    })
    test('of a Pod tell what its containers are at', async () => {
      const path = at('pods', await api.namespace())
      await api.must('POST', path, pod('x', { nodeName: 'n', containers: [container(), container({ name: 'd' })] }))
      const row = async (status: Json) => {
        await api.patch('merge', `${path}/x/status`, { status })
        return (await ask(path)).body.rows[0].cells.slice(1, 4)
      }
      const running = { running: { startedAt: '2026-01-01T00:00:00Z' } }
      const container0 = (more: Json) => ({
        name: 'c',
        image: 'i',
        imageID: '',
        ready: false,
        restartCount: 0,
        state: {},
        lastState: {},
        ...more,
      })
      assert.deepEqual(await row({ containerStatuses: [container0({ state: { waiting: { reason: 'ImagePullBackOff' } } })] }), [
        '0/2',
        'ImagePullBackOff',
        '0',
      ])
      assert.deepEqual(
        await row({
          phase: 'Running',
          containerStatuses: [container0({ ready: true, state: running }), container0({ name: 'd', ready: true, state: running })],
        }),
        ['2/2', 'Running', '0'],
      )
      assert.deepEqual(
        await row({
          phase: 'Running',
          containerStatuses: [container0({ restartCount: 3, state: { waiting: { reason: 'CrashLoopBackOff' } } })],
        }),
        ['0/2', 'CrashLoopBackOff', '3'],
      )
      assert.deepEqual(
        await row({ phase: 'Failed', containerStatuses: [container0({ state: { terminated: { exitCode: 2, reason: 'Error' } } })] }),
        ['0/2', 'Error', '0'],
      )
      assert.deepEqual(
        await row({ phase: 'Succeeded', containerStatuses: [container0({ state: { terminated: { exitCode: 0, reason: 'Completed' } } })] }),
        ['0/2', 'Completed', '0'],
      )
    })
    test('of a Pod that is going say Terminating', async () => {
      const path = at('pods', await api.namespace())
      await api.must('POST', path, pod('x', { nodeName: 'n' }))
      await api.must('DELETE', `${path}/x`)
      assert.equal((await ask(path)).body.rows[0].cells[2], 'Terminating')
    })
    test('of one object have one row', async () => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('x'))
      const { body } = await ask(`${path}/x`)
      assert.deepEqual([body.kind, body.rows.length, body.rows[0].cells[0]], ['Table', 1, 'x'])
    })
    test('without rows still have columns', async () => {
      const { body } = await ask(at('configmaps', await api.namespace()))
      assert.deepEqual([columns(body), body.rows], ['Name,Data,Age', []])
    })
    test('hold the object, its metadata or nothing, as asked', async () => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('x'))
      const object = async (includeObject: string) => (await ask(path, { includeObject })).body.rows[0].object
      assert.deepEqual((await object('Object')).data, { a: '1' })
      assert.equal((await object('Metadata')).kind, 'PartialObjectMetadata')
      assert.equal(await object('None'), null)
    })
    test('come in pages', async () => {
      const path = at('configmaps', await api.namespace())
      for (const name of ['a', 'b', 'c']) await api.must('POST', path, configMap(name))
      const first = (await ask(path, { limit: '2' })).body
      assert.deepEqual([first.rows.length, first.metadata.remainingItemCount], [2, 1])
      const second = (await ask(path, { limit: '2', continue: first.metadata.continue })).body
      assert.deepEqual(
        second.rows.map((row: Json) => row.cells[0]),
        ['c'],
      )
    })
    test('are what a watch sends, the columns in the first only', async context => {
      const path = at('configmaps', await api.namespace())
      for (const name of ['a', 'b']) await api.must('POST', path, configMap(name))
      const { body } = await api.open('GET', path, { query: { watch: true }, headers: { accept: TABLE } })
      const watch = new Watch(body)
      context.after(() => watch.close())
      const [first, second] = [await watch.next(), await watch.next()]
      assert.deepEqual(
        [first.type, first.object.kind, first.object.rows[0].cells[0], columns(first.object)],
        ['ADDED', 'Table', 'a', 'Name,Data,Age'],
      )
      assert.deepEqual([second.object.kind, second.object.rows[0].cells[0]], ['Table', 'b'])
      assert.ok(!second.object.columnDefinitions?.length)
    })
    test('show what a create made', async () => {
      const { status, body } = await api.send('POST', at('configmaps', await api.namespace()), {
        body: configMap('x'),
        headers: { accept: TABLE },
      })
      assert.deepEqual([status, body.kind, body.rows[0].cells[0]], [201, 'Table', 'x'])
    })
  })

  suite('metadata only', () => {
    test('of a list and of one object', async () => {
      const path = at('configmaps', await api.namespace())
      const made = await api.must('POST', path, configMap('x', {}, { labels: { a: 'b' } }))
      const list = (await ask(path, {}, 'application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io')).body
      assert.deepEqual([list.kind, list.apiVersion], ['PartialObjectMetadataList', 'meta.k8s.io/v1'])
      assert.deepEqual(list.items[0].metadata, made.metadata)
      assert.equal(list.items[0].data, undefined)
      const one = (await ask(`${path}/x`, {}, 'application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io')).body
      assert.deepEqual(one, { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata: made.metadata })
    })
  })
}
