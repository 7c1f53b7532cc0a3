import { execFile, spawn } from 'node:child_process'
import { closeSync, constants, openSync } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { findByEnvironment, identifyProcess, sendSignal } from './process-table.ts'

/** The variable by which every process of a container is found, also one that left its session. */
export const CONTAINER_ID_VARIABLE = 'DRYCC_CONTAINER_ID'

export type OutputStream = 'stdout' | 'stderr'

export interface ProcessSpec {
  /** The container's id, unique to this run of it. */
  readonly id: string
  /** The executable as an absolute path, then its arguments. */
  readonly argv: readonly string[]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** A folder for the FIFOs. */
  readonly fifoDir: string
}

/** What is kept on disk of a running container, enough to find it again. */
export interface ProcessHandle {
  readonly id: string
  readonly pid: number
  /** From {@link identifyProcess}. */
  readonly identity: string
  readonly fifoDir: string
}

export interface ProcessExit {
  /** 128 + the signal's number for a process that a signal ended. */
  readonly exitCode: number
  readonly finishedAt: Date
  /** The code is a guess: the shim was killed, or had gone when the kubelet came back. */
  readonly isLost: boolean
}

export interface ProcessListener {
  output(stream: OutputStream, bytes: Buffer): void
  /** The code is known, before the rest of the output is read: keep it where a crash does not lose it. */
  ended(exit: ProcessExit): void
}

const SHIM = fileURLToPath(new URL('shim.sh', import.meta.url))
const FIFOS = ['stdout', 'stderr', 'status'] as const
/** How long output may still come after the end: only a process that hid from the kill could hold a FIFO open. */
const DRAIN_MS = 1000
const RESWEEP_MS = 20
const KILLED_CODE = 137

const run = promisify(execFile)

/**
 * The processes of one container: a session of their own under `shim.sh`, their output and exit code coming through FIFOs, so that they
 * outlive the kubelet and can be taken over by the next one.
 */
export class ContainerProcess implements ProcessHandle {
  readonly id: string
  readonly pid: number
  readonly identity: string
  readonly fifoDir: string
  /** Resolves when the main process has ended, all others have been killed and all output has been handed on. */
  readonly exited: Promise<ProcessExit>
  readonly #listener: ProcessListener
  readonly #sockets: Record<(typeof FIFOS)[number], Socket>
  readonly #begun = Promise.withResolvers<void>()
  #isDetached = false

