import { randomBytes, type ScryptOptions, scrypt, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'
import { invalid } from './refusal.ts'

const derive = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

// 16 MiB and about 40 ms a guess: OWASP's smallest scrypt setting is twice that, but a login storm must not starve the pods' node.
const COST = { N: 16_384, r: 8, p: 1 }
const KEY_BYTES = 32
// A longer one is no password but an attack on the hash function's time.
const PASSWORD_BYTES_MAX = 1024

/** Checks a password that shall be set. @throws {Refusal} 400 under `field` */
export function checkPassword(field: string, password: string): void {
  if (!password) throw invalid(field, 'This field may not be blank.')
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX)
    throw invalid(field, `Ensure this field has no more than ${PASSWORD_BYTES_MAX} bytes.`)
}

/** Hashes a password with a salt of its own: `scrypt$N$r$p$salt$key`, the last two in base64url. */
export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16)
  const key = await derive(password, salt, KEY_BYTES, COST)
  return ['scrypt', COST.N, COST.r, COST.p, salt.toString('base64url'), key.toString('base64url')].join('$')
}

// A hash that no password fits, so that an unknown user costs as much time as a wrong password.
const NOBODY = `scrypt$${COST.N}$${COST.r}$${COST.p}$${'A'.repeat(22)}$${'A'.repeat(43)}`

/**
 * True when the password is the one that was hashed.
 *
 * @param hash `undefined` for a user that does not exist: takes the same time and is false
 */
export async function isPassword(password: string, hash: string | undefined): Promise<boolean> {
  if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false
  const [, N, r, p, salt = '', key = ''] = (hash ?? NOBODY).split('$')
  const expected = Buffer.from(key, 'base64url')
  const actual = await derive(password, Buffer.from(salt, 'base64url'), expected.length, { N: Number(N), r: Number(r), p: Number(p) })
  return timingSafeEqual(actual, expected) && hash !== undefined
}
