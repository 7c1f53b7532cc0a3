import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Vitals } from './stats.ts'

const WINDOW_MS = 60_000
// What the monitor's own timer waits: only what comes on top is a delay. Each wait is a wake-up, and at 10 ms they were most of what an idle
// worker costs (4 ms of CPU a second).
const RESOLUTION_MS = 50
const NONE = { p50: 0, p99: 0, max: 0 }

/** Feels a worker's pulse: how late its loop comes to its work tells that it is overloaded before requests do. */
export class VitalSigns {
  readonly #worker: number
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>
  readonly #timer: NodeJS.Timeout
  #previous: Vitals['loopDelaySeconds'] = NONE

  /** @param worker which of the workers, from 1 on */
  constructor(worker: number) {
    this.#worker = worker
    this.#delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
    this.#delay.enable()
    this.#timer = setInterval(() => {
      this.#previous = this.#delays()
      this.#delay.reset()
    }, WINDOW_MS)
    this.#timer.unref()
  }

  /** The worst of this minute and the one before, so that no reader's question hides a stall from another reader. */
  read(): Vitals {
    const [now, before] = [this.#delays(), this.#previous]
    const { user, system } = process.cpuUsage()
    return {
      worker: this.#worker,
      loopDelaySeconds: {
        p50: Math.max(now.p50, before.p50),
        p99: Math.max(now.p99, before.p99),
        max: Math.max(now.max, before.max),
      },
      residentBytes: process.memoryUsage.rss(),
      heapUsedBytes: process.memoryUsage().heapUsed,
      cpuSeconds: (user + system) / 1e6,
    }
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#delay.disable()
  }

  #delays(): Vitals['loopDelaySeconds'] {
    if (this.#delay.count === 0) return NONE
    const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - RESOLUTION_MS / 1000)
    return { p50: seconds(this.#delay.percentile(50)), p99: seconds(this.#delay.percentile(99)), max: seconds(this.#delay.max) }
  }
}
