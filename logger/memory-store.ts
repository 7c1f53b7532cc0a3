import { type LogRecord, originOf } from './record.ts'
import { advance, inOrder, type LogStore, type Position, type Retention } from './store.ts'

interface Kept {
  records: LogRecord[]
  bytes: number
  readonly positions: Map<string, Position>
}

/** Lines in memory only: they are gone with the process. */
export class MemoryStore implements LogStore {
  readonly #apps = new Map<string, Kept>()
  readonly #retention: Retention

  constructor(retention: Retention) {
    this.#retention = retention
  }

  async append(app: string, records: readonly LogRecord[]): Promise<void> {
    let kept = this.#apps.get(app)
    if (!kept) this.#apps.set(app, (kept = { records: [], bytes: 0, positions: new Map() }))
    for (const record of records) {
      kept.records.push(record)
      kept.bytes += record.text.length
      const origin = originOf(record)
      if (origin) advance(kept.positions, origin, record.ts)
    }
    // Cut in steps of a tenth, so that a busy app does not move its whole array for each line.
    const { lineCountMax, bytesMax } = this.#retention
    if (kept.records.length > lineCountMax * 1.1 || kept.bytes > bytesMax * 1.1) trim(kept, lineCountMax, bytesMax)
  }

  async last(app: string, lineCount: number): Promise<LogRecord[]> {
    const { records } = this.#apps.get(app) ?? { records: [] }
    return inOrder(records.slice(-Math.min(lineCount, this.#retention.lineCountMax)))
  }

  async positions(app: string): Promise<ReadonlyMap<string, Position>> {
    return this.#apps.get(app)?.positions ?? new Map()
  }

  async destroy(app: string): Promise<void> {
    this.#apps.delete(app)
  }

  async sweep(now: number): Promise<void> {
    const oldest = new Date(now - this.#retention.ageMs).toISOString()
    for (const [app, kept] of this.#apps) {
      kept.records = kept.records.filter(record => record.ts >= oldest)
      kept.bytes = kept.records.reduce((sum, record) => sum + record.text.length, 0)
      if (kept.records.length === 0) this.#apps.delete(app)
    }
  }

  async close(): Promise<void> {}
}

function trim(kept: Kept, lineCountMax: number, bytesMax: number): void {
  let first = Math.max(0, kept.records.length - lineCountMax)
  for (let index = 0; index < first; index++) kept.bytes -= kept.records[index]!.text.length
  while (kept.bytes > bytesMax && first < kept.records.length - 1) kept.bytes -= kept.records[first++]!.text.length
  kept.records = kept.records.slice(first)
}
