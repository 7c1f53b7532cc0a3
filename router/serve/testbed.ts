import { once } from 'node:events'
import { type AddressInfo, connect, createServer as createNetServer, type Socket } from 'node:net'
import { type TlsOptions, connect as tlsConnect } from 'node:tls'
import { createLog, type LogFields, silentLog } from '../../kernel/log.ts'
import { AppLoad } from '../table/app-load.ts'
import type { Credentials } from '../table/credentials.ts'
import { ErrorPages, type ErrorPagesSpec } from '../table/error-pages.ts'
import {
  DEFAULT_POLICY,
  DEFAULT_SETTINGS,
  type Endpoint,
  endpoint,
  locate,
  type Policy,
  type Route,
  type RouterSettings,
  type RouteTable,
} from '../table/route.ts'
import type { Limits } from './limits.ts'
import { createServer, type Server, type ServerOptions } from './server.ts'

// Nothing passes by waiting: a busy machine has its time, and what never comes is told later.
const PATIENCE_MS = 20_000

/** An app for tests: a raw server that keeps every byte it was sent. */
export interface TestApp extends AsyncDisposable {
  readonly endpoint: Endpoint
  /** What each connection brought, as latin1. */
  readonly received: string[]
  readonly sockets: Socket[]
  /** Connections that are open now. */
  readonly open: Set<Socket>
}

/** A request as a test app understands it. */
export interface TestRequest {
  readonly line: string
  readonly head: string
  readonly body: string
  /** The lines behind a body in chunks, each with its CRLF. */
  readonly trailers: string
  readonly method: string
  readonly target: string
  readonly socket: Socket
}

/**
 * Starts an app that is a script over sockets.
 *
 * @param options.halfOpen keeps a connection open after the router has ended its side
 */
