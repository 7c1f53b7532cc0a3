import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container, ContainerState, ContainerStatus, Pod } from 'kubernetes-types/core/v1'
import { delay } from '../../kernel/backoff.ts'
import type { Stored } from '../../kernel/kubernetes/objects.ts'
import { parseQuantity } from '../../kernel/units.ts'
import { findExecutable, StartError } from './command.ts'
import { ContainerProcess, killContainer, type ProcessExit, type ProcessListener } from './container-process.ts'
import { newContainerId, tailMessage, timeNow, wholeSeconds } from './container-text.ts'
import { Deadline } from './deadline.ts'
import { runHook } from './hooks.ts'
import { prepareLaunch } from './launch.ts'
import type { Machine } from './machine.ts'
import type { PodPlace } from './pod-fields.ts'
import type { PodAddress } from './pod-network.ts'
import type { ContainerRecord, EndRecord } from './pod-record.ts'
import { type CheckTarget, check } from './probe.ts'
import { runProber } from './prober.ts'
import { requireConfig, requireImage } from './requirements.ts'
import { runCommand } from './run-command.ts'

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

/** `init` runs once to its end, a `sidecar` and a `main` container go on running. */
export type ContainerKind = 'init' | 'sidecar' | 'main'

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
  #ending: { deadline: Deadline; done: Promise<void> } | undefined
  #waiting: { reason: string; message?: string }
  #isOutOfMemory = false

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
    const { restartCount, imageDigest, process, end, lastEnd, isStarted = false, isReady = false } = this.#record
    const isRunning = process !== undefined && !end
    const isOver = end !== undefined && (this.#stop.signal.aborted || !this.#mayRestart(end))
    const last = isRunning || isOver ? lastEnd : (end ?? lastEnd)
    const containerId = isRunning ? process?.id : (end?.containerId ?? lastEnd?.containerId)
    const repository = this.container.image?.replace(/@.*$|:[^/:]*$/, '')
    return {
      name: this.container.name,
      image: this.container.image ?? '',
      imageID: imageDigest ? `${repository}@${imageDigest}` : '',
      restartCount,
      started: isRunning && isStarted,
      ready: this.kind === 'init' ? end?.exitCode === 0 : isRunning && isStarted && isReady,
      state: isRunning
        ? { running: { startedAt: wholeSeconds(this.#record.startedAt!) } }
        : isOver
          ? stateOf(end)
          : { waiting: this.#waiting },
      ...(last ? { lastState: stateOf(last) } : {}),
      ...(containerId ? { containerID: `process://${containerId}` } : {}),
    }
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
  #isInterrupted = false

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
      this.#record.end = this.#endRecord({ exitCode: KILLED_CODE, finishedAt: new Date(), isLost: true })
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
    else void this.#comeUp(process, AbortSignal.any([probes.signal, this.#detached.signal]))
    changed()
    await process.exited
    probes.abort()
    unwatch()
    this.#process = undefined
    this.#isOutOfMemory = false
    machine.logs.close(this.#logPath(this.#record.restartCount))
    this.#addMessage()
    await this.#cleanUp()
    if (this.#record.end?.reason === 'OOMKilled')
      machine.tell(pod(), 'Warning', 'OOMKilling', `Container ${this.container.name} was over its memory limit of ${limit}`)
  }

  /** From the start to the probes. */
  async #comeUp(process: ContainerProcess, signal: AbortSignal): Promise<void> {
    const { lifecycle, startupProbe, readinessProbe, livenessProbe, name } = this.container
    if (lifecycle?.postStart && !this.#record.isStarted) {
      try {
        await runHook(lifecycle.postStart, this.#target(), signal)
      } catch (error) {
        if (signal.aborted) return
        this.#tell('Warning', 'FailedPostStartHook', `PostStartHook failed: ${(error as Error).message}`)
        await this.#end(this.#graceMs(), `Container ${name} failed its PostStartHook, will be killed`)
        return
      }
    }
    const isRunning = () => this.#process === process && !signal.aborted
    if (startupProbe && !this.#record.isStarted) {
      const passed = new AbortController()
      await runProber({
        ...this.#prober(startupProbe, 'Startup', AbortSignal.any([signal, passed.signal])),
        onChange: isSuccess => {
          if (isSuccess) passed.abort()
          else void this.#restart('startup', startupProbe.terminationGracePeriodSeconds)
        },
      })
    }
    if (!isRunning()) return
    this.#onStarted.resolve()
    this.#mark({ isStarted: true, ...(readinessProbe ? {} : { isReady: true }) })
    if (readinessProbe)
      void runProber({
        ...this.#prober(readinessProbe, 'Readiness', signal),
        onChange: isSuccess => {
          if (isRunning()) this.#mark({ isReady: isSuccess })
        },
      })
    if (livenessProbe)
      void runProber({
        // A container that is being ended answers no more, as it should.
        ...this.#prober(livenessProbe, 'Liveness', AbortSignal.any([signal, this.#stop.signal])),
        isEager: false,
        onChange: isSuccess => {
          if (!isSuccess && isRunning()) void this.#restart('liveness', livenessProbe.terminationGracePeriodSeconds)
        },
      })
  }

  /** Kept on disk, so that a container that is taken over stays as ready as it was until its probes say otherwise. */
  #mark(change: { isStarted?: boolean; isReady?: boolean }): void {
    Object.assign(this.#record, change)
    this.#scope.save()
    this.#scope.changed()
  }

  #prober(probe: NonNullable<Container['readinessProbe']>, kind: string, signal: AbortSignal) {
    return {
      probe,
      check: () => check(probe, this.#target()),
      onFailure: (message: string) => this.#tell('Warning', 'Unhealthy', `${kind} probe failed: ${message}`),
      isEager: true,
      signal,
    }
  }

  async #restart(kind: 'startup' | 'liveness', graceSeconds: number | undefined): Promise<void> {
    const graceMs = graceSeconds === undefined ? this.#graceMs() : graceSeconds * 1000
    await this.#end(graceMs, `Container ${this.container.name} failed ${kind} probe, will be restarted`)
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
      },
    }
  }

  // Ending

  async #end(graceMs: number, why: string): Promise<void> {
    const process = this.#process
    if (!process) return
    if (this.#ending) this.#ending.deadline.shorten(graceMs)
    else {
      this.#tell('Normal', 'Killing', why)
      const deadline = new Deadline(graceMs)
      this.#ending = { deadline, done: this.#terminate(process, deadline) }
    }
    const { done } = this.#ending
    await done
    if (this.#ending?.done === done) this.#ending = undefined
  }

  async #terminate(process: ContainerProcess, deadline: Deadline): Promise<void> {
    const preStop = this.container.lifecycle?.preStop
    if (preStop && !deadline.signal.aborted) {
      const ended = new AbortController()
      void process.exited.then(() => ended.abort())
      try {
        await runHook(preStop, this.#target(), AbortSignal.any([deadline.signal, ended.signal]))
      } catch (error) {
        this.#tell('Warning', 'FailedPreStopHook', `PreStopHook failed: ${(error as Error).message}`)
      }
      deadline.extend(this.#scope.machine.timing.graceMinMs)
    }
    if (!deadline.signal.aborted) process.signal('SIGTERM')
    await deadline.orUntil(process.exited)
    deadline.clear()
    process.kill()
    await process.exited
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
    const policy = this.#scope.pod().spec?.restartPolicy ?? 'Always'
    if (this.kind === 'sidecar') return true
    if (policy === 'Never') return false
    return exitCode !== 0 || (policy === 'Always' && this.kind === 'main')
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

  #endRecord({ exitCode, finishedAt, isLost }: ProcessExit): EndRecord {
    const isForeign = isLost && !this.#ending && !this.#isOutOfMemory
    return {
      exitCode,
      reason: this.#isOutOfMemory ? 'OOMKilled' : isForeign ? 'ContainerStatusUnknown' : exitCode === 0 ? 'Completed' : 'Error',
      ...(isForeign ? { message: LOST_MESSAGE } : {}),
      startedAt: this.#record.startedAt ?? finishedAt.toISOString(),
      finishedAt: finishedAt.toISOString(),
      containerId: this.#record.process?.id ?? '',
      ...(isForeign || this.#isInterrupted ? { isInterrupted: true } : {}),
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

function stateOf({ exitCode, reason, message, startedAt, finishedAt, containerId }: EndRecord): ContainerState {
  const containerID = `process://${containerId}`
  return {
    terminated: {
      exitCode,
      reason,
      ...(message ? { message } : {}),
      startedAt: wholeSeconds(startedAt),
      finishedAt: wholeSeconds(finishedAt),
      containerID,
    },
  }
}
