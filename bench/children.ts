import { type ChildProcess, fork, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'

/** As the router starts its workers (see ARCHITECTURE.md, performance); the same for every peer on Node. */
const NODE_FLAGS = [
  ...['--max-semi-space-size=16', '--min-semi-space-size=16'],
  ...['--no-parallel-scavenge', '--no-concurrent-array-buffer-sweeping', '--no-memory-reducer', '--heap-growing-percent=100'],
]
const START_TIMEOUT_MS = 20_000

/** What is measured has the first core for itself; load and origin have the others. */
export type Place = 'measured' | 'load'

/** The processes of one scenario. Each is ended by its own id when the scenario is over, and when the run is interrupted. */
export class Children implements Disposable {
  /** For configurations and what else they leave; it goes with them. */
  readonly folder = mkdtempSync(join(tmpdir(), 'bench-'))
  readonly #children = new Set<ChildProcess>()
  readonly #stop = () => this[Symbol.dispose]()

  constructor() {
    process.once('exit', this.#stop)
  }

  /** Starts a script of ours. Its first message must tell its `port`. `output` is a file descriptor for its standard output. */
  async fork(file: string, env: Record<string, string> = {}, place: Place = 'measured', output?: number): Promise<Child> {
    const [execPath = process.execPath, ...execArgv] = [...pinned(place), process.execPath, ...NODE_FLAGS]
    const child = fork(file, {
      env: { ...process.env, NODE_NO_WARNINGS: '1', ...env },
      execPath,
      execArgv,
      stdio: ['ignore', output ?? 'ignore', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    this.#children.add(child)
    const { port } = await new Promise<{ port: number }>((resolve, reject) => {
      child.once('message', message => resolve(message as { port: number }))
      child.once('exit', code => reject(new Error(`Cannot start ${file}: it ended with ${code}`)))
    })
    return new Child(child, port)
  }

  /** Starts another's program, which is ready once it listens on `port`. */
  async spawn(command: string, args: readonly string[], port: number, env: Record<string, string> = {}): Promise<Child> {
    const [first = command, ...rest] = [...pinned('measured'), command, ...args]
    const child = spawn(first, rest, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } })
    this.#children.add(child)
    let said = ''
    child.stderr.on('data', (chunk: Buffer) => {
      if (said.length < 4000) said += chunk.toString()
    })
    const until = performance.now() + START_TIMEOUT_MS
    while (!(await accepts(port))) {
      if (child.exitCode !== null || performance.now() > until) throw new Error(`Cannot start ${command}: ${said}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    return new Child(child, port)
  }

  [Symbol.dispose](): void {
    process.off('exit', this.#stop)
    // A nginx that is killed outright would leave its worker behind; SIGTERM ends both at once.
    for (const child of this.#children) child.kill(child.channel === undefined || child.channel === null ? 'SIGTERM' : 'SIGKILL')
    this.#children.clear()
    rmSync(this.folder, { recursive: true, force: true })
  }
}

/** A process that runs, and where it listens. */
export class Child {
  readonly port: number
  readonly #process: ChildProcess

  constructor(process: ChildProcess, port: number) {
    this.#process = process
    this.port = port
  }

  /** The same process, known by another of its ports. */
  at(port: number): Child {
    return new Child(this.#process, port)
  }

  get pid(): number {
    return this.#process.pid as number
  }

  /** Sends an order to a script of ours and waits for its answer; one at a time. */
  ask<T>(order: object): Promise<T> {
    return new Promise((resolve, reject) => {
      const gone = () => reject(new Error('A process ended in the middle of a measurement'))
      this.#process.once('exit', gone)
      this.#process.once('message', answer => {
        this.#process.off('exit', gone)
        resolve(answer as T)
      })
      this.#process.send(order)
    })
  }

  /** Sends an order that has no answer, or one that nobody waits for. */
  tell(order: object): void {
    this.#process.send(order)
  }
}

/** A port that nobody listens on at this moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(address !== null && typeof address === 'object' ? address.port : 0))
    })
  })
}

/** Whether a program can be started by its name. */
export function isInstalled(command: string, versionFlag: string): boolean {
  return spawnSync(command, [versionFlag], { stdio: 'ignore' }).error === undefined
}

const canPin = cpus().length > 1 && isInstalled('taskset', '--version')

/** What starts a program at its place; empty where there is but one. */
export function pinned(place: Place): string[] {
  if (!canPin) return []
  const last = cpus().length - 1
  return ['taskset', '-c', place === 'measured' ? '0' : last === 1 ? '1' : `1-${last}`]
}

function accepts(port: number): Promise<boolean> {
  return fetch(`http://127.0.0.1:${port}/`, { redirect: 'manual', signal: AbortSignal.timeout(1000) }).then(
    () => true,
    () => false,
  )
}
