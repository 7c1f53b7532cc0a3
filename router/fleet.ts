import cluster, { type Worker as ClusterWorker } from 'node:cluster'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { Backoff } from '../kernel/backoff.ts'
import type { Log } from '../kernel/log.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import type { TrafficStats } from './serve/stats.ts'
import type { TableDelta } from './table/spec.ts'
import { type Ports, Worker, type WorkerOptions } from './worker.ts'

/** All that serves, in this process or in others. */
export interface Fleet {
  readonly ports: Ports
  /** How many serve at this moment, and how many should. */
  readonly serving: number
  readonly wanted: number
  /** How many were replaced since the start. */
  readonly restarts: number
  apply(delta: TableDelta): void
  /** The numbers of each worker since it began. */
  stats(): Promise<readonly TrafficStats[]>
  /** Opens the file of the access log anew in every worker. */
  reopenLogs(): void
  drain(deadlineMs: number): Promise<void>
  stop(): Promise<void>
}

export interface FleetOptions extends WorkerOptions {
  readonly log: Log
  /** 1: this process serves itself. */
  readonly workers: number
  /** The whole table of the moment, for a worker that begins. */
  readonly whole: () => TableDelta
}

/** Starts all workers and waits until each listens. @throws {Error} when a port cannot be had */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  if (options.workers === 1) return startSingle(options)
  const processes = new ProcessFleet(options)
  try {
    await processes.start()
  } catch (error) {
    await processes.stop()
    throw error
  }
  return processes
}

/** One worker in this process: it saves 60 MB and a hop for each change, and pays with one fate for both. */
async function startSingle({ whole, log, ...options }: FleetOptions): Promise<Fleet> {
  const worker = new Worker(whole(), options, log)
  const ports = await worker.listen().catch(async error => {
    await worker.stop()
    throw error
  })
  return {
    get ports() {
      return { ...ports, ...(worker.gitPort !== undefined && { git: worker.gitPort }) }
    },
    serving: 1,
    wanted: 1,
    restarts: 0,
    apply: delta => worker.apply(delta),
    stats: async () => [worker.stats()],
    reopenLogs: () => void worker.reopenLog(),
    drain: deadlineMs => worker.drain(deadlineMs),
    stop: () => worker.stop(),
  }
}

/** A worker that has served so long is healthy: the next death of its slot waits the least again. */
const HEALTHY_MS = 10_000
/** A worker that says nothing about a table for so long hangs and is replaced. */
const HANG_MS = 30_000
const STATS_TIMEOUT_MS = 1000

/** V8's young generation as the measurements of `ARCHITECTURE.md` want it: requests leave garbage that dies at once. */
const WORKER_FLAGS = ['--max-semi-space-size=64', '--min-semi-space-size=64', '--single-threaded-gc']

/**
 * Workers as processes of the cluster module. Where the system has SO_REUSEPORT the kernel gives each its connections; elsewhere they
 * share the listening handles. One that dies is replaced, with growing waits; its requests in flight are all that is lost.
 */
class ProcessFleet implements Fleet {
  readonly #options: FleetOptions
  readonly #log: Log
  readonly #slots = new Map<number, Slot>()
  #listen: WorkerOptions['listen']
  #ports: Ports | undefined
  #restarts = 0
  #isStopping = false

  constructor(options: FleetOptions) {
    this.#options = options
    this.#log = options.log
    this.#listen = options.listen
  }

  get ports(): Ports {
    return this.#ports!
  }

