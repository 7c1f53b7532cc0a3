import { join } from 'node:path'
import type { Container, Pod, PodStatus } from 'kubernetes-types/core/v1'
import { Backoff, delay } from '../../kernel/backoff.ts'
import { isStatus, remove } from '../../kernel/kubernetes/api.ts'
import { RESOURCES, type Stored } from '../../kernel/kubernetes/objects.ts'
import { ContainerRunner, type PodScope } from './container-runner.ts'
import type { ContainerKind } from './container-status.ts'
import { timeNow, wholeSeconds } from './container-text.ts'
import { Deadline } from './deadline.ts'
import type { Machine } from './machine.ts'
import type { PodPlace } from './pod-fields.ts'
import type { PodAddress } from './pod-network.ts'
import type { PodRecord } from './pod-record.ts'
import { buildStatus, isSidecar } from './pod-status.ts'
import { readSources } from './sources.ts'
import { StatusPublisher } from './status-publisher.ts'
import { listUnsupported } from './unsupported.ts'
import { prepareVolumes } from './volumes.ts'

/** What is left to the processes of a pod whose object has gone: its grace period, if it had one, is over. */
const GONE_GRACE_MS = 1000
/** How long a node that stops tries to say that its pods are not ready: the API server may be stopping too. */
const TELL_MS = 1000

/** The life of one pod of this node, from its binding to its deletion, one runner a uid. */
export class PodRunner {
  /** Resolves when nothing of the pod is left to do: it was deleted, or the node has stopped. */
  readonly done: Promise<void>
  readonly #machine: Machine
  readonly #record: PodRecord
  readonly #publisher: StatusPublisher
  readonly #stop = new AbortController()
  readonly #running: Promise<void>
  /** What ran already, before this kubelet, and is not yet in the hands of its runner: a pod is not ended before it is. */
  readonly #unadopted: Set<string>
  readonly #adopted = Promise.withResolvers<void>()
  #pod: Stored<Pod>
  #status: PodStatus | undefined
  #runners: ContainerRunner[] = []
  #failure: { reason: string; message: string } | undefined
  #isFinal = false
  #isShutDown = false
  #isForgotten = false
  #isGone = false
  #isOver = false
  #ending: Promise<void> | undefined
  #onDone = () => {}

