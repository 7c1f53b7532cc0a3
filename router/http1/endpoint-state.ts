import type { UpstreamSessions } from '../http2/upstream-sessions.ts'
import type { UpstreamConnection } from './upstream.ts'

// A failing endpoint is passed over for 0.5 s, doubled with each time in a row up to 30 s: a pod that restarts is back soon, one that is
// gone leaves the table anyway. The jitter keeps workers and replicas from trying it in one moment.
const EJECTION_MS_MIN = 500
const EJECTION_MS_MAX = 30_000
const JITTER = 0.25
// What refuses connections is down. What takes them and gives no answer may have met one bad request: so many of those in a row.
const FAILURES_MAX = 3
// A new endpoint begins as if it had a tenth of the others' strength, and nobody waits for one to be drawn.
const STRENGTH_MIN = 0.1

/**
 * What one worker knows of an endpoint: its kept connections, what runs there, and how it has done of late. It outlives any table, so an
 * unrelated change gives no failing endpoint a fresh start.
 */
export class EndpointState {
  readonly key: string
  /** Kept connections, the youngest last. */
  readonly idle: UpstreamConnection[] = []
  /** Where it speaks HTTP/2. */
  sessions: UpstreamSessions | undefined
  /** Exchanges under way. */
  active = 0
  /** When an exchange last came, on the wheel's clock. */
  usedAt = 0
  /** True once the endpoint is on its way out: no connection is kept for a next exchange. */
  retired = false
  /** Failures in a row. */
  #failures = 0
  /** Ejections in a row: more than none until an exchange succeeds. */
  #ejections = 0
  #ejectedUntil = 0
  /** After an ejection one exchange tries, and the others wait for what becomes of it. */
  #trying = false
  /** Since when it grows warm; negative infinity: it always was there. */
  #coldSince = Number.NEGATIVE_INFINITY

  constructor(key: string) {
    this.key = key
  }

  /** An exchange goes there. */
  begin(now: number): void {
    this.active++
    this.usedAt = now
    if (this.#ejections > 0 && now >= this.#ejectedUntil) this.#trying = true
  }

  /** It is over, however it went. */
  end(): void {
    this.active--
    this.#trying = false
  }

  /** Whether others are to be preferred. */
  isEjected(now: number): boolean {
    return this.#ejections > 0 && (now < this.#ejectedUntil || this.#trying)
  }

  /** How much it has to do for its strength; an endpoint that grows warm counts what it has several times. */
  load(now: number, warmMs: number): number {
    const age = now - this.#coldSince
    return age >= warmMs ? this.active : (this.active + 1) / Math.max(STRENGTH_MIN, age / warmMs) - 1
  }

  /** From now on it gets a growing share. */
  chill(now: number): void {
    this.#coldSince = now
  }

  succeeded(now: number): void {
    this.#failures = 0
    if (this.#ejections === 0) return
    this.#ejections = 0
    this.chill(now)
  }

  /**
   * An exchange got no answer there.
   *
   * @param isDown whether not even a connection came about
   * @returns whether the endpoint is ejected now and was not before
   */
  failed(now: number, isDown: boolean): boolean {
    this.#failures++
    // What was under way when it was ejected fails too, and proves nothing new.
    if (now < this.#ejectedUntil) return false
    if (!isDown && this.#ejections === 0 && this.#failures < FAILURES_MAX) return false
    const ms = Math.min(EJECTION_MS_MAX, EJECTION_MS_MIN * 2 ** this.#ejections)
    this.#ejections++
    this.#trying = false
    this.#ejectedUntil = now + ms * (1 - JITTER + Math.random() * 2 * JITTER)
    return true
  }
}
