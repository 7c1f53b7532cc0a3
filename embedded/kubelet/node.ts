import { readFileSync } from 'node:fs'
import { machine as architecture, cpus, hostname, release, totalmem, type } from 'node:os'
import type { Node, NodeCondition, NodeStatus } from 'kubernetes-types/core/v1'
import { Backoff, delay } from '../../kernel/backoff.ts'
import { find, isStatus, type KubernetesApi } from '../../kernel/kubernetes/api.ts'
import { RESOURCES } from '../../kernel/kubernetes/objects.ts'
import type { Log } from '../../kernel/log.ts'
import { timeNow, wholeSeconds } from './container-text.ts'

export interface NodeOptions {
  readonly api: KubernetesApi
  readonly log: Log
  readonly name: string
  readonly hostIp: string
  /** Of the kubelet's own server. */
  readonly port: number
  readonly podCidr?: string
  readonly heartbeatMs: number
}

const LEASE_NAMESPACE = 'kube-node-lease'
const LEASE_SECONDS = 40
/** More than Kubernetes' 110: a pod here is a process or two. */
const PODS_MAX = 500
const TELL_MS = 1000
const VERSION = 'v1.37.2'

/** The node's own objects: a Node that says what it has and that it is ready, and a Lease that says that its kubelet lives. */
export class NodeRegistration {
  /** Resolves when the node has been registered for the first time. */
  readonly registered: Promise<void>
  readonly #options: NodeOptions
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  #onRegistered = () => {}

  constructor(options: NodeOptions) {
    this.#options = options
    this.registered = new Promise(resolve => (this.#onRegistered = resolve))
    this.#running = this.#run()
  }

  /** @param isReady what the node says of itself from now on: false when its pods have been ended too */
  async stop(isReady: boolean): Promise<void> {
    this.#stop.abort()
    await this.#running
    if (isReady) return
    // The API server may be stopping too.
    const written = this.#write(false, AbortSignal.timeout(TELL_MS)).catch(error =>
      this.#options.log.debug('node not marked as stopped', { error: (error as Error).message }),
    )
    await Promise.race([written, delay(TELL_MS)])
  }

  async #run(): Promise<void> {
    const { heartbeatMs, log } = this.#options
    const { signal } = this.#stop
    const backoff = new Backoff({ minMs: 50, maxMs: heartbeatMs })
    let isWritten = false
    while (!signal.aborted) {
      try {
        if (!isWritten) await this.#write(true, signal)
        await this.#renew(signal)
        // A Node that somebody has deleted is made again.
        isWritten = (await find(this.#options.api, RESOURCES.nodes, '', this.#options.name)) !== undefined
        backoff.reset()
        this.#onRegistered()
        if (isWritten) await delay(heartbeatMs, signal)
      } catch (error) {
        if (signal.aborted) return
        log.warn('node not registered', { error: (error as Error).message })
        await delay(backoff.next(), signal)
      }
    }
  }

  async #write(isReady: boolean, signal: AbortSignal): Promise<void> {
    const { api, name, podCidr } = this.#options
    let node = await find(api, RESOURCES.nodes, '', name)
    if (!node) {
      const spec = podCidr ? { podCIDR: podCidr, podCIDRs: [podCidr] } : {}
      node = await api.create(RESOURCES.nodes, { metadata: { name, labels: labelsOf(name) }, spec }, { signal })
    }
    const status = this.#status(isReady, node)
    await api.patch(RESOURCES.nodes, '', name, { type: 'merge', body: { status } }, { subresource: 'status', signal })
  }

  async #renew(signal: AbortSignal): Promise<void> {
    const { api, name } = this.#options
    const spec = { holderIdentity: name, leaseDurationSeconds: LEASE_SECONDS, renewTime: microTime() }
    try {
      await api.patch(RESOURCES.leases, LEASE_NAMESPACE, name, { type: 'merge', body: { spec } }, { signal })
    } catch (error) {
      if (!isStatus(error, 404)) throw error
      await createNamespace(api)
      await api.create(RESOURCES.leases, { metadata: { namespace: LEASE_NAMESPACE, name }, spec }, { signal })
    }
  }

  #status(isReady: boolean, node: Node): NodeStatus {
    const { name, hostIp, port } = this.#options
    const resources = { cpu: String(cpus().length), memory: `${Math.floor(totalmem() / 1024)}Ki`, pods: String(PODS_MAX) }
    const now = wholeSeconds(timeNow())
    const condition = (kind: string, holds: boolean, reason: string, message: string): NodeCondition => {
      const status = holds ? 'True' : 'False'
      const standing = node.status?.conditions?.find(candidate => candidate.type === kind)
      const since = standing?.status === status ? standing.lastTransitionTime : undefined
      return { type: kind, status, reason, message, lastHeartbeatTime: now, lastTransitionTime: since ?? now }
    }
    return {
      capacity: resources,
      allocatable: resources,
      addresses: [
        { type: 'InternalIP', address: hostIp },
        { type: 'Hostname', address: name },
      ],
      conditions: [
        condition('MemoryPressure', false, 'KubeletHasSufficientMemory', 'kubelet has sufficient memory available'),
        condition('DiskPressure', false, 'KubeletHasNoDiskPressure', 'kubelet has no disk pressure'),
        condition('PIDPressure', false, 'KubeletHasSufficientPID', 'kubelet has sufficient PID available'),
        isReady
          ? condition('Ready', true, 'KubeletReady', 'kubelet is posting ready status')
          : condition('Ready', false, 'KubeletNotReady', 'node is shutting down'),
      ],
      daemonEndpoints: { kubeletEndpoint: { Port: port } },
      nodeInfo: nodeInfo(),
    }
  }
}

function labelsOf(name: string): Record<string, string> {
  return {
    'kubernetes.io/hostname': name,
    'kubernetes.io/os': process.platform,
    'kubernetes.io/arch': goArchitecture(),
    'node.drycc.cc/embedded': 'true',
  }
}

function nodeInfo(): NonNullable<NodeStatus['nodeInfo']> {
  const id = readText('/etc/machine-id') || hostname()
  return {
    architecture: goArchitecture(),
    bootID: readText('/proc/sys/kernel/random/boot_id'),
    containerRuntimeVersion: `process://${process.versions.node}`,
    kernelVersion: release(),
    kubeProxyVersion: '',
    kubeletVersion: VERSION,
    machineID: id,
    operatingSystem: process.platform,
    osImage: `${type()} ${architecture()}`,
    systemUUID: id,
  }
}

/** Kubernetes names architectures as Go does. */
function goArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    // Only Linux has these files.
    return ''
  }
}

/** RFC 3339 with microseconds, as a Lease wants it. */
function microTime(): string {
  return new Date().toISOString().replace('Z', '000Z')
}

async function createNamespace(api: KubernetesApi): Promise<void> {
  try {
    await api.create(RESOURCES.namespaces, { metadata: { name: LEASE_NAMESPACE } })
  } catch (error) {
    if (!isStatus(error, 409)) throw error
  }
}
