import assert from 'node:assert/strict'
import { existsSync, readdirSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { CONTAINER_ID_VARIABLE } from './container-process.ts'
import { findByEnvironment } from './process-table.ts'
import { isReady, NODE_NAME, TestNode, WEB_APP } from './test-node.ts'

const ports = [{ name: 'http', containerPort: 5000 }]
const readinessProbe = { httpGet: { path: '/ready', port: 'http' } }
const PORT = { name: 'PORT', value: '5000' }
const SLEEP = 'trap "exit 0" TERM; while :; do sleep 0.05; done'

/** What the app of a pod tells of itself. */
interface Told {
  readonly pod: string
  readonly env: Record<string, string>
  readonly cwd: string
  readonly argv: string[]
}

suite('startKubelet()', { timeout: 90_000 }, () => {
  let node: TestNode
  let kubelet: Awaited<ReturnType<TestNode['kubelet']>>
  let image: string
  before(async () => {
    process.env['KUBELET_TEST_SECRET'] = 'of the kubelet'
    node = await TestNode.start()
    image = await node.image('web', { 'server.js': WEB_APP }, { command: ['node', 'server.js'], env: { FROM_IMAGE: '$(DRYCC_ROOT)/x' } })
    kubelet = await node.kubelet()
  })
  after(async () => {
    await kubelet.stop()
    await node.stop()
    delete process.env['KUBELET_TEST_SECRET']
  })
  const web = async (name: string, more: object = {}, spec: object = {}) =>
    await node.pod(name, [{ name: 'web', image, ports, readinessProbe, env: [PORT], ...more }], spec)
  const ask = async (name: string) => (await (await fetch(node.address(name))).json()) as Told
  const main = (name: string) => node.get(name)?.status?.containerStatuses?.[0]

  test('registers a ready node with its log port and a Lease', async () => {
    const { status } = await node.api.get(RESOURCES.nodes, '', NODE_NAME)
    assert.equal(status?.conditions?.find(({ type }) => type === 'Ready')?.status, 'True')
    assert.equal(status?.daemonEndpoints?.kubeletEndpoint?.Port, kubelet.port)
    assert.ok(Number(status?.allocatable?.['cpu']) > 0)
    const lease = await node.api.get(RESOURCES.leases, 'kube-node-lease', NODE_NAME)
    assert.equal(lease.spec?.holderIdentity, NODE_NAME)
  })

  test('runs two pods of one app at once, each on an address and port of its own', async () => {
    await Promise.all([web('web-a'), web('web-b')])
    const [a, b] = await Promise.all([node.untilReady('web-a'), node.untilReady('web-b')])
    assert.deepEqual([(await ask('web-a')).pod, (await ask('web-b')).pod], ['web-a', 'web-b'])
    assert.notEqual(a.status!.podIP, b.status!.podIP)
    assert.notEqual(new URL(node.address('web-a')).port, new URL(node.address('web-b')).port)
  })

  test('writes the status of a real kubelet', async () => {
    const { status } = await node.untilReady('web-a')
    const { conditions, containerStatuses, startTime, podIPs, hostIP, podIP, phase, qosClass } = status!
    assert.deepEqual([phase, qosClass, hostIP, podIPs], ['Running', 'BestEffort', '127.0.0.1', [{ ip: podIP }]])
    assert.match(String(startTime), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    assert.deepEqual(conditions!.map(({ type, status }) => `${type} ${status}`).sort(), [
      'ContainersReady True',
      'Initialized True',
      'PodReadyToStartContainers True',
      'PodScheduled True',
      'Ready True',
    ])
    const [web] = containerStatuses!
    assert.match(web!.containerID!, /^process:\/\/[0-9a-f]{64}$/)
    assert.match(web!.imageID!, /^embedded\/web@sha256:[0-9a-f]{64}$/)
    assert.deepEqual([web!.ready, web!.started, web!.restartCount, Object.keys(web!.state!)], [true, true, 0, ['running']])
    for (const reason of ['Pulled', 'Created', 'Started']) await node.untilEvent('web-a', reason)
  })

  test('gives the app its variables and nothing of the kubelet', async () => {
    await node.api.create(RESOURCES.secrets, {
      metadata: { namespace: 'shop', name: 'config' },
      stringData: { KEY: 's3cret', PORT: '5000' },
    })
    await node.api.create(RESOURCES.configMaps, { metadata: { namespace: 'shop', name: 'map' }, data: { mode: 'fast' } })
    const env = [
      { name: 'KEY', valueFrom: { secretKeyRef: { name: 'config', key: 'KEY' } } },
      { name: 'MODE', valueFrom: { configMapKeyRef: { name: 'map', key: 'mode' } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'URL', value: 'http://$(IP):$(PORT)/$(NONE)$$(X)' },
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu', divisor: '1m' } } },
    ]
    const more = { env, envFrom: [{ secretRef: { name: 'config' } }], args: ['node', 'server.js', '--at', '$(PORT)'] }
    await web('env', { ...more, resources: { limits: { cpu: '2' } } })
    const { status } = await node.untilReady('env')
    const told = await ask('env')
    const port = new URL(node.address('env')).port
    assert.equal(told.env['KEY'], 's3cret')
    assert.equal(told.env['MODE'], 'fast')
    assert.equal(told.env['URL'], `http://${status!.podIP}:${port}/$(NONE)$(X)`)
    assert.equal(told.env['CPU'], '2000')
    assert.equal(told.env['FROM_IMAGE'], `${told.cwd}/x`)
    assert.equal(told.env['HOME'], told.cwd)
    assert.deepEqual(told.argv, ['--at', port])
    assert.equal(told.env['KUBELET_TEST_SECRET'], undefined)
    assert.equal(told.env['KUBECONFIG'], undefined)
    assert.equal(told.env['HOST'], undefined)
  })

  test('waits for a Secret that is not there, and says so', async () => {
    await web('waits', { envFrom: [{ secretRef: { name: 'late' } }] })
    await node.until('waits', () => main('waits')?.state?.waiting?.reason === 'CreateContainerConfigError')
    assert.equal(main('waits')?.state?.waiting?.message, 'secret "late" not found')
    await node.untilEvent('waits', 'Failed', 'secret "late" not found')
    await node.api.create(RESOURCES.secrets, { metadata: { namespace: 'shop', name: 'late' }, stringData: { A: 'b' } })
    await node.untilReady('waits')
    assert.equal((await ask('waits')).env['A'], 'b')
  })

  test('waits for an image that is not there, and says so', async () => {
    await node.pod('pulls', [{ name: 'main', image: 'embedded/late:v1', command: ['/bin/sh', '-c', SLEEP] }])
    await node.until('pulls', () => main('pulls')?.state?.waiting?.reason === 'ImagePullBackOff')
    await node.untilEvent('pulls', 'Failed', 'ErrImagePull')
    await node.untilEvent('pulls', 'BackOff')
    await node.image('late')
    await node.untilReady('pulls')
  })

  test('restarts what crashes, with growing waits, and keeps the log of the run before', async () => {
    await node.shell('crash', 'echo run; exit 3', { terminationMessagePolicy: 'FallbackToLogsOnError' })
    const pod = await node.until('crash', () => (main('crash')?.restartCount ?? 0) >= 3)
    const { lastState } = pod.status!.containerStatuses![0]!
    assert.deepEqual(
      [lastState?.terminated?.exitCode, lastState?.terminated?.reason, lastState?.terminated?.message],
      [3, 'Error', 'run\n'],
    )
    await node.until('crash', () => main('crash')?.state?.waiting?.reason === 'CrashLoopBackOff')
    assert.match(main('crash')!.state!.waiting!.message!, /^back-off 0\.\ds restarting failed container main in pod crash_shop\(/)
    assert.equal(node.get('crash')?.status?.phase, 'Running')
    await node.untilEvent('crash', 'BackOff')
    assert.equal(await node.log('crash', { previous: true }), 'run\n')
  })

  test('tells why a container cannot be started', async () => {
    await node.shell('no-command', '', { command: ['no-such-command'] })
    await node.until('no-command', () => main('no-command')?.lastState?.terminated?.reason === 'StartError')
    assert.equal(main('no-command')?.lastState?.terminated?.exitCode, 128)
    await node.untilEvent('no-command', 'Failed', 'executable file not found in $PATH')
  })

  for (const [policy, exitCode, phase] of [
    ['Never', 0, 'Succeeded'],
    ['Never', 4, 'Failed'],
    ['OnFailure', 0, 'Succeeded'],
  ] as const)
    test(`ends a pod of policy ${policy} as ${phase} after exit code ${exitCode}`, async () => {
      const name = `end-${policy.toLowerCase()}-${exitCode}`
      await node.shell(name, `echo done; exit ${exitCode}`, {}, { restartPolicy: policy })
      const { status } = await node.until(name, ({ status }) => status?.phase === phase)
      assert.equal(status!.containerStatuses![0]!.state?.terminated?.exitCode, exitCode)
      assert.equal(status!.conditions!.find(({ type }) => type === 'Ready')?.status, 'False')
      assert.equal(await node.log(name), 'done\n')
      await node.delete(name)
      await node.untilGone(name)
    })

  test('restarts by OnFailure until it succeeds', async () => {
    const volume = { volumes: [{ name: 'state', emptyDir: {} }] }
    const mount = { volumeMounts: [{ name: 'state', mountPath: '/app/state' }] }
    await node.shell('retry', '[ -e state/x ] && exit 0; touch state/x; exit 1', mount, { restartPolicy: 'OnFailure', ...volume })
    const { status } = await node.until('retry', ({ status }) => status?.phase === 'Succeeded')
    assert.equal(status!.containerStatuses![0]!.restartCount, 1)
  })

  test('runs init containers in order, then all others', async () => {
    const init = (name: string) => ({ name, image: 'embedded/shell:v1', command: ['/bin/sh', '-c', `echo ${name} >> state/order`] })
    const volumeMounts = [{ name: 'state', mountPath: '/app/state' }]
    await node.pod(
      'inits',
      ['one', 'two'].map(name => ({
        ...{ name, image: 'embedded/shell:v1', volumeMounts },
        command: ['/bin/sh', '-c', `cat state/order; ${SLEEP}`],
      })),
      { initContainers: ['first', 'second'].map(name => ({ ...init(name), volumeMounts })), volumes: [{ name: 'state', emptyDir: {} }] },
    )
    const { status } = await node.untilReady('inits')
    assert.deepEqual(
      status!.initContainerStatuses!.map(({ ready, state }) => [ready, state?.terminated?.reason]),
      [
        [true, 'Completed'],
        [true, 'Completed'],
      ],
    )
    await until(async () => (await node.log('inits', { container: 'two' })) === 'first\nsecond\n')
  })

  test('does not start the others when an init container fails for good', async () => {
    const command = ['/bin/sh', '-c', 'exit 6']
    const initContainers = [{ name: 'init', image: 'embedded/shell:v1', command }]
    await node.shell('bad-init', 'exit 0', {}, { restartPolicy: 'Never', initContainers })
    const { status } = await node.until('bad-init', ({ status }) => status?.phase === 'Failed')
    assert.equal(status!.containerStatuses![0]!.state?.waiting?.reason, 'PodInitializing')
    assert.equal(status!.conditions!.find(({ type }) => type === 'Initialized')?.status, 'False')
  })

  test('runs a side-car beside the others and ends it after them', async () => {
    const image = await node.image('shell')
    const sidecar = { name: 'side', image, restartPolicy: 'Always', command: ['/bin/sh', '-c', SLEEP] }
    await node.shell('sidecar', 'exit 0', {}, { restartPolicy: 'Never', initContainers: [sidecar] })
    const { status } = await node.until('sidecar', ({ status }) => status?.phase === 'Succeeded')
    assert.equal(status!.initContainerStatuses![0]!.state?.terminated?.exitCode, 0)
  })

  test('mounts Secrets, ConfigMaps and the downward API below the working directory', async () => {
    const mounts = ['secret', 'map', 'info'].map(name => ({ name, mountPath: `/app/etc/${name}` }))
    await node.api.create(RESOURCES.secrets, { metadata: { namespace: 'shop', name: 'files' }, stringData: { a: 'A', b: 'B' } })
    await node.shell(
      'mounts',
      'cd etc; cat secret/sub/a; ls secret; cat map/mode info/name; cat "$DRYCC_MOUNT_MAP/mode"',
      { volumeMounts: mounts },
      {
        restartPolicy: 'Never',
        volumes: [
          { name: 'secret', secret: { secretName: 'files', items: [{ key: 'a', path: 'sub/a' }] } },
          { name: 'map', configMap: { name: 'map' } },
          { name: 'info', downwardAPI: { items: [{ path: 'name', fieldRef: { fieldPath: 'metadata.name' } }] } },
        ],
      },
    )
    await node.until('mounts', ({ status }) => status?.phase === 'Succeeded')
    assert.equal(await node.log('mounts'), 'Asub\nfastmountsfast')
  })

  test('refuses a mount elsewhere, unless the container takes the folder from its variable', async () => {
    const volumeMounts = [{ name: 'data', mountPath: '/var/lib/data' }]
    const volumes = [{ name: 'data', emptyDir: {} }]
    await node.shell('refused', 'exit 0', { volumeMounts }, { volumes, restartPolicy: 'Never' })
    await node.until('refused', ({ status }) => status?.phase === 'Failed')
    await node.untilEvent('refused', 'Failed', 'embedded mode mounts below /app only; set the variable DRYCC_MOUNT_DATA')
    const env = [{ name: 'DRYCC_MOUNT_DATA', value: '' }]
    await node.shell('taken', 'touch "$DRYCC_MOUNT_DATA/x"', { volumeMounts, env }, { volumes, restartPolicy: 'Never' })
    await node.until('taken', ({ status }) => status?.phase === 'Succeeded')
  })

  test('waits for a volume that is not there, and says so', async () => {
    const spec = { volumes: [{ name: 'v', secret: { secretName: 'late-volume' } }], restartPolicy: 'Never' }
    await node.shell('volume-waits', 'exit 0', {}, spec)
    await node.untilEvent('volume-waits', 'FailedMount', 'secret "late-volume" not found')
    await node.api.create(RESOURCES.secrets, { metadata: { namespace: 'shop', name: 'late-volume' } })
    await node.until('volume-waits', ({ status }) => status?.phase === 'Succeeded')
  })

  test('deletes a pod with all that it started, on disk too', async () => {
    const { metadata } = await node.shell('tree', `sleep 1000 & setsid sleep 1000 & ${SLEEP}`, { ports })
    const { status } = await node.untilReady('tree')
    const id = status!.containerStatuses![0]!.containerID!.replace('process://', '')
    // The shell is ready before its children have begun.
    while (findByEnvironment(CONTAINER_ID_VARIABLE, id).size < 4) await new Promise(resolve => setImmediate(resolve))
    await node.delete('tree')
    await node.untilGone('tree')
    assert.deepEqual([...findByEnvironment(CONTAINER_ID_VARIABLE, id).keys()], [])
    assert.equal(existsSync(join(node.kubeletHome, 'pods', metadata.uid)), false)
    assert.deepEqual(
      readdirSync(join(node.kubeletHome, 'logs')).filter(name => name.endsWith(metadata.uid)),
      [],
    )
    await node.untilEvent('tree', 'Killing', 'Stopping container main')
  })

  test('runs preStop, then TERM, and a ready pod stays ready until it has ended', async () => {
    const seen: boolean[] = []
    const unsubscribe = node.pods.subscribe((key, pod) => {
      const isRunning = pod?.status?.containerStatuses?.[0]?.state?.running
      if (key === 'shop/polite' && pod?.metadata.deletionTimestamp && isRunning) seen.push(isReady(pod))
    })
    const preStop = { exec: { command: ['/bin/sh', '-c', 'echo hook >> "$DRYCC_MOUNT_OUT/order"'] } }
    const mount = { volumeMounts: [{ name: 'out', mountPath: '/app/out' }] }
    const script = 'trap "echo term >> out/order; cat out/order; exit 0" TERM; while :; do sleep 0.02; done'
    await node.shell('polite', script, { lifecycle: { preStop }, ...mount }, { volumes: [{ name: 'out', emptyDir: {} }] })
    await node.untilReady('polite')
    const log = node.log('polite', { follow: true })
    await node.delete('polite')
    assert.match(await log, /hook\nterm\n$/)
    await node.untilGone('polite')
    unsubscribe()
    assert.ok(seen.length > 0 && seen.every(ready => ready))
  })

  test('kills what does not end within its grace period', async () => {
    await node.shell('stubborn', 'trap "" TERM; echo up; while :; do sleep 0.05; done')
    // Running is told when the shell starts, which is before it has set its trap.
    await until(async () => (await node.log('stubborn').catch(() => '')) === 'up\n')
    const began = performance.now()
    await node.delete('stubborn', 1)
    await node.untilGone('stubborn')
    const tookMs = performance.now() - began
    assert.ok(tookMs >= 950 && tookMs < 4000, `took ${tookMs} ms`)
  })

  test('hastens a deletion that is asked for again with a shorter grace period', async () => {
    await node.shell('hasten', 'trap "" TERM; while :; do sleep 0.05; done', {}, { terminationGracePeriodSeconds: 600 })
    await node.until('hasten', () => main('hasten')?.state?.running)
    await node.delete('hasten')
    await node.untilEvent('hasten', 'Killing')
    await node.delete('hasten', 1)
    await node.untilGone('hasten')
  })

  test('kills the processes of a pod that was deleted by force', async () => {
    await node.shell('forced', 'trap "" TERM; while :; do sleep 0.05; done')
    const { status, metadata } = await node.until('forced', () => main('forced')?.state?.running)
    const id = status!.containerStatuses![0]!.containerID!.replace('process://', '')
    await node.delete('forced', 0)
    await node.untilGone('forced')
    await until(() => !existsSync(join(node.kubeletHome, 'pods', metadata.uid)))
    assert.equal(findByEnvironment(CONTAINER_ID_VARIABLE, id).size, 0)
  })

  test('restarts a container whose liveness probe fails', async () => {
    const livenessProbe = { exec: { command: ['/bin/sh', '-c', 'echo sick; exit 1'] }, periodSeconds: 1, failureThreshold: 1 }
    await node.shell('sick', SLEEP, { livenessProbe })
    const { status } = await node.until('sick', () => (main('sick')?.restartCount ?? 0) >= 1)
    assert.equal(status!.containerStatuses![0]!.lastState?.terminated?.exitCode, 0)
    await node.untilEvent('sick', 'Unhealthy', 'Liveness probe failed: sick')
    await node.untilEvent('sick', 'Killing', 'Container main failed liveness probe, will be restarted')
    await node.delete('sick')
  })

  test('holds readiness back until the startup probe has passed', async () => {
    const startupProbe = { exec: { command: ['test', '-e', 'started'] }, periodSeconds: 1, failureThreshold: 30 }
    const script = `echo up; until [ -e go ]; do sleep 0.02; done; touch started; ${SLEEP}`
    const mount = { volumeMounts: [{ name: 'v', mountPath: '/app/v' }] }
    const spec = { volumes: [{ name: 'v', emptyDir: {} }] }
    const pod = await node.shell('startup', `cd v; ${script}`, { ...mount, startupProbe: inFolder(startupProbe) }, spec)
    await node.until('startup', () => main('startup')?.state?.running)
    assert.deepEqual([main('startup')?.started, main('startup')?.ready], [false, false])
    const { writeFile } = await import('node:fs/promises')
    await writeFile(join(node.kubeletHome, 'pods', pod.metadata.uid, 'volumes/v/go'), '')
    await node.untilReady('startup')
    assert.equal(main('startup')?.started, true)
  })

  test('takes an app out that is no longer ready, and back', async () => {
    const probe = { tcpSocket: { port: 5000 }, periodSeconds: 1, failureThreshold: 1 }
    const server = `const s = require('node:net').createServer().listen(process.env.PORT); process.on('SIGUSR2', () => s.listening ? s.close() : s.listen(process.env.PORT)); setInterval(() => {}, 1e6)`
    const flappy = await node.image('flappy', { 'server.js': server }, { command: ['node', 'server.js'] })
    await node.pod('flappy', [{ name: 'main', image: flappy, ports, readinessProbe: probe }])
    const { status } = await node.untilReady('flappy')
    const id = status!.containerStatuses![0]!.containerID!.replace('process://', '')
    const signal = () => {
      for (const pid of findByEnvironment(CONTAINER_ID_VARIABLE, id).keys()) process.kill(pid, 'SIGUSR2')
    }
    signal()
    await node.until('flappy', pod => !isReady(pod))
    assert.match(node.get('flappy')!.status!.conditions!.find(({ type }) => type === 'Ready')!.message!, /unready status: \[main\]/)
    signal()
    await node.untilReady('flappy')
    assert.equal(main('flappy')?.restartCount, 0)
  })

  test('ends a pod that is older than its deadline', async () => {
    await node.shell('deadline', SLEEP, {}, { activeDeadlineSeconds: 1, restartPolicy: 'Never' })
    const { status } = await node.until('deadline', ({ status }) => status?.phase === 'Failed')
    assert.equal(status!.reason, 'DeadlineExceeded')
  })

  test('kills what is over its memory limit', async () => {
    const script = 'const all = []; setInterval(() => all.push(Buffer.alloc(8e6, 1)), 5)'
    const hungry = await node.image('hungry', { 'a.js': script }, { command: ['node', 'a.js'] })
    await node.pod('hungry', [{ name: 'main', image: hungry, resources: { limits: { memory: '150Mi' } } }], { restartPolicy: 'Never' })
    const { status } = await node.until('hungry', ({ status }) => status?.phase === 'Failed')
    const { terminated } = status!.containerStatuses![0]!.state!
    assert.deepEqual([terminated?.reason, terminated?.exitCode], ['OOMKilled', 137])
  })

  test('fails a postStart hook by ending the container', async () => {
    const lifecycle = { postStart: { exec: { command: ['/bin/sh', '-c', 'echo broken; exit 1'] } } }
    await node.shell('hooked', SLEEP, { lifecycle }, { restartPolicy: 'Never' })
    await node.until('hooked', () => main('hooked')?.state?.terminated)
    await node.untilEvent('hooked', 'FailedPostStartHook', 'broken')
  })

  test('follows a log until the container has ended, from the last lines on, with times', async () => {
    await node.shell('log', 'i=0; while [ $i -lt 300 ]; do echo "line $i"; i=$((i+1)); done; printf end', {}, { restartPolicy: 'Never' })
    await node.until('log', () => main('log')?.state?.running || main('log')?.state?.terminated)
    const all = await node.log('log', { follow: true })
    assert.equal(all, `${Array.from({ length: 300 }, (_, i) => `line ${i}\n`).join('')}end`)
    assert.equal(await node.log('log', { tailLines: 1 }), 'line 299\nend')
    assert.match(await node.log('log', { tailLines: 0, timestamps: true }), /^\d{4}-\d\d-\d\dT[\d:.]+Z end$/)
  })

  test('says why there is no log', async () => {
    await assert.rejects(node.log('waits', { previous: true }), /previous terminated container "web" in pod "waits" not found/)
    await node.pod('logless', [{ name: 'main', image: 'embedded/none:v1' }])
    await node.until('logless', () => main('logless')?.state?.waiting?.reason === 'ImagePullBackOff')
    await assert.rejects(node.log('logless'), /container "main" in pod "logless" is waiting to start/)
  })

  test('refuses whoever does not show the token', async () => {
    const url = `http://127.0.0.1:${kubelet.port}/containerLogs/shop/web-a/web`
    assert.equal((await fetch(url)).status, 401)
    assert.equal((await fetch(url, { headers: { authorization: 'Bearer wrong' } })).status, 401)
    assert.equal((await fetch(`http://127.0.0.1:${kubelet.port}/healthz`)).status, 200)
  })
})

suite('a node without a free port', { timeout: 30_000 }, () => {
  test('says so, and runs the pod when one is free', async () => {
    const node = await TestNode.start()
    const holder = createServer()
    await new Promise<void>(resolve => holder.listen(0, '0.0.0.0', resolve))
    const { port } = holder.address() as { port: number }
    const kubelet = await node.kubelet({ portRange: { from: port, to: port } })
    await node.shell('homeless', SLEEP, { ports })
    await node.untilEvent('homeless', 'FailedCreatePodSandBox', `no free port from ${port} to ${port}`)
    assert.equal(node.get('homeless')?.status?.phase, 'Pending')
    await new Promise(resolve => holder.close(resolve))
    await node.untilReady('homeless')
    await kubelet.stop()
    await node.stop()
  })
})

function inFolder(probe: { exec: { command: string[] } }) {
  return { ...probe, exec: { command: ['/bin/sh', '-c', `cd v && ${probe.exec.command.join(' ')}`] } }
}

/** Waits for something that no event tells. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 5))
}
