import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Backoff, delay } from '../kernel/backoff.ts'
import type { Running } from '../kernel/lifecycle.ts'
import type { Log } from '../kernel/log.ts'
import type { RoleLog } from './role-log.ts'

export interface RoleOptions {
  readonly name: string
  /** The file that Node runs. */
  readonly file: string
  /** Made for each start, with the ports that the last one bound, so that a role comes back where others know it. */
  readonly env: (bound: Readonly<Record<string, number>>) => Readonly<Record<string, string>>
  readonly output: RoleLog
  readonly log: Log
  /** Each time the role says that it is ready, with the ports that it bound. */
  readonly onReady?: (ports: Readonly<Record<string, number>>) => void
  readonly nodeArguments?: readonly string[]
  /** Ends the first start when it is no longer wanted. */
  readonly signal?: AbortSignal
}

const READY_TIMEOUT_MS = 60_000
const STOP_TIMEOUT_MS = 45_000
const STEADY_MS = 30_000
const LAST_WORDS_LENGTH = 2000

/**
 * One role as a process of its own, as a cluster would run it: started again with growing waits when it ends by itself, and in a process
 * group of its own so that a Ctrl-C at the terminal reaches only who supervises. The IPC channel tells it when the supervisor has gone.
 */
export class RoleProcess implements Running {
  readonly name: string
  readonly #options: RoleOptions
  readonly #backoff = new Backoff({ minMs: 100, maxMs: 10_000 })
  readonly #stop = new AbortController()
  readonly #done: Promise<void>
  #child: ChildProcess | undefined
  #bound: Readonly<Record<string, number>> = {}
  #lastWords = ''
  readonly #waiting: (() => void)[] = []
  #onFirst: { ready: (ports: Readonly<Record<string, number>>) => void; failed: (error: Error) => void }

  private constructor(options: RoleOptions, first: PromiseWithResolvers<Readonly<Record<string, number>>>) {
    this.name = options.name
    this.#options = options
    this.#onFirst = { ready: first.resolve, failed: first.reject }
    this.#done = this.#supervise()
  }

  /**
   * Starts the role and waits until it is ready.
   *
   * @throws {Error} when it ends, or says nothing for a minute, before it was ready for the first time; the message ends with its last words;
   * or the signal's reason
   */
  static async start(options: RoleOptions): Promise<{ role: RoleProcess; ports: Readonly<Record<string, number>> }> {
    const { signal } = options
    signal?.throwIfAborted()
    const first = Promise.withResolvers<Readonly<Record<string, number>>>()
    const giveUp = () => first.reject(signal?.reason)
    signal?.addEventListener('abort', giveUp)
    const role = new RoleProcess(options, first)
    const timer = setTimeout(
      () => first.reject(new Error(`${options.name} was not ready in ${READY_TIMEOUT_MS / 1000} s`)),
      READY_TIMEOUT_MS,
    )
    try {
      return { role, ports: await first.promise }
    } catch (error) {
      await role.stop()
      throw error
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', giveUp)
    }
  }

  get pid(): number | undefined {
    return this.#child?.pid
  }

  /** Resolves when the role next says that it is ready. */
  async nextReady(): Promise<void> {
    await new Promise<void>(resolve => this.#waiting.push(resolve))
  }

  async stop(): Promise<void> {
    this.#stop.abort()
    const child = this.#child
    if (child && child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_TIMEOUT_MS)
      await this.#done
      clearTimeout(timer)
    }
    await this.#done
  }

  async #supervise(): Promise<void> {
    const { log, name } = this.#options
    while (!this.#stop.signal.aborted) {
      const startedAt = performance.now()
      const outcome = await this.#runOnce()
      if (this.#stop.signal.aborted) return
      this.#onFirst.failed(new Error(`${name} ended (${outcome}) before it was ready: ${lastMessage(this.#lastWords)}`))
      if (performance.now() - startedAt > STEADY_MS) this.#backoff.reset()
      const waitMs = this.#backoff.next()
      log.warn('role ended, starting it again', { name, outcome, waitMs: Math.round(waitMs) })
      await delay(waitMs, this.#stop.signal)
    }
  }

  async #runOnce(): Promise<string> {
    const { file, env, output, nodeArguments = [] } = this.#options
    const child = spawn(process.execPath, [...nodeArguments, file], {
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      env: env(this.#bound) as NodeJS.ProcessEnv,
      detached: true,
    })
    this.#child = child
    this.#lastWords = ''
    for (const stream of [child.stdout!, child.stderr!]) {
      output.take(stream)
      stream.on('data', (chunk: Buffer) => (this.#lastWords = (this.#lastWords + chunk).slice(-LAST_WORDS_LENGTH)))
    }
    child.on('message', message => this.#hear(message))
    // 'close' does not come after a disconnect, 'exit' always does.
    const [code, signal] = (await Promise.race([once(child, 'exit'), once(child, 'error').then(([error]) => [String(error)])])) as [
      unknown,
      unknown,
    ]
    return String(signal ?? code)
  }

  #hear(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('ready' in message)) return
    const { ports = {} } = message as { ports?: Record<string, number> }
    this.#bound = ports
    this.#options.onReady?.(ports)
    this.#onFirst.ready(ports)
    for (const resolve of this.#waiting.splice(0)) resolve()
  }
}

/** The gist of what a role printed last: the message of its last log line with that line's error, or the last line as it is. */
function lastMessage(text: string): string {
  const lines = text.trim().split('\n')
  const last = lines.at(-1) || 'no output'
  try {
    const { msg, error } = JSON.parse(last) as { msg: string; error?: { message?: string } }
    return error?.message ? `${msg}: ${error.message}` : msg
  } catch {
    return last
  }
}
