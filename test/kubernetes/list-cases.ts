import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { isFailure, names } from './answers.ts'
import { type Api, at } from './api.ts'
import { configMap, pod } from './samples.ts'

/** Pages of a list and the version that a list shows. */
export function listCases(api: Api): void {
  suite('list', () => {
    let path: string
    let namespace: string
    before(async () => {
      namespace = await api.namespace()
      path = at('configmaps', namespace)
      for (const name of 'gfedcba') await api.must('POST', path, configMap(name, {}, { labels: { half: name < 'd' ? 'first' : 'second' } }))
    })
    test('is in the order of names', async () => {
      assert.deepEqual(names(await api.must('GET', path)), [...'abcdefg'])
    })
    test('of a kind that has no objects there is empty, not null', async () => {
      const list = await api.must('GET', at('services', namespace))
      assert.deepEqual([list.kind, list.items], ['ServiceList', []])
    })
    test('of a namespace that is not there is empty', async () => {
      assert.deepEqual((await api.must('GET', at('services', 'not-there'))).items, [])
    })
    test('of all namespaces is in the order of namespaces, then names', async () => {
      const { items } = await api.must('GET', at('configmaps'))
      const keys = items.map(
        (item: { metadata: { namespace: string; name: string } }) => `${item.metadata.namespace}/${item.metadata.name}`,
      )
      assert.deepEqual(keys, keys.toSorted())
      assert.ok(keys.includes(`${namespace}/a`))
    })
    test('with a limit comes in pages that say how many are left', async () => {
      const first = await api.must('GET', path, undefined, { limit: 3 })
      assert.deepEqual([names(first), first.metadata.remainingItemCount], [['a', 'b', 'c'], 4])
      const second = await api.must('GET', path, undefined, { limit: 3, continue: first.metadata.continue })
      assert.deepEqual([names(second), second.metadata.remainingItemCount], [['d', 'e', 'f'], 1])
      const last = await api.must('GET', path, undefined, { limit: 3, continue: second.metadata.continue })
      assert.deepEqual([names(last), last.metadata.continue, last.metadata.remainingItemCount], [['g'], undefined, undefined])
      assert.equal(last.metadata.resourceVersion, first.metadata.resourceVersion)
    })
    test('with a limit that just fits has no further page', async () => {
      const { metadata, items } = await api.must('GET', path, undefined, { limit: 7 })
      assert.deepEqual([items.length, metadata.continue], [7, undefined])
    })
    test('with a limit and a selector does not count what is left', async () => {
      const first = await api.must('GET', path, undefined, { limit: 2, labelSelector: 'half=second' })
      assert.deepEqual([names(first), first.metadata.remainingItemCount], [['d', 'e'], undefined])
      const last = await api.must('GET', path, undefined, { limit: 2, labelSelector: 'half=second', continue: first.metadata.continue })
      assert.deepEqual([names(last), last.metadata.continue], [['f', 'g'], undefined])
    })
    test('shows all pages as of the first', async () => {
      const own = at('configmaps', await api.namespace())
      for (const name of 'abcd') await api.must('POST', own, configMap(name, { now: 'old' }))
      const first = await api.must('GET', own, undefined, { limit: 2 })
      await api.must('DELETE', `${own}/c`)
      await api.must('PUT', `${own}/d`, configMap('d', { now: 'new' }))
      await api.must('POST', own, configMap('e'))
      const second = await api.must('GET', own, undefined, { limit: 2, continue: first.metadata.continue })
      assert.deepEqual([names(second), second.items[1].data], [['c', 'd'], { now: 'old' }])
      assert.deepEqual(names(await api.must('GET', own)), ['a', 'b', 'd', 'e'])
    })
    test('with a continue that is none: 400', async () => {
      isFailure(await api.get(path, { limit: 2, continue: 'xx' }), 400, 'BadRequest', /continue key is not valid/)
    })
    test('with a continue and a resourceVersion: 400', async () => {
      const { metadata } = await api.must('GET', path, undefined, { limit: 2 })
      isFailure(
        await api.get(path, { continue: metadata.continue, resourceVersion: '5' }),
        400,
        'BadRequest',
        'specifying resource version is not allowed when using continue',
      )
    })
    test('with a timeout that is no number: 400', async () => {
      isFailure(await api.get(path, { timeoutSeconds: 'x' }), 400, 'BadRequest', 'strconv.ParseInt: parsing "x": invalid syntax')
    })
    test('with a limit that is no number: 400', async () => {
      isFailure(await api.get(path, { limit: 'x' }), 400, 'BadRequest', 'strconv.ParseInt: parsing "x": invalid syntax')
    })
    test('with a resourceVersion that is no number: 400', async () => {
      isFailure(await api.get(path, { resourceVersion: 'abc' }), 400, 'BadRequest', /^invalid resource version: /)
    })
    test('at least as new as a version that is there', async () => {
      const { metadata } = await api.must('POST', at('configmaps', await api.namespace()), configMap('x'))
      const list = await api.must('GET', path, undefined, {
        resourceVersion: metadata.resourceVersion,
        resourceVersionMatch: 'NotOlderThan',
      })
      assert.ok(Number(list.metadata.resourceVersion) >= Number(metadata.resourceVersion))
    })
    test('at resourceVersion 0', async () => {
      assert.deepEqual(names(await api.must('GET', path, undefined, { resourceVersion: '0' })), [...'abcdefg'])
    })
    test('as of an exact version', async () => {
      const own = at('configmaps', await api.namespace())
      const { metadata } = await api.must('POST', own, configMap('a'))
      await api.must('POST', own, configMap('b'))
      const list = await api.must('GET', own, undefined, { resourceVersion: metadata.resourceVersion, resourceVersionMatch: 'Exact' })
      assert.deepEqual([names(list), list.metadata.resourceVersion], [['a'], metadata.resourceVersion])
    })
    test('with a resourceVersionMatch that makes no sense: 422', async () => {
      const refused = async (query: Record<string, string>, cause: string) => {
        const answer = await api.get(path, query)
        isFailure(answer, 422, 'Invalid', `ListOptions.meta.k8s.io "" is invalid: ${cause}`)
      }
      await refused(
        { resourceVersionMatch: 'Exact' },
        'resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided',
      )
      await refused(
        { resourceVersionMatch: 'Exact', resourceVersion: '0' },
        'resourceVersionMatch: Forbidden: resourceVersionMatch "exact" is forbidden for resourceVersion "0"',
      )
      await refused(
        { resourceVersionMatch: 'X', resourceVersion: '1' },
        'resourceVersionMatch: Unsupported value: "X": supported values: "Exact", "NotOlderThan", ""',
      )
    })
  })

  suite('deletecollection', () => {
    test('deletes what the selector takes, and answers with what it was', async () => {
      const namespace = await api.namespace()
      const path = at('configmaps', namespace)
      for (const [name, app] of [
        ['a', 'x'],
        ['b', 'y'],
        ['c', 'x'],
      ])
        await api.must('POST', path, configMap(name!, {}, { labels: { app: app! } }))
      const { status, body } = await api.delete(path, undefined, { labelSelector: 'app=x' })
      assert.deepEqual([status, body.kind, names(body)], [200, 'ConfigMapList', ['a', 'c']])
      assert.deepEqual(names(await api.must('GET', path)), ['b'])
    })
    test('by a field', async () => {
      const path = at('secrets', await api.namespace())
      for (const type of ['example.com/x', 'example.com/y']) await api.must('POST', path, { metadata: { name: type.slice(-1) }, type })
      await api.must('DELETE', path, undefined, { fieldSelector: 'type=example.com/x' })
      assert.deepEqual(names(await api.must('GET', path)), ['y'])
    })
    test('of everything in the namespace, with the options of a delete', async () => {
      const namespace = await api.namespace()
      const path = at('pods', namespace)
      for (const name of ['a', 'b']) await api.must('POST', path, pod(name, { nodeName: 'n1' }))
      await api.must('DELETE', path, { gracePeriodSeconds: 0 })
      assert.deepEqual((await api.must('GET', path)).items, [])
    })
    test('of Services too', async () => {
      const namespace = await api.namespace()
      const { status } = await api.delete(at('services', namespace))
      assert.equal(status, 200)
    })
    test('with a selector that is none: 400, and nothing goes', async () => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('a'))
      isFailure(await api.delete(path, undefined, { labelSelector: 'a b' }), 400, 'BadRequest')
      assert.deepEqual(names(await api.must('GET', path)), ['a'])
    })
  })
}
