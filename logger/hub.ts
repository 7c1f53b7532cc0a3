import type { LogRecord } from './record.ts'
import { inOrder, type LogStore } from './store.ts'

/** Takes lines as they come; the array is shared, so it must not be changed. */
export type Listener = (records: readonly LogRecord[]) => void

/** How long lines of one app wait for each other, so that those of several pods are shown in the order of their times. */
const GATHER_MS = 80
/** More than this many waiting lines of one app are not gathered any longer. */
const GATHER_COUNT_MAX = 2000

interface Gathering {
  records: LogRecord[]
  timer: NodeJS.Timeout | undefined
  /** The store's turn for this app; who appends waits for it, which slows a pod that writes faster than the disk. */
  stored: Promise<void>
}

/** The one place that all lines pass: they are gathered for a moment, put in order, stored, and told to who follows. */
export class LogHub {
  readonly #store: LogStore
  readonly #gatherings = new Map<string, Gathering>()
  readonly #listeners = new Map<string, Set<Listener>>()
  readonly #onError: (app: string, error: unknown) => void

  constructor(store: LogStore, onError: (app: string, error: unknown) => void) {
    this.#store = store
    this.#onError = onError
  }

  /** Resolves when the lines before these are stored: awaiting it is the back-pressure. */
  async add(app: string, records: readonly LogRecord[]): Promise<void> {
    const gathering = this.#gathering(app)
    gathering.records.push(...records)
    if (gathering.records.length >= GATHER_COUNT_MAX) await this.#flush(app)
    else gathering.timer ??= setTimeout(() => void this.#flush(app), GATHER_MS)
    await gathering.stored
  }

  /** The newest lines, those included that wait. */
  async last(app: string, lineCount: number): Promise<LogRecord[]> {
    await this.#flush(app)
    return this.#store.last(app, lineCount)
  }

  /**
   * The newest lines and then every later one, none twice and none left out.
   *
   * @returns the history, and what ends the following
   */
  async follow(app: string, lineCount: number, listener: Listener): Promise<{ history: LogRecord[]; end: () => void }> {
    await this.#flush(app)
    const gathering = this.#gathering(app)
    let history: LogRecord[] = []
    // In the app's turn: what was stored before is history, what is stored later is told.
    gathering.stored = gathering.stored.then(async () => {
      history = await this.#store.last(app, lineCount).catch(error => {
        this.#onError(app, error)
        return []
      })
      const listeners = this.#listeners.get(app) ?? new Set()
      this.#listeners.set(app, listeners.add(listener))
    })
    await gathering.stored
    return { history, end: () => this.#unfollow(app, listener) }
  }

  async destroy(app: string): Promise<void> {
    const gathering = this.#gatherings.get(app)
    clearTimeout(gathering?.timer)
    this.#gatherings.delete(app)
    await gathering?.stored
    await this.#store.destroy(app)
  }

  async close(): Promise<void> {
    await Promise.all([...this.#gatherings.keys()].map(app => this.#flush(app)))
    await this.#store.close()
  }

  #gathering(app: string): Gathering {
    let gathering = this.#gatherings.get(app)
    if (!gathering) this.#gatherings.set(app, (gathering = { records: [], timer: undefined, stored: Promise.resolve() }))
    return gathering
  }

  #unfollow(app: string, listener: Listener): void {
    const listeners = this.#listeners.get(app)
    listeners?.delete(listener)
    if (listeners?.size === 0) this.#listeners.delete(app)
  }

  async #flush(app: string): Promise<void> {
    const gathering = this.#gatherings.get(app)
    if (!gathering) return
    clearTimeout(gathering.timer)
    gathering.timer = undefined
    const records = inOrder(gathering.records)
    gathering.records = []
    if (records.length > 0) gathering.stored = gathering.stored.then(() => this.#keep(app, records))
    await gathering.stored
  }

  async #keep(app: string, records: readonly LogRecord[]): Promise<void> {
    try {
      await this.#store.append(app, records)
    } catch (error) {
      this.#onError(app, error)
    }
    for (const listener of this.#listeners.get(app) ?? []) listener(records)
  }
}
