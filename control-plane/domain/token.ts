import { createHash, randomBytes } from 'node:crypto'

const TOKEN = /^[0-9a-f]{40}$/

/** A new token in its wire form: 160 random bits as 40 lower-case hex digits. */
export function createToken(): string {
  return randomBytes(20).toString('hex')
}

/** What is kept of a token. It is random, so a fast hash is enough: there is nothing to guess. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token).digest('hex')
}

/** True for text in the wire form of a token. */
export function isToken(text: string): boolean {
  return TOKEN.test(text)
}