  private constructor(handle: ProcessHandle, fds: number[], listener: ProcessListener) {
    this.id = handle.id
    this.pid = handle.pid
    this.identity = handle.identity
    this.fifoDir = handle.fifoDir
    this.#listener = listener
    const [stdout, stderr, status] = fds.map(fd => new Socket({ fd, readable: true, writable: false })) as [Socket, Socket, Socket]
    this.#sockets = { stdout, stderr, status }
    for (const stream of ['stdout', 'stderr'] as const) this.#sockets[stream].on('data', bytes => listener.output(stream, bytes as Buffer))
    // A failed read ends the socket as an end of file does.
    for (const socket of Object.values(this.#sockets)) socket.on('error', () => {})
    this.exited = this.#watch()
  }

  /**
   * Starts a container's command.
   *
   * @param save is called with the handle as soon as there is one, synchronously after the start
   * @throws {Error} when the shell, the folder or the FIFOs cannot be had; a missing executable is the caller's to find before
   */
  static async start(spec: ProcessSpec, listener: ProcessListener, save: (handle: ProcessHandle) => void): Promise<ContainerProcess> {
    const paths = fifoPaths(spec.fifoDir)
    await mkdir(spec.fifoDir, { recursive: true, mode: 0o700 })
    await run('mkfifo', ['-m', '600', ...paths])
    const writing = paths.map(path => openSync(path, constants.O_RDWR))
    // Opened while a writer is there, else the first read would find the end.
    const reading = paths.map(path => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK))
    try {
      const [stdout, stderr, status] = writing as [number, number, number]
      const child = spawn('/bin/sh', [SHIM, ...spec.argv], {
        cwd: spec.cwd,
        env: { ...spec.env, [CONTAINER_ID_VARIABLE]: spec.id },
        detached: true,
        stdio: ['ignore', stdout, 'ignore', status, stderr],
      })
      const { pid } = child
      if (pid === undefined) throw await new Promise<Error>(resolve => child.once('error', resolve))
      child.on('error', () => {})
      child.unref()
      const handle = { id: spec.id, pid, identity: identifyProcess(pid) ?? '', fifoDir: spec.fifoDir }
      save(handle)
      return new ContainerProcess(handle, reading, listener)
    } catch (error) {
      for (const fd of reading) closeSync(fd)
      throw error
    } finally {
      for (const fd of writing) closeSync(fd)
    }
  }

  /**
   * Takes over what an earlier kubelet started.
   *
   * @returns `undefined` when its shim has gone; whatever else of it still ran has then been killed
   */
  static adopt(handle: ProcessHandle, listener: ProcessListener): ContainerProcess | undefined {
    const fds: number[] = []
    try {
      for (const path of fifoPaths(handle.fifoDir)) fds.push(openSync(path, constants.O_RDONLY | constants.O_NONBLOCK))
      // Asked after opening: a FIFO whose writer has gone before says nothing at all, one whose writer goes later says that it ended.
      if (identifyProcess(handle.pid) === handle.identity) {
        const adopted = new ContainerProcess(handle, fds, listener)
        // Long ago, and mostly told to the kubelet before.
        adopted.#begun.resolve()
        return adopted
      }
    } catch {
      // The FIFOs have gone: nothing can be heard of it any more.
    }
    for (const fd of fds) closeSync(fd)
    killContainer(handle)
    return undefined
  }

  /** Sends a signal to the whole process group, the shim excepted, which does not heed it; not before the command itself can get it. */
  signal(signal: NodeJS.Signals): void {
    void this.#begun.promise.then(() => {
      if (identifyProcess(this.pid) === this.identity) sendSignal(-this.pid, signal)
    })
  }

  /** Ends every process of the container at once. */
  kill(): void {
    killContainer(this)
  }

  /** Lets go of the container and leaves it running; `exited` then never resolves. */
  detach(): void {
    this.#isDetached = true
    for (const socket of Object.values(this.#sockets)) socket.destroy()
  }

  async #watch(): Promise<ProcessExit> {
    const { stdout, stderr, status } = this.#sockets
    const drained = Promise.all([closed(stdout), closed(stderr)])
    const code = await this.#readCode(status)
    if (this.#isDetached) return await new Promise(() => {})
    const exit = { exitCode: code ?? KILLED_CODE, finishedAt: new Date(), isLost: code === undefined }
    this.#listener.ended(exit)
    this.kill()
    // Output that stays open is held by a process that the kill did not see, as one is not for a moment while it becomes another program.
    const again = setInterval(() => this.kill(), RESWEEP_MS)
    const late = setTimeout(() => {
      stdout.destroy()
      stderr.destroy()
    }, DRAIN_MS)
    await drained
    clearInterval(again)
    clearTimeout(late)
    status.destroy()
    await rm(this.fifoDir, { recursive: true, force: true })
    return exit
  }

  /** The exit code that the shim writes; `undefined` when it died before. */
  async #readCode(status: Socket): Promise<number | undefined> {
    return await new Promise(resolve => {
      let text = ''
      status.on('data', bytes => {
        text += bytes.toString('latin1')
        if (text.startsWith('started\n')) this.#begun.resolve()
        const code = /^(\d+)\n/m.exec(text)?.[1]
        if (code !== undefined) resolve(Number(code))
      })
      status.once('close', () => resolve(undefined))
    })
  }
}

/** Kills all that runs of a container: its process group where that still is the one that was started, and what carries its id. */
export function killContainer({ id, pid, identity }: Pick<ProcessHandle, 'id' | 'pid' | 'identity'>): void {
  if (identifyProcess(pid) === identity) sendSignal(-pid, 'SIGKILL')
  // A process that forks while it is searched for may be missed once, hence again until nothing is found; 5 for one that cannot be killed.
  for (let round = 0; round < 5; round++) {
    const left = findByEnvironment(CONTAINER_ID_VARIABLE, id)
    if (left.size === 0) return
    for (const member of left.keys()) sendSignal(member, 'SIGKILL')
  }
}

function fifoPaths(dir: string): string[] {
  return FIFOS.map(name => join(dir, name))
}

async function closed(socket: Socket): Promise<void> {
  if (!socket.closed) await new Promise<void>(resolve => socket.once('close', () => resolve()))
}
