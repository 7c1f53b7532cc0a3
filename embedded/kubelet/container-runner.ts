import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container, ContainerStatus, LifecycleHandler, Pod } from 'kubernetes-types/core/v1'
import { delay } from '../../kernel/backoff.ts'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { parseQuantity } from '../../kernel/units.ts'
import { findExecutable, StartError } from './command.ts'
import { watchHealth } from './container-health.ts'
import { ContainerProcess, killContainer, type ProcessExit, type ProcessListener } from './container-process.ts'
import { buildContainerStatus, type ContainerKind, mayRestart } from './container-status.ts'
import { newContainerId, tailMessage, timeNow } from './container-text.ts'
import { runHook } from './hooks.ts'
import { prepareLaunch } from './launch.ts'
import type { Machine } from './machine.ts'
import type { PodPlace } from './pod-fields.ts'
import type { PodAddress } from './pod-network.ts'
import type { ContainerRecord, EndRecord } from './pod-record.ts'
import type { CheckTarget } from './probe.ts'
import { requireConfig, requireImage } from './requirements.ts'
import { runCommand } from './run-command.ts'
import { Termination } from './termination.ts'

/** What a container needs of its pod. */
export interface PodScope {
  readonly machine: Machine
  /** The newest version of the object. */
  readonly pod: () => Stored<Pod>
  readonly place: PodPlace
  readonly address: PodAddress
  readonly folder: string
  readonly volumesDir: string
  /** Writes the pod's record, in which the container's is. */
  readonly save: () => void
  /** The container's status has changed. */
  readonly changed: () => void
}

const LOST_MESSAGE = 'The container could not be located when the kubelet came back'
const KILLED_CODE = 137
const START_FAILED_CODE = 128

/** The life of one container of a pod: started, probed, restarted by the pod's policy with growing waits, ended with grace. */
export class ContainerRunner {
  readonly container: Container
  readonly kind: ContainerKind
  readonly #scope: PodScope
  readonly #record: ContainerRecord
  readonly #stop = new AbortController()
  readonly #detached = new AbortController()
  readonly #onStarted = Promise.withResolvers<void>()
  #process: ContainerProcess | undefined
  #termination: Termination | undefined
  #waiting: { reason: string; message?: string }
  #isOutOfMemory = false
  #isInterrupted = false

  constructor(container: Container, kind: ContainerKind, record: ContainerRecord, scope: PodScope) {
    this.container = container
    this.kind = kind
    this.#record = record
    this.#scope = scope
    const hasInits = (scope.pod().spec?.initContainers ?? []).length > 0 && kind === 'main'
    this.#waiting = { reason: hasInits ? 'PodInitializing' : 'ContainerCreating' }
  }

