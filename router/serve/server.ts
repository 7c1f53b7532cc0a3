import type { Socket } from 'node:net'
import { performance } from 'node:perf_hooks'
import type { TLSSocket, TlsOptions } from 'node:tls'
import type { RecentRequest } from '../../kernel/contract.ts'
import type { Log } from '../../kernel/log.ts'
import { Gate } from '../edge/gate.ts'
import { RateLimiter } from '../edge/rate-limit.ts'
import { Connection, type ConnectionHost } from '../http1/connection.ts'
import type { HeadCache } from '../http1/head-cache.ts'
import { Pool } from '../http1/pool.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { Receiver } from '../http1/sockets.ts'
import { Wheel } from '../http1/wheel.ts'
import { Session } from '../http2/session.ts'
import { Turn } from '../http2/turn.ts'
import type { Explanation, WhyQuestion } from '../questions.ts'

import { Relay } from '../stream/relay.ts'
import type { EndpointMoves } from '../table/endpoint-moves.ts'
import { normalHost } from '../table/host.ts'
import type { RouteTable } from '../table/route.ts'
import type { Table } from '../table/table.ts'
import { AccessLines } from './access-format.ts'
import type { AccessLogFormat } from './access-line.ts'
import { AccessLog, type AccessLogTarget } from './access-log.ts'
import { Client } from './client.ts'
import type { ErrorCode } from './errors.ts'
import type { Downstream, Exchange, RequestSink } from './exchange.ts'
import { explain } from './explain.ts'
import { handle } from './handle.ts'
import { HandshakeRates } from './handshake-rates.ts'
import { type Limits, limitsOf } from './limits.ts'
import { type ListenAt, type Listener, type ListenerHost, listenPlain, listenTls, type Peer, type TlsListener } from './listener.ts'
import { pace } from './pace.ts'
import type { Phases } from './phases.ts'
import { type Place, type PlaceKind, Places } from './places.ts'
import { RecentRequests } from './recent-requests.ts'
import { Refusals } from './refusals.ts'
import type { BufferedBytes } from './request-buffer.ts'
import { Shedder } from './shedder.ts'
import { Tally, type TrafficStats } from './stats.ts'

/** Over this part of the drain's time upgraded connections are ended, so that their clients do not all come back at the same moment. */
const PACE_SHARE = 0.8
/** Under a flood the queue is never empty: the listeners close all the same. */
const DRAIN_TURNS_MAX = 1000

/** What a server is made of. */
export interface ServerOptions {
  /** The table of this moment; asked once an exchange. */
  readonly table: () => RouteTable
  readonly log: Log
  /** Certificates for https: `SNICallback`, a default `key` and `cert`, `ticketKeys`, `sessionIdContext`, versions and ciphers. */
  readonly tls?: TlsOptions
  /** The OCSP response for a certificate (DER) that is shown; absent: there are none. */
  readonly staple?: (certificate: Buffer) => Uint8Array | undefined
  readonly accessLog?: AccessLogFormat | 'off'
  /** Where access lines go; standard output by default. */
  readonly accessLogTarget?: AccessLogTarget
  readonly limits?: Partial<Limits>
  /** How many exchanges of each app are remembered; a hundred by default, 0: none. */
  readonly requestsKept?: number
  /** Whether each app has a histogram of its own. */
  readonly appLatency?: boolean
  /** Where clients reach https, for redirects; 443 by default. */
  readonly httpsPort?: () => number
  /** How many processes share what an app may have; 1 by default. */
  readonly workers?: number
}

