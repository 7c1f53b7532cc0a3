import type { Log, LogFields } from '../kernel/log.ts'

/** The least that is written (`nginx.errorLogLevel`). */
export type LeastLevel = 'info' | 'warn' | 'error'

const LEVELS = ['info', 'warn', 'error'] as const

/** A log whose least level may change while others hold it. */
export class LevelledLog implements Log {
  readonly #log: Log
  readonly #least: { level: LeastLevel }

  constructor(log: Log, least: { level: LeastLevel } = { level: 'info' }) {
    this.#log = log
    this.#least = least
  }

  /** @param level absent: all that the log itself writes */
  limit(level: LeastLevel = 'info'): void {
    this.#least.level = level
  }

  debug(message: string, fields?: LogFields): void {
    if (this.#writes('info')) this.#log.debug(message, fields)
  }

  info(message: string, fields?: LogFields): void {
    if (this.#writes('info')) this.#log.info(message, fields)
  }

  warn(message: string, fields?: LogFields): void {
    if (this.#writes('warn')) this.#log.warn(message, fields)
  }

  error(message: string, fields?: LogFields): void {
    this.#log.error(message, fields)
  }

  child(fields: LogFields): Log {
    return new LevelledLog(this.#log.child(fields), this.#least)
  }

  #writes(level: LeastLevel): boolean {
    return LEVELS.indexOf(level) >= LEVELS.indexOf(this.#least.level)
  }
}
