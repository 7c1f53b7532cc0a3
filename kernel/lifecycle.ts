import { createLog, type Log, type LogLevel } from './log.ts'
import { SettingsError } from './settings.ts'

/** Something that was started and can be stopped; `stop()` may be called twice. */
export interface Running {
  stop(): Promise<void>
  /** The ports that were bound, by what they serve. */
  readonly ports?: Readonly<Record<string, number>>
}

/** Parts in the order in which they started; they stop in the reverse order. */
export class Stack implements Running {
  readonly #parts: { name: string; running: { stop(): void | Promise<void> } }[] = []
  readonly #log: Log
  #stopped: Promise<void> | undefined

  constructor(log: Log) {
    this.#log = log
  }

  add<T extends { stop(): void | Promise<void> }>(name: string, running: T): T {
    this.#parts.push({ name, running })
    return running
  }

  /** A part that fails to stop is logged, and the parts below it are stopped all the same. */
  stop(): Promise<void> {
    this.#stopped ??= this.#stopAll()
    return this.#stopped
  }

  async #stopAll(): Promise<void> {
    for (const { name, running } of this.#parts.splice(0).reverse()) {
      try {
        await running.stop()
      } catch (error) {
        this.#log.error('part did not stop cleanly', { part: name, error })
      }
    }
  }
}

/**
 * The main of a process: starts its role, says so, and stops it in good order on SIGTERM or SIGINT, or when the parent that started
 * it with an IPC channel has gone.
 *
 * A fault of the settings is printed as plain lines, any other failed start as one line of the log; both end with code 1. To a parent the
 * role sends `{ ready: true, ports }`. A second signal, or the deadline, ends the process at once.
 *
 * @param options.stopTimeoutMs how long stopping may take; 40 s by default, more than an app's grace period
 */
export async function runRole(
  role: string,
  start: (log: Log, signal: AbortSignal) => Promise<Running>,
  options: { stopTimeoutMs?: number } = {},
): Promise<void> {
  const log = createLog({ role, level: logLevel(process.env['LOG_LEVEL']) })
  const asked = new AbortController()
  const end = (reason: string) => {
    if (asked.signal.aborted && reason !== 'parent gone') process.exit(1)
    if (!asked.signal.aborted) asked.abort(reason)
  }
  process.on('SIGTERM', () => end('SIGTERM'))
  process.on('SIGINT', () => end('SIGINT'))
  if (process.channel) process.on('disconnect', () => end('parent gone'))
  process.on('uncaughtException', error => {
    log.error('uncaught exception', { error })
    process.exit(70)
  })

  let running: Running
  try {
    running = await start(log, asked.signal)
  } catch (error) {
    if (error instanceof SettingsError) for (const fault of error.faults) process.stderr.write(`${fault}\n`)
    else log.error('start failed', { error })
    process.exit(1)
  }
  log.info('ready', { ports: running.ports ?? {} })
  if (process.connected) process.send?.({ ready: true, ports: running.ports ?? {} }, undefined, undefined, () => {})
  if (!asked.signal.aborted) await new Promise(resolve => asked.signal.addEventListener('abort', resolve, { once: true }))

  log.info('stopping', { reason: String(asked.signal.reason) })
  const deadline = setTimeout(() => {
    log.error('did not stop in time')
    process.exit(1)
  }, options.stopTimeoutMs ?? 40_000)
  await running.stop()
  clearTimeout(deadline)
  process.exit(0)
}

function logLevel(text: string | undefined): LogLevel {
  return text === 'debug' || text === 'warn' || text === 'error' ? text : 'info'
}
