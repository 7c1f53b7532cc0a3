import assert from 'node:assert/strict'
import { type SpawnOptions, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface, type Interface } from 'node:readline'
import { text } from 'node:stream/consumers'
import type { Access } from './api.ts'

const SHARED = resolve(import.meta.dirname, '../../../shared/kubernetes/bin/kubectl.xz')

/** A command that runs longer is stuck. */
const COMMAND_TIMEOUT_MS = 60_000

export interface Result {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CommandOptions {
  /** What the command reads. */
  readonly input?: string
  readonly env?: Readonly<Record<string, string>>
}

/** Where kubectl is, or `undefined`: in the folder of envtest, or packed beside the checkout. */
export function findKubectl(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const assets = env['KUBEBUILDER_ASSETS']
  if (assets && existsSync(join(assets, 'kubectl'))) return join(assets, 'kubectl')
  if (existsSync(SHARED) && process.platform === 'linux' && process.arch === 'x64') return SHARED
  return undefined
}

/** An unmodified kubectl, with a home of its own, that speaks with one API server. */
export class Kubectl {
  readonly home: string
  readonly #binary: string

  private constructor(home: string, binary: string) {
    this.home = home
    this.#binary = binary
  }

  /** @param found what {@link findKubectl} found; unpacked into the home if it is packed */
  static async open(found: string, { server, ca, token, cert, key }: Access): Promise<Kubectl> {
    const home = await mkdtemp(join(tmpdir(), 'kubectl-'))
    let binary = found
    if (found.endsWith('.xz')) {
      binary = join(home, 'kubectl')
      const output = openSync(binary, 'w', 0o755)
      await once(spawn('xz', ['-dkc', found], { stdio: ['ignore', output, 'inherit'] }), 'exit')
      closeSync(output)
    }
    const base64 = (pem: string) => Buffer.from(pem).toString('base64')
    const user = token ? { token } : { 'client-certificate-data': base64(cert ?? ''), 'client-key-data': base64(key ?? '') }
    await writeFile(
      join(home, 'kubeconfig'),
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'Config',
        'current-context': 'test',
        clusters: [{ name: 'test', cluster: { server, 'certificate-authority-data': base64(ca) } }],
        users: [{ name: 'test', user }],
        contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
      }),
    )
    return new Kubectl(home, binary)
  }

  /** Runs a command to its end, whatever that is. */
  async run(args: readonly string[], { input = '', env = {} }: CommandOptions = {}): Promise<Result> {
    const child = this.#spawn(args, env)
    child.stdin?.end(input)
    const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_TIMEOUT_MS)
    const [stdout, stderr, [code]] = await Promise.all([text(child.stdout!), text(child.stderr!), once(child, 'close')])
    clearTimeout(timer)
    return { code: code ?? -1, stdout, stderr }
  }

  /** Runs a command that must succeed. @returns what it printed */
  async ok(args: readonly string[], options: CommandOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options)
    assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr || stdout}`)
    return stdout
  }

  /** Starts a command that does not end by itself. */
  follow(args: readonly string[]): Following {
    const child = this.#spawn(args, {})
    child.stdin?.end()
    return new Following(createInterface({ input: child.stdout! }), () => child.kill('SIGKILL'))
  }

  async close(): Promise<void> {
    await rm(this.home, { recursive: true, force: true })
  }

  #spawn(args: readonly string[], env: Readonly<Record<string, string>>) {
    const options: SpawnOptions = {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'] ?? '', HOME: this.home, KUBECONFIG: join(this.home, 'kubeconfig'), ...env },
    }
    return spawn(this.#binary, args, options)
  }
}

/** The lines of a command that is still running. */
export class Following {
  readonly #lines: AsyncIterator<string>
  readonly #kill: () => void

  constructor(lines: Interface, kill: () => void) {
    this.#lines = lines[Symbol.asyncIterator]()
    this.#kill = kill
  }

  /** Waits for a line that fits. */
  async until(pattern: RegExp): Promise<string> {
    const timer = setTimeout(this.#kill, COMMAND_TIMEOUT_MS)
    try {
      for (;;) {
        const { value, done } = await this.#lines.next()
        assert.ok(!done, `no line like ${pattern} came`)
        if (pattern.test(value)) return value
      }
    } finally {
      clearTimeout(timer)
    }
  }

  stop(): void {
    this.#kill()
  }
}
