import type { LogRecord } from './record.ts'

/** From where to go on in a container's log: after `count` lines of the time `ts`. */
export interface Position {
  readonly ts: string
  readonly count: number
}

/** How much is kept of each app; what is over goes oldest first. */
export interface Retention {
  readonly lineCountMax: number
  readonly bytesMax: number
  readonly ageMs: number
}

/** Keeps the lines of all apps. An app that nobody wrote to has no lines. */
export interface LogStore {
  /** In the order in which they are to be shown; an earlier line may still come in a later call. */
  append(app: string, records: readonly LogRecord[]): Promise<void>
  /** The newest lines, the oldest of them first. */
  last(app: string, lineCount: number): Promise<LogRecord[]>
  /** The last line kept of each container, by {@link originOf}. */
  positions(app: string): Promise<ReadonlyMap<string, Position>>
  destroy(app: string): Promise<void>
  /** Lets go of what is too old. */
  sweep(now: number): Promise<void>
  close(): Promise<void>
}

/** Moves the positions on by lines that were appended. */
export function advance(positions: Map<string, Position>, origin: string, ts: string): void {
  const before = positions.get(origin)
  if (!before || ts > before.ts) positions.set(origin, { ts, count: 1 })
  else if (ts === before.ts) positions.set(origin, { ts, count: before.count + 1 })
}

/** Sorts by time and leaves lines of the same time in their order. */
export function inOrder(records: readonly LogRecord[]): LogRecord[] {
  return [...records].sort((a, b) => (a.ts < b.ts ? -1 : a.ts > b.ts ? 1 : 0))
}
