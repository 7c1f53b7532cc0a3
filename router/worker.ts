import type { Log } from '../kernel/log.ts'
import type { PortName } from './held-sockets.ts'
import { LevelledLog } from './log-level.ts'
import type { Answers, Question } from './questions.ts'
import { type Limits, limitsOf } from './serve/limits.ts'
import type { ListenAt } from './serve/listener.ts'
import { createServer, type Server } from './serve/server.ts'
import type { TrafficStats } from './serve/stats.ts'
import { VitalSigns } from './serve/vital-signs.ts'
import { findMoves } from './table/endpoint-moves.ts'
import type { TableDelta } from './table/spec.ts'
import { Table } from './table/table.ts'
import { NamesOnDemand } from './tls/names-on-demand.ts'
import { ServerTls, type TlsSecrets } from './tls/server-options.ts'

/** Where workers listen. Port 0 is any free one. */
export interface Listen {
  readonly bind: readonly string[]
  readonly httpPort: number
  readonly httpsPort: number
  readonly gitPort: number
  /** The port of https as clients see it, for redirects; 0 is the one that was bound. */
  readonly publicHttpsPort: number
  /** `shared`: all from one queue; `auto`: each from its own where the system has SO_REUSEPORT. */
  readonly listeners: 'auto' | 'shared'
}

/** A socket to listen on, usually one that was bound before (held-sockets.ts). */
export interface ListenSocket {
  readonly name: PortName
  readonly socket: ListenAt
}

export interface WorkerOptions {
  readonly listen: Pick<Listen, 'publicHttpsPort'>
  readonly tls: TlsSecrets
  /** How many there are; 1 by default. */
  readonly workers?: number
  /** Those that differ from the defaults. */
  readonly limits?: Partial<Limits>
  readonly accessLog: 'classic' | 'json' | 'off'
  /** The file that access lines are appended to; absent: standard output. */
  readonly accessLogFile?: string
  /** How many exchanges of each app are remembered; absent: a hundred. */
  readonly requestsKept?: number
  /** Whether each app has a histogram of its own. */
  readonly appLatency?: boolean
}

/** The ports that were bound; `git` only where there is a builder. */
export interface Ports {
  readonly http: number
  readonly https: number
  readonly git?: number
}

/** One process's share of the traffic: a table, and the listeners that serve by it. */
export class Worker {
  readonly #server: Server
  readonly #tls: ServerTls
  readonly #names: NamesOnDemand
  readonly #log: LevelledLog
  readonly #vitals: VitalSigns
  #table: Table
  #httpsPort: number | undefined
  #gitSockets: readonly ListenSocket[] = []
  #openingGit: Promise<number[]> | undefined
  #gitPort: number | undefined

  /**
   * @param whole the first table
   * @param index which of the workers this is, from 1 on
   * @param want tells of a name for which a client wants a certificate
   */
  constructor(whole: TableDelta, options: WorkerOptions, baseLog: Log, index = 1, want: (name: string) => void = () => {}) {
    const log = new LevelledLog(baseLog)
    this.#vitals = new VitalSigns(index)
    this.#log = log
    this.#table = new Table().apply(whole)
    log.limit(this.#table.settings.logLevel)
    const { onDemandWaitMs: waitMs, onDemandWaitingMax: waitingMax } = limitsOf(options.limits)
    this.#names = new NamesOnDemand({ waitMs, waitingMax, want })
    this.#tls = new ServerTls(this.#table, options.tls, log, this.#names)
    this.#server = createServer({
      table: () => this.#table,
      tls: this.#tls.options(() => this.#table),
      staple: certificate => this.#tls.staple(this.#table, certificate),
      ...(options.limits && { limits: options.limits }),
      log,
      workers: options.workers ?? 1,
      accessLog: options.accessLog,
      ...(options.requestsKept !== undefined && { requestsKept: options.requestsKept }),
      ...(options.appLatency && { appLatency: true }),
      ...(options.accessLogFile ? { accessLogTarget: { path: options.accessLogFile } } : {}),
      httpsPort: () => options.listen.publicHttpsPort || (this.#httpsPort ?? 443),
    })
  }

  get table(): Table {
    return this.#table
  }

  /** Where git's port was bound, once there is a builder. */
  get gitPort(): number | undefined {
    return this.#gitPort
  }

  /** @throws {Error} `EADDRINUSE` and the like */
  async listen(sockets: readonly ListenSocket[]): Promise<Ports> {
    this.#gitSockets = sockets.filter(({ name }) => name === 'git')
    const listenOn = (name: PortName) =>
      Promise.all(
        sockets
          .filter(held => held.name === name)
          .map(({ socket }) => (name === 'http' ? this.#server.listenHttp(socket) : this.#server.listenHttps(socket))),
      )
    const [http = 0] = await listenOn('http')
    const [https = 0] = await listenOn('https')
    this.#httpsPort = https
    const git = await this.#listenGit()
    return { http, https, ...(git !== undefined && { git }) }
  }

  /** Takes a change: from the next request on, all is served by it. */
  apply(delta: TableDelta): void {
    const before = this.#table
    this.#table = before.apply(delta)
    for (const [key] of delta.endpoints ?? delta.routes) this.#server.moveEndpoints(findMoves(before.route(key), this.#table.route(key)))
    if (delta.endpoints === undefined) {
      this.#log.limit(this.#table.settings.logLevel)
      this.#names.look(this.#table)
      if (this.#tls.update(before, this.#table)) this.#server.renewTls(this.#tls.options(() => this.#table))
    }
    if (this.#gitPort === undefined && this.#table.git)
      this.#listenGit().catch(error => this.#log.error('git port cannot be opened', { error: (error as Error).message }))
  }

  /** Takes another key of session tickets: those of the one before cost their clients a full handshake. */
  takeTlsSecrets(secrets: TlsSecrets): void {
    this.#tls.takeSecrets(secrets)
    this.#server.renewTicketKeys(Buffer.from(secrets.ticketKeys))
  }

  /** Names for which there will be no certificate, so that nobody waits for it. */
  deny(names: readonly string[]): void {
    this.#names.deny(names)
  }

  stats(): TrafficStats {
    return { ...this.#server.stats(), vitals: this.#vitals.read() }
  }

  /** Tells the operator's pages what only a worker knows. */
  answer<Q extends Question>(question: Q): Answers[Q['about']]
  answer(question: Question): Answers[Question['about']] {
    return question.about === 'requests' ? this.#server.recentRequests(question) : this.#server.explain(this.#table, question)
  }

  /** Opens the file of the access log anew. */
  reopenLog(): Promise<void> {
    return this.#server.reopenLog()
  }

  /** Stops accepting and lets what runs finish, until the deadline. */
  drain(deadlineMs: number): Promise<void> {
    // Another router will have their certificates.
    this.#names.stop()
    return this.#server.drain(deadlineMs)
  }

  stop(): Promise<void> {
    this.#vitals.stop()
    this.#names.stop()
    return this.#server.stop()
  }

  /** No builder, no listener (contract section 3). */
  async #listenGit(): Promise<number | undefined> {
    if ((!this.#table.git && !this.#openingGit) || this.#gitSockets.length === 0) return undefined
    this.#openingGit ??= Promise.all(this.#gitSockets.map(({ socket }) => this.#server.listenGit(socket)))
    try {
      const [port = 0] = await this.#openingGit
      if (this.#gitPort === undefined) this.#log.info('git port opened', { port })
      this.#gitPort = port
      return port
    } catch (error) {
      this.#openingGit = undefined
      throw error
    }
  }
}
