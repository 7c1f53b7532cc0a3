import assert from 'node:assert/strict'
import { suite, type TestContext, test } from 'node:test'
import { holds, isFailure } from './answers.ts'
import { type Api, at, type Extras } from './api.ts'
import { configMap, pod } from './samples.ts'
import type { Watch } from './watch.ts'

/** Watches of collections: what comes, in which order, from where on, and how it ends. */
export function watchCases(api: Api): void {
  const open = async (context: TestContext, path: string, query: Extras['query'] = {}): Promise<Watch> => {
    const watch = await api.watch(path, query)
    context.after(() => watch.close())
    return watch
  }

  suite('watch', () => {
    test('sends creation, change and removal, in order, as they were', async context => {
      const path = at('configmaps', await api.namespace())
      const { metadata } = await api.must('GET', path)
      const watch = await open(context, path, { resourceVersion: metadata.resourceVersion })
      const created = await api.must('POST', path, configMap('a'))
      const changed = await api.must('PUT', `${path}/a`, configMap('a', { a: '2' }))
      await api.must('DELETE', `${path}/a`)
      const [first, second, third] = [await watch.next(), await watch.next(), await watch.next()]
      assert.deepEqual(
        [first, second],
        [
          { type: 'ADDED', object: created },
          { type: 'MODIFIED', object: changed },
        ],
      )
      assert.deepEqual([third.type, third.object.data], ['DELETED', { a: '2' }])
      assert.ok(
        Number(third.object.metadata.resourceVersion) > Number(changed.metadata.resourceVersion),
        'a delete has a version of its own',
      )
      assert.deepEqual([third.object.kind, third.object.apiVersion], ['ConfigMap', 'v1'])
    })
    test('without a resourceVersion first sends what is there', async context => {
      const path = at('configmaps', await api.namespace())
      for (const name of ['b', 'a']) await api.must('POST', path, configMap(name))
      const watch = await open(context, path)
      assert.deepEqual(await watch.names(2), ['ADDED a', 'ADDED b'])
      await api.must('POST', path, configMap('c'))
      assert.deepEqual(await watch.names(1), ['ADDED c'])
    })
    test('from resourceVersion 0 too', async context => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('a'))
      const watch = await open(context, path, { resourceVersion: '0' })
      assert.deepEqual(await watch.names(1), ['ADDED a'])
    })
    test('from the version of a change sends what came after it, and no more', async context => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('a'))
      const second = await api.must('POST', path, configMap('b'))
      await api.must('PUT', `${path}/a`, configMap('a', { a: '2' }))
      await api.must('DELETE', `${path}/b`)
      const watch = await open(context, path, { resourceVersion: second.metadata.resourceVersion })
      assert.deepEqual(await watch.names(2), ['MODIFIED a', 'DELETED b'])
    })
    test('resumed over and over loses nothing and repeats nothing', async context => {
      const path = at('configmaps', await api.namespace())
      const { metadata } = await api.must('GET', path)
      let from = metadata.resourceVersion
      const seen: string[] = []
      const writing = (async () => {
        for (let n = 0; n < 30; n++) await api.must('POST', path, configMap(`n${n}`))
      })()
      while (seen.length < 30) {
        const watch = await open(context, path, { resourceVersion: from })
        for (let n = 0; n < 3 && seen.length < 30; n++) {
          const { object } = await watch.next()
          seen.push(object.metadata.name)
          from = object.metadata.resourceVersion
        }
        watch.close()
      }
      await writing
      assert.deepEqual(
        seen,
        Array.from({ length: 30 }, (_, n) => `n${n}`),
      )
    })
    test('of one namespace does not tell of others; of all namespaces it does', async context => {
      const [one, two] = [await api.namespace(), await api.namespace()]
      const { metadata } = await api.must('GET', at('configmaps'))
      const narrow = await open(context, at('configmaps', one), { resourceVersion: metadata.resourceVersion })
      const wide = await open(context, at('configmaps'), { resourceVersion: metadata.resourceVersion })
      await api.must('POST', at('configmaps', two), configMap('other'))
      await api.must('POST', at('configmaps', one), configMap('mine'))
      assert.deepEqual(await narrow.names(1), ['ADDED mine'])
      await wide.until(event => event.object.metadata.namespace === two)
      await wide.until(event => event.object.metadata.namespace === one)
    })
    test('a write that changes nothing is no event', async context => {
      const path = at('configmaps', await api.namespace())
      const { metadata } = await api.must('POST', path, configMap('a'))
      const watch = await open(context, path, { resourceVersion: metadata.resourceVersion })
      await api.must('PUT', `${path}/a`, configMap('a'))
      await api.must('POST', path, configMap('b'))
      assert.deepEqual(await watch.names(1), ['ADDED b'])
    })
    test('with a label selector shows a change into it as ADDED, out of it as DELETED', async context => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('a', {}, { labels: { app: 'x' } }))
      const { metadata } = await api.must('POST', path, configMap('b'))
      const watch = await open(context, path, { resourceVersion: metadata.resourceVersion, labelSelector: 'app=x' })
      const label = (name: string, app: string | null) => api.patch('merge', `${path}/${name}`, { metadata: { labels: { app } } })
      await label('b', 'x')
      await api.patch('merge', `${path}/b`, { data: { a: '2' } })
      await label('a', 'y')
      await label('a', 'x')
      await label('b', null)
      assert.deepEqual(await watch.names(5), ['ADDED b', 'MODIFIED b', 'DELETED a', 'ADDED a', 'DELETED b'])
    })
    test('which left the selection shows it as it was, under the version of the change', async context => {
      const path = at('configmaps', await api.namespace())
      const { metadata } = await api.must('POST', path, configMap('a', { a: '1' }, { labels: { app: 'x' } }))
      const watch = await open(context, path, { resourceVersion: metadata.resourceVersion, labelSelector: 'app=x' })
      const { body } = await api.patch('merge', `${path}/a`, { metadata: { labels: { app: 'y' } }, data: { a: '2' } })
      const { type, object } = await watch.next()
      assert.equal(type, 'DELETED')
      holds(object, { data: { a: '1' }, metadata: { labels: { app: 'x' }, resourceVersion: body.metadata.resourceVersion } })
    })
    test('resumed with a label selector judges by the labels of that time', async context => {
      const path = at('configmaps', await api.namespace())
      const { metadata } = await api.must('POST', path, configMap('a', {}, { labels: { app: 'x' } }))
      await api.patch('merge', `${path}/a`, { metadata: { labels: { app: 'y' } } })
      await api.must('DELETE', `${path}/a`)
      await api.must('POST', path, configMap('b', {}, { labels: { app: 'x' } }))
      const watch = await open(context, path, { resourceVersion: metadata.resourceVersion, labelSelector: 'app=x' })
      assert.deepEqual(await watch.names(2), ['DELETED a', 'ADDED b'])
    })
    test('with a field selector follows the field', async context => {
      const path = at('pods', await api.namespace())
      const { metadata } = await api.must('POST', path, pod('p'))
      const watch = await open(context, path, { resourceVersion: metadata.resourceVersion, fieldSelector: 'status.phase=Running' })
      const phase = (value: string) => api.patch('merge', `${path}/p/status`, { status: { phase: value } })
      await phase('Running')
      await phase('Succeeded')
      assert.deepEqual(await watch.names(2), ['ADDED p', 'DELETED p'])
    })
    test('of one object by its name', async context => {
      const path = at('configmaps', await api.namespace())
      const { metadata } = await api.must('POST', path, configMap('a'))
      const watch = await open(context, path, { resourceVersion: metadata.resourceVersion, fieldSelector: 'metadata.name=b' })
      for (const name of ['c', 'b']) await api.must('POST', path, configMap(name))
      assert.deepEqual(await watch.names(1), ['ADDED b'])
    })
    test('ends by itself in good order after timeoutSeconds', async context => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('a'))
      const watch = await open(context, path, { timeoutSeconds: 1 })
      const started = performance.now()
      assert.deepEqual(
        (await watch.rest()).map(event => event.type),
        ['ADDED'],
      )
      assert.ok(performance.now() - started > 700, 'not before its time')
    })
    test('asked for bookmarks gets one before it ends, with a version to go on from', async context => {
      const path = at('configmaps', await api.namespace())
      const { metadata } = await api.must('POST', path, configMap('a'))
      const watch = await open(context, path, { timeoutSeconds: 3, allowWatchBookmarks: true, resourceVersion: metadata.resourceVersion })
      const bookmark = (await watch.rest()).at(-1)
      assert.deepEqual([bookmark?.type, bookmark?.object.kind, bookmark?.object.metadata.name], ['BOOKMARK', 'ConfigMap', undefined])
      assert.ok(Number(bookmark?.object.metadata.resourceVersion) >= Number(metadata.resourceVersion))
    })
    test('with a resourceVersion that is no number is refused', async () => {
      const answer = await api.get(at('configmaps', await api.namespace()), { watch: true, resourceVersion: 'abc', timeoutSeconds: 1 })
      assert.deepEqual([answer.status, answer.body.status], [500, 'Failure'])
    })
    test('with a selector that is none: 400', async () => {
      isFailure(await api.get(at('configmaps', await api.namespace()), { watch: true, labelSelector: 'a b' }), 400, 'BadRequest')
      isFailure(await api.get(at('configmaps', await api.namespace()), { watch: true, fieldSelector: 'data.a=1' }), 400, 'BadRequest')
    })
    test('with a timeout that is no number: 400', async () => {
      isFailure(await api.get(at('configmaps', await api.namespace()), { watch: true, timeoutSeconds: 'x' }), 400, 'BadRequest')
    })
    test('is a stream of JSON lines over chunked HTTP', async context => {
      const { status, headers, body } = await api.open('GET', at('configmaps', await api.namespace()), { query: { watch: true } })
      context.after(() => body.destroy())
      assert.deepEqual([status, headers['content-type'], headers['transfer-encoding']], [200, 'application/json', 'chunked'])
    })
    test('a hundred watches of one collection all see the same', async context => {
      const path = at('configmaps', await api.namespace())
      const { metadata } = await api.must('GET', path)
      const watches = await Promise.all(
        Array.from({ length: 100 }, () => open(context, path, { resourceVersion: metadata.resourceVersion })),
      )
      for (const name of ['a', 'b', 'c']) await api.must('POST', path, configMap(name))
      for (const watch of watches) assert.deepEqual(await watch.names(3), ['ADDED a', 'ADDED b', 'ADDED c'])
    })
  })

  suite('watch with sendInitialEvents', () => {
    const STREAM = { sendInitialEvents: true, resourceVersionMatch: 'NotOlderThan', allowWatchBookmarks: true }
    test('sends what is there, a bookmark that ends it, then changes', async context => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('a'))
      const last = await api.must('POST', path, configMap('b'))
      const watch = await open(context, path, STREAM)
      assert.deepEqual(await watch.names(2), ['ADDED a', 'ADDED b'])
      const { type, object } = await watch.next()
      assert.deepEqual([type, object.kind, object.metadata.annotations], ['BOOKMARK', 'ConfigMap', { 'k8s.io/initial-events-end': 'true' }])
      assert.ok(Number(object.metadata.resourceVersion) >= Number(last.metadata.resourceVersion))
      await api.must('POST', path, configMap('c'))
      assert.deepEqual((await watch.until(event => event.type !== 'BOOKMARK')).object.metadata.name, 'c')
    })
    test('of an empty collection sends the bookmark at once', async context => {
      const watch = await open(context, at('secrets', await api.namespace()), { ...STREAM, resourceVersion: '' })
      assert.equal((await watch.next()).object.metadata.annotations['k8s.io/initial-events-end'], 'true')
    })
    test('keeps to the selector', async context => {
      const path = at('configmaps', await api.namespace())
      await api.must('POST', path, configMap('a'))
      await api.must('POST', path, configMap('b', {}, { labels: { app: 'x' } }))
      const watch = await open(context, path, { ...STREAM, labelSelector: 'app=x' })
      assert.deepEqual(await watch.names(1), ['ADDED b'])
      assert.equal((await watch.next()).type, 'BOOKMARK')
    })
    test('without its resourceVersionMatch: 422', async () => {
      const path = at('configmaps', await api.namespace())
      isFailure(
        await api.get(path, { watch: true, sendInitialEvents: true }),
        422,
        'Invalid',
        'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan',
      )
      isFailure(
        await api.get(path, { sendInitialEvents: true }),
        422,
        'Invalid',
        /sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list/,
      )
      isFailure(
        await api.get(path, { watch: true, resourceVersion: 5, resourceVersionMatch: 'NotOlderThan' }),
        422,
        'Invalid',
        /resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided/,
      )
    })
  })
}
