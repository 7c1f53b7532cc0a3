import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

export interface Outcome {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  readonly stdout: string
  readonly stderr: string
}

/** A request as the platform received it. */
export interface Received {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly token: string | undefined
  readonly body: unknown
}

/** What the platform says: a value is sent as JSON; a function writes the response itself. */
export type Answer =
  | { readonly status?: number; readonly json?: unknown; readonly text?: string; readonly headers?: Record<string, string> }
  | ((response: ServerResponse, received: Received) => void)

/** The API, as far as a test says what it answers; anything else is 404. */
export class StubPlatform {
  readonly received: Received[] = []
  readonly #answers = new Map<string, Answer>()
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  async start(): Promise<this> {
    await new Promise<void>(resolve => this.#server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get address(): string {
    return `http://drycc.localhost:${this.port}`
  }

  /** @param call `GET /v2/apps/` */
  on(call: string, answer: Answer): this {
    this.#answers.set(call, answer)
    return this
  }

  /** Rows with `limit` and `offset`, as lists of the API have them. */
  onList(path: string, rows: readonly unknown[]): this {
    return this.on(`GET ${path}`, (response, { query }) => {
      const offset = Number(query.get('offset') ?? 0)
      const results = rows.slice(offset, offset + Number(query.get('limit') ?? 100))
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify({ count: rows.length, next: null, previous: null, results }))
    })
  }

  /** Cuts every connection, as a restart does. */
  cut(): void {
    this.#server.closeAllConnections()
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', 'http://platform')
    const content = await text(request)
    const received: Received = {
      method: request.method ?? '',
      path: url.pathname,
      query: url.searchParams,
      token: /^token (\w+)$/.exec(request.headers.authorization ?? '')?.[1],
      body: content === '' ? undefined : JSON.parse(content),
    }
    this.received.push(received)
    const answer = this.#answers.get(`${received.method} ${decodeURIComponent(received.path)}`) ?? {
      status: 404,
      json: 'No App matches the given query.',
    }
    if (typeof answer === 'function') return answer(response, received)
    const { status = 200, json, text: body, headers = {} } = answer
    response.writeHead(status, { 'content-type': body === undefined ? 'application/json' : 'text/html', ...headers })
    response.end(body ?? (json === undefined ? undefined : JSON.stringify(json)))
  }
}

/** Somebody with an own home folder, who runs the command line as a process. */
export class CliUser {
  readonly home = mkdtempSync(join(tmpdir(), 'drycc-cli-'))
  readonly env: NodeJS.ProcessEnv

  constructor() {
    this.env = {
      PATH: process.env['PATH'],
      HOME: this.home,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      NODE_COMPILE_CACHE: join(import.meta.dirname, '../node_modules/.cache/compile'),
    }
  }

  get profileFile(): string {
    return join(this.home, '.drycc/client.json')
  }

  /** Writes the login without asking the platform. */
  logIn(controller: string, username = 'ana', token = 'a1b2c3'): void {
    mkdirSync(join(this.home, '.drycc'), { recursive: true })
    writeFileSync(this.profileFile, JSON.stringify({ username, controller, token, ssl_verify: true, response_limit: 0 }))
  }

  drycc(...args: string[]): Promise<Outcome> {
    return this.run(process.execPath, [join(import.meta.dirname, 'main.ts'), ...args])
  }

  /** Many command lines in one process, one after the other, in this home. */
  async many(lines: readonly (readonly string[])[]): Promise<{ code: number; stdout: string; stderr: string }[]> {
    const { code, stdout, stderr } = await this.run(process.execPath, [join(import.meta.dirname, 'testdata/many.ts')], {
      input: JSON.stringify(lines),
      env: { DRYCC_APP: 'shop' },
    })
    if (code !== 0) throw new Error(`ended with ${code}\n${stdout}${stderr}`)
    return JSON.parse(stdout) as { code: number; stdout: string; stderr: string }[]
  }

  run(
    command: string,
    args: readonly string[],
    options: {
      cwd?: string
      env?: NodeJS.ProcessEnv
      input?: string
      isInteractive?: boolean
      onStart?: (child: ChildProcess) => void
    } = {},
  ): Promise<Outcome> {
    const child = spawn(command, args, { cwd: options.cwd ?? this.home, env: { ...this.env, ...options.env } })
    child.stdin.on('error', () => {})
    if (!options.isInteractive) child.stdin.end(options.input ?? '')
    options.onStart?.(child)
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', chunk => (stdout += chunk))
    child.stderr.setEncoding('utf8').on('data', chunk => (stderr += chunk))
    return new Promise((resolve, reject) => {
      child.on('error', reject).on('close', (code, signal) => resolve({ code, signal, stdout, stderr }))
    })
  }

  remove(): void {
    rmSync(this.home, { recursive: true, force: true })
  }
}