export async function startApp(
  script: (socket: Socket, index: number, app: TestApp) => void,
  options: { halfOpen?: boolean } = {},
): Promise<TestApp> {
  const server = createNetServer({ allowHalfOpen: true, noDelay: true })
  const app = {
    received: [] as string[],
    sockets: [] as Socket[],
    open: new Set<Socket>(),
    endpoint: endpoint('127.0.0.1', 0),
    async [Symbol.asyncDispose]() {
      for (const socket of app.open) socket.destroy()
      server.close()
    },
  }
  server.on('connection', socket => {
    const index = app.sockets.push(socket) - 1
    app.received[index] = ''
    app.open.add(socket)
    socket.on('close', () => app.open.delete(socket))
    socket.on('error', () => {})
    if (options.halfOpen !== true) socket.on('end', () => socket.end())
    socket.on('data', (chunk: Buffer) => {
      app.received[index] += chunk.toString('latin1')
    })
    script(socket, index, app)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  app.endpoint = endpoint('127.0.0.1', (server.address() as AddressInfo).port)
  return app
}

/** Starts an app that reads whole requests and sends what `answer` returns for each; undefined sends nothing. */
export async function startHttpApp(answer: (request: TestRequest, count: number) => string | Buffer | undefined): Promise<TestApp> {
  let count = 0
  return startApp((socket, index, app) => {
    let at = 0
    socket.on('data', () => {
      for (;;) {
        const text = (app.received[index] as string).slice(at)
        const request = readRequest(text, socket)
        if (request === undefined) return
        at += request.head.length + request.bodyBytes
        const reply = answer(request, count++)
        if (reply !== undefined && !socket.destroyed) socket.write(reply as string, 'latin1')
      }
    })
  })
}

/** Starts an app that answers without end, as fast as the router takes it. */
export function startEndlessApp(): Promise<TestApp> {
  return startApp(socket => {
    const block = Buffer.alloc(1 << 18)
    const fill = () => {
      while (!socket.destroyed && socket.write(block));
    }
    socket.once('data', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      fill()
    })
    socket.on('drain', fill)
  })
}

/** A plain answer with a Content-Length. */
export function ok(body: string, fields = ''): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n${fields}Content-Length: ${body.length}\r\n\r\n${body}`
}

/** What {@link startBed} can be told. */
export interface BedOptions {
  /** Apps by host; a list is the endpoints of one app. */
  readonly apps?: Record<string, TestApp | readonly Endpoint[]>
  readonly policy?: Partial<Policy>
  readonly policies?: Record<string, Partial<Policy>>
  readonly settings?: Partial<RouterSettings>
  readonly limits?: Partial<Limits>
  readonly tls?: TlsOptions
  readonly git?: TestApp
  /** Pages by ConfigMap. */
  readonly pages?: Record<string, ErrorPagesSpec>
  /** By the key of a Secret. */
  readonly credentials?: Record<string, Credentials>
  readonly httpsPort?: number
  readonly workers?: number
  /** Hears what the server logs as its own fault. */
  readonly onError?: (message: string, fields?: LogFields) => void
  readonly accessLogTarget?: ServerOptions['accessLogTarget']
  readonly accessLog?: ServerOptions['accessLog']
}

/** A server with open ports in front of test apps. */
export interface Bed extends AsyncDisposable {
  readonly server: Server
  readonly port: number
  readonly httpsPort: number
  readonly gitPort: number
  /** May be replaced, as a change in the cluster does. */
  table: RouteTable
  /** Connects, sends, and gives the client to go on with. */
  send(bytes: string): RawClient
  /** Sends with `Connection: close` semantics: returns all that came until the router closed. */
  exchange(bytes: string): Promise<string>
}

export async function startBed(options: BedOptions = {}): Promise<Bed> {
  const { onError } = options
  const log = onError ? { ...silentLog, error: onError } : process.env['ROUTER_TEST_LOG'] ? createLog({ role: 'router' }) : silentLog
  const clients = new Set<RawClient>()
  const server = createServer({
    table: () => bed.table,
    log,
    limits: { tickMs: 20, ...options.limits },
    ...(options.tls ? { tls: options.tls } : {}),
    ...(options.workers === undefined ? {} : { workers: options.workers }),
    ...(options.httpsPort === undefined ? {} : { httpsPort: () => options.httpsPort as number }),
    ...(options.accessLog ? { accessLog: options.accessLog } : {}),
    ...(options.accessLogTarget ? { accessLogTarget: options.accessLogTarget } : {}),
  })
  const bed = {
    server,
    table: tableOf(options),
    port: await server.listenHttp({ port: 0, host: '127.0.0.1' }),
    httpsPort: options.tls ? await server.listenHttps({ port: 0, host: '127.0.0.1' }) : 0,
    gitPort: options.git ? await server.listenGit({ port: 0, host: '127.0.0.1' }) : 0,
    send(bytes: string): RawClient {
      const client = new RawClient(connect({ port: bed.port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true }))
      clients.add(client)
      if (bytes !== '') client.send(bytes)
      return client
    },
    async exchange(bytes: string): Promise<string> {
      const client = bed.send(bytes)
      await client.ended
      client.destroy()
      return client.text
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.destroy()
      await server.stop()
    },
  }
  return bed
}

/** A table of hosts for tests. */
export function tableOf(options: BedOptions): RouteTable {
  const routes = new Map<string, Route>()
  const pages = new Map(Object.entries(options.pages ?? {}).map(([key, spec]) => [key, new ErrorPages(spec)]))
  for (const [host, app] of Object.entries(options.apps ?? {})) {
    routes.set(host, testRoute(host, app, { ...options.policy, ...options.policies?.[host] }))
  }
  return {
    match: (host, target) => {
      const route = routes.get(host)
      return route && locate(route, target)
    },
    pages: configMap => pages.get(configMap),
    credentials: secret => options.credentials?.[secret],
    git: options.git === undefined ? undefined : testRoute('builder', options.git, options.policy ?? {}),
    settings: { ...DEFAULT_SETTINGS, ...options.settings },
    version: 1,
  }
}

/** A route of a test app. */
export function testRoute(name: string, app: TestApp | readonly Endpoint[], policy: Partial<Policy>): Route {
  const endpoints = 'endpoint' in app ? [app.endpoint] : app
  const load = new AppLoad()
  return { app: name, namespace: name, service: name, policy: { ...DEFAULT_POLICY, ...policy }, endpoints, locations: [], load }
}

/** A client that sends raw bytes and keeps what comes back. */
export class RawClient {
  /** All that came, as latin1. */
  text = ''
  /** Resolves when the router ended its side or reset the connection. */
  readonly ended: Promise<void>
  /** How it ended. */
  how: 'open' | 'fin' | 'reset' = 'open'
  readonly socket: Socket
  readonly #waiting = new Set<() => void>()

  constructor(socket: Socket) {
    this.socket = socket
    this.ended = new Promise(resolve => {
      const over = (how: 'fin' | 'reset') => {
        if (this.how === 'open') this.how = how
        resolve()
        this.#wake()
      }
      socket.on('end', () => over('fin'))
      socket.on('error', () => over('reset'))
      socket.on('close', () => over('reset'))
    })
    socket.on('data', (chunk: Buffer) => {
      this.text += chunk.toString('latin1')
      this.#wake()
    })
  }

  /** Connects over TLS. */
  static tls(port: number, options: { ca?: string; servername?: string }): RawClient {
    return new RawClient(tlsConnect({ port, host: '127.0.0.1', servername: 'shop.test', rejectUnauthorized: false, ...options }))
  }

  send(bytes: string): void {
    this.socket.write(bytes, 'latin1')
  }

  /** Resolves with the text once it holds `part` (or matches), rejects when the connection ends without it or after 20 s. */
  async until(part: string | RegExp | ((text: string) => boolean)): Promise<string> {
    const holds = () =>
      typeof part === 'string' ? this.text.includes(part) : part instanceof RegExp ? part.test(this.text) : part(this.text)
    const deadline = AbortSignal.timeout(PATIENCE_MS)
    const started = performance.now()
    while (!holds()) {
      if (this.how !== 'open')
        throw new Error(`The connection ended (${this.how}) before ${part}: ${JSON.stringify(this.text.slice(-500))}`)
      await new Promise<void>((resolve, reject) => {
        this.#waiting.add(resolve)
        deadline.addEventListener(
          'abort',
          () => reject(new Error(`No ${part} after ${performance.now() - started} ms: ${JSON.stringify(this.text.slice(-500))}`)),
          {
            once: true,
          },
        )
      })
    }
    return this.text
  }

  end(): void {
    this.socket.end()
  }

  reset(): void {
    this.socket.resetAndDestroy()
  }

  destroy(): void {
    this.socket.destroy()
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve()
    this.#waiting.clear()
  }
}

/** Waits until a condition holds, looking again with every turn of the loop. */
export async function until(condition: () => boolean, what = 'condition'): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited 20 s for ${what}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

function readRequest(text: string, socket: Socket): (TestRequest & { bodyBytes: number }) | undefined {
  const end = text.indexOf('\r\n\r\n')
  if (end < 0) return undefined
  const head = text.slice(0, end + 4)
  const rest = text.slice(end + 4)
  const [method = '', target = ''] = head.split(' ')
  const common = { line: head.slice(0, head.indexOf('\r\n')), head, method, target, socket }
  if (/^transfer-encoding: chunked\r$/im.test(head)) {
    let body = ''
    let at = 0
    for (;;) {
      const lineEnd = rest.indexOf('\r\n', at)
      if (lineEnd < 0) return undefined
      const size = Number.parseInt(rest.slice(at, lineEnd), 16)
      if (size === 0) {
        const end = rest.indexOf('\r\n\r\n', lineEnd)
        return end < 0 ? undefined : { ...common, body, trailers: rest.slice(lineEnd + 2, end + 2), bodyBytes: end + 4 }
      }
      if (rest.length < lineEnd + 2 + size + 2) return undefined
      body += rest.slice(lineEnd + 2, lineEnd + 2 + size)
      at = lineEnd + 2 + size + 2
    }
  }
  const length = Number(/^content-length: (\d+)\r$/im.exec(head)?.[1] ?? 0)
  if (rest.length < length) return undefined
  return { ...common, body: rest.slice(0, length), trailers: '', bodyBytes: length }
}
