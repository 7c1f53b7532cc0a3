import type { EndpointView } from '../questions.ts'
import type { Limits } from '../serve/limits.ts'
import type { Endpoint } from '../table/route.ts'
import { EndpointState } from './endpoint-state.ts'
import { HeadCache } from './head-cache.ts'
import { SecondLook } from './second-look.ts'
import type { UpstreamConnection } from './upstream.ts'
import type { Wheel } from './wheel.ts'

const FORGOTTEN_AFTER_MS = 60_000

/** Kept connections and counters by endpoint. The youngest connection is reused first, so that the rest can grow old and go. */
export class Pool {
  /** Connections opened and used again, endpoints passed over, retries that the budget forbade: since the start. */
  readonly counts = { opened: 0, reused: 0, ejections: 0, retriesRefused: 0 }
  readonly #states = new Map<string, EndpointState>()
  readonly #withIdle = new Set<EndpointState>()
  readonly wheel: Wheel
  readonly limits: Limits
  readonly heads: HeadCache
  readonly looks = new SecondLook()
  readonly #idleMs: number

  constructor(wheel: Wheel, limits: Limits) {
    this.wheel = wheel
    this.limits = limits
    this.heads = new HeadCache(limits)
    // Ages are seen by ticks: an older connection must not slip through between two.
    this.#idleMs = Math.max(limits.tickMs, limits.idleUpstreamMs - limits.tickMs)
    wheel.every(() => this.#sweep())
  }

  /** Begins an exchange at an endpoint; whoever does must end it. */
  begin(endpoint: Endpoint): EndpointState {
    const state = this.#state(endpoint)
    // Two Services may share an endpoint; only one of them may have let it go.
    if (state.retired && !endpoint.terminating) state.retired = false
    state.begin(this.wheel.now)
    return state
  }

  /** Exchanges under way at an endpoint, for the balance; more for one that has only begun to serve. */
  load(endpoint: Endpoint): number {
    return this.#states.get(endpoint.key)?.load(this.wheel.now, this.limits.slowStartMs) ?? 0
  }

  isEjected(endpoint: Endpoint): boolean {
    return this.#states.get(endpoint.key)?.isEjected(this.wheel.now) === true
  }

  /** How an endpoint stands, by its key. */
  view(endpoint: string): EndpointView {
    const state = this.#states.get(endpoint)
    const now = this.wheel.now
    if (state === undefined) return { endpoint, active: 0, idle: 0, load: 0, isEjected: false }
    const load = state.load(now, this.limits.slowStartMs)
    const idle = state.idle.length + (state.sessions?.idle ?? 0)
    return { endpoint, active: state.active, idle, load, isEjected: state.isEjected(now) }
  }

  /** The youngest kept connection that is not older than `idleMs`, taken out. */
  take(state: EndpointState, idleMs: number): UpstreamConnection | undefined {
    const connection = state.idle.at(-1)
    if (connection === undefined || this.wheel.now - connection.idleSince > Math.min(idleMs, this.#idleMs)) return undefined
    state.idle.pop()
    this.counts.reused++
    return connection
  }

  /** Keeps a connection for the next exchange; false when there are enough, and then the caller closes it. */
  keep(state: EndpointState, connection: UpstreamConnection): boolean {
    if (state.retired || state.idle.length >= this.limits.idleUpstreamsMax) return false
    connection.idleSince = this.wheel.now
    state.idle.push(connection)
    if (state.idle.length === 1) this.#withIdle.add(state)
    return true
  }

  /** A kept connection has closed. */
  drop(state: EndpointState, connection: UpstreamConnection): void {
    const index = state.idle.lastIndexOf(connection)
    if (index >= 0) state.idle.splice(index, 1)
  }

  succeeded(state: EndpointState): void {
    state.succeeded(this.wheel.now)
  }

  /** @param isDown whether not even a connection came about */
  failed(state: EndpointState, isDown: boolean): void {
    if (state.failed(this.wheel.now, isDown)) this.counts.ejections++
  }

  /** An endpoint that joins others which serve already: it gets a growing share. */
  arrived(endpoint: Endpoint): void {
    const state = this.#state(endpoint)
    state.usedAt = this.wheel.now
    state.chill(this.wheel.now)
  }

  /** An endpoint that is going away: what is kept is closed, what is under way is closed after its answer. */
  retire(endpoint: Endpoint): void {
    const state = this.#states.get(endpoint.key)
    if (state === undefined) return
    state.retired = true
    for (const connection of [...state.idle]) connection.destroy()
    state.sessions?.drain()
  }

  /** Closes every kept connection. */
  clear(): void {
    for (const state of this.#withIdle) for (const connection of [...state.idle]) connection.destroy()
    this.#withIdle.clear()
    for (const state of this.#states.values()) state.sessions?.drain()
  }

  /** Kept connections and endpoints known, for the numbers of the server. */
  get size(): { idle: number; endpoints: number } {
    let idle = 0
    for (const state of this.#withIdle) idle += state.idle.length
    for (const state of this.#states.values()) if (state.sessions !== undefined) idle += state.sessions.idle
    return { idle, endpoints: this.#states.size }
  }

  #state({ key }: Endpoint): EndpointState {
    let state = this.#states.get(key)
    if (state === undefined) {
      state = new EndpointState(key)
      this.#states.set(key, state)
    }
    return state
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