/** One worker's data plane. */
export interface Server {
  /** Opens a port and returns its number. */
  listenHttp(at: ListenAt): Promise<number>
  listenHttps(at: ListenAt): Promise<number>
  /** For raw connections to the table's `git` route. */
  listenGit(at: ListenAt): Promise<number>
  /** Tells what a change of the table did to an app's endpoints, before or after it is in place. */
  moveEndpoints(moves: EndpointMoves): void
  /** Another default certificate or other versions for handshakes to come. */
  renewTls(options: TlsOptions): void
  /** Another key of session tickets. */
  renewTicketKeys(keys: Buffer): void
  /** Stops accepting, ends each connection after its answer, and cuts at the deadline what is still open then. */
  drain(deadlineMs: number): Promise<void>
  /** Cuts everything now. */
  stop(): Promise<void>
  stats(): TrafficStats
  /** What is remembered of the last exchanges, the youngest first. */
  recentRequests(wanted: { readonly app?: string; readonly namespace?: string }): RecentRequest[]
  /** What would become of a request by this table. */
  explain(table: Table, question: WhyQuestion): Explanation
  /** Opens the file of the access log anew. */
  reopenLog(): Promise<void>
}

/** Builds the data plane of one worker. It opens no port by itself; `stop` must be called once. */
export function createServer(options: ServerOptions): Server {
  return new Worker(options)
}

class Worker implements Server, Phases, ConnectionHost, ListenerHost {
  readonly limits: Limits
  readonly wheel: Wheel
  readonly pool: Pool
  readonly heads: HeadCache
  readonly buffered: BufferedBytes = { held: 0 }
  readonly encoders = { running: 0 }
  readonly rates: RateLimiter
  readonly #handshakes: HandshakeRates
  readonly gate = new Gate()
  readonly workers: number
  readonly table: () => RouteTable
  readonly httpsPort: () => number
  readonly staple: (certificate: Buffer) => Uint8Array | undefined
  readonly firstByteMs: number
  draining = false
  readonly handshakesMax: number
  readonly handshakeMs: number
  readonly giveWayMs: number
  readonly #log: Log
  #tlsOptions: TlsOptions
  readonly #accessLog: AccessLog | undefined
  readonly #lines: AccessLines
  readonly #tally: Tally
  readonly turn = new Turn()
  readonly #connections = new Set<Connection | Session>()
  readonly #recent: RecentRequests | undefined
  readonly #relays = new Set<Relay>()
  readonly #listeners: Listener[] = []
  readonly #tlsListeners: TlsListener[] = []
  readonly #places: Places
  readonly #refusals = new Refusals()
  /** Connections that listeners have asked about, whatever became of them. */
  #arrivals = 0
  #emptied = () => {}

  constructor(options: ServerOptions) {
    this.limits = limitsOf(options.limits)
    this.wheel = new Wheel(this.limits.tickMs)
    this.pool = new Pool(this.wheel, this.limits)
    this.heads = this.pool.heads
    this.rates = new RateLimiter(this.limits.rateClientsMax)
    this.#handshakes = new HandshakeRates(this.limits)
    this.workers = options.workers ?? 1
    this.table = options.table
    this.httpsPort = options.httpsPort ?? (() => 443)
    this.staple = options.staple ?? (() => undefined)
    this.firstByteMs = this.limits.firstByteMs
    this.handshakesMax = this.limits.handshakesMax
    this.handshakeMs = this.limits.handshakeMs
    this.giveWayMs = this.limits.giveWayMs
    this.#places = new Places(this.limits, () => this.table().settings, new Shedder(this.#connections, this.wheel, this.giveWayMs))
    this.#log = options.log
    this.#tlsOptions = options.tls ?? {}
    const format = options.accessLog ?? 'off'
    this.#tally = new Tally(options.appLatency)
    this.#recent = options.requestsKept === 0 ? undefined : new RecentRequests({ ofApp: options.requestsKept ?? 100 })
    this.#lines = new AccessLines(format === 'json' ? 'json' : 'classic')
    this.#accessLog = format === 'off' ? undefined : new AccessLog(options.accessLogTarget ?? { fd: 1 }, options.log)
  }

  async listenHttp(at: ListenAt): Promise<number> {
    return this.#opened(await listenPlain(at, 'http', this, (socket, peer) => this.#connection(socket, peer, false)))
  }

