import { type ChildProcess, fork, type StdioOptions } from 'node:child_process'
import { join } from 'node:path'
import type { Held } from './held-sockets.ts'
import type { FromWorker, ToWorker } from './messages.ts'
import type { Answers, Question } from './questions.ts'
import type { TrafficStats } from './serve/stats.ts'
import { tableParts } from './table/parts.ts'
import type { TableDelta } from './table/spec.ts'
import type { Ports, WorkerOptions } from './worker.ts'

const STATS_TIMEOUT_MS = 1000
/** How often it is asked whether it still takes changes. */
const ASK_EACH_MS = 5000
/** What a worker may take beyond its deadline before it is killed. */
const GRACE_MS = 2000

/**
 * V8's young generation as the measurements of `ARCHITECTURE.md` want it: requests leave garbage that dies at once. 16 MB from the start: more
 * is no quicker (26.8 and 27.3 µs a request where 64 MB took 29.4 and 28.0, in one run), and each worker would hold it for ever. It is collected
 * without waking other threads; the old generation, which a burst of changes fills, is marked by them, as else requests wait three times as
 * long. For the other flags see {@link collectOnlyGarbage}.
 */
const WORKER_FLAGS = [
  ...['--max-semi-space-size=16', '--min-semi-space-size=16'],
  ...['--no-parallel-scavenge', '--no-concurrent-array-buffer-sweeping', '--no-memory-reducer', '--heap-growing-percent=100'],
]

/** Input, output, errors and the channel stand before what a worker inherits. */
const FIRST_DESCRIPTOR = 4

/** One worker process, and what it said last. */
export class Slot {
  readonly index: number
  readonly listening: Promise<Ports>
  /** How it ended: a signal or a code. */
  readonly exited: Promise<string>
  isListening = false
  /** Whether it has ever listened. */
  hasListened = false
  /** Whether another has its place, so that its end is none to mend. */
  isRetiring = false
  /** When the oldest change was sent of which it has not spoken though it was asked to. */
  #pendingSince: number | undefined
  #askedAt = Number.NEGATIVE_INFINITY
  /** What must wait until it has the whole table; absent: it has. */
  #held: TableDelta[] | undefined = []
  readonly #process: ChildProcess
  readonly #sockets: readonly Held[]
  readonly #asked = new Map<number, (answer: unknown) => void>()
  #lastAsked = 0
  readonly #onStats = new Set<(stats: TrafficStats | undefined) => void>()

  /**
   * @param sockets which the process inherits; they stay open here
   * @param onStats hears its numbers whenever it tells them, at its end too
   * @param onWanted hears of names for which clients want certificates
   */
  constructor(
    index: number,
    sockets: readonly Held[],
    onStats: (stats: TrafficStats) => void = () => {},
    onWanted: (name: string) => void = () => {},
  ) {
    this.index = index
    this.#sockets = sockets
    const descriptors = sockets.map(({ socket }) => socket.fd())
    this.#process = fork(join(import.meta.dirname, 'worker-process.ts'), [], {
      execArgv: [...process.execArgv, ...WORKER_FLAGS],
      serialization: 'advanced',
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', ...descriptors] as StdioOptions,
    })
    this.exited = new Promise(resolve => {
      this.#process.once('exit', (code, signal) => resolve(signal ?? `code ${code}`))
      // Later it is about a message: its process may go in the midst of a send, and the exit says what there is to say.
      this.#process.on('error', error => this.#process.pid === undefined && resolve(error.message))
    })
    this.listening = new Promise((resolve, reject) => {
      this.#process.on('message', (message: FromWorker) => {
        if (message.type === 'listening') {
          this.isListening = true
          this.hasListened = true
          resolve(message.ports)
        } else if (message.type === 'failed') {
          reject(new Error(message.message))
          this.kill()
        } else if (message.type === 'applied') this.#pendingSince = undefined
        else if (message.type === 'wanted') onWanted(message.name)
        else if (message.type === 'answer') this.#answer(message.id, message.answer)
        else if (message.type === 'stats') {
          onStats(message.stats)
          this.#answerStats(message.stats)
        }
      })
      void this.exited.then(how => {
        this.isListening = false
        this.#answerStats(undefined)
        for (const id of this.#asked.keys()) this.#answer(id, undefined)
        reject(new Error(`Worker ended before it listened: ${how}`))
      })
    })
    // Who has no use for it is not to be killed by its failure.
    this.listening.catch(() => {})
  }

  /** Lets it serve. @param table the whole one of the moment; it goes in parts, so that neither side holds a second copy at once */
  start(options: WorkerOptions, table: TableDelta): void {
    const sockets = this.#sockets.map(({ name }, index) => ({ name, socket: { fd: FIRST_DESCRIPTOR + index } }))
    const parts = tableParts(table)
    const first = parts.next().value as TableDelta
    this.send({ type: 'start', index: this.index, options, sockets, table: first })
    void this.#fill(parts)
  }

  /** Hands it a change. */
  apply(delta: TableDelta): void {
    if (this.#held) {
      this.#held.push(delta)
      return
    }
    const now = performance.now()
    const isAsked = this.#pendingSince === undefined && now - this.#askedAt > ASK_EACH_MS
    if (isAsked) this.#pendingSince = this.#askedAt = now
    this.send({ type: 'table', delta, ...(isAsked && { isAsked }) })
  }

  /** For how long it has owed an answer to a change. */
  get silentMs(): number {
    return this.#pendingSince === undefined ? 0 : performance.now() - this.#pendingSince
  }

  send(message: ToWorker): void {
    if (this.#process.connected) this.#process.send(message)
  }

  kill(): void {
    this.#process.kill('SIGKILL')
  }

  /** Another has its place: drains it, see {@link drain}. */
  retire(deadlineMs: number): Promise<void> {
    this.isRetiring = true
    return this.drain(deadlineMs)
  }

  /** Lets it finish what runs. @returns when it has ended; soon after the deadline by force */
  async drain(deadlineMs: number): Promise<void> {
    this.send({ type: 'drain', deadlineMs })
    const late = setTimeout(() => this.kill(), deadlineMs + GRACE_MS)
    await this.exited
    clearTimeout(late)
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

  /** @returns `undefined` from one that is gone or does not answer */
  ask<Q extends Question>(question: Q): Promise<Answers[Q['about']] | undefined> {
    if (!this.isListening) return Promise.resolve(undefined)
    const id = ++this.#lastAsked
    return new Promise(resolve => {
      const late = setTimeout(() => this.#answer(id, undefined), STATS_TIMEOUT_MS)
      this.#asked.set(id, answer => {
        clearTimeout(late)
        resolve(answer as Answers[Q['about']] | undefined)
      })
      this.send({ type: 'ask', id, question })
    })
  }

  async #fill(parts: Iterable<TableDelta>): Promise<void> {
    for (const delta of parts) {
      // Serialized when the one before has left, or all of it would stand in the queue of the channel.
      const sent = new Promise<void>(resolve => this.#process.send({ type: 'table', delta } satisfies ToWorker, () => resolve()))
      await Promise.race([sent, this.exited])
      if (!this.#process.connected) return
    }
    const held = this.#held ?? []
    this.#held = undefined
    for (const delta of held) this.apply(delta)
    this.send({ type: 'listen' })
  }

  #answer(id: number, answer: unknown): void {
    this.#asked.get(id)?.(answer)
    this.#asked.delete(id)
  }

  #answerStats(stats: TrafficStats | undefined): void {
    for (const done of this.#onStats) done(stats)
    this.#onStats.clear()
  }
}
