import assert from 'node:assert/strict'
import { before, suite, test } from 'node:test'
import { type Api, at } from './api.ts'
import type { Kubectl } from './kubectl.ts'
import type { NodeAgent } from './node-agent.ts'
import { isRolledOut, observeOne } from './observe.ts'
import { configMap, deployment, pod, secret, service } from './samples.ts'

/** The columns of kubectl's tables, whatever the space between them. */
const rows = (table: string) =>
  table
    .trimEnd()
    .split('\n')
    .map(line => line.trim().split(/ {2,}/))

/** What kubectl shows: get, describe, explain and discovery. */
export function kubectlReadCases(api: Api, kubectl: Kubectl, agent: NodeAgent): void {
  suite('reading', () => {
    let namespace: string
    const inside = (...args: string[]) => kubectl.ok(['-n', namespace, ...args])
    before(async () => {
      namespace = await api.namespace()
      await api.must('POST', at('configmaps', namespace), configMap('one', { a: '1', b: '2' }, { labels: { app: 'x' } }))
      await api.must('POST', at('configmaps', namespace), configMap('two', {}, { labels: { app: 'y' } }))
      await api.must('POST', at('secrets', namespace), secret('s', { stringData: { password: 'secret' } }))
      await api.must(
        'POST',
        at('services', namespace),
        service('web', { selector: { app: 'a' }, ports: [{ name: 'http', port: 80, targetPort: 5000 }] }),
      )
      await api.must('POST', at('deployments', namespace), deployment('web', { replicas: 2 }))
      await observeOne(api, at('deployments', namespace), 'web', isRolledOut)
    })

    test('get as a table', async () => {
      const [head, ...lines] = rows(await inside('get', 'configmaps', '-l', 'app'))
      assert.deepEqual(head, ['NAME', 'DATA', 'AGE'])
      assert.deepEqual(
        lines.map(line => line.slice(0, 2)),
        [
          ['one', '2'],
          ['two', '0'],
        ],
      )
    })
    test('get of one object, by kind/name and by short name', async () => {
      assert.equal(rows(await inside('get', 'cm/one'))[1]?.[0], 'one')
      assert.deepEqual(rows(await inside('get', 'deploy', 'web'))[1]?.slice(0, 4), ['web', '2/2', '2', '2'])
    })
    test('get -o wide', async () => {
      const [head, ...lines] = rows(await inside('get', 'pods', '-o', 'wide'))
      assert.deepEqual(head, ['NAME', 'READY', 'STATUS', 'RESTARTS', 'AGE', 'IP', 'NODE', 'NOMINATED NODE', 'READINESS GATES'])
      assert.equal(lines.length, 2)
      for (const [, ready, status, restarts, , ip, node] of lines)
        assert.deepEqual([ready, status, restarts, ip?.startsWith('10.244.'), node], ['1/1', 'Running', '0', true, agent.name])
    })
    test('get -o json and -o yaml', async () => {
      assert.deepEqual(JSON.parse(await inside('get', 'cm', 'one', '-o', 'json')).data, { a: '1', b: '2' })
      const list = JSON.parse(await inside('get', 'cm', '-l', 'app', '-o', 'json'))
      assert.deepEqual([list.kind, list.items.map((item: { kind: string }) => item.kind)], ['List', ['ConfigMap', 'ConfigMap']])
      assert.match(await inside('get', 'cm', 'one', '-o', 'yaml'), /^apiVersion: v1\ndata:\n {2}a: "1"\n {2}b: "2"\nkind: ConfigMap\n/)
    })
    test('get -o name, jsonpath and custom columns', async () => {
      assert.equal(await inside('get', 'cm', '-l', 'app', '-o', 'name'), 'configmap/one\nconfigmap/two\n')
      assert.equal(await inside('get', 'cm', 'one', '-o', 'jsonpath={.data.b}'), '2')
      const columns = rows(await inside('get', 'cm', 'one', '-o', 'custom-columns=NAME:.metadata.name,A:.data.a'))
      assert.deepEqual(columns, [
        ['NAME', 'A'],
        ['one', '1'],
      ])
    })
    test('get -l and --field-selector', async () => {
      assert.equal(await inside('get', 'cm', '-l', 'app=y', '-o', 'name'), 'configmap/two\n')
      assert.equal(await inside('get', 'cm', '-l', 'app in (x,z)', '-o', 'name'), 'configmap/one\n')
      assert.equal(await inside('get', 'cm', '--field-selector', 'metadata.name=two', '-o', 'name'), 'configmap/two\n')
      const { code, stderr } = await kubectl.run(['-n', namespace, 'get', 'pods', '--field-selector', 'spec.nope=1'])
      assert.deepEqual([code, /field label not supported: spec\.nope/.test(stderr)], [1, true])
    })
    test('get -A', async () => {
      const [head, ...lines] = rows(await kubectl.ok(['get', 'services', '-A']))
      assert.deepEqual(head?.slice(0, 2), ['NAMESPACE', 'NAME'])
      assert.ok(lines.some(([where, name]) => where === namespace && name === 'web'))
    })
    test('get of several kinds and of all', async () => {
      assert.equal(await inside('get', 'deploy/web', 'svc/web', '-o', 'name'), 'deployment.apps/web\nservice/web\n')
      const all = await inside('get', 'all')
      for (const part of [/^pod\/web-/m, /^service\/web /m, /^deployment\.apps\/web /m, /^replicaset\.apps\/web-/m]) assert.match(all, part)
    })
    test('get --sort-by and --show-labels', async () => {
      assert.deepEqual(
        rows(await inside('get', 'cm', '-l', 'app', '--sort-by=.metadata.labels.app', '--no-headers')).map(row => row[0]),
        ['one', 'two'],
      )
      assert.match(await inside('get', 'cm', 'one', '--show-labels'), /app=x$/m)
    })
    test('get in pages', async () => {
      const lines = await inside('get', 'cm', '-l', 'app', '--chunk-size=1', '-o', 'name')
      assert.equal(lines, 'configmap/one\nconfigmap/two\n')
    })
    test('get of nothing, and of what is not there', async () => {
      const none = await kubectl.run(['-n', namespace, 'get', 'jobs'])
      assert.deepEqual([none.code, none.stderr], [0, `No resources found in ${namespace} namespace.\n`])
      const missing = await kubectl.run(['-n', namespace, 'get', 'cm', 'zz'])
      assert.deepEqual([missing.code, missing.stderr], [1, 'Error from server (NotFound): configmaps "zz" not found\n'])
      const unknown = await kubectl.run(['get', 'nonsense'])
      assert.deepEqual([unknown.code, unknown.stderr], [1, `error: the server doesn't have a resource type "nonsense"\n`])
    })
    test('get -w shows each change', async context => {
      const own = await api.namespace()
      await api.must('POST', at('configmaps', own), configMap('a'))
      const watching = kubectl.follow(['-n', own, 'get', 'cm', '-w'])
      context.after(() => watching.stop())
      await watching.until(/^a +1 /)
      await api.must('POST', at('configmaps', own), configMap('b', {}))
      await watching.until(/^b +0 /)
      await api.patch('merge', at('configmaps', own, 'a'), { data: { b: '2' } })
      await watching.until(/^a +2 /)
    })
    test('get -w shows a pod through its life', async context => {
      const own = await api.namespace()
      await api.must('POST', at('configmaps', own), configMap('a'))
      const watching = kubectl.follow(['-n', own, 'get', 'pods', '-w'])
      context.after(() => watching.stop())
      await api.must('POST', at('pods', own), pod('p'))
      await watching.until(/^p +1\/1 +Running +0 /)
      await api.must('DELETE', at('pods', own, 'p'))
      await watching.until(/^p +\d\/1 +(Terminating|Completed) /)
    })

    test('describe pod', async () => {
      const [name] = (await inside('get', 'pods', '-o', 'name')).split('\n')
      const shown = await inside('describe', name ?? '')
      for (const part of [
        /^Name: +web-/m,
        new RegExp(`^Namespace: +${namespace}$`, 'm'),
        new RegExp(`^Node: +${agent.name}/`, 'm'),
        /^Status: +Running$/m,
        /^Controlled By: +ReplicaSet\/web-/m,
        /^ {2}c:$/m,
        /^ {4}Ready: +True$/m,
        /^QoS Class: +BestEffort$/m,
        /^Events:/m,
      ]) {
        assert.match(shown, part)
      }
    })
    test('describe service, with its endpoints', async () => {
      const shown = await inside('describe', 'service', 'web')
      for (const part of [
        /^Selector: +app=a$/m,
        /^Type: +ClusterIP$/m,
        /^Port: +http {2}80\/TCP$/m,
        /^TargetPort: +5000\/TCP$/m,
        /^Endpoints: +10\.244\.\d+\.\d+:5000,10\.244\.\d+\.\d+:5000$/m,
      ])
        assert.match(shown, part)
    })
    test('describe deployment, with its events', async () => {
      const shown = await inside('describe', 'deployment', 'web')
      for (const part of [
        /^Replicas: +2 desired \| 2 updated \| 2 total \| 2 available \| 0 unavailable$/m,
        /^StrategyType: +RollingUpdate$/m,
        /^ {2}Available +True +MinimumReplicasAvailable$/m,
        /^NewReplicaSet: +web-\w+ \(2\/2 replicas created\)$/m,
        /Normal +ScalingReplicaSet .* deployment-controller +Scaled up replica set web-\w+ from 0 to 2$/m,
      ]) {
        assert.match(shown, part)
      }
    })
    test('describe replicaset, configmap, secret, namespace and node', async () => {
      assert.match(await inside('describe', 'rs'), /^Replicas: +2 current \/ 2 desired$/m)
      assert.match(await inside('describe', 'cm', 'one'), /^Data\n====\na:\n----\n1\n/m)
      const hidden = await inside('describe', 'secret', 's')
      assert.match(hidden, /^password: +6 bytes$/m)
      assert.match(await kubectl.ok(['describe', 'namespace', namespace]), /^Status: +Active$/m)
      assert.match(await kubectl.ok(['describe', 'node', agent.name]), /^Unschedulable: +true$/m)
    })

    test('explain', async () => {
      assert.match(await kubectl.ok(['explain', 'deployment.spec.replicas']), /FIELD: replicas <integer>/)
      const shown = await kubectl.ok(['explain', 'pods.spec.containers'])
      for (const part of [/^KIND: +Pod$/m, /^VERSION: +v1$/m, /FIELD: containers <\[\]Container>/, /^ {2}image\t<string>$/m])
        assert.match(shown, part)
    })
    test('api-resources', async () => {
      const shown = await kubectl.ok(['api-resources'])
      for (const part of [
        /^deployments +deploy +apps\/v1 +true +Deployment$/m,
        /^pods +po +v1 +true +Pod$/m,
        /^namespaces +ns +v1 +false +Namespace$/m,
        /^endpointslices +discovery\.k8s\.io\/v1 +true +EndpointSlice$/m,
      ])
        assert.match(shown, part)
      assert.match(await kubectl.ok(['api-resources', '--namespaced=false', '-o', 'name']), /^nodes$/m)
    })
    test('api-versions', async () => {
      const versions = (await kubectl.ok(['api-versions'])).split('\n')
      for (const version of ['v1', 'apps/v1', 'batch/v1', 'autoscaling/v2', 'networking.k8s.io/v1'])
        assert.ok(versions.includes(version), version)
    })
    test('version', async () => {
      const { serverVersion } = JSON.parse(await kubectl.ok(['version', '-o', 'json']))
      assert.deepEqual([serverVersion.major, serverVersion.minor], ['1', '37'])
    })
    test('cluster-info and get --raw', async () => {
      assert.match(await kubectl.ok(['cluster-info']), /Kubernetes control plane.* is running at/)
      assert.equal(await kubectl.ok(['get', '--raw', '/healthz']), 'ok')
    })
    test('auth can-i', async () => {
      assert.equal(await kubectl.ok(['auth', 'can-i', 'create', 'deployments', '-n', namespace]), 'yes\n')
    })
    test('auth whoami', async () => {
      assert.match(await kubectl.ok(['auth', 'whoami']), /^Groups +\[system:masters system:authenticated\]$/m)
    })
    test('events', async () => {
      const shown = await inside('events', '--for', 'deployment/web')
      assert.match(shown, /Normal +ScalingReplicaSet +Deployment\/web +Scaled up replica set web-\w+ from 0 to 2/)
      assert.match(await inside('get', 'events'), /Normal +SuccessfulCreate +replicaset\/web-\w+ +Created pod: web-/)
    })
    test('wait for a condition, for a field, and for a removal', async () => {
      const own = await api.namespace()
      await api.must('POST', at('deployments', own), deployment('d'))
      assert.equal(
        await kubectl.ok(['-n', own, 'wait', '--for=condition=Available', 'deployment/d', '--timeout=30s']),
        'deployment.apps/d condition met\n',
      )
      assert.equal(
        await kubectl.ok(['-n', own, 'wait', '--for=jsonpath={.status.readyReplicas}=1', 'deployment/d', '--timeout=30s']),
        'deployment.apps/d condition met\n',
      )
      await api.must('POST', at('pods', own), pod('p'))
      const [gone] = await Promise.all([
        kubectl.ok(['-n', own, 'wait', '--for=delete', 'pod/p', '--timeout=30s']),
        api.must('DELETE', at('pods', own, 'p')),
      ])
      assert.ok(gone === '' || gone === 'pod/p condition met\n')
      const late = await kubectl.run(['-n', own, 'wait', '--for=condition=Nope', 'deployment/d', '--timeout=1s'])
      assert.deepEqual([late.code, late.stderr], [1, 'error: timed out waiting for the condition on deployments/d\n'])
    })
  })
}
