import { spawnSync } from 'node:child_process'
import { CommandError } from './command-error.ts'

/** The remote's name that `drycc create` adds, and by which a folder knows its app. */
export const REMOTE = 'drycc'

/** True inside the work tree of a git repository. */
export function isRepository(): boolean {
  return git('rev-parse', '--is-inside-work-tree') === 'true'
}

/** Where a remote pushes to, or `undefined` where there is none of that name. */
export function remoteUrl(name = REMOTE): string | undefined {
  return git('remote', 'get-url', name)
}

export function addRemote(name: string, url: string): void {
  requireGit('remote', 'add', name, url)
}

export function setRemote(name: string, url: string): void {
  requireGit('remote', 'set-url', name, url)
}

export function removeRemote(name: string): void {
  requireGit('remote', 'remove', name)
}

/** Sets one value of the repository's own configuration. */
export function configure(key: string, value: string): void {
  requireGit('config', '--local', '--replace-all', key, value)
}

/** The app that a remote's address names: the last part of its path, without `.git`. */
export function appOf(url: string): string | undefined {
  return /[/:]([a-z][a-z0-9-]*)\.git\/?$/.exec(url)?.[1]
}

/** Which app is meant: the option, `DRYCC_APP`, or the one that the folder's remote names. */
export function resolveApp(option: string | undefined, env: NodeJS.ProcessEnv): string {
  const app = option || env['DRYCC_APP'] || appOf(remoteUrl() ?? '')
  if (app) return app
  throw new CommandError('Which app? Give --app NAME, set DRYCC_APP, or run this in a repository with a remote named drycc', 2)
}

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  return status === 0 ? stdout.trim() : undefined
}

function requireGit(...args: string[]): void {
  const { status, stderr, error } = spawnSync('git', args, { encoding: 'utf8' })
  if (status !== 0) throw new CommandError(`git ${args[0]} failed: ${error?.message ?? stderr.trim()}`)
}
