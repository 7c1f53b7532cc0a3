import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, suite, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CONTAINER_ID_VARIABLE } from './container-process.ts'
import { findByEnvironment, identifyProcess, sendSignal } from './process-table.ts'
import { isReady, NODE_NAME, TestNode, WEB_APP } from './test-node.ts'

const ports = [{ containerPort: 5000 }]
const readinessProbe = { httpGet: { path: '/ready', port: 5000 }, periodSeconds: 1 }
const env = [{ name: 'PORT', value: '5000' }]

const running = new Set<ChildProcess>()

suite('a kubelet that comes back', { timeout: 60_000 }, () => {
  let node: TestNode
  beforeEach(async () => (node = await TestNode.start()))
  afterEach(async () => {
    // Those that a failed test left.
    for (const kubelet of [...running]) await stop(kubelet)
    await node.stop()
  })

  const web = async (name: string) => {
    const image = await node.image('web', { 'server.js': WEB_APP }, { command: ['node', 'server.js'] })
    await node.pod(name, [{ name: 'web', image, ports, readinessProbe, env }])
    return await node.untilReady(name)
  }
  const idOf = (name: string) => node.get(name)!.status!.containerStatuses![0]!.containerID!.replace('process://', '')
  const processesOf = (name: string) => [...findByEnvironment(CONTAINER_ID_VARIABLE, idOf(name)).keys()]
  const restarts = (name: string) => node.get(name)!.status!.containerStatuses![0]!.restartCount

  test('after kill -9 takes over what runs: no request fails, no line is lost but one being read, the pod stays ready', async () => {
    const first = await spawnKubelet(node)
    await web('web')
    const address = node.address('web')
    const wasReady: boolean[] = []
    node.pods.subscribe((_, pod) => pod && wasReady.push(isReady(pod)))
    let count = 0
    const ask = async () => assert.equal((await fetch(`${address}/${count++}`)).status, 200)
    for (let i = 0; i < 20; i++) await ask()
    const dying = killHard(first)
    for (let i = 0; i < 50; i++) await ask()
    await dying
    const second = await spawnKubelet(node)
    for (let i = 0; i < 20; i++) await ask()
    assert.equal(restarts('web'), 0)
    assert.ok(wasReady.every(ready => ready))
    const log = node.log('web', { follow: true })
    await node.delete('web')
    const asked = (await log).split('\n').filter(line => /^\/\d+$/.test(line))
    // What the killed one had read in that moment and not yet written, one read of one pipe, is all that can be missing.
    const missing = Array.from({ length: count }, (_, i) => i).filter(i => !asked.includes(`/${i}`))
    assert.ok(missing.length === 0 || missing.at(-1)! - missing[0]! === missing.length - 1, `missing: ${missing}`)
    assert.ok(
      missing.every(i => i < 70),
      `missing: ${missing}`,
    )
    assert.deepEqual(
      asked,
      asked.toSorted((a, b) => Number(a.slice(1)) - Number(b.slice(1))),
    )
    assert.equal(new Set(asked).size, asked.length)
    await node.untilGone('web')
    await stop(second)
  })

  test('after kill -9 finds out what ended meanwhile, with its exit code and its last words', async () => {
    const first = await spawnKubelet(node)
    const script = 'trap "echo last words; exit 7" USR1; echo up; while :; do sleep 0.02; done'
    await node.shell('ended', script, {}, { restartPolicy: 'Never' })
    await node.until('ended', ({ status }) => status?.phase === 'Running')
    await until(async () => (await node.log('ended')) === 'up\n')
    const pids = processesOf('ended')
    await killHard(first)
    for (const pid of pids) sendSignal(pid, 'SIGUSR1')
    await until(() => processesOf('ended').length <= 1)
    const second = await spawnKubelet(node)
    const { status } = await node.until('ended', ({ status }) => status?.phase === 'Failed')
    assert.equal(status!.containerStatuses![0]!.state!.terminated!.exitCode, 7)
    // The shell also tells that its `sleep` was killed.
    assert.match(await node.log('ended'), /^up\nlast words\n/)
    await stop(second)
  })

  test('after kill -9 restarts what was killed meanwhile', async () => {
    const first = await spawnKubelet(node)
    await web('killed')
    const before = processesOf('killed')
    await killHard(first)
    for (const pid of before) sendSignal(pid, 'SIGKILL')
    const second = await spawnKubelet(node)
    await node.until('killed', pod => isReady(pod) && restarts('killed') === 1)
    const { lastState } = node.get('killed')!.status!.containerStatuses![0]!
    assert.deepEqual([lastState?.terminated?.exitCode, lastState?.terminated?.reason], [137, 'ContainerStatusUnknown'])
    assert.equal((await fetch(node.address('killed'))).status, 200)
    await stop(second)
  })

  test('ends with grace a pod whose deletion began while it was away', async () => {
    const first = await spawnKubelet(node)
    const { metadata } = await web('deleted')
    const processes = processesOf('deleted')
    await killHard(first)
    await node.delete('deleted')
    assert.ok(processes.every(pid => isAlive(pid)))
    const second = await spawnKubelet(node)
    await node.untilGone('deleted')
    assert.ok(processes.every(pid => !isAlive(pid)))
    assert.equal(existsSync(join(node.kubeletHome, 'pods', metadata.uid)), false)
    await stop(second)
  })

  test('kills what is left of a pod that was deleted by force while it was away', async () => {
    const first = await spawnKubelet(node)
    const { metadata } = await web('forced')
    const processes = processesOf('forced')
    await killHard(first)
    await node.delete('forced', 0)
    await node.untilGone('forced')
    const second = await spawnKubelet(node)
    await until(() => !existsSync(join(node.kubeletHome, 'pods', metadata.uid)))
    assert.ok(processes.every(pid => !isAlive(pid)))
    await stop(second)
  })

  test('kills processes of which no record tells', async () => {
    const first = await spawnKubelet(node)
    await web('known')
    const id = idOf('known')
    await stop(first, 'SIGKILL')
    const stray = spawn('sleep', ['1000'], { env: { PATH: process.env['PATH'], [CONTAINER_ID_VARIABLE]: `${id.slice(0, 16)}stray` } })
    const other = spawn('sleep', ['1000'], { env: { PATH: process.env['PATH'], [CONTAINER_ID_VARIABLE]: 'of another kubelet' } })
    const killed = once(stray, 'exit')
    const second = await spawnKubelet(node)
    assert.deepEqual(await killed, [null, 'SIGKILL'])
    assert.equal(other.exitCode, null)
    other.kill('SIGKILL')
    await stop(second)
  })

  test('after SIGTERM has ended all processes with grace, and runs the pods again', async () => {
    const first = await spawnKubelet(node)
    await web('again')
    const [before, address] = [processesOf('again'), node.address('again')]
    const log = node.log('again', { follow: true })
    await stop(first)
    assert.match(await log, /bye\n$/)
    assert.ok(before.every(pid => !isAlive(pid)))
    assert.equal(isReady(node.get('again')!), false)
    const second = await spawnKubelet(node)
    await node.until('again', pod => isReady(pod) && restarts('again') === 1)
    assert.equal(node.address('again'), address)
    const { lastState } = node.get('again')!.status!.containerStatuses![0]!
    assert.equal(lastState?.terminated?.exitCode, 0)
    assert.match(await node.log('again', { previous: true }), /bye\n$/)
    await node.delete('again')
    await node.untilGone('again')
    await stop(second)
    assert.deepEqual(readdirSync(join(node.kubeletHome, 'pods')), [])
  })

  test('stopped without its pods leaves them running for the next one', async () => {
    const first = await node.kubelet({ stopPods: false })
    await web('kept')
    const before = processesOf('kept')
    await first.stop()
    assert.ok(before.every(pid => isAlive(pid)))
    const second = await node.kubelet()
    assert.equal((await fetch(node.address('kept'))).status, 200)
    assert.equal(restarts('kept'), 0)
    await second.stop()
    assert.ok(before.every(pid => !isAlive(pid)))
  })

  test('does not run a pod again that had ended, and still has its log', async () => {
    const first = await spawnKubelet(node)
    await node.shell('done', 'echo once', {}, { restartPolicy: 'Never' })
    await node.until('done', ({ status }) => status?.phase === 'Succeeded')
    await killHard(first)
    const second = await spawnKubelet(node)
    assert.equal(await node.log('done'), 'once\n')
    await node.delete('done')
    await node.untilGone('done')
    await stop(second)
    assert.deepEqual(readdirSync(join(node.kubeletHome, 'logs')), [])
  })
})

