import { createHash, hash } from 'node:crypto'

const DIGITS = './0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/**
 * MD5-crypt, as `htpasswd` writes it by default (`$apr1$`) and older systems did (`$1$`): a thousand rounds, broken but common.
 *
 * @returns the whole hash
 */
export function md5Crypt(password: Buffer, magic: '$apr1$' | '$1$', salt: string): string {
  const saltBytes = Buffer.from(salt, 'latin1')
  const inner = createHash('md5').update(password).update(saltBytes).update(password).digest()
  const first = createHash('md5').update(password).update(magic).update(saltBytes)
  for (let left = password.length; left > 0; left -= 16) first.update(inner.subarray(0, Math.min(left, 16)))
  for (let bits = password.length; bits > 0; bits >>= 1) first.update(bits & 1 ? Buffer.of(0) : password.subarray(0, 1))
  let digest = first.digest()
  for (let round = 0; round < 1000; round++) {
    const parts = [round & 1 ? password : digest]
    if (round % 3 !== 0) parts.push(saltBytes)
    if (round % 7 !== 0) parts.push(password)
    parts.push(round & 1 ? digest : password)
    digest = hash('md5', Buffer.concat(parts), 'buffer')
  }
  let text = ''
  for (let at = 0; at < 5; at++) text += digits(digest, [at === 4 ? 5 : at + 12, at + 6, at], 4)
  return `${magic}${salt}$${text}${digits(digest, [11], 2)}`
}

/**
 * SHA-crypt (`$5$`, `$6$`), the systems' own.
 *
 * @param setting what stands between the magic and the salt, `rounds=10000$` or nothing
 * @returns the whole hash
 * @see https://www.akkadia.org/drepper/SHA-crypt.txt
 */
export function shaCrypt(password: Buffer, magic: '$5$' | '$6$', setting: string, salt: string): string {
  const name = magic === '$6$' ? 'sha512' : 'sha256'
  const rounds = Number(/\d+/.exec(setting)?.[0] ?? 5000)
  const digestOf = (parts: readonly Buffer[]) => hash(name, Buffer.concat(parts), 'buffer')
  const saltBytes = Buffer.from(salt, 'latin1')
  const inner = digestOf([password, saltBytes, password])
  const parts = [password, saltBytes, repeated(inner, password.length)]
  for (let bits = password.length; bits > 0; bits >>= 1) parts.push(bits & 1 ? inner : password)
  let digest = digestOf(parts)
  const longPassword = repeated(digestOf(Array.from({ length: password.length }, () => password)), password.length)
  const longSalt = repeated(digestOf(Array.from({ length: 16 + (digest[0] as number) }, () => saltBytes)), saltBytes.length)
  for (let round = 0; round < rounds; round++) {
    const mixed = [round & 1 ? longPassword : digest]
    if (round % 3 !== 0) mixed.push(longSalt)
    if (round % 7 !== 0) mixed.push(longPassword)
    mixed.push(round & 1 ? digest : longPassword)
    digest = digestOf(mixed)
  }
  return `${magic}${setting}${salt}$${magic === '$6$' ? sha512Text(digest) : sha256Text(digest)}`
}

function sha512Text(digest: Buffer): string {
  let text = ''
  for (let [a, b, c] = [0, 21, 42]; a !== 63 && text.length < 84; [a, b, c] = [b + 1, c + 1, a + 1]) text += digits(digest, [c, b, a], 4)
  return text + digits(digest, [63], 2)
}

function sha256Text(digest: Buffer): string {
  let text = ''
  for (let [a, b, c] = [0, 10, 20]; text.length < 40; [a, b, c] = [c + 1, a + 1, b + 1]) text += digits(digest, [c, b, a], 4)
  return text + digits(digest, [30, 31], 3)
}

/** The bytes at these places, the least significant first, as so many digits of six bits. */
function digits(digest: Buffer, places: readonly number[], count: number): string {
  let word = 0
  for (const place of places.toReversed()) word = (word << 8) | (digest[place] as number)
  let text = ''
  for (let at = 0; at < count; at++, word >>>= 6) text += DIGITS[word & 63]
  return text
}

function repeated(bytes: Buffer, length: number): Buffer {
  return Buffer.alloc(length, bytes)
}
