import { mkdir, rename, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Duplex } from 'node:stream'

/** One line of a push: a ref, what it was and what it shall be. */
export interface RefUpdate {
  readonly old: string
  readonly new: string
  readonly ref: string
}

/** What git tells its pre-receive hook. */
export interface HookCall {
  readonly updates: readonly RefUpdate[]
  /** `git push -o`, in order. */
  readonly options: readonly string[]
  /** Where the objects of this push wait until it is accepted; `''` when it brought none. */
  readonly quarantine: string
}

/** A push of 40,000 refs fits; whoever sends more is no developer. */
const CALL_BYTES_MAX = 4 * 1024 ** 2

/** The file descriptors of the hook, as places in the `stdio` of the `git receive-pack` that starts it. */
export const HOOK_STDIO = { call: 3, output: 4, status: 5 } as const

/**
 * The hook only carries: what git tells it goes to the builder, what the builder says goes to the pusher. It speaks through descriptors that
 * it inherits, so there is no socket to find, no path too long for one, and nobody else who could connect.
 *
 * Push options come last: they are the client's own text, and whatever stands in them can only ever be read as more options.
 */
const PRE_RECEIVE = `#!/bin/sh
{
  printf 'quarantine %s\\n' "$GIT_QUARANTINE_PATH"
  cat
  echo options
  i=0
  while [ "$i" -lt "\${GIT_PUSH_OPTION_COUNT:-0}" ]; do
    eval "printf '%s\\n' \\"\\$GIT_PUSH_OPTION_$i\\""
    i=$((i + 1))
  done
  echo end
} >&3
cat <&4
read -r status <&5
exit "\${status:-1}"
`

/** Writes the hook where `core.hooksPath` will find it. @returns that folder */
export async function installHooks(home: string): Promise<string> {
  const directory = path.join(home, 'hooks')
  await mkdir(directory, { recursive: true, mode: 0o755 })
  const temporary = path.join(directory, `.pre-receive.${process.pid}`)
  await writeFile(temporary, PRE_RECEIVE, { mode: 0o755 })
  await rename(temporary, path.join(directory, 'pre-receive'))
  return directory
}

/** What the builder does with a push. `write` keeps back-pressure and never fails; false declines the push. */
export type HookHandler = (call: HookCall, write: (text: string) => Promise<void>) => Promise<boolean>

/**
 * Serves the hook of one `git receive-pack`, which git starts once, or never when nothing is pushed.
 *
 * @param stdio the child's streams; places 3 to 5 must be pipes
 * @returns resolves when the hook has its answer, or when git ended without it
 */
export async function answerHook(stdio: readonly (Duplex | unknown)[], handler: HookHandler): Promise<void> {
  const call = await readCall(stdio[HOOK_STDIO.call] as Duplex)
  const output = stdio[HOOK_STDIO.output] as Duplex
  const status = stdio[HOOK_STDIO.status] as Duplex
  let accepted = false
  try {
    if (call) accepted = await handler(call, text => write(output, text))
  } finally {
    output.end()
    status.end(accepted ? '0\n' : '1\n')
  }
}

async function readCall(stream: Duplex): Promise<HookCall | undefined> {
  let text = ''
  stream.setEncoding('utf8')
  try {
    for await (const chunk of stream) {
      text += chunk
      if (text.endsWith('\nend\n')) return parseCall(text)
      if (text.length > CALL_BYTES_MAX) return undefined
    }
  } catch {
    // The pipe broke because git ended: the same as its end.
  }
  return undefined
}

/** Reads what the hook sent, or `undefined` where it is not whole. */
export function parseCall(text: string): HookCall | undefined {
  const lines = text.split('\n')
  const [, quarantine] = /^quarantine (.*)$/.exec(lines[0] ?? '') ?? []
  const options = lines.indexOf('options')
  if (quarantine === undefined || options < 0) return undefined
  const updates = lines.slice(1, options).map(line => {
    const [old = '', next = '', ...ref] = line.split(' ')
    return { old, new: next, ref: ref.join(' ') }
  })
  return { quarantine, updates, options: lines.slice(options + 1, -2) }
}

async function write(stream: Duplex, text: string): Promise<void> {
  if (stream.destroyed || stream.writableEnded || stream.write(text)) return
  await new Promise<void>(resolve => {
    stream.once('drain', resolve)
    stream.once('close', resolve)
  })
}