/** Starts the kubelet as its own process, as the platform does, and waits until it has registered. */
async function spawnKubelet(node: TestNode): Promise<ChildProcess> {
  const kubelet = spawn(process.execPath, [fileURLToPath(new URL('main.ts', import.meta.url))], {
    env: {
      PATH: process.env['PATH'],
      KUBECONFIG: node.kubeconfig,
      KUBELET_HOME: node.kubeletHome,
      KUBELET_IMAGES: join(node.dir, 'images'),
      KUBELET_NODE_NAME: NODE_NAME,
      KUBELET_TOKEN_FILE: node.tokenFile,
      LOG_LEVEL: 'error',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  running.add(kubelet)
  kubelet.once('exit', () => running.delete(kubelet))
  const [message] = (await once(kubelet, 'message')) as [{ ready: boolean; ports: { logs: number } }]
  assert.equal(message.ready, true)
  await node.untilPort(message.ports.logs)
  return kubelet
}

async function killHard(kubelet: ChildProcess): Promise<void> {
  await stop(kubelet, 'SIGKILL')
}

async function stop(kubelet: ChildProcess, signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
  const exit = once(kubelet, 'exit')
  kubelet.kill(signal)
  await exit
}

function isAlive(pid: number): boolean {
  return identifyProcess(pid) !== undefined
}

/** Waits for something that no event tells. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await new Promise(resolve => setTimeout(resolve, 5))
}
