import { inspect } from 'node:util'

const LEVELS = ['debug', 'info', 'warn', 'error'] as const

export type LogLevel = (typeof LEVELS)[number]

/** What may stand in a line beside its message. An `Error` is written as its message, code, stack and causes. */
export type LogFields = Readonly<Record<string, unknown>>

/** Writes JSON lines: a constant message, what varies in fields. `error` is for what should wake a person. */
export interface Log {
  debug(message: string, fields?: LogFields): void
  info(message: string, fields?: LogFields): void
  warn(message: string, fields?: LogFields): void
  error(message: string, fields?: LogFields): void
  /** The same log with fields that every line of it carries. */
  child(fields: LogFields): Log
}

/**
 * Makes the log of a role: one line of JSON an event, `{"time":…,"level":…,"role":…,"msg":…,…}`, on standard error.
 *
 * @param options.level the least level that is written; `info` by default
 * @param options.write takes whole lines; standard error by default
 */
export function createLog(options: { role: string; level?: LogLevel; write?: (line: string) => void }): Log {
  const { role, level = 'info', write = line => void process.stderr.write(line) } = options
  return logWith({ role }, LEVELS.indexOf(level), write)
}

/** A log that writes nothing, for tests and for callers that want none. */
export const silentLog: Log = logWith({}, LEVELS.length, () => {})

function logWith(bound: LogFields, least: number, write: (line: string) => void): Log {
  const at = (level: LogLevel) => {
    if (LEVELS.indexOf(level) < least) return () => {}
    return (message: string, fields: LogFields = {}) => {
      const { role, ...rest } = { ...bound, ...fields }
      write(`${serialise({ time: new Date().toISOString(), level, role, msg: message, ...rest })}\n`)
    }
  }
  return {
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    child: fields => logWith({ ...bound, ...fields }, least, write),
  }
}

/** A field that JSON cannot hold must not cost the line, let alone the process. */
function serialise(line: LogFields): string {
  try {
    return JSON.stringify(line, (_, value: unknown) =>
      value instanceof Error ? describeError(value) : typeof value === 'bigint' ? String(value) : value,
    )
  } catch {
    return JSON.stringify({ time: line['time'], level: line['level'], role: line['role'], msg: line['msg'], fields: inspect(line) })
  }
}

function describeError(error: Error): Record<string, unknown> {
  const { message, stack, cause } = error
  return { message, ...('code' in error ? { code: error.code } : {}), stack, ...(cause === undefined ? {} : { cause }) }
}
