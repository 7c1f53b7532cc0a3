import type { Limits } from '../serve/limits.ts'
import type { Endpoint } from '../table/route.ts'
import type { UpstreamConnection } from './upstream.ts'
import type { Wheel } from './wheel.ts'

/** What one worker knows of an endpoint. It outlives any table, so an unrelated change gives no failing endpoint a fresh start. */
export interface EndpointState {
  readonly key: string
  /** Kept connections, the youngest last. */
  readonly idle: UpstreamConnection[]
  /** Exchanges under way. */
  active: number
  /** Failures in a row. */
  failures: number
  /** Until when the endpoint is passed over while others serve; on the wheel's clock. */
  ejectedUntil: number
  usedAt: number
}

// A failing endpoint is passed over for 0.5 s, doubled with each failure in a row up to 10 s: a pod that restarts is back soon, one that
// is gone leaves the table anyway.
const EJECTION_MS_MIN = 500
const EJECTION_MS_MAX = 10_000
const FORGOTTEN_AFTER_MS = 60_000

/** Kept connections and counters by endpoint. The youngest connection is reused first, so that the rest can grow old and go. */
export class Pool {
  readonly #states = new Map<string, EndpointState>()
  readonly #withIdle = new Set<EndpointState>()
  readonly wheel: Wheel
  readonly limits: Limits
  readonly #idleMs: number

  constructor(wheel: Wheel, limits: Limits) {
    this.wheel = wheel
    this.limits = limits
    // Ages are seen by ticks: an older connection must not slip through between two.
    this.#idleMs = Math.max(limits.tickMs, limits.idleUpstreamMs - limits.tickMs)
    wheel.every(() => this.#sweep())
  }

  state(endpoint: Endpoint): EndpointState {
    let state = this.#states.get(endpoint.key)
    if (state === undefined) {
      state = { key: endpoint.key, idle: [], active: 0, failures: 0, ejectedUntil: 0, usedAt: 0 }
      this.#states.set(endpoint.key, state)
    }
    state.usedAt = this.wheel.now
    return state
  }

  /** Exchanges under way at an endpoint, for the balance. */
  load(endpoint: Endpoint): number {
    return this.#states.get(endpoint.key)?.active ?? 0
  }

  isEjected(endpoint: Endpoint): boolean {
    const state = this.#states.get(endpoint.key)
    return state !== undefined && state.ejectedUntil > this.wheel.now
  }

  /** The youngest kept connection that is not older than `idleMs`, taken out. */
  take(state: EndpointState, idleMs: number): UpstreamConnection | undefined {
    const connection = state.idle.at(-1)
    if (connection === undefined || this.wheel.now - connection.idleSince > Math.min(idleMs, this.#idleMs)) return undefined
    state.idle.pop()
    return connection
  }

  /** Keeps a connection for the next exchange; false when there are enough, and then the caller closes it. */
  keep(state: EndpointState, connection: UpstreamConnection): boolean {
    if (state.idle.length >= this.limits.idleUpstreamsMax) return false
    connection.idleSince = this.wheel.now
    state.idle.push(connection)
    this.#withIdle.add(state)
    return true
  }

  /** A kept connection has closed. */
  drop(state: EndpointState, connection: UpstreamConnection): void {
    const index = state.idle.lastIndexOf(connection)
    if (index >= 0) state.idle.splice(index, 1)
  }

  succeeded(state: EndpointState): void {
    state.failures = 0
    state.ejectedUntil = 0
  }

  failed(state: EndpointState): void {
    state.failures++
    state.ejectedUntil = this.wheel.now + Math.min(EJECTION_MS_MAX, EJECTION_MS_MIN * 2 ** (state.failures - 1))
  }

  /** Closes every kept connection. */
  clear(): void {
    for (const state of this.#withIdle) for (const connection of [...state.idle]) connection.destroy()
    this.#withIdle.clear()
  }

  /** Kept connections and endpoints known, for the numbers of the server. */
  get size(): { idle: number; endpoints: number } {
    let idle = 0
    for (const state of this.#withIdle) idle += state.idle.length
    return { idle, endpoints: this.#states.size }
  }

  #sweep(): void {
    const now = this.wheel.now
    for (const state of this.#withIdle) {
      // The oldest stand first. Each was told how long its app keeps it.
      const old = state.idle.filter(connection => now - connection.idleSince > Math.min(this.#idleMs, connection.idleMs))
      for (const connection of old) connection.destroy()
      if (state.idle.length === 0) this.#withIdle.delete(state)
    }
    for (const state of this.#states.values()) {
      if (state.active > 0 || state.idle.length > 0 || now - state.usedAt < FORGOTTEN_AFTER_MS) continue
      this.#states.delete(state.key)
    }
  }
}
