import { spawnSync } from 'node:child_process'
import { CommandError } from './command-error.ts'

/** The remote's name that `drycc create` adds, and by which a folder knows its app. */
export const REMOTE = 'drycc'

/** True inside the work tree of a git repository. */
export function isRepository(): boolean {
  return ask('rev-parse', '--is-inside-work-tree') === 'true'
}

/** @throws {CommandError} outside of the work tree of a git repository */
export function requireRepository(): void {
  if (spawnSync('git', ['--version'], { stdio: 'ignore' }).error) throw new CommandError('git is not installed, or not in PATH')
  if (!isRepository()) throw new CommandError('This folder is not in a git repository: run git init first, or change into one', 2)
}

/** Where a remote pushes to, or `undefined` where there is none of that name. */
export function remoteUrl(name = REMOTE): string | undefined {
  return ask('remote', 'get-url', '--push', name)
}

export function addRemote(name: string, url: string): void {
  run('remote', 'add', '--', name, url)
}

export function setRemote(name: string, url: string): void {
  run('remote', 'set-url', '--', name, url)
}

export function removeRemote(name: string): void {
  run('remote', 'remove', '--', name)
}

/**
 * Sets the values of one name in the repository's own configuration.
 *
 * @param among only values that match this regular expression are replaced, others of the name stay
 */
export function configure(key: string, values: readonly string[], among?: string): void {
  const [first, ...rest] = values
  if (first === undefined) {
    // Ends with 5 where there was nothing to remove.
    spawnSync('git', ['config', '--local', '--unset-all', key], { stdio: 'ignore' })
    return
  }
  run('config', '--local', '--replace-all', key, first, ...(among ? [among] : []))
  for (const value of rest) run('config', '--local', '--add', key, value)
}

/** The app that a remote's address names: the last part of its path, without `.git`. */
export function appOf(url: string): string | undefined {
  return /[/:]([a-z][a-z0-9-]*)\.git\/?$/.exec(url)?.[1]
}

/** Which app is meant: the option, `DRYCC_APP`, or the one that the folder's remote names. @throws {CommandError} when nothing tells */
export function resolveApp(option: string | undefined, env: NodeJS.ProcessEnv): string {
  const app = option || env['DRYCC_APP'] || appOf(remoteUrl() ?? '')
  if (app) return app
  throw new CommandError(`Which app? Give --app NAME, set DRYCC_APP, or run this in a repository with a remote named ${REMOTE}`, 2)
}

function ask(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return status === 0 ? stdout.trim() : undefined
}

function run(...args: string[]): void {
  const { status, stderr, error } = spawnSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'ignore', 'pipe'] })
  if (status !== 0) throw new CommandError(`git ${args[0]} failed: ${error?.message ?? stderr.trim()}`)
}