  get serving(): number {
    return [...this.#slots.values()].filter(slot => slot.isListening).length
  }

  get wanted(): number {
    return this.#options.workers
  }

  get restarts(): number {
    return this.#restarts
  }

  async start(): Promise<void> {
    cluster.setupPrimary({
      exec: join(import.meta.dirname, 'worker-process.ts'),
      execArgv: [...process.execArgv, ...WORKER_FLAGS],
      serialization: 'advanced',
    })
    cluster.schedulingPolicy = cluster.SCHED_NONE
    this.#listen = await resolveListen(this.#options.listen)
    const indexes = Array.from({ length: this.#options.workers }, (_, index) => index + 1)
    const ports = await Promise.all(indexes.map(index => this.#launch(index, new Backoff({ minMs: 100, maxMs: 10_000 }))))
    this.#ports = ports[0]!
  }

  apply(delta: TableDelta): void {
    for (const slot of this.#slots.values()) {
      slot.send({ type: 'table', delta })
      slot.pendingSince ??= performance.now()
      if (performance.now() - slot.pendingSince < HANG_MS) continue
      this.#log.error('worker hangs and is replaced', { worker: slot.index })
      slot.process.process.kill('SIGKILL')
    }
  }

  async stats(): Promise<readonly TrafficStats[]> {
    const answers = await Promise.all(Array.from(this.#slots.values(), slot => slot.askStats()))
    return answers.filter(stats => stats !== undefined)
  }

  reopenLogs(): void {
    for (const slot of this.#slots.values()) slot.send({ type: 'reopen' })
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#isStopping = true
    await Promise.all(
      Array.from(this.#slots.values(), async slot => {
        slot.send({ type: 'drain', deadlineMs })
        const late = setTimeout(() => slot.process.process.kill('SIGKILL'), deadlineMs + 2000)
        await slot.exited
        clearTimeout(late)
      }),
    )
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    for (const slot of this.#slots.values()) slot.process.process.kill('SIGKILL')
    await Promise.all(Array.from(this.#slots.values(), slot => slot.exited))
  }

  /** Forks one worker, and again whenever it dies. @returns when it first listens @throws when it cannot */
  #launch(index: number, backoff: Backoff): Promise<Ports> {
    const slot = new Slot(index, cluster.fork())
    this.#slots.set(index, slot)
    const { tls, accessLog, accessLogFile } = this.#options
    const options = { listen: this.#listen, tls, accessLog, ...(accessLogFile && { accessLogFile }) }
    slot.send({ type: 'start', index, options, table: this.#options.whole() })
    const beganAt = performance.now()
    void slot.exited.then(how => {
      this.#slots.delete(index)
      if (this.#isStopping || this.#ports === undefined) return
      if (performance.now() - beganAt > HEALTHY_MS) backoff.reset()
      const afterMs = Math.round(backoff.next())
      this.#restarts++
      this.#log.error('worker died', { worker: index, how, afterMs })
      setTimeout(() => {
        if (!this.#isStopping)
          this.#launch(index, backoff).catch(error => this.#log.error('worker did not start', { worker: index, error }))
      }, afterMs).unref()
    })
    return slot.listening
  }
}

/** One worker process and what it said last. */
class Slot {
  readonly index: number
  readonly process: ClusterWorker
  readonly listening: Promise<Ports>
  readonly exited: Promise<string>
  isListening = false
  /** When the oldest table was sent of which it has not spoken. */
  pendingSince: number | undefined
  #onStats = new Set<(stats: TrafficStats | undefined) => void>()

  constructor(index: number, worker: ClusterWorker) {
    this.index = index
    this.process = worker
    this.exited = new Promise(resolve => worker.once('exit', (code, signal) => resolve(signal ?? `code ${code}`)))
    this.listening = new Promise((resolve, reject) => {
      worker.on('message', (message: FromWorker) => {
        if (message.type === 'listening') {
          this.isListening = true
          resolve(message.ports)
        } else if (message.type === 'failed') {
          reject(new Error(message.message))
          worker.process.kill('SIGKILL')
        } else if (message.type === 'applied') this.pendingSince = undefined
        else if (message.type === 'stats') this.#answerStats(message.stats)
      })
      void this.exited.then(how => {
        this.isListening = false
        this.#answerStats(undefined)
        reject(new Error(`Worker ended before it listened: ${how}`))
      })
    })
    // Its process may go in the midst of a send; the exit says what there is to say.
    worker.on('error', () => {})
  }

  send(message: ToWorker): void {
    if (this.process.isConnected()) this.process.send(message)
  }

  /** @returns `undefined` from one that is gone or does not answer */
  askStats(): Promise<TrafficStats | undefined> {
    if (!this.isListening) return Promise.resolve(undefined)
    return new Promise(resolve => {
      const late = setTimeout(() => this.#onStats.delete(done) && resolve(undefined), STATS_TIMEOUT_MS)
      const done = (stats: TrafficStats | undefined) => {
        clearTimeout(late)
        resolve(stats)
      }
      this.#onStats.add(done)
      this.send({ type: 'stats' })
    })
  }

  #answerStats(stats: TrafficStats | undefined): void {
    for (const done of this.#onStats) done(stats)
    this.#onStats.clear()
  }
}

/**
 * Finds out which ports all workers will share, and whether the kernel can share them. Each is bound once, alone, first: with SO_REUSEPORT
 * a second router of the same user would otherwise share the first one's ports without a word.
 */
async function resolveListen(listen: WorkerOptions['listen']): Promise<WorkerOptions['listen']> {
  const reusePort = await canReusePort()
  const [httpPort, httpsPort] = [await probe(listen.httpPort, listen.bind), await probe(listen.httpsPort, listen.bind)]
  const gitPort = listen.gitPort === 0 ? await probe(0, listen.bind) : listen.gitPort
  return { ...listen, httpPort, httpsPort, gitPort, reusePort }
}

async function canReusePort(): Promise<boolean> {
  try {
    await probe(0, '127.0.0.1', true)
    return true
  } catch {
    return false
  }
}

/** Binds a port for a moment. @returns its number */
function probe(port: number, host: string, reusePort = false): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen({ port, host, reusePort }, () => {
      const address = server.address()
      server.close(() => (typeof address === 'object' && address ? resolve(address.port) : reject(new Error('Cannot read the port'))))
    })
  })
}
