import { realpathSync } from 'node:fs'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Container, Event, Pod, PodSpec } from 'kubernetes-types/core/v1'
import type { KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { connectKubernetes } from '../../kernel/kubernetes/client.ts'
import { type Informer, startInformer } from '../../kernel/kubernetes/informer.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import { silentLog } from '../../kernel/log.ts'
import { startApiServer } from '../api-server/server.ts'
import { type ImageConfig, type ImageStore, openImageStore } from '../images/store.ts'
import { CONTAINER_ID_VARIABLE } from './container-process.ts'
import { idPrefixOf } from './container-text.ts'
import type { Timing } from './machine.ts'
import { findByEnvironment, sendSignal } from './process-table.ts'
import { type KubeletOptions, startKubelet } from './start.ts'

export const NODE_NAME = 'test-node'
const NAMESPACE = 'shop'
const KUBELET_TOKEN = 'test-kubelet-token'

/** Waits that would make tests slow, made short. */
export const FAST: Partial<Timing> = {
  crashBackoffMinMs: 100,
  crashBackoffMaxMs: 400,
  imageBackoffMinMs: 50,
  imageBackoffMaxMs: 100,
  retryMinMs: 50,
  retryMaxMs: 100,
  graceMinMs: 200,
  memoryPollMs: 50,
}

/** An API server, an image store and a namespace for the tests of the kubelet; it starts no kubelet by itself. */
export class TestNode {
  readonly dir: string
  readonly api: KubernetesApi
  readonly images: ImageStore
  readonly kubeconfig: string
  readonly pods: Informer<Pod>
  readonly events: Informer<Event>
  readonly #stops: (() => Promise<void>)[] = []

  private constructor(dir: string, api: KubernetesApi, kubeconfig: string) {
    this.dir = dir
    this.api = api
    this.kubeconfig = kubeconfig
    this.images = openImageStore(join(dir, 'images'))
    this.pods = startInformer(api, RESOURCES.pods, { log: silentLog })
    this.events = startInformer(api, RESOURCES.events, { log: silentLog })
  }

  static async start(): Promise<TestNode> {
    const dir = await mkdtemp(join(tmpdir(), 'drycc-kubelet-'))
    const server = await startApiServer({ home: join(dir, 'api'), kubeletToken: KUBELET_TOKEN })
    const { url, credentials } = server
    const api = connectKubernetes({
      ...{ server: url, ca: credentials.authority.certificate, verify: true, namespace: NAMESPACE },
      token: () => credentials.token,
    })
    const node = new TestNode(dir, api, server.kubeconfig)
    node.#stops.push(
      () => node.pods.stop(),
      () => node.events.stop(),
      () => api.close(),
      () => server.stop(),
      () => rm(dir, { recursive: true, force: true }),
    )
    await mkdir(node.kubeletHome, { recursive: true })
    await writeFile(node.tokenFile, KUBELET_TOKEN)
    await api.create(RESOURCES.namespaces, { metadata: { name: NAMESPACE } })
    return node
  }

  get kubeletHome(): string {
    return join(this.dir, 'kubelet')
  }

  get tokenFile(): string {
    return join(this.kubeletHome, 'token')
  }

  /** Also ends what a failed test left running. */
  async stop(): Promise<void> {
    const prefix = idPrefixOf(realpathSync(this.kubeletHome))
    for (const pid of findByEnvironment(CONTAINER_ID_VARIABLE, prefix).keys()) sendSignal(pid, 'SIGKILL')
    for (const stop of this.#stops) await stop()
  }

  /** Starts the kubelet in this process. */
  async kubelet(options: Partial<KubeletOptions> = {}) {
    const kubelet = await startKubelet({
      ...{ api: this.api, log: silentLog, home: this.kubeletHome, images: this.images, nodeName: NODE_NAME, tokenFile: this.tokenFile },
      ...options,
      timing: { ...FAST, ...options.timing },
    })
    await kubelet.registered
    return kubelet
  }

  /** Puts an image with these files into the store, tagged `embedded/<name>:v1`. */
  async image(name: string, files: Record<string, string> = {}, config: ImageConfig = {}): Promise<string> {
    const tree = await mkdtemp(join(this.dir, 'tree-'))
    for (const [path, content] of Object.entries(files)) {
      await mkdir(dirname(join(tree, path)), { recursive: true })
      await writeFile(join(tree, path), content, { mode: 0o755 })
    }
    const { digest } = await this.images.put(tree, config, { move: true })
    await this.images.tag(`embedded/${name}`, 'v1', digest)
    return `embedded/${name}:v1`
  }

  /** Creates a pod that is bound already. */
  async pod(name: string, containers: (Partial<Container> & { name: string })[], spec: Partial<PodSpec> = {}): Promise<Stored<Pod>> {
    return await this.api.create(RESOURCES.pods, {
      metadata: { namespace: NAMESPACE, name },
      spec: { nodeName: NODE_NAME, terminationGracePeriodSeconds: 5, containers, ...spec },
    })
  }

  /** A pod of one container that runs a shell script. */
  async shell(name: string, script: string, container: Partial<Container> = {}, spec: Partial<PodSpec> = {}): Promise<Stored<Pod>> {
    const image = await this.image('shell')
    return await this.pod(name, [{ name: 'main', image, command: ['/bin/sh', '-c', script], ...container }], spec)
  }

  get(name: string): Stored<Pod> | undefined {
    return this.pods.get(`${NAMESPACE}/${name}`)
  }

  /** Waits until a pod is as wanted. */
  async until(name: string, holds: (pod: Stored<Pod>) => unknown, what = holds.toString()): Promise<Stored<Pod>> {
    const signal = AbortSignal.timeout(20_000)
    const check = () => {
      const pod = this.get(name)
      return pod !== undefined && Boolean(holds(pod))
    }
    await this.pods.until(check, signal).catch(() => {
      throw new Error(`pod ${name} never was as wanted, ${what}: ${JSON.stringify(this.get(name)?.status, undefined, 1)}`)
    })
    return this.get(name)!
  }

  async untilReady(name: string): Promise<Stored<Pod>> {
    return await this.until(name, isReady)
  }

  async untilGone(name: string): Promise<void> {
    await this.pods.until(() => this.get(name) === undefined, AbortSignal.timeout(20_000))
  }

  async untilEvent(name: string, reason: string, text = ''): Promise<void> {
    const holds = () =>
      this.events
        .list()
        .some(event => event.involvedObject.name === name && event.reason === reason && (event.message ?? '').includes(text))
    await this.events.until(holds, AbortSignal.timeout(20_000)).catch(() => {
      const found = this.events.list().map(({ reason, message, involvedObject }) => `${involvedObject.name} ${reason} ${message}`)
      throw new Error(`no event ${reason} "${text}" of ${name} among\n${found.join('\n')}`)
    })
  }

  /** Waits until the node says that its kubelet serves on this port. */
  async untilPort(port: number): Promise<void> {
    for await (const { object } of this.api.watch(RESOURCES.nodes, { sendInitialEvents: true, signal: AbortSignal.timeout(20_000) })) {
      if (object.status?.daemonEndpoints?.kubeletEndpoint?.Port === port) return
    }
    throw new Error(`no kubelet says that it serves on port ${port}`)
  }

  async delete(name: string, gracePeriodSeconds?: number): Promise<void> {
    await this.api.delete(RESOURCES.pods, NAMESPACE, name, gracePeriodSeconds === undefined ? {} : { gracePeriodSeconds })
  }

  async log(name: string, options: Parameters<KubernetesApi['podLog']>[2] = {}): Promise<string> {
    return Buffer.concat(await Array.fromAsync(await this.api.podLog(NAMESPACE, name, options))).toString()
  }

  /** Where a pod answers on a port that it declares. */
  address(name: string, port = 5000): string {
    const pod = this.get(name)!
    const ports = JSON.parse(pod.metadata.annotations?.['kubelet.drycc.cc/ports'] ?? '{}') as Record<string, number>
    return `http://${pod.status?.podIP}:${ports[port] ?? port}`
  }
}

export function isReady(pod: Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false
}

/** A server that answers with its own name and says on the standard output what it does. */
export const WEB_APP = `
const { createServer } = require('node:http')
const server = createServer((request, response) => {
  console.log(request.url)
  response.end(JSON.stringify({ pod: process.env.HOSTNAME, env: process.env, cwd: process.cwd(), argv: process.argv.slice(2) }))
})
server.listen(process.env.PORT, process.env.HOST, () => console.log('listening'))
process.on('SIGTERM', () => { console.log('bye'); server.close(() => process.exit(0)); server.closeAllConnections() })
`
