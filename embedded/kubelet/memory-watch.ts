import { listProcesses, proportionalBytes } from './process-table.ts'

interface Watched {
  readonly limitBytes: number
  readonly onExceeded: (bytes: number) => void
}

/**
 * Holds containers to their memory limits by looking: where there is no cgroup to be had, this is what is left. A container over its limit for
 * one look is told of; between two looks it may use more.
 */
export class MemoryWatch {
  readonly #watched = new Map<number, Watched>()
  readonly #intervalMs: number
  #timer: NodeJS.Timeout | undefined

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs
  }

  /** @param session the process that leads the container's session; returns what ends the watch */
  watch(session: number, limitBytes: number, onExceeded: (bytes: number) => void): () => void {
    this.#watched.set(session, { limitBytes, onExceeded })
    this.#timer ??= setInterval(() => this.#look(), this.#intervalMs).unref()
    return () => {
      this.#watched.delete(session)
      if (this.#watched.size === 0) this.stop()
    }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  #look(): void {
    const members = Map.groupBy(listProcesses(), process => (this.#watched.has(process.session) ? process.session : process.group))
    for (const [session, { limitBytes, onExceeded }] of this.#watched) {
      const processes = members.get(session) ?? []
      const residentBytes = processes.reduce((sum, { rssBytes }) => sum + rssBytes, 0)
      if (residentBytes <= limitBytes) continue
      // Pages that workers share are counted once for each of them: look closer before killing.
      const bytes = processes.reduce((sum, { pid, rssBytes }) => sum + (proportionalBytes(pid) ?? rssBytes), 0)
      if (bytes > limitBytes) onExceeded(bytes)
    }
  }
}
