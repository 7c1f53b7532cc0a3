import { randomBytes } from 'node:crypto'
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs'
import { cpus, totalmem } from 'node:os'
import { join } from 'node:path'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { startInformer } from '../../kernel/kubernetes/informer.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import { type Running, Stack } from '../../kernel/lifecycle.ts'
import type { Log } from '../../kernel/log.ts'
import { systemClock } from '../controllers/clock.ts'
import { EventRecorder } from '../controllers/event-recorder.ts'
import type { ImageStore } from '../images/store.ts'
import { openContainerLog } from './container-logs.ts'
import { idPrefixOf } from './container-text.ts'
import { ImageKeeper } from './image-keeper.ts'
import type { LogLimits } from './log-file.ts'
import { LogFiles } from './log-files.ts'
import { type Machine, TIMING, type Timing } from './machine.ts'
import { MemoryWatch } from './memory-watch.ts'
import { NodeRegistration } from './node.ts'
import { PodNetwork, type PodNetworkOptions } from './pod-network.ts'
import { PodRecords } from './pod-record.ts'
import { Pods } from './pods.ts'
import { startServer } from './server.ts'

export interface KubeletOptions extends PodNetworkOptions {
  readonly api: KubernetesApi
  readonly log: Log
  /** Holds records, logs and the private copies of running containers. */
  readonly home: string
  readonly images: ImageStore
  readonly nodeName: string
  /** Of the log server on loopback; 0, the default, takes any free one. */
  readonly port?: number
  /** Holds the bearer token that the API server shows to the log server; made where there is none. `<home>/token` by default. */
  readonly tokenFile?: string
  /**
   * What `stop()` does with the pods: true ends their processes, with grace, as when a node is shut down, and their objects stay; false leaves them running
   * for the next kubelet. True by default.
   */
  readonly stopPods?: boolean
  readonly timing?: Partial<Timing>
  readonly logLimits?: LogLimits
  /** From which `PATH` and `LANG` are handed to pods. The process's own by default. */
  readonly env?: NodeJS.ProcessEnv
}

/** Processes of this machine are all reached at one address. */
const HOST_IP = '127.0.0.1'

/**
 * Starts the node agent: it registers the node and runs every pod that is bound to it as local processes.
 *
 * Resolves as soon as it serves, be the API server there or not: what an earlier kubelet left running has been taken over by then.
 */
export async function startKubelet(options: KubeletOptions): Promise<Running & { port: number; registered: Promise<void> }> {
  const { api, images, nodeName } = options
  const log = options.log.child({ node: nodeName })
  const timing = { ...TIMING, ...options.timing }
  mkdirSync(options.home, { recursive: true, mode: 0o700 })
  const home = realpathSync(options.home)
  const env = options.env ?? process.env
  const stack = new Stack(log)
  const events = stack.add('events', new EventRecorder(api, { log, clock: systemClock }))
  const memory = stack.add('memory', new MemoryWatch(timing.memoryPollMs))
  const machine: Machine = {
    ...{ api, log, images, timing, memory },
    network: await PodNetwork.open(options),
    records: new PodRecords(join(home, 'pods')),
    logs: new LogFiles(join(home, 'logs'), options.logLimits),
    hostIp: HOST_IP,
    allocatable: { cpu: cpus().length, memory: totalmem() },
    environment: { PATH: env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin', LANG: env['LANG'] ?? 'C.UTF-8' },
    idPrefix: idPrefixOf(home),
    tell: (pod, type, reason, message) => events.record(RESOURCES.pods, pod, { type, reason, message, component: 'kubelet' }),
  }
  // Stops after the pods, so that those who follow a log hear its end.
  const server = stack.add(
    'server',
    await startServer({
      port: options.port ?? 0,
      token: readToken(options.tokenFile ?? join(home, 'token')),
      log,
      openLog: ({ namespace, name, container }, query, signal) => {
        const runner = pods.find(namespace, name)
        const pod = runner?.pod ?? informer.get(`${namespace}/${name}`)
        return openContainerLog(pod, runner, container, machine.logs, query, signal)
      },
    }),
  )

  const pods = new Pods(machine)
  stack.add('pods', {
    stop: async () => {
      if (options.stopPods ?? true) await pods.shutDown()
      else pods.detach()
    },
  })

  const informer = startInformer(api, RESOURCES.pods, {
    log,
    selection: { fieldSelector: `spec.nodeName=${nodeName}` },
    onChange: (_, pod, previous) => {
      if (previous && previous.metadata.uid !== pod?.metadata.uid) pods.remove(previous)
      if (pod) pods.set(pod)
    },
  })
  stack.add('pod informer', informer)
  void informer.synced.then(() => pods.retain(new Set(informer.list().map(({ metadata }) => metadata.uid))))

  const namespaces = stack.add('namespace informer', startInformer(api, RESOURCES.namespaces, { log }))
  stack.add('images', new ImageKeeper({ images, inUse: () => pods.images, namespaces, intervalMs: timing.imageCollectMs, log }))

  const node = new NodeRegistration({
    ...{ api, log, name: nodeName, hostIp: HOST_IP, port: server.port, heartbeatMs: timing.heartbeatMs },
    ...(options.podCidr === undefined ? {} : { podCidr: options.podCidr }),
  })
  stack.add('node', { stop: () => node.stop(options.stopPods === false) })

  return { port: server.port, ports: { logs: server.port }, registered: node.registered, stop: () => stack.stop() }
}

function readToken(file: string): string {
  try {
    const token = readFileSync(file, 'utf8').trim()
    if (token) return token
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
  const token = randomBytes(32).toString('base64url')
  writeFileSync(file, `${token}\n`, { mode: 0o600 })
  return token
}
