import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { BUILDER_AUTH_HEADER, type HookBuildRequest } from '../kernel/contract.ts'
import { silentLog } from '../kernel/log.ts'
import { builderConfig } from './config.ts'
import { startBuilder } from './start.ts'

const KEY = 'shared-builder-key'

/** What a program said and how it ended. */
export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** A program in a process group of its own. */
export interface RunningProgram {
  readonly child: ChildProcess
  /** Resolves when its output holds a text. */
  said(text: string): Promise<void>
  readonly ended: Promise<Outcome>
}

/** A control plane that knows some users and keeps what is released. */
export class StubControlPlane {
  readonly users = new Map<string, { password: string; apps: string[]; fingerprints: string[] }>()
  readonly config: Record<string, string> = {}
  readonly releases: HookBuildRequest[] = []
  /** What `hooks/build` does before it answers; throws to answer 400 with the message. */
  onRelease: (request: HookBuildRequest) => Promise<void> = async () => {}
  /** Answers everything with 503 when set. */
  down = false
  authentications = 0
  #server = createServer((request, response) => {
    void this.#serve(request, response)
  })
  url = ''

  async start(): Promise<void> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    this.url = `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections()
    await new Promise(resolve => this.#server.close(resolve))
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let text = ''
    for await (const chunk of request) text += chunk
    const reply = (status: number, body: unknown) => {
      response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
    }
    if (this.down) return reply(503, { detail: 'Down for maintenance' })
    if (request.url === '/healthz') return reply(200, {})
    if (request.headers[BUILDER_AUTH_HEADER] !== KEY) return reply(403, { detail: 'Wrong builder key' })
    const body = text ? JSON.parse(text) : {}
    const [, fingerprint] = /^\/v2\/hooks\/key\/(.+)$/.exec(request.url ?? '') ?? []
    if (fingerprint) {
      const found = [...this.users].find(([, user]) => user.fingerprints.includes(decodeURIComponent(fingerprint)))
      return found ? reply(200, { username: found[0], apps: found[1].apps }) : reply(404, { detail: 'Not found.' })
    }
    if (request.url === '/v2/hooks/authenticate/') {
      this.authentications++
      const user = this.users.get(body.username)
      if (user?.password !== body.password) return reply(401, { detail: 'Invalid credentials' })
      return reply(200, { username: body.username, apps: user!.apps })
    }
    if (request.url === '/v2/hooks/config/') {
      const allowed = this.users.get(body.receive_user)?.apps.includes(body.receive_repo)
      return allowed ? reply(200, { values: this.config }) : reply(403, { detail: 'No permission' })
    }
    if (request.url === '/v2/hooks/build/') {
      try {
        await this.onRelease(body)
      } catch (error) {
        return reply(400, { detail: (error as Error).message })
      }
      this.releases.push(body)
      return reply(200, { release: { version: this.releases.length + 1 }, urls: [`http://${body.receive_repo}.localhost:8080/`] })
    }
    reply(404, { detail: 'Not found.' })
  }
}

/** A builder with a stub control plane, and developers with real git and ssh, all in one folder that {@link stop} removes. */
export class TestBed {
  readonly root: string
  readonly controlPlane: StubControlPlane
  ports = { ssh: 0, http: 0, health: 0 }
  #builder: { stop(): Promise<void> } | undefined
  #count = 0
  readonly #env: Record<string, string>

  private constructor(root: string, controlPlane: StubControlPlane, env: Record<string, string>) {
    this.root = root
    this.controlPlane = controlPlane
    this.#env = env
  }

  /** @param env further settings of the builder */
  static async start(env: Record<string, string> = {}): Promise<TestBed> {
    const root = await mkdtemp(path.join(os.tmpdir(), 'builder-test-'))
    const controlPlane = new StubControlPlane()
    await controlPlane.start()
    const bed = new TestBed(root, controlPlane, env)
    await bed.startBuilder()
    return bed
  }

  get home(): string {
    return path.join(this.root, 'builder')
  }

  async startBuilder(): Promise<void> {
    const config = builderConfig({
      BUILDER_BIND: '127.0.0.1',
      BUILDER_SSH_PORT: '0',
      BUILDER_HTTP_PORT: '0',
      BUILDER_HEALTH_PORT: '0',
      BUILDER_HOME: this.home,
      BUILDER_KEY: KEY,
      BUILDER_CONTROLLER_URL: this.controlPlane.url,
      BUILDER_RUN_COMMAND: JSON.stringify([process.execPath, path.join(import.meta.dirname, 'testdata/runner.mjs')]),
      ...this.#env,
    })
    const builder = await startBuilder({ config, log: silentLog })
    this.ports = builder.ports
    this.#builder = builder
  }

  async stopBuilder(): Promise<void> {
    await this.#builder?.stop()
  }