  /** @param record what an earlier kubelet knew of this pod, if it did */
  constructor(pod: Stored<Pod>, record: PodRecord | undefined, machine: Machine) {
    this.#pod = pod
    this.#machine = machine
    this.#record = record ?? { pod, startTime: pod.status?.startTime ?? wholeSeconds(timeNow()), containers: {} }
    this.#publisher = new StatusPublisher({
      api: machine.api,
      log: machine.log,
      pod: () => this.#pod,
      build: () => this.#buildStatus(),
      ports: () => {
        const ports = this.#record.address?.ports ?? {}
        return Object.keys(ports).length > 0 ? ports : undefined
      },
    })
    this.done = new Promise(resolve => (this.#onDone = resolve))
    if (this.#record.address) machine.network.claim(this.uid, this.#record.address)
    this.#unadopted = new Set(Object.entries(this.#record.containers).flatMap(([name, { process }]) => (process ? [name] : [])))
    if (this.#unadopted.size === 0) this.#adopted.resolve()
    this.#running = this.#run()
    if (pod.metadata.deletionTimestamp) this.update(pod)
  }

  get uid(): string {
    return this.#pod.metadata.uid
  }

  get pod(): Stored<Pod> {
    return this.#pod
  }

  /** What is kept of the pod on disk. */
  get record(): PodRecord {
    return this.#record
  }

  /** Image digests that this pod needs. */
  get images(): string[] {
    return Object.values(this.#record.containers).flatMap(({ imageDigest }) => imageDigest ?? [])
  }

  container(name: string): ContainerRunner | undefined {
    return this.#runners.find(runner => runner.container.name === name)
  }

  /** Takes a newer version of the object: a deletion begins, or its grace period is shortened. */
  update(pod: Stored<Pod>): void {
    this.#pod = pod
    const { deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata
    // Conditions of others count for its readiness.
    if (pod.spec?.readinessGates) this.#publisher.changed()
    if (!deletionTimestamp) return
    if (this.#isOver) return void this.#delete()
    const graceMs = (deletionGracePeriodSeconds ?? pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000
    this.#save()
    this.#end(graceMs, () => this.#delete())
  }

  /** The object has gone from the API server: what still runs is killed and forgotten. */
  gone(): void {
    this.#isGone = true
    this.#publisher.stop()
    this.#end(GONE_GRACE_MS, async () => {
      await this.#cleanUp()
      this.#onDone()
    })
  }

  /** The node stops: processes are ended, the object and its record stay, and the next kubelet runs the pod again. */
  async shutDown(): Promise<void> {
    if (this.#ending) return await this.#ending
    this.#isShutDown = true
    // So that no traffic is sent here any more.
    this.#publisher.changed()
    await Promise.race([this.#publisher.flush(), delay(TELL_MS)])
    this.#publisher.stop()
    for (const runner of this.#runners) runner.interrupt()
    const graceMs = Math.min(this.#machine.timing.shutdownMaxMs, (this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000)
    await this.#endContainers(graceMs)
    this.#onDone()
  }

  /** Lets go of the pod's processes and leaves them running. */
  detach(): void {
    this.#publisher.stop()
    this.#stop.abort()
    for (const runner of this.#runners) runner.detach()
    this.#onDone()
  }

  // Running

  async #run(): Promise<void> {
    const { signal } = this.#stop
    try {
      this.#save()
      const scope = await this.#prepare()
      if (!scope || signal.aborted) return
      this.#tellUnsupported()
      this.#watchDeadline()
      this.#publisher.changed()
      await this.#runContainers(scope)
      if (!signal.aborted) await this.#finish()
    } catch (error) {
      if (!signal.aborted) this.#machine.log.error('pod failed', { pod: this.#pod.metadata.name, error })
    } finally {
      this.#adopted.resolve()
    }
  }

  #tellUnsupported(): void {
    const fields = listUnsupported(this.#pod)
    const hasRun = Object.values(this.#record.containers).some(({ startedAt }) => startedAt)
    if (fields.length === 0 || hasRun) return
    this.#machine.tell(this.#pod, 'Warning', 'NotSupported', `Embedded mode does not heed ${fields.join(', ')}`)
  }

  /** Address, ports and volumes: tried until there are all; `undefined` when the pod is stopped before. */
  async #prepare(): Promise<PodScope | undefined> {
    const { timing } = this.#machine
    const { signal } = this.#stop
    const backoff = new Backoff({ minMs: timing.retryMinMs, maxMs: timing.retryMaxMs, jitter: 0 })
    const isRunning = this.#unadopted.size > 0
    while (!signal.aborted) {
      try {
        const address = await this.#settleAddress(isRunning)
        const place = { podIp: address.ip, hostIp: this.#machine.hostIp, allocatable: this.#machine.allocatable }
        const scope = this.#scope(address, place)
        this.#makeRunners(scope)
        this.#publisher.changed()
        const sources = readSources(this.#machine.api, this.#pod.metadata.namespace ?? '')
        if (!isRunning) await prepareVolumes(this.#pod, scope.volumesDir, sources, place)
        return scope
      } catch (error) {
        const reason = this.#record.address ? 'FailedMount' : 'FailedCreatePodSandBox'
        const what = this.#record.address ? '' : 'Failed to create pod sandbox: '
        this.#machine.tell(this.#pod, 'Warning', reason, `${what}${(error as Error).message}`)
        this.#publisher.changed()
        await delay(backoff.next(), signal)
      }
    }
    return undefined
  }

  /** A pod keeps its address and ports while it lives, unless, with nothing of it running, somebody else has taken a port. */
  async #settleAddress(isRunning: boolean): Promise<PodAddress> {
    const { network, hostIp } = this.#machine
    const standing = this.#record.address
    if (standing && (isRunning || (await network.isFree(standing.ports)))) return standing
    network.release(this.uid)
    const { hostNetwork, containers = [], initContainers = [] } = this.#pod.spec ?? {}
    const declared = [...initContainers, ...containers]
      .flatMap(({ ports }) => ports ?? [])
      .filter(({ protocol = 'TCP' }) => protocol === 'TCP')
      .map(({ containerPort }) => containerPort)
    const address = hostNetwork ? { ip: hostIp, ports: {} } : await network.allocate(this.uid, [...new Set(declared)])
    this.#record.address = address
    this.#save()
    return address
  }

  #scope(address: PodAddress, place: PodPlace): PodScope {
    const folder = this.#machine.records.folder(this.uid)
    return {
      machine: this.#machine,
      pod: () => this.#pod,
      place,
      address,
      folder,
      volumesDir: join(folder, 'volumes'),
      save: () => this.#save(),
      changed: () => this.#publisher.changed(),
    }
  }

  #makeRunners(scope: PodScope): void {
    const make = (kind: (container: Container) => ContainerKind) => (container: Container) => {
      const record = (this.#record.containers[container.name] ??= { restartCount: this.#restartCountOf(container.name) })
      return new ContainerRunner(container, kind(container), record, scope)
    }
    const { initContainers = [], containers = [] } = this.#pod.spec ?? {}
    this.#runners = [
      ...initContainers.map(make(container => (isSidecar(container) ? 'sidecar' : 'init'))),
      ...containers.map(make(() => 'main')),
    ]
  }

  /** A kubelet that has lost its records goes on counting where the status says it was. */
  #restartCountOf(name: string): number {
    const { containerStatuses = [], initContainerStatuses = [] } = this.#pod.status ?? {}
    const status = [...containerStatuses, ...initContainerStatuses].find(candidate => candidate.name === name)
    return status?.containerID ? status.restartCount + 1 : 0
  }

  async #runContainers(scope: PodScope): Promise<void> {
    const sidecars: { runner: ContainerRunner; running: Promise<void> }[] = []
    const mains = this.#runners.filter(({ kind }) => kind === 'main')
    for (const runner of this.#runners.filter(({ kind }) => kind !== 'main')) {
      const running = this.#begin(runner)
      if (runner.kind === 'sidecar') {
        sidecars.push({ runner, running })
        await runner.started
      } else await running
      scope.changed()
      const hasFailed = runner.kind === 'init' && runner.status.state?.terminated?.exitCode !== 0
      if (hasFailed || this.#stop.signal.aborted) break
    }
    const areInitialized = !this.#stop.signal.aborted && this.#runners.every(({ kind, status }) => kind !== 'init' || status.ready)
    if (areInitialized) await Promise.all(mains.map(runner => this.#begin(runner)))
    // Side-cars end after all others, the last one first.
    for (const { runner, running } of sidecars.reverse()) {
      if (!this.#stop.signal.aborted) await runner.stop(this.#graceMs())
      await running
    }
  }

  #begin(runner: ContainerRunner): Promise<void> {
    const running = runner.run()
    this.#unadopted.delete(runner.container.name)
    if (this.#unadopted.size === 0) this.#adopted.resolve()
    return running
  }

  /** The pod has run to its end by itself. */
  async #finish(): Promise<void> {
    this.#isOver = true
    this.#machine.network.release(this.uid)
    this.#publisher.changed()
    await this.#publisher.flush()
    if (this.#pod.metadata.deletionTimestamp) await this.#delete()
  }

  #watchDeadline(): void {
    const seconds = this.#pod.spec?.activeDeadlineSeconds
    if (seconds === undefined) return
    const deadline = new Deadline(Math.max(0, Date.parse(this.#record.startTime) + seconds * 1000 - Date.now()))
    void deadline.orUntil(Promise.race([this.done, aborted(this.#stop.signal)])).then(() => {
      deadline.clear()
      if (this.#stop.signal.aborted || this.#isOver) return
      this.#failure = { reason: 'DeadlineExceeded', message: 'Pod was active on the node longer than the specified deadline' }
      this.#machine.tell(this.#pod, 'Normal', 'DeadlineExceeded', this.#failure.message)
      this.#end(this.#graceMs(), () => this.#finish())
    })
  }

  // Ending

  /** Ends all containers, then does what is to be done; called again it only hastens the end. */
  #end(graceMs: number, then: () => Promise<void>): void {
    if (this.#ending) void this.#endContainers(graceMs)
    else this.#ending = this.#endContainers(graceMs).then(then)
    this.#ending.catch(error => this.#machine.log.error('pod not ended', { pod: this.#pod.metadata.name, error }))
  }

  async #endContainers(graceMs: number): Promise<void> {
    await this.#adopted.promise
    this.#stop.abort()
    const until = performance.now() + graceMs
    const sidecars = this.#runners.filter(({ kind }) => kind === 'sidecar').reverse()
    await Promise.all(this.#runners.filter(({ kind }) => kind !== 'sidecar').map(runner => runner.stop(graceMs)))
    for (const runner of sidecars) await runner.stop(Math.max(0, until - performance.now()))
    await this.#running
  }

  /** Tells how the pod ended, clears up, then takes the object away: who sees that it has gone finds nothing of it. */
  async #delete(): Promise<void> {
    if (this.#isFinal) return
    this.#isFinal = true
    this.#publisher.changed()
    await this.#publisher.flush()
    await this.#cleanUp()
    const { namespace = '', name, uid } = this.#pod.metadata
    const backoff = new Backoff({ minMs: 100, maxMs: 5000 })
    while (!this.#isGone) {
      try {
        await remove(this.#machine.api, RESOURCES.pods, namespace, name, { gracePeriodSeconds: 0, preconditions: { uid } })
        break
      } catch (error) {
        // Another pod of the same name by now.
        if (isStatus(error, 409)) break
        this.#machine.log.warn('pod not deleted', { pod: name, error: (error as Error).message })
        await delay(backoff.next())
      }
    }
    this.#onDone()
  }

  async #cleanUp(): Promise<void> {
    const { namespace = '', name, uid } = this.#pod.metadata
    this.#publisher.stop()
    this.#machine.network.release(uid)
    this.#isForgotten = true
    this.#machine.logs.removePod({ namespace, name, uid })
    await this.#machine.records.remove(uid).catch(error => this.#machine.log.warn('pod folder not removed', { uid, error }))
  }

  // Small parts

  #buildStatus(): PodStatus {
    const statuses = (kinds: ContainerKind[]) => this.#runners.filter(({ kind }) => kinds.includes(kind)).map(({ status }) => status)
    const view = {
      hostIp: this.#machine.hostIp,
      startTime: this.#record.startTime,
      initContainers: statuses(['init', 'sidecar']),
      containers: statuses(['main']).map(status => (this.#isShutDown ? { ...status, ready: false } : status)),
      isFinal: this.#isFinal,
      ...(this.#record.address ? { podIp: this.#record.address.ip } : {}),
      ...(this.#failure ? { failure: this.#failure } : {}),
    }
    this.#status = buildStatus(this.#pod, view, this.#status ?? this.#pod.status, wholeSeconds(timeNow()))
    return this.#status
  }

  #save(): void {
    if (this.#isForgotten) return
    this.#record.pod = this.#pod
    this.#machine.records.save(this.#record)
  }

  #graceMs(): number {
    return (this.#pod.spec?.terminationGracePeriodSeconds ?? 30) * 1000
  }
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await new Promise(resolve => signal.addEventListener('abort', resolve, { once: true }))
}
