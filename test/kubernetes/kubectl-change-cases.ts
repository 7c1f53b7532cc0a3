import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { type Api, at, type Json, unique } from './api.ts'
import type { Kubectl } from './kubectl.ts'
import { CONDUCT, type NodeAgent } from './node-agent.ts'
import { isRolledOut, observe, observeOne } from './observe.ts'
import { configMap, deployment, pod, template } from './samples.ts'

/** What kubectl changes: create, apply, edit, patch, label, delete and their kin. */
export function kubectlChangeCases(api: Api, kubectl: Kubectl, agent: NodeAgent): void {
  const ground = async () => {
    const namespace = await api.namespace()
    const read = async (plural: string, name: string): Promise<Json> => api.must('GET', at(plural, namespace, name))
    return {
      namespace,
      read,
      ok: (...args: string[]) => kubectl.ok(['-n', namespace, ...args]),
      run: (...args: string[]) => kubectl.run(['-n', namespace, ...args]),
      feed: (input: unknown, ...args: string[]) =>
        kubectl.run(['-n', namespace, ...args, '-f', '-'], { input: typeof input === 'string' ? input : JSON.stringify(input) }),
    }
  }
  const config = (data: Json, metadata: Json = {}): Json => ({ apiVersion: 'v1', kind: 'ConfigMap', ...configMap('x', data, metadata) })

  suite('changing', () => {
    test('create from a file, once', async () => {
      const { feed, read } = await ground()
      assert.equal((await feed(config({ a: '1' }), 'create')).stdout, 'configmap/x created\n')
      assert.deepEqual((await read('configmaps', 'x')).data, { a: '1' })
      const again = await feed(config({}), 'create')
      assert.deepEqual(
        [again.code, again.stderr],
        [1, 'Error from server (AlreadyExists): error when creating "STDIN": configmaps "x" already exists\n'],
      )
    })
    test('create by its generators', async () => {
      const { ok, read } = await ground()
      await ok('create', 'configmap', 'c', '--from-literal=a=1')
      await ok('create', 'secret', 'generic', 's', '--from-literal=a=1')
      await ok('create', 'deployment', 'd', '--image=i:1', '--replicas=2', '--port=80')
      await ok('create', 'service', 'clusterip', 'v', '--tcp=80:8080')
      await ok('create', 'job', 'j', '--image=i:1')
      await ok('run', 'p', '--image=i:1')
      assert.deepEqual((await read('secrets', 's')).data, { a: 'MQ==' })
      assert.equal((await read('deployments', 'd')).spec.replicas, 2)
      assert.deepEqual((await read('services', 'v')).spec.ports[0].targetPort, 8080)
      assert.equal((await read('pods', 'p')).spec.containers[0].image, 'i:1')
    })
    test('create namespace, and delete it', async () => {
      const name = `k-${Date.now()}`
      assert.equal(await kubectl.ok(['create', 'namespace', name]), `namespace/${name} created\n`)
      assert.match(await kubectl.ok(['delete', 'namespace', name, '--timeout=60s']), new RegExp(`^namespace "${name}" deleted`))
      assert.equal((await api.get(at('namespaces', '', name))).status, 404)
    })
    test('create --dry-run=server stores nothing', async () => {
      const { feed, namespace } = await ground()
      assert.equal((await feed(config({}), 'create', '--dry-run=server')).stdout, 'configmap/x created (server dry run)\n')
      assert.equal((await api.get(at('configmaps', namespace, 'x'))).status, 404)
    })
    test('a misspelt field is refused', async () => {
      const { feed } = await ground()
      const { code, stderr } = await feed({ apiVersion: 'apps/v1', kind: 'Deployment', ...deployment('d', { repicas: 2 }) }, 'create')
      assert.equal(code, 1)
      assert.match(stderr, /strict decoding error: unknown field "spec\.repicas"/)
    })
    test('what the server refuses is told by field', async () => {
      const { feed } = await ground()
      const { code, stderr } = await feed({ apiVersion: 'apps/v1', kind: 'Deployment', ...deployment('d', { replicas: -1 }) }, 'create')
      assert.deepEqual(
        [code, stderr],
        [1, 'The Deployment "d" is invalid: spec.replicas: Invalid value: -1: must be greater than or equal to 0\n'],
      )
    })

    test('apply creates, configures, and sees when nothing changed', async () => {
      const { feed, read } = await ground()
      const apply = async (object: Json) => (await feed(object, 'apply')).stdout
      assert.equal(await apply(config({ a: '1', b: '2' })), 'configmap/x created\n')
      assert.equal(await apply(config({ a: '1', b: '2' })), 'configmap/x unchanged\n')
      assert.equal(await apply(config({ a: '3' })), 'configmap/x configured\n')
      assert.deepEqual((await read('configmaps', 'x')).data, { a: '3' }, 'what the file no longer says is gone')
    })
    test('apply leaves what others set', async () => {
      const { feed, read, namespace } = await ground()
      const object = { apiVersion: 'apps/v1', kind: 'Deployment', ...deployment('d') }
      await feed(object, 'apply')
      await api.patch('merge', at('deployments', namespace, 'd'), { spec: { replicas: 3 } })
      const change = {
        ...object,
        spec: { ...object.spec, template: template({ containers: [{ name: 'c', image: 'i:2', env: [{ name: 'A', value: '1' }] }] }) },
      }
      assert.equal((await feed(change, 'apply')).stdout, 'deployment.apps/d configured\n')
      const { spec } = await read('deployments', 'd')
      assert.deepEqual([spec.replicas, spec.template.spec.containers[0].image], [3, 'i:2'])
    })
    test('apply of a folder in YAML, several documents a file', async () => {
      const { ok, namespace } = await ground()
      const file = join(kubectl.home, `${namespace}.yaml`)
      await writeFile(
        file,
        'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Secret\nmetadata: {name: b}\nstringData: {c: d}\n',
      )
      assert.equal(await ok('apply', '-f', file), 'configmap/a created\nsecret/b created\n')
      assert.equal(
        await ok('delete', '-f', file),
        `configmap "a" deleted from ${namespace} namespace\nsecret "b" deleted from ${namespace} namespace\n`,
      )
    })
    test('apply --server-side, and its conflicts', async () => {
      const { feed, read } = await ground()
      assert.equal((await feed(config({ a: '1' }), 'apply', '--server-side')).stdout, 'configmap/x serverside-applied\n')
      const clash = await feed(config({ a: '2' }), 'apply', '--server-side', '--field-manager=other')
      assert.equal(clash.code, 1)
      assert.match(clash.stderr, /^error: Apply failed with 1 conflict: conflict with "kubectl": \.data\.a$/m)
      await feed(config({ a: '2' }), 'apply', '--server-side', '--field-manager=other', '--force-conflicts')
      assert.deepEqual((await read('configmaps', 'x')).data, { a: '2' })
    })
    test('diff tells what apply would change', async () => {
      const { feed } = await ground()
      await feed(config({ a: '1' }), 'apply')
      assert.equal((await feed(config({ a: '1' }), 'diff')).code, 0)
      const { code, stdout } = await feed(config({ a: '2' }), 'diff')
      assert.equal(code, 1)
      assert.match(stdout, /^- {2}a: "1"$/m)
      assert.match(stdout, /^\+ {2}a: "2"$/m)
    })
    test('replace, and replace --force', async () => {
      const { feed, read } = await ground()
      await feed(config({ a: '1' }), 'create')
      const before = await read('configmaps', 'x')
      assert.equal((await feed(config({ a: '2' }), 'replace')).stdout, 'configmap/x replaced\n')
      assert.equal((await feed(config({ a: '3' }), 'replace', '--force')).code, 0)
      const now = await read('configmaps', 'x')
      assert.deepEqual(now.data, { a: '3' })
      assert.notEqual(now.metadata.uid, before.metadata.uid)
    })
    test('edit, with an editor that is sed', async () => {
      const { feed, read, namespace } = await ground()
      await feed(config({ a: 'before' }), 'create')
      const { code, stdout, stderr } = await kubectl.run(['-n', namespace, 'edit', 'cm', 'x'], {
        env: { KUBE_EDITOR: 'sed -i s/before/after/' },
      })
      assert.deepEqual([code, stdout], [0, 'configmap/x edited\n'], stderr)
      assert.deepEqual((await read('configmaps', 'x')).data, { a: 'after' })
    })
    test('patch of each type', async () => {
      const { ok, namespace, read } = await ground()
      await api.must('POST', at('deployments', namespace), deployment('d'))
      assert.equal(
        await ok('patch', 'deployment', 'd', '-p', '{"spec":{"template":{"spec":{"containers":[{"name":"c","image":"i:2"}]}}}}'),
        'deployment.apps/d patched\n',
      )
      await ok('patch', 'deployment', 'd', '--type=merge', '-p', '{"spec":{"replicas":3}}')
      await ok('patch', 'deployment', 'd', '--type=json', '-p', '[{"op":"add","path":"/metadata/labels","value":{"a":"b"}}]')
      await api.must('POST', at('configmaps', namespace), configMap('x'))
      assert.equal(await ok('patch', 'cm', 'x', '--type=merge', '-p', '{"data":{"a":"1"}}'), 'configmap/x patched (no change)\n')
      await ok('patch', 'deployment', 'd', '--subresource=scale', '--type=merge', '-p', '{"spec":{"replicas":4}}')
      const { metadata, spec } = await read('deployments', 'd')
      assert.deepEqual([metadata.labels, spec.replicas, spec.template.spec.containers[0].image], [{ a: 'b' }, 4, 'i:2'])
    })
    test('label and annotate: add, overwrite, remove', async () => {
      const { ok, run, feed, read } = await ground()
      await feed(config({}), 'create')
      assert.equal(await ok('label', 'cm', 'x', 'a=1'), 'configmap/x labeled\n')
      const refused = await run('label', 'cm', 'x', 'a=2')
      assert.deepEqual([refused.code, /already has a value \(1\), and --overwrite is false/.test(refused.stderr)], [1, true])
      await ok('label', 'cm', 'x', 'a=2', '--overwrite')
      await ok('label', 'cm', 'x', 'b=3', 'a-')
      assert.equal(await ok('annotate', 'cm', 'x', 'n=o'), 'configmap/x annotated\n')
      const { labels, annotations } = (await read('configmaps', 'x')).metadata
      assert.deepEqual([labels, annotations], [{ b: '3' }, { n: 'o' }])
    })
    test('expose and autoscale', async () => {
      const { ok, namespace, read } = await ground()
      await api.must('POST', at('deployments', namespace), deployment('d'))
      assert.equal(await ok('expose', 'deployment', 'd', '--port=80', '--target-port=5000'), 'service/d exposed\n')
      assert.deepEqual((await read('services', 'd')).spec.selector, { app: 'a' })
      await ok('autoscale', 'deployment', 'd', '--min=1', '--max=3', '--cpu=80%')
      assert.equal((await read('horizontalpodautoscalers', 'd')).spec.maxReplicas, 3)
    })

    test('cordon, uncordon and taint', async () => {
      const name = unique('node')
      await api.must('POST', at('nodes'), { metadata: { name } })
      assert.equal(await kubectl.ok(['cordon', name]), `node/${name} cordoned\n`)
      assert.equal((await api.must('GET', at('nodes', '', name))).spec.unschedulable, true)
      assert.equal(await kubectl.ok(['uncordon', name]), `node/${name} uncordoned\n`)
      assert.equal(await kubectl.ok(['taint', 'node', name, 'a=b:NoSchedule']), `node/${name} tainted\n`)
      const { spec } = await api.must('GET', at('nodes', '', name))
      assert.equal(spec.unschedulable, undefined)
      assert.ok(spec.taints.some((taint: Json) => taint.key === 'a' && taint.value === 'b' && taint.effect === 'NoSchedule'))
    })
    test('drain evicts the pods of a node', async () => {
      const { namespace } = await ground()
      const name = unique('node')
      await api.must('POST', at('nodes'), { metadata: { name } })
      await api.must('POST', at('pods', namespace), pod('p', { nodeName: name }, { annotations: { [CONDUCT]: 'ready' } }))
      const said = await kubectl.ok(['drain', name, '--force', '--grace-period=1', '--timeout=60s'])
      assert.match(said, new RegExp(`evicting pod ${namespace}/p\n|node/${name} drained`))
      assert.equal((await api.get(at('pods', namespace, 'p'))).status, 404)
    })

    test('delete waits until a pod has ended', async () => {
      const { ok, namespace } = await ground()
      await api.must('POST', at('pods', namespace), pod('p', {}, { annotations: { [CONDUCT]: 'linger' } }))
      const running = await observeOne(api, at('pods', namespace), 'p', object => object.status.phase === 'Running')
      const [said] = await Promise.all([
        ok('delete', 'pod', 'p'),
        observeOne(api, at('pods', namespace), 'p', object => object.metadata.deletionTimestamp).then(() => agent.release(running)),
      ])
      assert.equal(said, `pod "p" deleted from ${namespace} namespace\n`)
      assert.equal((await api.get(at('pods', namespace, 'p'))).status, 404)
    })
    test('delete --now, --force, --ignore-not-found and by label', async () => {
      const { ok, run, namespace } = await ground()
      for (const name of ['a', 'b', 'c'])
        await api.must(
          'POST',
          at('pods', namespace),
          pod(name, { nodeName: agent.name }, { labels: { l: name }, annotations: { [CONDUCT]: 'linger' } }),
        )
      await ok('delete', 'pod', 'a', '--now', '--wait=false')
      assert.equal((await api.must('GET', at('pods', namespace, 'a'))).metadata.deletionGracePeriodSeconds, 1)
      await run('delete', 'pod', 'b', '--force', '--grace-period=0')
      assert.equal((await api.get(at('pods', namespace, 'b'))).status, 404)
      await ok('delete', 'pod', '-l', 'l=c', '--wait=false')
      assert.ok((await api.must('GET', at('pods', namespace, 'c'))).metadata.deletionTimestamp)
      const missing = await run('delete', 'pod', 'zz')
      assert.deepEqual([missing.code, missing.stderr], [1, 'Error from server (NotFound): pods "zz" not found\n'])
      await ok('delete', 'pod', 'zz', '--ignore-not-found')
    })
    for (const cascade of ['background', 'foreground', 'orphan']) {
      test(`delete --cascade=${cascade}`, async () => {
        const { ok, namespace } = await ground()
        await api.must('POST', at('deployments', namespace), deployment('d'))
        await observeOne(api, at('deployments', namespace), 'd', isRolledOut)
        assert.equal(
          await ok('delete', 'deployment', 'd', `--cascade=${cascade}`),
          `deployment.apps "d" deleted from ${namespace} namespace\n`,
        )
        const left = (await api.must('GET', at('pods', namespace))).items.length
        if (cascade === 'orphan') assert.equal(left, 1)
        else if (cascade === 'foreground') assert.equal(left, 0)
        else await observe(api, at('pods', namespace), objects => objects.length === 0)
      })
    }
    test('delete --all', async () => {
      const { ok, feed, namespace } = await ground()
      await feed(config({}), 'create')
      assert.match(await ok('delete', 'cm', '--all'), /^configmap "x" deleted/m)
      assert.equal((await api.get(at('configmaps', namespace, 'x'))).status, 404)
    })
  })
}
