import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { holds, isFailure } from './answers.ts'
import { type Api, at, type Json } from './api.ts'

const AGGREGATED = 'application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json'
const VERBS = ['create', 'delete', 'deletecollection', 'get', 'list', 'patch', 'update', 'watch']

/** The kinds that kubectl lets one name in short, and those that `all` means. */
const SHORT: Readonly<Record<string, readonly string[]>> = {
  namespaces: ['ns'],
  nodes: ['no'],
  pods: ['po'],
  services: ['svc'],
  configmaps: ['cm'],
  events: ['ev'],
  endpoints: ['ep'],
  serviceaccounts: ['sa'],
  resourcequotas: ['quota'],
  deployments: ['deploy'],
  replicasets: ['rs'],
  ingresses: ['ing'],
  horizontalpodautoscalers: ['hpa'],
}
const IN_ALL = ['pods', 'services', 'deployments', 'replicasets', 'jobs', 'horizontalpodautoscalers']

const SUBRESOURCES: readonly (readonly [groupVersion: string, name: string, kind: string])[] = [
  ['/api/v1', 'pods/status', 'Pod'],
  ['/api/v1', 'pods/log', 'Pod'],
  ['/api/v1', 'pods/binding', 'Binding'],
  ['/api/v1', 'pods/eviction', 'Eviction'],
  ['/api/v1', 'namespaces/status', 'Namespace'],
  ['/api/v1', 'namespaces/finalize', 'Namespace'],
  ['/api/v1', 'services/status', 'Service'],
  ['/apis/apps/v1', 'deployments/scale', 'Scale'],
  ['/apis/apps/v1', 'deployments/status', 'Deployment'],
  ['/apis/apps/v1', 'replicasets/scale', 'Scale'],
  ['/apis/batch/v1', 'jobs/status', 'Job'],
]

