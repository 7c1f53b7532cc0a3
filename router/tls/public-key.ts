import { DerCursor, NotPlain, TAG } from './der-cursor.ts'
import { readPemBlock } from './pem-block.ts'

/** The kinds of keys that are looked at without OpenSSL. */
export type Kind = 'rsa' | 'ec'

/** The public part of a key; `parts`: modulus and exponent, or curve and point; DER. */
export interface PublicKey {
  readonly kind: Kind
  readonly parts: readonly [Buffer, Buffer]
}

/** Of 2048 bits: tag and length, a leading 0 as the number is positive, and the number. */
const MODULUS_BYTES_MIN = 4 + 1 + 256

const RSA = '2a864886f70d010101'
const EC = '2a8648ce3d0201'
/** P-256 and P-384. */
const CURVES = ['2a8648ce3d030107', '2b81040022']

/** Reads SubjectPublicKeyInfo (RFC 3279 §2.3.1, RFC 5480 §2). @throws {NotPlain} */
export function publicKey(cursor: DerCursor): PublicKey {
  const algorithm = cursor.inside(TAG.SEQUENCE)
  const kind = algorithm.identifier()
  if (kind === RSA) {
    const key = cursor.bits().inside(TAG.SEQUENCE)
    const parts = [key.positive(), key.positive()] as const
    key.end()
    cursor.end()
    if (parts[0].length < MODULUS_BYTES_MIN) throw new NotPlain()
    return { kind: 'rsa', parts }
  }
  if (kind !== EC) throw new NotPlain()
  const curve = curveOf(algorithm)
  const point = cursor.bits().rest()
  cursor.end()
  return { kind: 'ec', parts: [curve, point] }
}

function curveOf(cursor: DerCursor): Buffer {
  const curve = cursor.take(TAG.OID)
  cursor.end()
  if (!CURVES.includes(curve.toString('hex', 2))) throw new NotPlain()
  return curve
}

/** The public part of a private key, PEM: PKCS #8 (RFC 5958), PKCS #1 (RFC 8017 §A.1.2) or SEC 1 (RFC 5915). @throws {NotPlain} */
export function publicPartOf(pem: string): PublicKey {
  const block = readPemBlock(pem, 0)
  if (block === undefined || block.next < pem.length) throw new NotPlain()
  const cursor = DerCursor.whole(block.bytes())
  if (block.label === 'RSA PRIVATE KEY') return rsaKey(cursor)
  if (block.label === 'EC PRIVATE KEY') return ecKey(cursor)
  if (block.label !== 'PRIVATE KEY' || cursor.hex(TAG.INTEGER) !== '00') throw new NotPlain()
  const algorithm = cursor.inside(TAG.SEQUENCE)
  const kind = algorithm.identifier()
  const inner = cursor.inside(TAG.OCTET_STRING).inside(TAG.SEQUENCE)
  cursor.end()
  if (kind === RSA) return rsaKey(inner)
  if (kind !== EC) throw new NotPlain()
  return ecKey(inner, curveOf(algorithm))
}

function rsaKey(cursor: DerCursor): PublicKey {
  if (cursor.hex(TAG.INTEGER) !== '00') throw new NotPlain()
  const parts = [cursor.positive(), cursor.positive()] as const
  // Exponent, two primes, two exponents, coefficient.
  for (let count = 0; count < 6; count++) cursor.positive()
  cursor.end()
  return { kind: 'rsa', parts }
}

function ecKey(cursor: DerCursor, stated?: Buffer): PublicKey {
  if (cursor.hex(TAG.INTEGER) !== '01') throw new NotPlain()
  const secret = cursor.inside(TAG.OCTET_STRING).rest()
  if (secret.length !== 32 && secret.length !== 48) throw new NotPlain()
  // A number must be above 0 and below the order of its curve, which begins with 32 ones: what comes near is left to OpenSSL.
  const start = secret.readUInt32BE()
  if (start === 0 || start === 0xffffffff) throw new NotPlain()
  const curve = cursor.tag === 0xa0 ? curveOf(cursor.inside(0xa0)) : stated
  if (curve === undefined || (stated !== undefined && !stated.equals(curve))) throw new NotPlain()
  const point = cursor.inside(0xa1).bits().rest()
  cursor.end()
  return { kind: 'ec', parts: [curve, point] }
}

/** Whether a certificate and a private key are a pair. */
export function isSameKey(a: PublicKey, b: PublicKey): boolean {
  return a.kind === b.kind && a.parts[0].equals(b.parts[0]) && a.parts[1].equals(b.parts[1])
}
