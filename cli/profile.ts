import { randomUUID } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
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
  if (name.includes('/')) return resolve(name)
  return join(env['HOME'] || homedir(), '.drycc', name.endsWith('.json') ? name : `${name}.json`)
}

/** Where the authority of a profile is kept as a file of its own, for git, which takes no other. */
export function authorityPath(env: NodeJS.ProcessEnv): string {
  return `${profilePath(env).replace(/\.json$/, '')}.ca.pem`
}

/** @throws {CommandError} when nobody is logged in, or the file cannot be read */
export function readProfile(env: NodeJS.ProcessEnv): Profile {
  const path = profilePath(env)
  let content: string
  try {
    content = readFileSync(path, 'utf8')
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code === 'ENOENT') throw new CommandError('Not logged in: use drycc login ADDRESS or drycc register ADDRESS', 4)
    throw new CommandError(`Cannot read the login: ${message}`, 4)
  }
  const profile = parse(content)
  if (!profile) throw new CommandError(`Cannot understand the login in ${path}: log in again with drycc login ADDRESS`, 4)
  return profile
}

/** Replaces the file in one step; it holds a token, so only its owner may read it. @throws {CommandError} when it cannot be written */
export function writeProfile(env: NodeJS.ProcessEnv, profile: Profile): void {
  const path = profilePath(env)
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    if (profile.ca) replace(authorityPath(env), profile.ca)
    else rmSync(authorityPath(env), { force: true })
    replace(path, `${JSON.stringify(profile, null, 2)}\n`)
  } catch (error) {
    throw new CommandError(`Cannot keep the login in ${path}: ${(error as Error).message}`)
  }
}

/** Forgets the login, if there is one. @throws {CommandError} when the file cannot be removed */
export function removeProfile(env: NodeJS.ProcessEnv): void {
  try {
    for (const path of [profilePath(env), authorityPath(env)]) rmSync(path, { force: true })
  } catch (error) {
    throw new CommandError(`Cannot forget the login: ${(error as Error).message}`)
  }
}

function replace(path: string, content: string): void {
  const part = `${path}.${randomUUID()}.part`
  try {
    writeFileSync(part, content, { mode: 0o600, flag: 'wx' })
    renameSync(part, path)
  } catch (error) {
    rmSync(part, { force: true })
    throw error
  }
}

function parse(content: string): Profile | undefined {
  try {
    const value = JSON.parse(content) as Partial<Profile> | null
    if (typeof value?.controller !== 'string' || typeof value.token !== 'string' || !URL.canParse(value.controller)) return undefined
    return { username: '', response_limit: 0, ...value, ssl_verify: value.ssl_verify !== false } as Profile
  } catch {
    return undefined
  }
}
