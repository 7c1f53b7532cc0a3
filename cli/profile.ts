import { chmodSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { CommandError } from './command-error.ts'

/** Who is logged in where; the file that the classic clients keep, with a certificate to trust beside it. */
export interface Profile {
  readonly username: string
  /** The address of the API. */
  readonly controller: string
  readonly token: string
  readonly ssl_verify: boolean
  readonly response_limit: number
  /** PEM of an authority to trust beside the system's. */
  readonly ca?: string
}

/** `~/.drycc/client.json`, another file of that folder when `DRYCC_PROFILE` is a name, or that file when it is a path. */
export function profilePath(env: NodeJS.ProcessEnv): string {
  const name = env['DRYCC_PROFILE'] || 'client'
  if (name.includes('/')) return name
  return join(env['HOME'] || homedir(), '.drycc', name.endsWith('.json') ? name : `${name}.json`)
}

/** @throws {CommandError} when nobody is logged in, or the file cannot be read */
export function readProfile(env: NodeJS.ProcessEnv): Profile {
  const path = profilePath(env)
  if (!existsSync(path)) throw new CommandError('Not logged in: use drycc login or drycc register', 4)
  try {
    const profile = JSON.parse(readFileSync(path, 'utf8')) as Profile
    if (typeof profile.controller === 'string' && typeof profile.token === 'string') return profile
  } catch {
    // Told below, as any other content that is of no use.
  }
  throw new CommandError(`Cannot read ${path}: log in again with drycc login`, 4)
}

/** Replaces the file in one step; it holds a token, so only its owner may read it. */
export function writeProfile(env: NodeJS.ProcessEnv, profile: Profile): void {
  const path = profilePath(env)
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  writeFileSync(`${path}.part`, `${JSON.stringify(profile, null, 2)}\n`, { mode: 0o600 })
  chmodSync(`${path}.part`, 0o600)
  renameSync(`${path}.part`, path)
}

export function removeProfile(env: NodeJS.ProcessEnv): void {
  rmSync(profilePath(env), { force: true })
}
