import { Backoff } from '../kernel/backoff.ts'
import type { Log } from '../kernel/log.ts'
import { HeldSockets } from './held-sockets.ts'
import type { Answers, Question } from './questions.ts'
import type { TableDelta } from './table/spec.ts'
import type { TlsSecrets } from './tls/server-options.ts'
import { sumTraffic, type Traffic, TrafficTotals } from './traffic.ts'
import { type Listen, type Ports, Worker, type WorkerOptions } from './worker.ts'
import { Slot } from './worker-slot.ts'

/** All that serves, in this process or in others. */
export interface Fleet {
  readonly ports: Ports
  /** How many serve at this moment, and how many should. */
  readonly serving: number
  readonly wanted: number
  /** How many were replaced since the start. */
  readonly restarts: number
  apply(delta: TableDelta): void
  /** Gives every worker, those to come too, another key of session tickets. */
  takeTlsSecrets(secrets: TlsSecrets): void
  /** Tells every worker for which names there will be no certificate. */
  deny(names: readonly string[]): void
  /** The numbers of all workers that there have been; what one was last heard to say counts when it does not answer. */
  stats(): Promise<Traffic>
  /** Asks every worker; one that does not answer is left out. */
  ask<Q extends Question>(question: Q): Promise<Answers[Q['about']][]>
  /** Opens the file of the access log anew in every worker. */
  reopenLogs(): void
  /**
   * Puts a new process in the place of each worker, one after the other: it listens before the old one stops accepting, and the next follows
   * when the old one has drained or was cut at its deadline. A worker that does not start leaves the old ones in place.
   */
  replace(drainTimeoutMs: number): Promise<void>
  drain(deadlineMs: number): Promise<void>
  stop(): Promise<void>
}

export interface FleetOptions extends WorkerOptions {
  readonly listen: Listen
  readonly log: Log
  /** 1: this process serves itself. */
  readonly workers: number
  /** The whole table of the moment, for a worker that begins. */
  readonly whole: () => TableDelta
  /** Hears of each name for which a client wants a certificate; absent: nobody does. */
  readonly onWanted?: (name: string) => void
}

/** Starts all workers and waits until each listens. @throws {Error} when a port cannot be had */
export async function startFleet(options: FleetOptions): Promise<Fleet> {
  const sockets = new HeldSockets(options.listen, options.workers, options.log)
  if (options.workers === 1) return startSingle(options, sockets)
  const processes = new ProcessFleet(options, sockets)
  try {
    await processes.start()
  } catch (error) {
    await processes.stop()
    throw error
  }
  return processes
}

