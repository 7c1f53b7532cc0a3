import { spawn } from 'node:child_process'
import { delay } from '../../kernel/backoff.ts'
import { CONTAINER_ID_VARIABLE } from './container-process.ts'
import { sendSignal } from './process-table.ts'

export interface CommandResult {
  /** 128 + 9 for a command that was killed. */
  readonly exitCode: number
  /** The beginning of what it wrote, both streams together. */
  readonly output: string
}

const OUTPUT_BYTES_MAX = 10 * 1024
/** How long output is waited for after the end of the command. */
const LEFT_OPEN_MS = 50

/**
 * Runs a command beside a container's main process, with its folder and variables, as probes and hooks do.
 *
 * @param argv the executable as an absolute path, then its arguments
 * @param signal kills the command with all that it started; the result then is that of a killed one
 * @throws the system's error when it cannot be started
 */
export async function runCommand(
  argv: readonly string[],
  container: { id: string; cwd: string; env: Readonly<Record<string, string>> },
  signal: AbortSignal,
): Promise<CommandResult> {
  const child = spawn(argv[0]!, argv.slice(1), {
    cwd: container.cwd,
    env: { ...container.env, [CONTAINER_ID_VARIABLE]: container.id },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const kill = () => void (child.pid !== undefined && sendSignal(-child.pid, 'SIGKILL'))
  const chunks: Buffer[] = []
  let length = 0
  const take = (chunk: Buffer) => {
    if (length < OUTPUT_BYTES_MAX) chunks.push(chunk)
    length += chunk.length
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  signal.addEventListener('abort', kill, { once: true })
  try {
    const closed = new Promise<void>(resolve => child.once('close', () => resolve()))
    const exitCode = await new Promise<number>((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', code => resolve(code ?? 137))
      if (signal.aborted) kill()
    })
    // Something that it left in the background may hold its output open.
    await Promise.race([closed, delay(LEFT_OPEN_MS)])
    return { exitCode, output: Buffer.concat(chunks).toString().slice(0, OUTPUT_BYTES_MAX) }
  } finally {
    signal.removeEventListener('abort', kill)
    child.stdout.destroy()
    child.stderr.destroy()
  }
}
