import { hash, timingSafeEqual } from 'node:crypto'
import { HASHES } from '../table/credentials.ts'
import { bcrypt } from './bcrypt.ts'
import { md5Crypt, shaCrypt } from './crypt.ts'

/** Longer ones are an attack on the hash. */
export const PASSWORD_BYTES_MAX = 512

/** Whether a hash is meant to be slow: a millisecond to a second, so never to be computed where requests are served. */
export function isSlow(stored: string): boolean {
  return stored.startsWith('$')
}

/**
 * Compares a password with a hash as htpasswd writes it; the time does not tell how much of it was right.
 *
 * @param stored one that `readCredentials` let pass
 */
export function isPassword(password: Buffer, stored: string): boolean {
  if (password.length > PASSWORD_BYTES_MAX) return false
  if (HASHES.plain.test(stored)) return isEqual(password, Buffer.from(stored.slice(7), 'utf8'))
  if (HASHES.sha.test(stored)) return isEqual(hash('sha1', password, 'buffer'), Buffer.from(stored.slice(5), 'base64'))
  if (HASHES.saltedSha.test(stored)) {
    const bytes = Buffer.from(stored.slice(6), 'base64')
    return isEqual(hash('sha1', Buffer.concat([password, bytes.subarray(20)]), 'buffer'), bytes.subarray(0, 20))
  }
  // What follows a NUL would not count.
  if (HASHES.bcrypt.test(stored)) return !password.includes(0) && isEqualText(bcrypt(password, stored.slice(0, 29)), stored)
  const [, md5Magic, md5Salt = ''] = HASHES.md5.exec(stored) ?? []
  if (md5Magic !== undefined) return isEqualText(md5Crypt(password, md5Magic as '$1$', md5Salt), stored)
  const [, magic, setting = '', , salt = ''] = HASHES.shaCrypt.exec(stored) ?? []
  return magic !== undefined && isEqualText(shaCrypt(password, magic as '$6$', setting, salt), stored)
}

function isEqualText(one: string, other: string): boolean {
  return isEqual(Buffer.from(one, 'latin1'), Buffer.from(other, 'latin1'))
}

/** Of digests, so that not even the length shows. */
function isEqual(one: Buffer, other: Buffer): boolean {
  return timingSafeEqual(hash('sha256', one, 'buffer'), hash('sha256', other, 'buffer'))
}