/** One worker in this process: it saves 60 MB and a hop for each change, and pays with one fate for both. */
async function startSingle({ whole, log, onWanted, ...options }: FleetOptions, sockets: HeldSockets): Promise<Fleet> {
  const worker = new Worker(whole(), options, log, 1, onWanted)
  const ports = await worker.listen(sockets.of(1)).catch(async error => {
    sockets.stop()
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
    takeTlsSecrets: secrets => worker.takeTlsSecrets(secrets),
    deny: names => worker.deny(names),
    stats: async () => sumTraffic([worker.stats()]),
    ask: async question => [worker.answer(question)],
    reopenLogs: () => void worker.reopenLog(),
    replace: async () => log.warn('nothing to replace: the only worker is this process (ROUTER_WORKERS=1); restart it instead'),
    drain: deadlineMs => {
      sockets.stop()
      return worker.drain(deadlineMs)
    },
    stop: () => {
      sockets.stop()
      return worker.stop()
    },
  }
}

/** A worker that has served so long is healthy: the next death of its slot waits the least again. */
const HEALTHY_MS = 10_000
/** A worker that says nothing about a table for so long hangs and is replaced. */
const HANG_MS = 30_000
/** A replacement that does not listen for so long is given up. */
const START_MS = 60_000

/**
 * Workers as processes that accept from inherited sockets ({@link HeldSockets}). One that dies is replaced, with growing waits; its
 * requests in flight are all that is lost: what waited in its queue is served by the next.
 */
class ProcessFleet implements Fleet {
  readonly #options: FleetOptions
  readonly #log: Log
  readonly #sockets: HeldSockets
  /** Those that drain for good included. */
  readonly #slots = new Set<Slot>()
  readonly #totals = new TrafficTotals<Slot>()
  #tls: TlsSecrets
  #ports: Ports | undefined
  #restarts = 0
  #isStopping = false
  #replacing: Promise<void> = Promise.resolve()
  #replacementsAsked = 0

  constructor(options: FleetOptions, sockets: HeldSockets) {
    this.#options = options
    this.#log = options.log
    this.#sockets = sockets
    this.#tls = options.tls
  }

  get ports(): Ports {
    return this.#ports!
  }

  get serving(): number {
    return this.#active.filter(slot => slot.isListening).length
  }

  get wanted(): number {
    return this.#options.workers
  }

  get restarts(): number {
    return this.#restarts
  }

  async start(): Promise<void> {
    const ports = await Promise.all(this.#indexes.map(index => this.#launch(index, newBackoff()).listening))
    this.#ports = ports[0]!
  }

  apply(delta: TableDelta): void {
    for (const slot of this.#slots) {
      slot.apply(delta)
      if (slot.silentMs < HANG_MS) continue
      this.#log.error('worker hangs and is replaced', { worker: slot.index })
      slot.kill()
    }
  }

  takeTlsSecrets(secrets: TlsSecrets): void {
    this.#tls = secrets
    for (const slot of this.#slots) slot.send({ type: 'tls', secrets })
  }

  deny(names: readonly string[]): void {
    for (const slot of this.#slots) slot.send({ type: 'deny', names })
  }

  async stats(): Promise<Traffic> {
    await Promise.all(Array.from(this.#slots, slot => slot.askStats()))
    return this.#totals.sum()
  }

  async ask<Q extends Question>(question: Q): Promise<Answers[Q['about']][]> {
    const answers = await Promise.all(Array.from(this.#slots, slot => slot.ask(question)))
    return answers.filter(answer => answer !== undefined)
  }

  reopenLogs(): void {
    for (const slot of this.#slots) slot.send({ type: 'reopen' })
  }

  replace(drainTimeoutMs: number): Promise<void> {
    // Any number of wishes while a round runs are one more round.
    if (this.#replacementsAsked < 2) {
      this.#replacementsAsked++
      this.#replacing = this.#replacing.then(async () => {
        await this.#replaceAll(drainTimeoutMs)
        this.#replacementsAsked--
      })
    }
    return this.#replacing
  }

  async drain(deadlineMs: number): Promise<void> {
    this.#isStopping = true
    // Before the workers: the last who closes a listener closes its queue, and only workers serve what waits there.
    this.#sockets.stop()
    await Promise.all(Array.from(this.#slots, slot => slot.drain(deadlineMs)))
  }

  async stop(): Promise<void> {
    this.#isStopping = true
    this.#sockets.stop()
    for (const slot of this.#slots) slot.kill()
    await Promise.all(Array.from(this.#slots, slot => slot.exited))
  }

  get #indexes(): readonly number[] {
    return Array.from({ length: this.#options.workers }, (_, index) => index + 1)
  }

  get #active(): readonly Slot[] {
    return [...this.#slots].filter(slot => !slot.isRetiring)
  }

  async #replaceAll(drainTimeoutMs: number): Promise<void> {
    const beganAt = performance.now()
    for (const index of this.#indexes) {
      if (this.#isStopping) return
      const before = this.#active.filter(slot => slot.index === index)
      const next = this.#launch(index, newBackoff(), true)
      const late = setTimeout(() => next.kill(), START_MS)
      try {
        await next.listening
      } catch (error) {
        this.#log.error('worker did not start, the others stay', { worker: index, error })
        return
      } finally {
        clearTimeout(late)
      }
      await Promise.all(before.map(slot => slot.retire(drainTimeoutMs)))
    }
    this.#log.info('workers replaced', { workers: this.wanted, tookMs: Math.round(performance.now() - beganAt) })
  }

  /** Starts one worker; once it has listened it is started again whenever it dies. @param isReplacement another one still has its place */
  #launch(index: number, backoff: Backoff, isReplacement = false): Slot {
    const { log, whole, listen, onWanted, ...options } = this.#options
    const slot = new Slot(index, this.#sockets.of(index), stats => this.#totals.note(slot, stats), onWanted)
    this.#slots.add(slot)
    slot.start({ ...options, tls: this.#tls, listen: { publicHttpsPort: listen.publicHttpsPort } }, whole())
    const beganAt = performance.now()
    void slot.exited.then(how => {
      this.#slots.delete(slot)
      this.#totals.ended(slot)
      if (this.#isStopping || this.#ports === undefined || slot.isRetiring || (isReplacement && !slot.hasListened)) return
      const isHealthy = performance.now() - beganAt > HEALTHY_MS
      if (isHealthy) backoff.reset()
      // Its queue waits for the next one. When that is not to be expected soon, the others get its share instead.
      else this.#sockets.drop(index)
      const afterMs = Math.round(backoff.next())
      this.#restarts++
      log.error('worker died', { worker: index, how, afterMs })
      setTimeout(() => this.#relaunch(index, backoff), afterMs).unref()
    })
    return slot
  }

  #relaunch(index: number, backoff: Backoff): void {
    // A round of replacements may have filled the place meanwhile.
    if (this.#isStopping || this.#active.some(slot => slot.index === index)) return
    try {
      this.#launch(index, backoff).listening.catch(error => this.#log.error('worker did not start', { worker: index, error }))
    } catch (error) {
      const afterMs = Math.round(backoff.next())
      this.#log.error('worker cannot be started', { worker: index, error, afterMs })
      setTimeout(() => this.#relaunch(index, backoff), afterMs).unref()
    }
  }
}

function newBackoff(): Backoff {
  return new Backoff({ minMs: 100, maxMs: 10_000 })
}
