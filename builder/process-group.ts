import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process'

/** How a process ended: with a code, or by a signal. */
export interface Exit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

/** A child that leads its own process group, so that what it started ends with it. */
export interface ProcessGroup {
  readonly child: ChildProcess
  /** Resolves when the child has ended; rejects when it could not be started at all. */
  readonly exited: Promise<Exit>
  /** TERM to the whole group, KILL after the grace; resolves when the child has ended. */
  stop(graceMs: number): Promise<void>
  /** KILL to what the child left behind. */
  reap(): void
}

/** Starts a program without a shell, in a process group of its own. */
export function startGroup(command: readonly string[], options: SpawnOptions): ProcessGroup {
  const [program = '', ...args] = command
  const child = spawn(program, args, { ...options, detached: true })
  let running = true
  const exited = new Promise<Exit>((resolve, reject) => {
    child.once('error', error => {
      if (child.pid === undefined) reject(error)
    })
    child.once('exit', (code, signal) => resolve({ code, signal }))
  }).finally(() => {
    running = false
  })
  exited.catch(() => {})
  // A stream whose other end has gone says so with an error; the exit tells the rest.
  for (const stream of child.stdio) stream?.on('error', () => {})

  const signalGroup = (signal: NodeJS.Signals) => {
    if (child.pid === undefined) return
    try {
      process.kill(-child.pid, signal)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }
  return {
    child,
    exited,
    reap: () => signalGroup('SIGKILL'),
    async stop(graceMs) {
      if (running) signalGroup('SIGTERM')
      const timer = setTimeout(() => signalGroup('SIGKILL'), graceMs)
      await exited.catch(() => {})
      clearTimeout(timer)
      signalGroup('SIGKILL')
    },
  }
}