  async listenHttps(at: ListenAt): Promise<number> {
    const options = this.#tlsOptions
    const listener = await listenTls(at, options, this, (socket, peer) => this.#connection(socket, peer, true))
    if (options !== this.#tlsOptions) listener.renew(this.#tlsOptions)
    this.#tlsListeners.push(listener)
    return this.#opened(listener)
  }

  async listenGit(at: ListenAt): Promise<number> {
    return this.#opened(await listenPlain(at, 'git', this, (socket, peer) => this.#relay(socket, peer)))
  }

  moveEndpoints({ left, arrived }: EndpointMoves): void {
    for (const endpoint of left) this.pool.retire(endpoint)
    for (const endpoint of arrived) this.pool.arrived(endpoint)
  }

  renewTls(options: TlsOptions): void {
    this.#tlsOptions = { ...this.#tlsOptions, ...options }
    for (const listener of this.#tlsListeners) listener.renew(this.#tlsOptions)
  }

  renewTicketKeys(keys: Buffer): void {
    this.renewTls({ ticketKeys: keys })
  }

  async drain(deadlineMs: number): Promise<void> {
    this.draining = true
    const cutAt = performance.now() + deadlineMs
    const deadline = setTimeout(() => this.#emptied(), deadlineMs)
    for (const connection of this.#connections) connection.drain()
    const upgraded = [...this.#connections].filter(connection => connection.upgraded)
    const stopPacing = pace(upgraded, deadlineMs * PACE_SHARE, connection => connection.endUpgrade())
    await this.#stopAccepting()
    await new Promise<void>(resolve => {
      this.#emptied = resolve
      this.#noteEmpty()
      if (performance.now() >= cutAt) resolve()
    })
    clearTimeout(deadline)
    stopPacing()
    await this.stop()
  }

  /** Closes the listeners once the connections that the kernel has accepted are taken: those left in its queue would be reset. */
  async #stopAccepting(): Promise<void> {
    for (let quietTurns = 0, turns = 0; quietTurns < 2 && turns < DRAIN_TURNS_MAX; turns++) {
      const before = this.#arrivals
      await new Promise(setImmediate)
      quietTurns = this.#arrivals === before ? quietTurns + 1 : 0
    }
    for (const listener of this.#listeners) listener.stop()
  }

  async stop(): Promise<void> {
    for (const listener of this.#listeners.splice(0)) listener.stop()
    for (const listener of this.#tlsListeners.splice(0)) listener.cut()
    for (const connection of this.#connections) connection.destroy()
    for (const relay of this.#relays) relay.destroy('reset')
    this.#refusals.stop()
    this.pool.clear()
    this.wheel.stop()
    await this.gate.stop()
    await this.#accessLog?.stop()
  }

  stats(): TrafficStats {
    const { stats } = this.#tally
    stats.connectionsOpen = this.#connections.size
    stats.connectionsShed = this.#places.shedCount
    stats.gitConnectionsOpen = this.#relays.size
    stats.upstreamConnectionsIdle = this.pool.size.idle
    stats.upstreamConnectionsOpened = this.pool.counts.opened
    stats.upstreamConnectionsReused = this.pool.counts.reused
    stats.requestBytesHeld = this.buffered.held
    stats.encodersRunning = this.encoders.running
    stats.ejections = this.pool.counts.ejections
    stats.retriesRefused = this.pool.counts.retriesRefused
    stats.accessLinesDropped = this.#accessLog?.dropped ?? 0
    return stats
  }

  recentRequests(wanted: { readonly app?: string; readonly namespace?: string }): RecentRequest[] {
    return this.#recent?.list(wanted) ?? []
  }

  explain(table: Table, question: WhyQuestion): Explanation {
    return explain(table, question, this, endpoint => this.pool.view(endpoint))
  }

  async reopenLog(): Promise<void> {
    await this.#accessLog?.reopen()
  }

  // For connections and exchanges

  settings(): ReturnType<ListenerHost['settings']> {
    return this.table().settings
  }

  serve(head: RequestHead, body: string, downstream: Downstream): RequestSink | undefined {
    return handle(head, body, downstream, this)
  }

  record(exchange: Exchange): void {
    if (exchange.recorded) return
    exchange.recorded = true
    if (exchange.endedAt === 0) exchange.endedAt = performance.now()
    if (exchange.load !== undefined) exchange.load.requests--
    if (exchange.heldBytes > 0) this.buffered.held -= exchange.heldBytes
    this.#tally.count(exchange)
    this.#recent?.add(exchange)
    this.#accessLog?.add(this.#lines.line(exchange))
  }

  refused(code: ErrorCode, text: string, client: Client, bytesSent: number): void {
    this.#tally.refused(code)
    this.#accessLog?.add(this.#lines.refusal({ code, text, address: client.address, bytesSent }, this.table().settings.logFormat))
  }

  admit(kind: PlaceKind, client?: string): Place | undefined {
    this.#arrivals++
    return this.#places.take(kind, client)
  }

  claim(place: Place, client: string): boolean {
    return this.#places.claim(place, client)
  }

  left(place: Place): void {
    this.#places.free(place)
    this.#noteEmpty()
  }

  challenges(): ReturnType<ListenerHost['challenges']> {
    const { challenge } = this.table()
    return challenge
  }

  mayShake({ address }: Peer): boolean {
    if (this.#handshakes.mayClient(address, this.wheel.now) || this.table().settings.trusted.check(address)) return true
    this.#tally.stats.handshakesLimited++
    return false
  }

  mayName(serverName: string): boolean {
    if (this.#handshakes.mayName(serverName, this.wheel.now)) return true
    this.#tally.stats.handshakesLimited++
    return false
  }

  shaken(isResumed: boolean): void {
    this.#tally.stats.handshakes++
    if (isResumed) this.#tally.stats.handshakesResumed++
  }

  turnedAway(): void {
    this.#tally.stats.connectionsRefused++
  }

  refuse(socket: Socket): void {
    this.turnedAway()
    if (this.#refusals.refuse(socket) > 0) this.#tally.refused('R51')
  }

  failed(error: unknown): void {
    this.#log.error('connection failed by a fault of the router', { error })
  }

  crashed(error: unknown): void {
    this.#log.error('exchange failed by a fault of the router', { error })
  }

  closed(connection: Connection | Session): void {
    connection.client.serves(undefined)
    this.#connections.delete(connection)
    this.#noteEmpty()
  }

  #opened(listener: Listener): number {
    this.#listeners.push(listener)
    return listener.port
  }

  #connection(socket: Socket, peer: Peer, secure: boolean): Receiver {
    const serverName = secure ? normalHost((socket as TLSSocket).servername || '') : ''
    const client = new Client(peer.address, peer.port, secure, peer.proxied, serverName, secure ? (socket as TLSSocket) : undefined)
    const isHttp2 = secure && (socket as TLSSocket).alpnProtocol === 'h2'
    const connection = isHttp2 ? new Session(socket, client, this) : new Connection(socket, client, this)
    this.#tally.stats.connectionsAccepted++
    this.#connections.add(connection)
    // Its handshake was under way when the listener stopped.
    if (this.draining) connection.drain()
    return connection
  }

  #relay(socket: Socket, peer: Peer): Receiver {
    const route = this.table().git
    if (route === undefined || !route.endpoints.some(({ serving }) => serving)) {
      this.#log.warn('git connection refused: no builder', { client: peer.address })
      socket.destroy()
      return { received: () => {} }
    }
    const relay = new Relay(socket, peer, route, this.pool, (end, ended) => {
      this.#relays.delete(ended)
      if (end === 'refused' || end === 'timeout')
        this.#log.warn('git connection failed', { client: peer.address, endpoint: ended.endpoint?.key, end })
      this.#noteEmpty()
    })
    this.#tally.stats.gitConnectionsAccepted++
    this.#relays.add(relay)
    relay.start()
    return relay
  }

  #noteEmpty(): void {
    if (this.#places.taken + this.#relays.size === 0) this.#emptied()
  }
}
