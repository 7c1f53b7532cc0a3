import { execFile } from 'node:child_process'
import { type ProcessGroup, startGroup } from '../process-group.ts'
import type { GitService } from './git-command.ts'
import { HOOK_STDIO } from './hook.ts'

/** The oldest git that knows all that is asked of it: `init --initial-branch` came with it. */
const GIT_MINIMUM = [2, 28] as const

/** What a push may be. */
export interface ReceiveLimits {
  readonly hooksPath: string
  readonly pushBytesMax: number
}

/** What git sees of our environment: nothing that is a secret, and no configuration but ours. */
export function gitEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const kept = ['PATH', 'TMPDIR', 'LD_LIBRARY_PATH'].flatMap(name => (env[name] === undefined ? [] : [[name, env[name]] as const]))
  return {
    ...Object.fromEntries(kept),
    LANG: 'C.UTF-8',
    HOME: '/nonexistent',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_TERMINAL_PROMPT: '0',
  }
}

/** Runs a short git command of our own. Never throws for a failure of git: look at the code. */
export function runGit(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  return new Promise(resolve => {
    execFile(
      'git',
      ['-c', 'safe.directory=*', ...args],
      { env: { ...gitEnvironment(), ...env }, timeout: 600_000, maxBuffer: 16 * 1024 ** 2 },
      (error, stdout, stderr) => resolve({ code: error ? (typeof error.code === 'number' ? error.code : 1) : 0, stdout, stderr }),
    )
  })
}

/** @throws {Error} when there is no git, or one that is too old */
export async function checkGit(): Promise<string> {
  const { code, stdout } = await runGit(['version'])
  const [, major, minor] = /version (\d+)\.(\d+)/.exec(stdout) ?? []
  const found = [Number(major), Number(minor)] as const
  const wanted = GIT_MINIMUM.join('.')
  if (code !== 0) throw new Error(`Cannot run git: install git ${wanted} or newer`)
  if (found[0] < GIT_MINIMUM[0] || (found[0] === GIT_MINIMUM[0] && found[1] < GIT_MINIMUM[1])) {
    throw new Error(`git ${found.join('.')} is too old: install git ${wanted} or newer`)
  }
  return found.join('.')
}

/**
 * Starts the server's side of a push, a fetch or a clone.
 *
 * @param options.stateless for HTTP, where each request is a process of its own
 * @param options.advertise only list the refs: the answer to `info/refs`
 */
export function startGitService(
  service: GitService,
  repository: string,
  options: { stateless?: boolean; advertise?: boolean; protocol?: string | undefined; limits: ReceiveLimits },
): ProcessGroup {
  const { stateless = false, advertise = false, protocol, limits } = options
  const settings = {
    'safe.directory': '*',
    'core.hooksPath': limits.hooksPath,
    'gc.auto': '0',
    'receive.autogc': 'false',
    'receive.advertisePushOptions': 'true',
    // While a build is silent. A proxy learns that the pusher has gone only by writing to him, and until then his app's lock is held.
    'receive.keepAlive': '1',
    'receive.shallowUpdate': 'true',
    'receive.denyDeletes': 'false',
    'receive.denyDeleteCurrent': 'ignore',
    'receive.maxInputSize': String(limits.pushBytesMax),
    'receive.fsckObjects': 'true',
    // Old, honest histories have these, and they harm nobody; the large git hosts take them too.
    'receive.fsck.zeroPaddedFilemode': 'warn',
    'receive.fsck.badTimezone': 'warn',
    'receive.fsck.missingSpaceBeforeDate': 'warn',
  }
  const command = [
    'git',
    ...Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]),
    service.slice('git-'.length),
    ...(stateless ? ['--stateless-rpc'] : []),
    ...(advertise ? ['--advertise-refs'] : []),
    repository,
  ]
  const hooked = service === 'git-receive-pack' && !advertise
  return startGroup(command, {
    env: { ...gitEnvironment(), ...(protocol === undefined ? {} : { GIT_PROTOCOL: protocol }) },
    stdio: ['pipe', 'pipe', 'pipe', ...(hooked ? Object.values(HOOK_STDIO).map(() => 'pipe' as const) : [])],
  })
}
