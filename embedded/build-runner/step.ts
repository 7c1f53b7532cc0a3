import { spawn } from 'node:child_process'
import { StringDecoder } from 'node:string_decoder'
import { BuildFailure } from './failure.ts'

/** Says that a part of the build begins. */
export function say(title: string): void {
  process.stdout.write(`-----> ${title}\n`)
}

/** Says something about the part that has begun. */
export function detail(text: string): void {
  process.stdout.write(`${text.replaceAll(/^/gm, '       ')}\n`)
}

/** Warns; git shows the line as a warning. */
export function warn(text: string): void {
  process.stdout.write(`warning: ${text}\n`)
}

/**
 * Runs a program of the build without a shell, its output indented below the heading. It stays in the runner's process group, so that a
 * cancelled build ends whole.
 *
 * @throws {BuildFailure} when it fails
 */
export async function runStep(
  command: readonly string[],
  options: { cwd: string; env: NodeJS.ProcessEnv; shown?: string; hint?: string },
): Promise<void> {
  const [program = '', ...args] = command
  const shown = options.shown ?? command.join(' ')
  detail(`$ ${shown}`)
  // Descriptor 3 is the runner's own, for its result: a step must not be able to write it.
  const child = spawn(program, args, { cwd: options.cwd, env: options.env, stdio: ['ignore', 'pipe', 'pipe', 'ignore'] })
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve, reject) => {
    child.once('error', error => reject(new BuildFailure(`Cannot run ${shown}: ${error.message}`)))
    child.once('close', (code, signal) => resolve({ code, signal }))
  })
  indent(child.stdout!)
  indent(child.stderr!)
  const { code, signal } = await ended
  if (code === 0) return
  const how = signal ? `was killed (${signal})` : `exited with code ${code}`
  throw new BuildFailure(`${shown} ${how}, stopping build`, options.hint)
}

function indent(stream: NodeJS.ReadableStream): void {
  const decoder = new StringDecoder('utf8')
  let pending = ''
  stream.on('data', (chunk: Buffer) => {
    const lines = (pending + decoder.write(chunk)).split('\n')
    pending = lines.pop()!
    if (lines.length > 0) detail(lines.join('\n'))
  })
  stream.on('end', () => {
    if (pending !== '') detail(pending)
  })
}
