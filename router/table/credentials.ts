import { createHash } from 'node:crypto'
import type { Secret } from 'kubernetes-types/core/v1'

/** Who may come in to an app with `x-basic-auth`. Plain values: they travel to the workers, and nowhere else. */
export interface Credentials {
  /** Changes when a user or a password does, and only then. */
  readonly id: string
  /** Name and hash as htpasswd writes it; `{PLAIN}` stands before a password in clear. */
  readonly users: readonly (readonly [name: string, hash: string])[]
}

/** What a Secret gives, and which of its lines give nothing. */
export interface ReadCredentials {
  readonly credentials: Credentials
  readonly faults: readonly string[]
}

const TEXT_BYTES_MAX = 256 * 1024
const USER_COUNT_MAX = 2000
/** 12 costs a second of a core at most; a tenant's 20 would cost minutes for each guess. */
const BCRYPT_COST_MAX = 12
const SHA_ROUNDS_MAX = 100_000

/**
 * Reads a Secret: of type `kubernetes.io/basic-auth` its `username` and `password`, of any other the htpasswd file under `auth` (ingress-nginx)
 * or `users` (Traefik). A line that cannot be used is told by its number, never by what it says.
 *
 * @throws {Error} when nobody could come in
 */
export function readCredentials(secret: Secret): ReadCredentials {
  const part = (key: string) => Buffer.from(secret.data?.[key] ?? '', 'base64').toString('utf8')
  const faults: string[] = []
  let users: (readonly [string, string])[]
  if (secret.type === 'kubernetes.io/basic-auth') {
    const [name, password] = [part('username'), part('password')]
    if (name === '' || password === '' || name.includes(':'))
      throw new Error('Cannot use the Secret: it needs username, without colon, and password')
    users = [[name, `{PLAIN}${password}`]]
  } else {
    const text = part('auth') || part('users')
    if (text.trim() === '') throw new Error('Cannot use the Secret: write an htpasswd file under the key "auth"')
    if (text.length > TEXT_BYTES_MAX) throw new Error(`Cannot use the Secret: its file is larger than ${TEXT_BYTES_MAX} bytes`)
    users = readLines(text, faults)
  }
  if (users.length === 0) throw new Error(`Cannot use the Secret: ${faults[0] ?? 'it names nobody'}`)
  const id = createHash('sha256').update(JSON.stringify(users)).digest('base64url')
  return { credentials: { id, users }, faults }
}

function readLines(text: string, faults: string[]): (readonly [string, string])[] {
  const users = new Map<string, string>()
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim()
    if (line === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    const [name, hash] = [line.slice(0, Math.max(colon, 0)), line.slice(colon + 1)]
    const fault = name === '' ? 'it is not of the form name:hash' : hashFault(hash)
    if (fault !== undefined) faults.push(`Cannot use line ${index + 1}: ${fault}`)
    // As in Apache and nginx the first line of a name counts.
    else if (users.size < USER_COUNT_MAX && !users.has(name)) users.set(name, hash)
  }
  return [...users]
}

/** What a hash is, so that whoever checks a password need not guess. */
export const HASHES = {
  plain: /^\{PLAIN\}./s,
  sha: /^\{SHA\}[A-Za-z0-9+/]{27}=$/,
  saltedSha: /^\{SSHA\}[A-Za-z0-9+/]{28,100}={0,2}$/,
  bcrypt: /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/,
  md5: /^(\$apr1\$|\$1\$)([^$:\s]{1,8})\$[./A-Za-z0-9]{22}$/,
  shaCrypt: /^(\$[56]\$)(rounds=(\d{4,9})\$)?([^$:\s]{1,16})\$[./A-Za-z0-9]{43,86}$/,
} as const

const HOW = 'make one with htpasswd -B, or openssl passwd -6'

function hashFault(hash: string): string | undefined {
  const bcrypt = HASHES.bcrypt.exec(hash)
  if (bcrypt) {
    const cost = Number(bcrypt[1])
    return cost >= 4 && cost <= BCRYPT_COST_MAX ? undefined : `bcrypt of cost ${cost}: write one from 4 to ${BCRYPT_COST_MAX}`
  }
  const shaCrypt = HASHES.shaCrypt.exec(hash)
  if (shaCrypt) {
    const rounds = Number(shaCrypt[3] ?? 5000)
    return rounds >= 1000 && rounds <= SHA_ROUNDS_MAX ? undefined : `${rounds} rounds: write a hash of 1000 to ${SHA_ROUNDS_MAX}`
  }
  if (Object.values(HASHES).some(pattern => pattern.test(hash))) return undefined
  if (/^[./A-Za-z0-9]{13}$/.test(hash)) return `it is of the old crypt, which a desktop breaks in hours: ${HOW}`
  return `this kind of hash is not known here: ${HOW}`
}
