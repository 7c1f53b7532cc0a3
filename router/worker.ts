import type { Log } from '../kernel/log.ts'
import { createServer, type Server } from './serve/server.ts'
import type { TrafficStats } from './serve/stats.ts'
import { findMoves } from './table/endpoint-moves.ts'
import type { TableDelta } from './table/spec.ts'
import { Table } from './table/table.ts'
import { ServerTls, type TlsSecrets } from './tls/server-options.ts'

/** Where a worker listens. Port 0 is any free one. */
export interface Listen {
  readonly bind: string
  readonly httpPort: number
  readonly httpsPort: number
  readonly gitPort: number
  /** The port of https as clients see it, for redirects; 0 is the one that was bound. */
  readonly publicHttpsPort: number
  /** Other processes listen on the same ports (SO_REUSEPORT). */
  readonly reusePort: boolean
}

export interface WorkerOptions {
  readonly listen: Listen
  readonly tls: TlsSecrets
  readonly accessLog: 'classic' | 'json' | 'off'
  /** The file that access lines are appended to; absent: standard output. */
  readonly accessLogFile?: string
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
  readonly #options: WorkerOptions
  readonly #log: Log
  #table: Table
  #httpsPort: number | undefined
  #openingGit: Promise<number> | undefined
  #gitPort: number | undefined

  /** @param whole the first table */
  constructor(whole: TableDelta, options: WorkerOptions, log: Log) {
    this.#options = options
    this.#log = log
    this.#table = new Table().apply(whole)
    this.#tls = new ServerTls(this.#table, options.tls, log)
    this.#server = createServer({
      table: () => this.#table,
      tls: this.#tls.options(() => this.#table),
      log,
      accessLog: options.accessLog,
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
  async listen(): Promise<Ports> {
    const { bind, httpPort, httpsPort, reusePort } = this.#options.listen
    const http = await this.#server.listenHttp(httpPort, bind, { reusePort })
    const https = await this.#server.listenHttps(httpsPort, bind, { reusePort })
    this.#httpsPort = https
    const git = await this.#listenGit()
    return { http, https, ...(git !== undefined && { git }) }
  }

  /** Takes a change: from the next request on, all is served by it. */
  apply(delta: TableDelta): void {
    const before = this.#table
    this.#table = before.apply(delta)
    for (const [key] of delta.routes) this.#server.moveEndpoints(findMoves(before.route(key), this.#table.route(key)))
    if (this.#tls.update(before, this.#table)) this.#server.renewTls(this.#tls.options(() => this.#table))
    this.#listenGit().catch(error => this.#log.error('git port cannot be opened', { error: (error as Error).message }))
  }

  stats(): TrafficStats {
    return this.#server.stats()
  }

  /** Opens the file of the access log anew. */
  reopenLog(): Promise<void> {
    return this.#server.reopenLog()
  }

  /** Stops accepting and lets what runs finish, until the deadline. */
  drain(deadlineMs: number): Promise<void> {
    return this.#server.drain(deadlineMs)
  }

  stop(): Promise<void> {
    return this.#server.stop()
  }

  /** No builder, no listener (contract section 3); after a failure it is tried again with the next change. */
  async #listenGit(): Promise<number | undefined> {
    if (!this.#table.git && !this.#openingGit) return undefined
    const { bind, gitPort, reusePort } = this.#options.listen
    this.#openingGit ??= this.#server.listenGit(gitPort, bind, { reusePort })
    try {
      const port = await this.#openingGit
      if (this.#gitPort === undefined) this.#log.info('git port opened', { port })
      this.#gitPort = port
      return port
    } catch (error) {
      this.#openingGit = undefined
      throw error
    }
  }
}