  async stop(): Promise<void> {
    await this.stopBuilder()
    await this.controlPlane.stop()
    await rm(this.root, { recursive: true, force: true })
  }

  /** A user with a key of his own who may use these apps. */
  async addUser(name: string, apps: string[]): Promise<void> {
    const key = this.keyOf(name)
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', name, '-f', key])
    const { stdout } = await run('ssh-keygen', ['-l', '-E', 'md5', '-f', `${key}.pub`])
    const fingerprint = /MD5:([0-9a-f:]+)/.exec(stdout)![1]!
    this.controlPlane.users.set(name, { password: `${name}-token`, apps, fingerprints: [fingerprint] })
  }

  keyOf(user: string): string {
    return path.join(this.root, `key-${user}`)
  }

  sshArguments(user: string): string[] {
    return [
      ...['-F', '/dev/null', '-i', this.keyOf(user), '-p', String(this.ports.ssh)],
      ...['-o', `UserKnownHostsFile=${path.join(this.root, 'known_hosts')}`, '-o', 'StrictHostKeyChecking=accept-new'],
      ...['-o', 'IdentitiesOnly=yes', '-o', 'IdentityAgent=none', '-o', 'BatchMode=yes'],
    ]
  }

  /** A clone-to-be: a repository with one commit of these files on `main`. */
  async workTree(files: Readonly<Record<string, string | Uint8Array>>): Promise<string> {
    const directory = path.join(this.root, `work-${++this.#count}`)
    await mkdir(directory)
    await this.git('ana', directory, 'init', '-q', '-b', 'main')
    await this.commit(directory, files)
    return directory
  }

  async commit(directory: string, files: Readonly<Record<string, string | Uint8Array>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      await mkdir(path.dirname(path.join(directory, name)), { recursive: true })
      await writeFile(path.join(directory, name), content)
    }
    await this.git('ana', directory, 'add', '-A')
    await this.git('ana', directory, 'commit', '-q', '--allow-empty', '-m', `commit ${++this.#count}`)
  }

  sshUrl(app: string): string {
    return `ssh://git@127.0.0.1:${this.ports.ssh}/${app}.git`
  }

  httpUrl(app: string, user: string, password = `${user}-token`): string {
    return `http://${user}:${password}@127.0.0.1:${this.ports.http}/git/${app}.git`
  }

  git(user: string, directory: string, ...args: string[]): Promise<Outcome> {
    return run('git', args, { cwd: directory, env: this.#gitEnvironment(user) })
  }

  /** Starts git and leaves it running. */
  startGit(user: string, directory: string, ...args: string[]): RunningProgram {
    return start('git', args, { cwd: directory, env: this.#gitEnvironment(user) })
  }

  /** Starts a command over ssh, its input left open. */
  startSsh(user: string, command: string): RunningProgram {
    return start('ssh', [...this.sshArguments(user), 'git@127.0.0.1', command])
  }

  #gitEnvironment(user: string): Record<string, string> {
    const quoted = this.sshArguments(user)
      .slice(0, -2)
      .filter((_, index, all) => all[index] !== '-p' && all[index - 1] !== '-p')
    return {
      PATH: process.env['PATH'] ?? '',
      HOME: this.root,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_AUTHOR_NAME: 'Ana',
      GIT_AUTHOR_EMAIL: 'ana@example.com',
      GIT_COMMITTER_NAME: 'Ana',
      GIT_COMMITTER_EMAIL: 'ana@example.com',
      GIT_SSH_COMMAND: ['ssh', ...quoted.map(word => `'${word}'`), '-o', 'BatchMode=yes'].join(' '),
    }
  }
}

/** Runs a program to its end. */
export function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<Outcome> {
  return new Promise(resolve => {
    const settings = { ...options, timeout: 60_000, maxBuffer: 64 * 1024 ** 2 }
    const child = execFile(program, args, settings, (error, stdout, stderr) => {
      resolve({ code: error ? (typeof error.code === 'number' ? error.code : -1) : 0, stdout, stderr })
    })
    child.stdin?.end()
  })
}

function start(program: string, args: readonly string[], options: { cwd?: string; env?: Record<string, string> } = {}): RunningProgram {
  const child = spawn(program, args, { ...options, detached: true })
  let output = ''
  const waiting = new Set<() => void>()
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', text => {
      output += text
      for (const check of waiting) check()
    })
  }
  const ended = once(child, 'close').then(([code]) => ({ code: code ?? -1, stdout: '', stderr: output }))
  const said = (text: string) =>
    new Promise<void>((resolve, reject) => {
      const check = () => {
        if (output.includes(text)) resolve()
      }
      waiting.add(check)
      check()
      void ended.then(() => reject(new Error(`${program} ended without "${text}": ${output}`)))
    })
  return { child, ended, said }
}
