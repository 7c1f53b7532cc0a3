import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { holds, isFailure, isInvalid } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import { configMap, deployment, job, pod, service } from './samples.ts'

/** Deletes: at once, gracefully, held by finalizers, under conditions, and of namespaces. No controller is needed for any. */
export function deleteCases(api: Api): void {
  const made = async (plural: string, object: Json): Promise<{ path: string; object: Json }> => {
    const collection = at(plural, await api.namespace())
    const created = await api.must('POST', collection, object)
    return { path: `${collection}/${created.metadata.name}`, object: created }
  }
  const isGone = async (path: string) => isFailure(await api.get(path), 404, 'NotFound')

  suite('delete', () => {
    test('answers with a Status that names what went', async () => {
      const { path, object } = await made('deployments', deployment('d'))
      const { status, body } = await api.delete(path)
      assert.deepEqual(
        [status, body],
        [
          200,
          {
            kind: 'Status',
            apiVersion: 'v1',
            metadata: {},
            status: 'Success',
            details: { name: 'd', group: 'apps', kind: 'deployments', uid: object.metadata.uid },
          },
        ],
      )
      await isGone(path)
    })
    test('of some kinds answers with what it was', async () => {
      const namespace = await api.namespace()
      for (const [plural, object] of [
        ['services', service('x')],
        ['serviceaccounts', { metadata: { name: 'x' } }],
        ['resourcequotas', { metadata: { name: 'x' } }],
        ['pods', pod('x')],
      ] as const) {
        const created = await api.must('POST', at(plural, namespace), object)
        const { kind, metadata } = await api.must('DELETE', at(plural, namespace, 'x'))
        assert.deepEqual([kind, metadata.uid], [created.kind, created.metadata.uid])
      }
    })
    test('of what is not there: 404', async () => {
      isFailure(await api.delete(at('deployments', await api.namespace(), 'd')), 404, 'NotFound', 'deployments.apps "d" not found')
    })
    test('holds only the object of the uid and version that it names', async () => {
      const { path, object } = await made('configmaps', configMap('x'))
      const { uid, resourceVersion } = object.metadata
      isFailure(
        await api.delete(path, { preconditions: { uid: 'other' } }),
        409,
        'Conflict',
        `Operation cannot be fulfilled on ConfigMap "x": the UID in the precondition (other) does not match the UID in record (${uid}). The object might have been deleted and then recreated`,
      )
      isFailure(
        await api.delete(path, { preconditions: { uid, resourceVersion: '1' } }),
        409,
        'Conflict',
        `Operation cannot be fulfilled on ConfigMap "x": the ResourceVersion in the precondition (1) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`,
      )
      assert.equal((await api.delete(path, { preconditions: { uid, resourceVersion } })).status, 200)
      await isGone(path)
    })
    test('with a policy that is none: 422', async () => {
      const { path } = await made('configmaps', configMap('x'))
      isFailure(
        await api.delete(path, { propagationPolicy: 'Bogus' }),
        422,
        'Invalid',
        'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "Bogus": supported values: "Foreground", "Background", "Orphan", "nil"',
      )
    })
    test('with a body that is none: 400', async () => {
      const { path } = await made('configmaps', configMap('x'))
      isFailure(await api.delete(path, '{'), 400, 'BadRequest')
      isFailure(await api.delete(path, { kind: 'Pod', apiVersion: 'v1' }), 400, 'BadRequest')
    })
    test('as a dry run leaves the object', async () => {
      const { path, object } = await made('configmaps', configMap('x'))
      assert.equal((await api.delete(path, { dryRun: ['All'] })).status, 200)
      assert.equal((await api.delete(path, undefined, { dryRun: 'All' })).status, 200)
      assert.deepEqual((await api.get(path)).body, object)
    })
    test('makes room for another of the name, with another uid', async () => {
      const { path, object } = await made('configmaps', configMap('x'))
      await api.must('DELETE', path)
      const again = await api.must('POST', at('configmaps', object.metadata.namespace), configMap('x'))
      assert.notEqual(again.metadata.uid, object.metadata.uid)
    })
  })

  suite('delete of a Pod', () => {
    test('that no node has takes it away at once', async () => {
      const { path } = await made('pods', pod('p'))
      const { body } = await api.delete(path)
      holds(body, { kind: 'Pod', metadata: { name: 'p', deletionGracePeriodSeconds: 0 } })
      await isGone(path)
    })
    test('on a node leaves it with a time to end by', async () => {
      const { path } = await made('pods', pod('p', { nodeName: 'n1' }))
      const before = Date.now()
      const { metadata } = await api.must('DELETE', path)
      assert.equal(metadata.deletionGracePeriodSeconds, 30)
      const seconds = (Date.parse(metadata.deletionTimestamp) - before) / 1000
      assert.ok(seconds > 27 && seconds < 33, `${seconds}`)
      assert.equal(metadata.generation, 2)
      assert.deepEqual((await api.must('GET', path)).metadata.deletionTimestamp, metadata.deletionTimestamp)
    })
    test('takes the grace period of the Pod, of the options or of the query', async () => {
      const { path } = await made('pods', pod('p', { nodeName: 'n1', terminationGracePeriodSeconds: 7 }))
      assert.equal((await api.must('DELETE', path)).metadata.deletionGracePeriodSeconds, 7)
      const other = await made('pods', pod('p', { nodeName: 'n1' }))
      assert.equal((await api.must('DELETE', other.path, { gracePeriodSeconds: 5 })).metadata.deletionGracePeriodSeconds, 5)
      const third = await made('pods', pod('p', { nodeName: 'n1' }))
      assert.equal((await api.must('DELETE', third.path, undefined, { gracePeriodSeconds: 3 })).metadata.deletionGracePeriodSeconds, 3)
    })
    test('again can only shorten the time', async () => {
      const { path } = await made('pods', pod('p', { nodeName: 'n1' }))
      const first = await api.must('DELETE', path)
      assert.equal((await api.must('DELETE', path)).metadata.resourceVersion, first.metadata.resourceVersion)
      assert.equal((await api.must('DELETE', path, { gracePeriodSeconds: 5 })).metadata.deletionGracePeriodSeconds, 5)
      assert.equal((await api.must('DELETE', path, { gracePeriodSeconds: 50 })).metadata.deletionGracePeriodSeconds, 5)
    })
    test('with no grace takes it away: this is how a node says that it has ended', async () => {
      const { path } = await made('pods', pod('p', { nodeName: 'n1' }))
      await api.must('DELETE', path)
      assert.equal((await api.patch('merge', `${path}/status`, { status: { phase: 'Succeeded' } })).status, 200)
      assert.equal((await api.must('DELETE', path, { gracePeriodSeconds: 0 })).metadata.deletionGracePeriodSeconds, 0)
      await isGone(path)
    })
    test('that has ended takes it away at once', async () => {
      for (const phase of ['Succeeded', 'Failed']) {
        const { path } = await made('pods', pod('p', { nodeName: 'n1' }))
        await api.patch('merge', `${path}/status`, { status: { phase } })
        assert.equal((await api.must('DELETE', path)).metadata.deletionGracePeriodSeconds, 0)
        await isGone(path)
      }
    })
    test('with a finalizer stays until that is gone', async () => {
      const { path } = await made('pods', pod('p', { nodeName: 'n1' }, { finalizers: ['a.test/b'] }))
      await api.must('DELETE', path, { gracePeriodSeconds: 0 })
      assert.equal((await api.must('GET', path)).metadata.deletionGracePeriodSeconds, 0)
      await api.patch('merge', path, { metadata: { finalizers: null } })
      await isGone(path)
    })
    test('is seen by a watch as a change, then as a removal', async context => {
      const { path, object } = await made('pods', pod('p', { nodeName: 'n1' }))
      const watch = await api.watch(at('pods', object.metadata.namespace), { resourceVersion: object.metadata.resourceVersion })
      context.after(() => watch.close())
      await api.must('DELETE', path)
      await api.must('DELETE', path, { gracePeriodSeconds: 0 })
      const { type, object: leaving } = await watch.next()
      assert.deepEqual([type, leaving.metadata.deletionGracePeriodSeconds], ['MODIFIED', 30])
      const last = await watch.until(event => event.type === 'DELETED')
      assert.equal(last.object.metadata.name, 'p')
    })
  })

  suite('finalizers', () => {
    const held = () => made('configmaps', configMap('x', { a: '1' }, { finalizers: ['a.test/b'] }))
    test('hold an object that is deleted, which shows the time of it', async () => {
      const { path } = await held()
      const { status, body } = await api.delete(path)
      assert.equal(status, 200)
      holds(body, { kind: 'ConfigMap', metadata: { name: 'x', deletionGracePeriodSeconds: 0, finalizers: ['a.test/b'] } })
      assert.ok(Date.parse(body.metadata.deletionTimestamp))
      assert.deepEqual((await api.delete(path)).body, body, 'a second delete changes nothing')
    })
    test('let it go when the last is taken off', async () => {
      const { path } = await made('configmaps', configMap('x', {}, { finalizers: ['a.test/b', 'a.test/c'] }))
      await api.must('DELETE', path)
      await api.patch('merge', path, { metadata: { finalizers: ['a.test/c'] } })
      assert.equal((await api.get(path)).status, 200)
      assert.equal((await api.patch('json', path, [{ op: 'remove', path: '/metadata/finalizers' }])).status, 200)
      await isGone(path)
    })
    test('cannot be added to an object that is going', async () => {
      const { path } = await held()
      await api.must('DELETE', path)
      isInvalid(await api.patch('merge', path, { metadata: { finalizers: ['a.test/b', 'a.test/d'] } }), 'configmaps', 'x', [
        'metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{"a.test/d"}',
      ])
    })
    test('leave it open to change, but not to coming back', async () => {
      const { path } = await held()
      await api.must('DELETE', path)
      const { body } = await api.patch('merge', path, { data: { a: '2' }, metadata: { deletionTimestamp: null } })
      assert.deepEqual(body.data, { a: '2' })
      assert.ok(body.metadata.deletionTimestamp)
    })
    test('keep the name taken', async () => {
      const { path, object } = await held()
      await api.must('DELETE', path)
      isFailure(
        await api.post(at('configmaps', object.metadata.namespace), configMap('x')),
        409,
        'AlreadyExists',
        'object is being deleted: configmaps "x" already exists',
      )
    })
    test('of a propagation policy are those of the last delete', async () => {
      const { path } = await made('deployments', deployment('d', {}, { finalizers: ['a.test/b'] }))
      await api.must('DELETE', path, { propagationPolicy: 'Foreground' })
      const { metadata } = await api.must('DELETE', path, { propagationPolicy: 'Orphan' })
      assert.deepEqual(metadata.finalizers.toSorted(), ['a.test/b', 'orphan'])
    })
    test('of a propagation policy: orphan, foregroundDeletion, or none', async () => {
      const marks = async (plural: string, object: Json, options?: Json) => {
        const { path } = await made(plural, object)
        await api.must('DELETE', path, options)
        return (await api.get(path)).body.metadata.finalizers
      }
      assert.deepEqual(await marks('deployments', deployment('d'), { propagationPolicy: 'Orphan' }), ['orphan'])
      assert.deepEqual(
        await marks('deployments', deployment('d'), { kind: 'DeleteOptions', apiVersion: 'v1', propagationPolicy: 'Foreground' }),
        ['foregroundDeletion'],
      )
      assert.deepEqual(await marks('deployments', deployment('d'), { propagationPolicy: 'Background' }), undefined)
      assert.deepEqual(await marks('deployments', deployment('d')), undefined)
      assert.deepEqual(await marks('jobs', job('j')), ['orphan'], 'a Job orphans its Pods unless told otherwise')
    })
  })

  suite('namespaces', () => {
    const terminating = async () => {
      const namespace = await api.namespace()
      await api.must('POST', at('configmaps', namespace), configMap('x', {}, { finalizers: ['a.test/b'] }))
      const { body } = await api.delete(at('namespaces', '', namespace))
      return { namespace, body }
    }
    test('that are deleted terminate first', async () => {
      const { namespace, body } = await terminating()
      holds(body, {
        kind: 'Namespace',
        metadata: { name: namespace },
        spec: { finalizers: ['kubernetes'] },
        status: { phase: 'Terminating' },
      })
      assert.ok(body.metadata.deletionTimestamp)
    })
    test('take nothing new then: 403', async () => {
      const { namespace } = await terminating()
      const answer = await api.post(at('configmaps', namespace), configMap('y'))
      isFailure(
        answer,
        403,
        'Forbidden',
        `configmaps "y" is forbidden: unable to create new content in namespace ${namespace} because it is being terminated`,
      )
      assert.deepEqual(answer.body.details, {
        name: 'y',
        kind: 'configmaps',
        causes: [{ reason: 'NamespaceTerminating', message: `namespace ${namespace} is being terminated`, field: 'metadata.namespace' }],
      })
    })
    test('but let what is there change', async () => {
      const { namespace } = await terminating()
      assert.equal((await api.patch('merge', at('configmaps', namespace, 'x'), { data: { a: '2' } })).status, 200)
    })
    test('and cannot be made again before they are gone', async () => {
      const { namespace } = await terminating()
      isFailure(
        await api.post(at('namespaces'), { metadata: { name: namespace } }),
        409,
        'AlreadyExists',
        `object is being deleted: namespaces "${namespace}" already exists`,
      )
    })
    test('of the system cannot be deleted: 403', async () => {
      for (const name of ['default', 'kube-system'])
        isFailure(
          await api.delete(at('namespaces', '', name)),
          403,
          'Forbidden',
          `namespaces "${name}" is forbidden: this namespace may not be deleted`,
        )
    })
  })
}
