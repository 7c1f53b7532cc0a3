import { createHash } from 'node:crypto'
import { invalid } from './refusal.ts'
import { timestamp } from './timestamp.ts'

/** A public key that may push. `fingerprint` is MD5 in lower-case hex with colons, as the v2 API shows it. */
export interface SshKey {
  readonly uuid: string
  readonly owner: string
  readonly id: string
  readonly public: string
  readonly fingerprint: string
  readonly created: string
  readonly updated: string
}

const ID_LENGTH_MAX = 128
// An RSA key of 16,384 bits takes about 2,800 characters.
const PUBLIC_LENGTH_MAX = 8192
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/
const ALGORITHM = /^(?:ssh-(?:rsa|dss|ed25519)|ecdsa-sha2-nistp(?:256|384|521)|sk-(?:ssh-ed25519|ecdsa-sha2-nistp256)@openssh\.com)$/

/** Checks the name of a key. @throws {Refusal} 400 under `id` */
export function checkKeyId(id: string): void {
  if (!id) throw invalid('id', 'This field may not be blank.')
  if (id.length > ID_LENGTH_MAX) throw invalid('id', `Ensure this field has no more than ${ID_LENGTH_MAX} characters.`)
}

/**
 * Reads a line of an `authorized_keys` file: algorithm, base64 blob, comment.
 *
 * @returns the fingerprint of the blob
 * @throws {Refusal} 400 under `public`
 */
export function parsePublicKey(line: string): { fingerprint: string } {
  if (!line) throw invalid('public', 'This field may not be blank.')
  if (line.length > PUBLIC_LENGTH_MAX) throw invalid('public', `Ensure this field has no more than ${PUBLIC_LENGTH_MAX} characters.`)
  const [algorithm = '', blob = ''] = line.split(/\s+/)
  if (!BASE64.test(blob) || blob.length % 4 !== 0) throw invalid('public', 'Key contains invalid base64 chars')
  const bytes = Buffer.from(blob, 'base64')
  // The blob begins with its own algorithm name (RFC 4253 §6.6); where the two differ the line was put together by hand.
  if (!ALGORITHM.test(algorithm) || bytes.length < 4 || bytes.toString('latin1', 4, 4 + bytes.readUInt32BE(0)) !== algorithm)
    throw invalid('public', 'Key is not an SSH public key of a known type')
  if (/[\r\n\0]/.test(line)) throw invalid('public', 'Key must be a single line')
  return { fingerprint: fingerprintOf(bytes) }
}

/** MD5 of a key blob as 16 lower-case hex pairs with colons between them. */
export function fingerprintOf(blob: Uint8Array): string {
  return createHash('md5')
    .update(blob)
    .digest('hex')
    .replace(/..(?=.)/g, '$&:')
}

/** The key as the API shows it. */
export function showKey(key: SshKey) {
  return { ...key, created: timestamp(key.created), updated: timestamp(key.updated) }
}
