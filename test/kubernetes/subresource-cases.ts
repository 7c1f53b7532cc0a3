import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import { isFailure, isInvalid } from './answers.ts'
import { type Api, at, type Json } from './api.ts'
import { configMap, container, deployment, pod } from './samples.ts'

/** `status`, `scale`, `binding`, `eviction` and `log`. */
export function subresourceCases(api: Api): void {
  const home = async (plural: string, object: Json): Promise<{ path: string; object: Json }> => {
    const collection = at(plural, await api.namespace())
    const created = await api.must('POST', collection, object)
    return { path: `${collection}/${created.metadata.name}`, object: created }
  }

  suite('status', () => {
    test('a write to it changes nothing else, and does not count as a generation', async () => {
      const { path, object } = await home('deployments', deployment('d'))
      const status = { observedGeneration: 1, replicas: 5, readyReplicas: 3, availableReplicas: 3 }
      const next = await api.must('PUT', `${path}/status`, { ...object, spec: { ...object.spec, replicas: 9 }, status })
      assert.deepEqual([next.spec, next.status, next.metadata.generation], [object.spec, status, 1])
      assert.notEqual(next.metadata.resourceVersion, object.metadata.resourceVersion)
      assert.deepEqual((await api.get(`${path}/status`)).body, next)
    })
    test('a write to the object does not change it', async () => {
      const { path } = await home('deployments', deployment('d'))
      await api.patch('merge', `${path}/status`, { status: { replicas: 5 } })
      const next = await api.must('PUT', path, { ...deployment('d', { replicas: 2 }), status: { replicas: 1 } })
      assert.deepEqual([next.spec.replicas, next.status.replicas], [2, 5])
    })
    test('a stale write to it conflicts', async () => {
      const { path, object } = await home('deployments', deployment('d'))
      await api.patch('merge', path, { spec: { replicas: 2 } })
      isFailure(await api.put(`${path}/status`, { ...object, status: { replicas: 1 } }), 409, 'Conflict')
    })
    test('numbers that contradict each other: 422', async () => {
      const { path } = await home('deployments', deployment('d'))
      const answer = await api.patch('merge', `${path}/status`, { status: { replicas: 5, readyReplicas: 3, availableReplicas: 9 } })
      isInvalid(answer, 'deployments', 'd', [
        'status.availableReplicas: Invalid value: 9: cannot be greater than status.replicas',
        'status.availableReplicas: Invalid value: 9: cannot be greater than readyReplicas',
      ])
    })
    test('of a Pod: conditions merge by type', async () => {
      const { path } = await home('pods', pod('p'))
      const ready = (status: string) => ({
        status: { phase: 'Running', podIP: '10.0.0.1', podIPs: [{ ip: '10.0.0.1' }], conditions: [{ type: 'Ready', status }] },
      })
      await api.patch('strategic', `${path}/status`, { status: { conditions: [{ type: 'Initialized', status: 'True' }] } })
      await api.patch('strategic', `${path}/status`, ready('False'))
      const { status, body } = await api.patch('strategic', `${path}/status`, { ...ready('True'), spec: { restartPolicy: 'Never' } })
      assert.equal(status, 200)
      assert.deepEqual(body.status.conditions.map((each: Json) => `${each.type} ${each.status}`).sort(), ['Initialized True', 'Ready True'])
      assert.deepEqual([body.status.phase, body.status.podIP, body.spec.restartPolicy], ['Running', '10.0.0.1', 'Always'])
    })
    test('of a kind that has none: 404', async () => {
      const { path } = await home('configmaps', configMap('x'))
      isFailure(await api.get(`${path}/status`), 404, 'NotFound', 'the server could not find the requested resource')
    })
  })

  suite('scale', () => {
    test('of a Deployment shows replicas and the selector as text', async () => {
      const { path, object } = await home('deployments', deployment('d', { replicas: 2 }))
      await api.patch('merge', `${path}/status`, { status: { replicas: 1 } })
      const { body } = await api.get(`${path}/scale`)
      assert.deepEqual([body.kind, body.apiVersion], ['Scale', 'autoscaling/v1'])
      assert.deepEqual([body.spec, body.status], [{ replicas: 2 }, { replicas: 1, selector: 'app=a' }])
      assert.equal(body.metadata.uid, object.metadata.uid)
    })
    test('put and patch change the replicas, as a generation', async () => {
      const { path, object } = await home('deployments', deployment('d'))
      const { name, namespace } = object.metadata
      assert.equal((await api.must('PUT', `${path}/scale`, { metadata: { name, namespace }, spec: { replicas: 4 } })).spec.replicas, 4)
      assert.equal((await api.patch('merge', `${path}/scale`, { spec: { replicas: 5 } })).body.spec.replicas, 5)
      const { body } = await api.get(path)
      assert.deepEqual([body.spec.replicas, body.metadata.generation], [5, 3])
    })
    test('of a ReplicaSet', async () => {
      const { path } = await home('replicasets', deployment('d'))
      assert.equal(
        (await api.patch('merge', `${path}/scale`, { spec: { replicas: 0 } })).body.spec.replicas,
        undefined,
        'nought is left out',
      )
      assert.equal((await api.get(path)).body.spec.replicas, 0)
    })
    test('below nought: 422', async () => {
      const { path } = await home('deployments', deployment('d'))
      isFailure(
        await api.patch('merge', `${path}/scale`, { spec: { replicas: -5 } }),
        422,
        'Invalid',
        'Scale.autoscaling "d" is invalid: spec.replicas: Invalid value: -5: must be greater than or equal to 0',
      )
    })
    test('with an old resourceVersion: 409', async () => {
      const { path, object } = await home('deployments', deployment('d'))
      await api.patch('merge', path, { spec: { replicas: 2 } })
      const { name, namespace, resourceVersion } = object.metadata
      isFailure(await api.put(`${path}/scale`, { metadata: { name, namespace, resourceVersion }, spec: { replicas: 4 } }), 409, 'Conflict')
    })
    test('of what is not there or has none: 404', async () => {
      const namespace = await api.namespace()
      isFailure(await api.get(at('deployments', namespace, 'd', 'scale')), 404, 'NotFound', 'deployments.apps "d" not found')
      isFailure(
        await api.get(at('configmaps', namespace, 'd', 'scale')),
        404,
        'NotFound',
        'the server could not find the requested resource',
      )
    })
  })

  suite('binding', () => {
    const bind = (path: string, node: string) =>
      api.post(`${path}/binding`, { metadata: { name: 'p' }, target: { kind: 'Node', name: node } })
    test('assigns a Pod to a node and says so in its conditions', async () => {
      const { path } = await home('pods', pod('p'))
      const { status, body } = await bind(path, 'node-a')
      assert.deepEqual([status, body.kind, body.status], [201, 'Status', 'Success'])
      const bound = await api.must('GET', path)
      assert.equal(bound.spec.nodeName, 'node-a')
      const scheduled = bound.status.conditions.find((each: Json) => each.type === 'PodScheduled')
      assert.equal(scheduled.status, 'True')
    })
    test('happens once', async () => {
      const { path } = await home('pods', pod('p'))
      await bind(path, 'node-a')
      isFailure(
        await bind(path, 'node-b'),
        409,
        'Conflict',
        'Operation cannot be fulfilled on pods/binding "p": pod p is already assigned to node "node-a"',
      )
    })
    test('of a Pod that is not there: 404', async () => {
      isFailure(await bind(at('pods', await api.namespace(), 'p'), 'node-a'), 404, 'NotFound', 'pods "p" not found')
    })
  })

  suite('log', () => {
    test('of a Pod that is not there: 404', async () => {
      isFailure(await api.get(at('pods', await api.namespace(), 'p', 'log')), 404, 'NotFound', 'pods "p" not found')
    })
    test('of a Pod that no node has yet: nothing', async () => {
      const { path } = await home('pods', pod('p'))
      const { status, text } = await api.get(`${path}/log`)
      assert.deepEqual([status, text], [204, ''])
    })
    test('of a container that the Pod does not have: 400', async () => {
      const { path } = await home('pods', pod('p'))
      isFailure(await api.get(`${path}/log`, { container: 'zz' }), 400, 'BadRequest', 'container zz is not valid for pod p')
    })
    test('of a Pod of two containers, without naming one: 400', async () => {
      const { path } = await home('pods', pod('p', { containers: [container(), container({ name: 'd' })] }))
      isFailure(await api.get(`${path}/log`), 400, 'BadRequest', 'a container name must be specified for pod p, choose one of: [c d]')
    })
    test('with options that make no sense: 422 and 400', async () => {
      const { path } = await home('pods', pod('p'))
      isFailure(
        await api.get(`${path}/log`, { tailLines: -1 }),
        422,
        'Invalid',
        'PodLogOptions "p" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0',
      )
      isFailure(
        await api.get(`${path}/log`, { limitBytes: 0 }),
        422,
        'Invalid',
        'PodLogOptions "p" is invalid: limitBytes: Invalid value: 0: must be greater than 0',
      )
      isFailure(await api.get(`${path}/log`, { tailLines: 'x' }), 400, 'BadRequest')
    })
  })

  test('eviction under a dry run, or of another uid, deletes nothing', async () => {
    const { path } = await home('pods', pod('p'))
    const evict = (deleteOptions: Json) =>
      api.post(`${path}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' }, deleteOptions })
    assert.equal((await evict({ dryRun: ['All'] })).status, 201)
    isFailure(
      await evict({ preconditions: { uid: 'other' } }),
      409,
      'Conflict',
      /^Operation cannot be fulfilled on Pod "p": the UID in the precondition \(other\) does not match/,
    )
    assert.equal((await api.get(path)).status, 200)
  })

  test('eviction deletes a Pod', async () => {
    const { path } = await home('pods', pod('p'))
    const { status, body } = await api.post(`${path}/eviction`, { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: 'p' } })
    assert.deepEqual([status, body.status], [201, 'Success'])
    isFailure(await api.get(path), 404, 'NotFound')
  })
}
