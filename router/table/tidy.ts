import { collectGarbage } from '../../kernel/memory.ts'
import type { Changes } from './build.ts'

/** Fewer leave little. */
const OBJECTS_MIN = 2000
const QUIET_MS = 2000
/** Of changes that come in smaller numbers V8 collects what they leave before it is much. */
const BURST_MIN = 10

/**
 * Gives memory back after a large burst of changes, once it is quiet: what was read and replaced would else stand for as long as the process
 * lives. It stops the process for some tenths of a second, so it is for one that serves nobody.
 */
export class Tidy {
  readonly #collect: () => Promise<void>
  readonly #quietMs: number
  #objects = 0
  #timer: NodeJS.Timeout | undefined

  constructor({ collect = collectGarbage, quietMs = QUIET_MS } = {}) {
    this.#collect = collect
    this.#quietMs = quietMs
  }

  /** Something changed. */
  note({ services, slices, secrets }: Changes): void {
    const count = services.size + slices.size + secrets.size
    if (count >= BURST_MIN) this.#objects += count
    if (this.#objects < OBJECTS_MIN) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#run(), this.#quietMs)
    this.#timer.unref()
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #run(): void {
    this.#objects = 0
    // Memory that stays is no reason for anything else.
    this.#collect().catch(() => {})
  }
}
