/** Who wrote a line: a process of the app, or the platform about it. */
export type LogSource = 'app' | 'controller' | 'build' | 'release' | 'run'

/** One line, as it is kept. */
export interface LogRecord {
  /** RFC 3339 in UTC with up to nine digits of a second, when the line was written: these texts sort as their times do. */
  readonly ts: string
  readonly source: LogSource
  readonly text: string
  /** For lines of the platform. */
  readonly level?: 'INFO' | 'WARN' | 'ERROR'
  readonly process?: string
  readonly release?: string
  /** The pod and its container, for lines of the app. */
  readonly pod?: string
  readonly container?: string
  readonly stream?: 'stdout' | 'stderr'
  readonly partial?: true
}

/** Where a line came from, to find the place in a container's log from which to go on. */
export function originOf(record: LogRecord): string | undefined {
  return record.pod === undefined ? undefined : `${record.pod}/${record.container ?? ''}`
}

/**
 * Writes a time so that it sorts as text: nine digits of a second, always UTC.
 *
 * @param text RFC 3339, as Kubernetes and the platform write it
 * @returns `undefined` for what is no time
 */
export function sortableTime(text: string): string | undefined {
  const match = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/.exec(text)
  if (!match) return undefined
  const [, seconds, fraction = '', offset] = match
  if (offset === 'Z') return `${seconds}.${fraction.padEnd(9, '0')}Z`
  const utc = new Date(`${seconds}${offset}`)
  return Number.isNaN(utc.getTime()) ? undefined : `${utc.toISOString().slice(0, 19)}.${fraction.padEnd(9, '0')}Z`
}