  /** As Kubernetes shows it. */
  get status(): ContainerStatus {
    const { end } = this.#record
    const isOver = this.#stop.signal.aborted || (end !== undefined && !this.#mayRestart(end))
    return buildContainerStatus(this.container, this.kind, this.#record, isOver, this.#waiting)
  }

  /** Which run's log is meant by the current one, or the previous one; `undefined` when there was none. */
  restartOfLog(isPrevious: boolean): number | undefined {
    const { restartCount, process, end, lastEnd } = this.#record
    const hasBegun = process !== undefined || end !== undefined
    // While it waits to be restarted, the run that has ended is both.
    if (hasBegun && (!isPrevious || this.status.state?.waiting)) return restartCount
    return lastEnd ? restartCount - 1 : undefined
  }

  /** Resolves when the container has started by its startup probe, or will not start any more. */
  get started(): Promise<void> {
    return this.#onStarted.promise
  }

  /** Runs the container until it has ended and will not be started again. Never throws. */
  async run(): Promise<void> {
    try {
      let process = this.#adopt()
      if (!process && this.#record.end && !(await this.#again())) return
      for (;;) {
        process ??= await this.#start()
        if (process) await this.#live(process)
        process = undefined
        if (!(await this.#again())) return
      }
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#scope.machine.log.error('container failed', { container: this.container.name, error })
    } finally {
      this.#onStarted.resolve()
    }
  }

  /** Ends the container for good: preStop hook, TERM, and KILL when the grace period is over. Again with a shorter one hastens it. */
  async stop(graceMs: number): Promise<void> {
    this.#stop.abort()
    await this.#end(graceMs, `Stopping container ${this.container.name}`)
  }

  /** Lets go of the container and leaves it running for the next kubelet. */
  detach(): void {
    this.#stop.abort()
    this.#detached.abort()
    this.#process?.detach()
  }

  /** The next run of the container repeats this one at once: it ends because the node stops. */
  interrupt(): void {
    this.#isInterrupted = true
  }

  // Starting

  #adopt(): ContainerProcess | undefined {
    const { process: handle, end } = this.#record
    if (!handle) return undefined
    // The kubelet was killed between reading the exit code and cleaning up.
    if (end) killContainer(handle)
    else {
      const logPath = this.#logPath(this.#record.restartCount)
      this.#scope.machine.logs.open(logPath)
      const process = ContainerProcess.adopt(handle, this.#listener())
      if (process) return process
      this.#scope.machine.logs.close(logPath)
      const exit = { exitCode: KILLED_CODE, finishedAt: new Date(), isLost: true }
      this.#record.end = { ...this.#endRecord(exit), reason: 'ContainerStatusUnknown', message: LOST_MESSAGE, isInterrupted: true }
    }
    void this.#cleanUp()
    return undefined
  }

  /** Waits for what the container needs and starts it; `undefined` when it was stopped meanwhile or could not be started. */
  async #start(): Promise<ContainerProcess | undefined> {
    const { machine, place, address, volumesDir, pod } = this.#scope
    const { signal } = this.#stop
    const needs = { machine, container: this.container, pod, place, address, signal, wait: this.#wait }
    const image = await requireImage(needs)
    const variables = image && (await requireConfig(needs))
    if (!image || !variables) return undefined
    this.#beginRun(image.digest)
    const run = this.#runFolder()
    await rm(run, { recursive: true, force: true })
    const id = newContainerId(machine.idPrefix)
    try {
      const hasOwnAddress = !machine.network.mapsPorts
      const launch = await prepareLaunch({
        ...{ pod: pod(), container: this.container, image, variables, place, hasOwnAddress, volumesDir, signal },
        environment: machine.environment,
        folder: run,
      })
      if (signal.aborted) return undefined
      machine.tell(pod(), 'Normal', 'Created', `Created container: ${this.container.name}`)
      Object.assign(this.#record, { cwd: launch.cwd, env: { ...launch.env } })
      machine.logs.open(this.#logPath(this.#record.restartCount))
      this.#record.startedAt = timeNow()
      const process = await ContainerProcess.start({ id, ...launch, fifoDir: join(run, 'fifos') }, this.#listener(), handle => {
        this.#record.process = handle
        this.#scope.save()
      })
      machine.tell(pod(), 'Normal', 'Started', `Started container ${this.container.name}`)
      return process
    } catch (error) {
      if (signal.aborted) return undefined
      await this.#failStart(error as Error, id)
      return undefined
    }
  }

  /** What was the newest run becomes the last one; the log of the one before that goes. */
  #beginRun(imageDigest: string): void {
    const record = this.#record
    if (record.end) {
      record.lastEnd = record.end
      delete record.end
      record.restartCount++
      if (record.restartCount > 1) this.#scope.machine.logs.remove(this.#logPath(record.restartCount - 2))
    }
    record.imageDigest = imageDigest
  }

  async #failStart(error: Error, containerId: string): Promise<void> {
    const { machine, pod } = this.#scope
    if (!(error instanceof StartError)) machine.log.warn('container not started', { container: this.container.name, error })
    machine.tell(pod(), 'Warning', 'Failed', `Error: failed to start container "${this.container.name}": ${error.message}`)
    const now = timeNow()
    this.#record.end = {
      ...{ exitCode: START_FAILED_CODE, reason: 'StartError', message: error.message },
      ...{ startedAt: now, finishedAt: now, containerId },
    }
    machine.logs.close(this.#logPath(this.#record.restartCount))
    await this.#cleanUp()
  }

  // Running

  async #live(process: ContainerProcess): Promise<void> {
    const { machine, pod, changed } = this.#scope
    this.#process = process
    const probes = new AbortController()
    const limit = this.container.resources?.limits?.['memory']
    const unwatch =
      limit === undefined
        ? () => {}
        : machine.memory.watch(process.pid, parseQuantity(limit), () => {
            this.#isOutOfMemory = true
            process.kill()
          })
    // Stopped while it was being started.
    if (this.#stop.signal.aborted) process.kill()
    else this.#watchHealth(process, AbortSignal.any([probes.signal, this.#detached.signal]))
    changed()
    await process.exited
    probes.abort()
    unwatch()
    this.#process = undefined
    this.#termination = undefined
    this.#isOutOfMemory = false
    machine.logs.close(this.#logPath(this.#record.restartCount))
    this.#addMessage()
    await this.#cleanUp()
    if (this.#record.end?.reason === 'OOMKilled')
      machine.tell(pod(), 'Warning', 'OOMKilling', `Container ${this.container.name} was over its memory limit of ${limit}`)
  }

  #watchHealth(process: ContainerProcess, signal: AbortSignal): void {
    const ifRunning = (change: Partial<ContainerRecord>) => {
      if (this.#process !== process) return
      // Kept on disk, so that a container that is taken over stays as ready as it was until its probes say otherwise.
      Object.assign(this.#record, change)
      this.#scope.save()
      this.#scope.changed()
    }
    const { name } = this.container
    void watchHealth({
      ...{ container: this.container, target: this.#target(), isStarted: this.#record.isStarted ?? false, signal },
      stopping: this.#stop.signal,
      onStarted: () => {
        this.#onStarted.resolve()
        ifRunning({ isStarted: true })
      },
      onReady: isReady => ifRunning({ isReady }),
      onUnhealthy: message => this.#tell('Warning', 'Unhealthy', message),
      onHookFailed: message => {
        this.#tell('Warning', 'FailedPostStartHook', message)
        void this.#end(this.#graceMs(), `Container ${name} failed its PostStartHook, will be killed`)
      },
      onFailed: (kind, graceSeconds) => {
        const graceMs = graceSeconds === undefined ? this.#graceMs() : graceSeconds * 1000
        void this.#end(graceMs, `Container ${name} failed ${kind} probe, will be restarted`)
      },
    })
  }

  #target(): CheckTarget {
    const { cwd = '/', env = {}, process } = this.#record
    const { container } = this
    return {
      container,
      ip: this.#scope.place.podIp,
      ports: this.#scope.address.ports,
      exec: async (command, signal) => {
        const [name = '', ...rest] = command
        const id = process?.id ?? ''
        return await runCommand([findExecutable(name, cwd, env['PATH'] ?? ''), ...rest], { id, cwd, env }, signal)
      },
    }
  }

  #listener(): ProcessListener {
    const { machine } = this.#scope
    const path = this.#logPath(this.#record.restartCount)
    let hasFailed = false
    return {
      output: (stream, bytes) => {
        try {
          machine.logs.live(path)?.append(stream, bytes)
        } catch (error) {
          if (!hasFailed) machine.log.error('container log not written', { path, error })
          hasFailed = true
        }
      },
      ended: exit => {
        this.#record.end = this.#endRecord(exit)
        this.#scope.save()
        this.#scope.changed()
      },
    }
  }

  // Ending

  async #end(graceMs: number, why: string): Promise<void> {
    const process = this.#process
    if (!process) return
    if (this.#termination) this.#termination.hasten(graceMs)
    else {
      this.#tell('Normal', 'Killing', why)
      const { graceMinMs } = this.#scope.machine.timing
      const preStop = this.container.lifecycle?.preStop
      this.#termination = new Termination(process, {
        ...{ graceMs, graceMinMs },
        ...(preStop ? { preStop: signal => this.#runPreStop(preStop, signal) } : {}),
      })
    }
    await this.#termination.done
  }

  async #runPreStop(hook: LifecycleHandler, signal: AbortSignal): Promise<void> {
    try {
      await runHook(hook, this.#target(), signal)
    } catch (error) {
      if (this.#process) this.#tell('Warning', 'FailedPreStopHook', `PreStopHook failed: ${(error as Error).message}`)
    }
  }

  /** Decides whether the container runs again, and waits as long as it has to. */
  async #again(): Promise<boolean> {
    const { signal } = this.#stop
    const { end } = this.#record
    this.#scope.changed()
    if (signal.aborted || (end && !this.#mayRestart(end))) return false
    if (end && !end.isInterrupted) await this.#backOff(end)
    return !signal.aborted
  }

  #mayRestart({ exitCode }: EndRecord): boolean {
    return mayRestart(this.kind, this.#scope.pod().spec?.restartPolicy, exitCode)
  }

  /** The first restart comes at once, each further one twice as late as the one before, as the kubelet does it. */
  async #backOff(end: EndRecord): Promise<void> {
    const { timing } = this.#scope.machine
    const record = this.#record
    const ranMs = Date.parse(end.finishedAt) - Date.parse(end.startedAt)
    const waitMs = ranMs >= timing.crashResetMs ? 0 : (record.backoffMs ?? 0)
    record.backoffMs = Math.min(timing.crashBackoffMaxMs, waitMs === 0 ? timing.crashBackoffMinMs : waitMs * 2)
    this.#scope.save()
    if (waitMs === 0) return
    const { namespace, name, uid } = this.#scope.pod().metadata
    const text = `restarting failed container ${this.container.name} in pod ${name}_${namespace}(${uid})`
    this.#tell('Warning', 'BackOff', `Back-off ${text}`)
    const sinceEndMs = Date.now() - Date.parse(end.finishedAt)
    await this.#wait('CrashLoopBackOff', `back-off ${waitMs / 1000}s ${text}`, Math.max(0, waitMs - Math.max(0, sinceEndMs)))
  }

  /** Shows why the container waits, for so long. */
  #wait = async (reason: string, message: string, ms: number): Promise<void> => {
    this.#waiting = { reason, message }
    this.#scope.changed()
    await delay(ms, this.#stop.signal)
  }

  // Small parts

  #endRecord({ exitCode, finishedAt }: ProcessExit): EndRecord {
    return {
      exitCode,
      reason: this.#isOutOfMemory ? 'OOMKilled' : exitCode === 0 ? 'Completed' : 'Error',
      startedAt: this.#record.startedAt ?? finishedAt.toISOString(),
      finishedAt: finishedAt.toISOString(),
      containerId: this.#record.process?.id ?? '',
      ...(this.#isInterrupted ? { isInterrupted: true } : {}),
    }
  }

  /** A failed run explains itself by its last lines where its spec asks for that. */
  #addMessage(): void {
    const { end, restartCount } = this.#record
    if (!end || end.exitCode === 0 || this.container.terminationMessagePolicy !== 'FallbackToLogsOnError') return
    const message = tailMessage(this.#logPath(restartCount))
    if (message) this.#record.end = { ...end, message }
  }

  /** What only the run itself needed goes from disk. */
  async #cleanUp(): Promise<void> {
    delete this.#record.process
    delete this.#record.env
    delete this.#record.isStarted
    delete this.#record.isReady
    this.#scope.save()
    const folder = this.#runFolder()
    await rm(folder, { recursive: true, force: true, maxRetries: 3 }).catch(error =>
      this.#scope.machine.log.warn('container folder not removed', { folder, error }),
    )
  }

  #tell(type: 'Normal' | 'Warning', reason: string, message: string): void {
    this.#scope.machine.tell(this.#scope.pod(), type, reason, message)
  }

  #graceMs(): number {
    return (this.#scope.pod().spec?.terminationGracePeriodSeconds ?? 30) * 1000
  }

  #runFolder(): string {
    return join(this.#scope.folder, 'containers', this.container.name, String(this.#record.restartCount))
  }

  #logPath(restart: number): string {
    const { namespace = '', name, uid } = this.#scope.pod().metadata
    return this.#scope.machine.logs.path({ namespace, name, uid }, this.container.name, restart)
  }
}
