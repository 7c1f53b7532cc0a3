import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { PlatformUnderTest } from './platform-under-test.ts'

/** What a person needs to know of a platform. */
type Place = Pick<PlatformUnderTest, 'apiHost' | 'folder'> & { readonly ports: { readonly 'http-port': number } }

export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

const CLI = join(import.meta.dirname, '../../cli/main.ts')

/** Somebody at a terminal: an own home folder, an SSH key, the command line, git and ssh. */
export class Person {
  readonly name: string
  readonly home: string
  readonly password = 'correct horse'
  readonly #platform: Place

  constructor(platform: Place, name: string) {
    this.#platform = platform
    this.name = name
    this.home = join(platform.folder, name)
    mkdirSync(this.home, { recursive: true })
  }

  get controller(): string {
    return `http://${this.#platform.apiHost}:${this.#platform.ports['http-port']}`
  }

  /** Makes an account, logs in, makes an SSH key and adds it. */
  async settle(): Promise<void> {
    succeed(
      await this.drycc(
        'register',
        this.controller,
        '--username',
        this.name,
        '--password',
        this.password,
        '--email',
        `${this.name}@example.com`,
      ),
    )
    succeed(await this.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', `${this.name}@laptop`, '-f', this.#key]))
    succeed(await this.drycc('keys:add', `${this.#key}.pub`))
  }

  /** A git repository with these files, committed on `main`. */
  async repository(name: string, files: Readonly<Record<string, string>>): Promise<Repository> {
    const repository = new Repository(this, join(this.home, name))
    mkdirSync(repository.folder, { recursive: true })
    succeed(await repository.git('init', '--quiet', '--initial-branch=main'))
    await repository.commit(files)
    return repository
  }

  drycc(...args: string[]): Promise<Outcome> {
    return this.run(process.execPath, [CLI, ...args])
  }

  /** The command line, left running; kill it in the end. */
  following(...args: string[]): ChildProcess {
    return spawn(process.execPath, [CLI, ...args], { cwd: this.home, env: this.env, stdio: ['ignore', 'pipe', 'inherit'] })
  }

  run(command: string, args: readonly string[], cwd = this.home): Promise<Outcome> {
    const child = spawn(command, args, { cwd, env: this.env, stdio: ['ignore', 'pipe', 'pipe'] })
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', chunk => (stdout += chunk))
    child.stderr.on('data', chunk => (stderr += chunk))
    return new Promise((resolve, reject) => child.on('error', reject).on('close', code => resolve({ code, stdout, stderr })))
  }

  get env(): NodeJS.ProcessEnv {
    const ssh = [
      'ssh',
      '-F',
      '/dev/null',
      '-i',
      this.#key,
      '-o',
      'IdentitiesOnly=yes',
      '-o',
      'BatchMode=yes',
      '-o',
      'StrictHostKeyChecking=accept-new',
    ]
    const env: NodeJS.ProcessEnv = {
      PATH: process.env['PATH'],
      HOME: this.home,
      LANG: 'C',
      NO_COLOR: '1',
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_TERMINAL_PROMPT: '0',
      GIT_SSH_COMMAND: [...ssh, '-o', `UserKnownHostsFile=${join(this.home, 'known_hosts')}`].join(' '),
    }
    for (const role of ['AUTHOR', 'COMMITTER']) {
      env[`GIT_${role}_NAME`] = this.name
      env[`GIT_${role}_EMAIL`] = `${this.name}@example.com`
    }
    return env
  }

  get #key(): string {
    return join(this.home, 'id_ed25519')
  }
}

export class Repository {
  readonly folder: string
  readonly #person: Person

  constructor(person: Person, folder: string) {
    this.#person = person
    this.folder = folder
  }

  git(...args: string[]): Promise<Outcome> {
    return this.#person.run('git', args, this.folder)
  }

  /** What its owner's programs are given. */
  get env(): NodeJS.ProcessEnv {
    return this.#person.env
  }

  /** The command line inside the repository, where it finds the app by the remote. */
  drycc(...args: string[]): Promise<Outcome> {
    return this.#person.run(process.execPath, [CLI, ...args], this.folder)
  }

  async commit(files: Readonly<Record<string, string>>): Promise<void> {
    for (const [name, content] of Object.entries(files)) {
      mkdirSync(dirname(join(this.folder, name)), { recursive: true })
      writeFileSync(join(this.folder, name), content)
    }
    succeed(await this.git('add', '--all'))
    succeed(await this.git('commit', '--quiet', '--allow-empty', '--message=change'))
  }
}

/** Passes an outcome on that went well. @throws {Error} with all that was printed otherwise */
export function succeed(outcome: Outcome): Outcome {
  if (outcome.code !== 0) throw new Error(`ended with code ${outcome.code}\n${outcome.stdout}${outcome.stderr}`)
  return outcome
}