/** What a client learns before its first request for an object, and the answers where there is nothing. */
export function discoveryCases(api: Api): void {
  const ask = (path: string, accept?: string) => api.send('GET', path, { headers: accept ? { accept } : {} })
  const groupOf = (resource: { group: string; version: string }) =>
    resource.group ? `/apis/${resource.group}/${resource.version}` : '/api/v1'

  suite('discovery', () => {
    test('/version tells 1.37', async () => {
      const { status, body } = await api.get('/version')
      assert.equal(status, 200)
      holds(body, { major: '1', minor: '37' })
      assert.match(body.gitVersion, /^v1\.37\./)
    })
    test('/healthz, /livez and /readyz say ok', async () => {
      for (const path of ['/healthz', '/livez', '/readyz']) {
        const { status, text } = await api.get(path)
        assert.deepEqual([status, text], [200, 'ok'])
      }
    })
    test('/api lists v1', async () => {
      holds((await api.get('/api')).body, { kind: 'APIVersions', versions: ['v1'] })
    })
    test('/apis lists every group with its versions', async () => {
      const { body } = await api.get('/apis')
      assert.deepEqual([body.kind, body.apiVersion], ['APIGroupList', 'v1'])
      for (const { group, version } of Object.values(RESOURCES)) {
        if (!group) continue
        const listed = body.groups.find((each: Json) => each.name === group)
        const wanted = { groupVersion: `${group}/${version}`, version }
        assert.ok(
          listed?.versions.some((each: Json) => each.groupVersion === wanted.groupVersion),
          group,
        )
        assert.deepEqual(listed.preferredVersion, wanted)
      }
    })
    test('/apis/apps is one group', async () => {
      assert.deepEqual((await api.get('/apis/apps')).body, {
        kind: 'APIGroup',
        apiVersion: 'v1',
        name: 'apps',
        versions: [{ groupVersion: 'apps/v1', version: 'v1' }],
        preferredVersion: { groupVersion: 'apps/v1', version: 'v1' },
      })
    })
    test('every kind is listed in its group, with verbs, short names and categories', async () => {
      for (const resource of Object.values(RESOURCES)) {
        const { body } = await api.get(groupOf(resource))
        assert.deepEqual([body.kind, body.groupVersion], ['APIResourceList', groupOf(resource).replace(/^\/apis?\//, '')])
        const { plural, namespaced, kind } = resource
        const listed = body.resources.find((each: Json) => each.name === plural)
        const { storageVersionHash: _, ...rest } = listed
        assert.deepEqual(rest, {
          name: plural,
          singularName: kind.toLowerCase(),
          namespaced,
          kind,
          verbs: plural === 'namespaces' ? VERBS.filter(verb => verb !== 'deletecollection') : VERBS,
          ...(SHORT[plural] && { shortNames: SHORT[plural] }),
          ...(IN_ALL.includes(plural) && { categories: ['all'] }),
        })
      }
    })
    for (const [group, name, kind] of SUBRESOURCES) {
      test(`${name} is a ${kind}`, async () => {
        const { body } = await api.get(group)
        assert.equal(body.resources.find((each: Json) => each.name === name)?.kind, kind)
      })
    }
    test('all groups in one document, when asked for', async () => {
      for (const [path, group] of [
        ['/api', undefined],
        ['/apis', 'apps'],
      ] as const) {
        const { headers, body } = await ask(path, AGGREGATED)
        assert.match(String(headers['content-type']), /as=APIGroupDiscoveryList/)
        assert.deepEqual([body.kind, body.apiVersion], ['APIGroupDiscoveryList', 'apidiscovery.k8s.io/v2'])
        const { versions } = body.items.find((each: Json) => each.metadata.name === group)
        assert.equal(versions[0].version, 'v1')
        const kind = group ? 'Deployment' : 'Pod'
        const listed = versions[0].resources.find((each: Json) => each.responseKind.kind === kind)
        holds(listed, {
          resource: `${kind.toLowerCase()}s`,
          scope: 'Namespaced',
          singularResource: kind.toLowerCase(),
          verbs: VERBS,
          categories: ['all'],
        })
        assert.ok(listed.subresources.some((each: Json) => each.subresource === 'status'))
      }
    })
    test('OpenAPI v3: an index of documents, each describing its kinds', async () => {
      const index = JSON.parse((await api.get('/openapi/v3')).text)
      for (const key of ['api/v1', 'apis/apps/v1', 'apis/batch/v1', 'apis/autoscaling/v2']) {
        const { status, body } = await api.get(index.paths[key].serverRelativeURL)
        assert.deepEqual([status, body.openapi], [200, '3.0.0'], key)
      }
      const { body } = await api.get(index.paths['apis/apps/v1'].serverRelativeURL)
      const { properties, 'x-kubernetes-group-version-kind': kinds } = body.components.schemas['io.k8s.api.apps.v1.Deployment']
      assert.deepEqual(kinds, [{ group: 'apps', kind: 'Deployment', version: 'v1' }])
      assert.deepEqual(Object.keys(properties).sort(), ['apiVersion', 'kind', 'metadata', 'spec', 'status'])
      assert.ok(body.paths['/apis/apps/v1/namespaces/{namespace}/deployments'].post)
    })
  })

  suite('where nothing is', () => {
    test('a path of no group: 404 in plain text', async () => {
      for (const path of ['/nope', '/apis/nope.test/v1', '/apis/nope.test/v1/things']) {
        const { status, text } = await api.get(path)
        assert.deepEqual([status, text.trim()], [404, '404 page not found'], path)
      }
    })
    test('a version or kind that a group does not have: 404 as a Status', async () => {
      for (const path of ['/api/v1/nope', '/apis/apps/v2', '/apis/apps/v1/nope', '/apis/apps/v1/namespaces/default/nope/x']) {
        isFailure(await api.get(path), 404, 'NotFound', 'the server could not find the requested resource')
      }
    })
    test('an object that is not there: 404 that names it', async () => {
      const namespace = await api.namespace()
      const answer = await api.get(at('deployments', namespace, 'x'))
      isFailure(answer, 404, 'NotFound', 'deployments.apps "x" not found')
      assert.deepEqual(answer.body.details, { name: 'x', group: 'apps', kind: 'deployments' })
    })
    test('a subresource that a kind does not have: 404', async () => {
      isFailure(
        await api.get(at('pods', await api.namespace(), 'x', 'nope')),
        404,
        'NotFound',
        'the server could not find the requested resource',
      )
    })
    test('a method that a path does not take: 405', async () => {
      const namespace = await api.namespace()
      const refused = async (method: string, path: string) =>
        isFailure(
          await api.send(method, path, { body: {} }),
          405,
          'MethodNotAllowed',
          'the server does not allow this method on the requested resource',
        )
      await refused('PUT', at('pods', namespace))
      await refused('PATCH', at('pods', namespace))
      await refused('POST', at('pods', namespace, 'x'))
      await refused('POST', at('pods'))
      await refused('DELETE', at('namespaces'))
    })
  })
}
