import type { Readable } from 'node:stream'
import type { BuildRequest, BuildResult } from '../../../kernel/contract.ts'
import { formatDuration } from '../../../kernel/units.ts'
import { startGroup } from '../../process-group.ts'
import { BuildError } from '../build-error.ts'

/** Turns a source tree into an image. Output goes to `onOutput`, which holds the build back while the pusher cannot take more. */
export type BuildRunner = (
  request: BuildRequest,
  onOutput: (chunk: Uint8Array) => Promise<void>,
  signal: AbortSignal,
) => Promise<BuildResult>

const RESULT_BYTES_MAX = 1024 ** 2

/** A build that is cancelled must be gone before its pusher tries again. */
const CANCEL_GRACE_MS = 1000

/**
 * What of the builder's environment a build may see: how programs are found and how the network is reached, never a setting of the platform.
 */
const ENVIRONMENT =
  /^(PATH|HOME|USER|LOGNAME|SHELL|TMPDIR|TZ|LANG|LC_\w+|XDG_\w+|LD_LIBRARY_PATH|(HTTPS?|NO|ALL)_PROXY|SSL_CERT_(FILE|DIR)|NODE_EXTRA_CA_CERTS|NODE_COMPILE_CACHE|NPM_CONFIG_\w+|COREPACK_\w+|PIP_\w+|UV_\w+|POETRY_\w+|PYENV_\w+|GO[A-Z0-9]+|CGO_\w+|JAVA_HOME|[A-Z]+_(CFLAGS|LDFLAGS))$/i

/**
 * Runs each build as a process group of its own on this machine: the request on its standard input, the result from file descriptor 3.
 *
 * @param command the program with its arguments; no shell is between
 */
export function processRunner(command: readonly string[], env: NodeJS.ProcessEnv = process.env): BuildRunner {
  return async (request, onOutput, signal) => {
    signal.throwIfAborted()
    const group = startGroup(command, { env: buildEnvironment(env), stdio: ['pipe', 'pipe', 'pipe', 'pipe'] })
    const { child } = group
    const limit = new AbortController()
    const timer = setTimeout(() => limit.abort(), request.timeoutMs)
    const ended = AbortSignal.any([signal, limit.signal])
    const onEnded = () => void group.stop(CANCEL_GRACE_MS)
    ended.addEventListener('abort', onEnded)
    try {
      child.stdin!.end(JSON.stringify(request))
      const result = readAll(child.stdio[3] as Readable, RESULT_BYTES_MAX)
      result.catch(() => group.stop(CANCEL_GRACE_MS))
      const output = Promise.all([relay(child.stdout!, onOutput), relay(child.stderr!, onOutput)])
      output.catch(() => group.stop(CANCEL_GRACE_MS))
      const { code, signal: killedBy } = await group.exited
      // What the build left running holds its output open, and has no business here.
      group.reap()
      await output
      signal.throwIfAborted()
      if (limit.signal.aborted) {
        const time = formatDuration(request.timeoutMs)
        throw new BuildError(`The build took longer than ${time} and was stopped`, 'look at its last lines for what it waited for')
      }
      if (killedBy) throw new BuildError(`The build was killed (${killedBy})`, 'it may have used more memory than there is')
      if (code !== 0) throw new BuildError(`The build failed: it exited with code ${code}, stopping build`)
      return parseResult(await result)
    } finally {
      clearTimeout(timer)
      ended.removeEventListener('abort', onEnded)
      await group.stop(CANCEL_GRACE_MS)
    }
  }
}

function buildEnvironment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(env).filter(([name]) => ENVIRONMENT.test(name)))
}

async function relay(stream: Readable, onOutput: (chunk: Uint8Array) => Promise<void>): Promise<void> {
  for await (const chunk of stream) await onOutput(chunk)
}

async function readAll(stream: Readable, bytesMax: number): Promise<string> {
  let text = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream) {
    text += chunk
    if (text.length > bytesMax) throw new Error(`The build runner answered more than ${bytesMax} bytes`)
  }
  return text
}

function parseResult(text: string): BuildResult {
  let value: Partial<BuildResult> | undefined
  try {
    value = JSON.parse(text)
  } catch (cause) {
    throw new Error('The build runner gave no result', { cause })
  }
  const { image, procfile = {}, dockerfile = '', detected = '' } = value ?? {}
  if (typeof image !== 'string' || image === '') throw new Error('The build runner named no image')
  return { image, procfile, dockerfile, detected }
}
