import { DerCursor, NotPlain, TAG } from './der-cursor.ts'
import { type Kind, type PublicKey, publicKey } from './public-key.ts'

/** What a certificate says, as far as it matters to who shows it. */
export interface CertificateFacts {
  readonly bytes: Buffer
  /** Names, DER. */
  readonly issuer: Buffer
  readonly subject: Buffer
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly names: readonly string[]
  /** By what kind of key it was signed. */
  readonly signedBy: Kind
  readonly key: PublicKey
  readonly isAuthority: boolean
  readonly keyIdentifier?: Buffer
  readonly issuerKeyIdentifier?: Buffer
}

/** With SHA-256, -384 and -512. */
const SIGNED_BY: ReadonlyMap<string, Kind> = new Map([
  ['2a864886f70d01010b', 'rsa'],
  ['2a864886f70d01010c', 'rsa'],
  ['2a864886f70d01010d', 'rsa'],
  ['2a8648ce3d040302', 'ec'],
  ['2a8648ce3d040303', 'ec'],
  ['2a8648ce3d040304', 'ec'],
])
const KEY_IDENTIFIER = '551d0e'
const KEY_USAGE = '551d0f'
const ALTERNATIVE_NAMES = '551d11'
const BASIC_CONSTRAINTS = '551d13'
const PURPOSES = '551d25'
const ISSUER_KEY_IDENTIFIER = '551d23'
const KEY_CERT_SIGN = 0x04

/**
 * Reads a certificate (RFC 5280 §4.1) without OpenSSL, where it is as plain as nearly all are: an RSA or EC key, signed with SHA-2, host names.
 *
 * @throws {NotPlain}
 */
export function readFacts(bytes: Buffer): CertificateFacts {
  const cursor = DerCursor.whole(bytes)
  const body = cursor.inside(TAG.SEQUENCE)
  // [0], the version.
  body.skip(0xa0)
  body.skip(TAG.INTEGER)
  const signature = body.take(TAG.SEQUENCE)
  const issuer = body.take(TAG.SEQUENCE)
  const validity = body.inside(TAG.SEQUENCE)
  const notBeforeMs = validity.time()
  const notAfterMs = validity.time()
  validity.end()
  const subject = body.take(TAG.SEQUENCE)
  const key = publicKey(body.inside(TAG.SEQUENCE))
  const extensions = readExtensions(body)
  body.end()
  if (!cursor.take(TAG.SEQUENCE).equals(signature)) throw new NotPlain()
  cursor.skip(TAG.BIT_STRING)
  cursor.end()
  const algorithm = DerCursor.over(signature).inside(TAG.SEQUENCE).identifier()
  const signedBy = SIGNED_BY.get(algorithm)
  if (signedBy === undefined) throw new NotPlain()
  return { bytes, issuer, subject, notBeforeMs, notAfterMs, signedBy, key, ...extensions }
}

type Extensions = Pick<CertificateFacts, 'names' | 'isAuthority' | 'keyIdentifier' | 'issuerKeyIdentifier'>

function readExtensions(body: DerCursor): Extensions {
  const found: { -readonly [Key in keyof Extensions]: Extensions[Key] } = { names: [], isAuthority: false }
  let maySign = true
  const ids = new Set<string>()
  const list = body.inside(0xa3).inside(TAG.SEQUENCE)
  while (!list.isAtEnd) {
    const extension = list.inside(TAG.SEQUENCE)
    const id = extension.identifier()
    if (ids.has(id)) throw new NotPlain()
    ids.add(id)
    if (extension.tag === TAG.BOOLEAN) extension.yes()
    const value = extension.inside(TAG.OCTET_STRING)
    extension.end()
    // OpenSSL lets none that it cannot read vouch or be vouched for.
    if (id === ALTERNATIVE_NAMES) found.names = namesOf(value)
    else if (id === BASIC_CONSTRAINTS) found.isAuthority = isAuthority(value.inside(TAG.SEQUENCE))
    else if (id === KEY_USAGE) maySign = (usagesOf(value) & KEY_CERT_SIGN) !== 0
    else if (id === KEY_IDENTIFIER) found.keyIdentifier = value.inside(TAG.OCTET_STRING).rest()
    else if (id === PURPOSES) for (const purposes = value.inside(TAG.SEQUENCE); !purposes.isAtEnd; ) purposes.identifier()
    else if (id === ISSUER_KEY_IDENTIFIER) {
      const authority = value.inside(TAG.SEQUENCE)
      if (!authority.isAtEnd) found.issuerKeyIdentifier = authority.inside(0x80).rest()
      // Issuer and serial number besides are left to OpenSSL.
      authority.end()
    } else value.rest()
    value.end()
  }
  found.isAuthority &&= maySign
  return found
}

/** The first eight, of which it must be good for some. */
function usagesOf(cursor: DerCursor): number {
  const [first = 0] = cursor.bits(true).rest()
  if (first === 0) throw new NotPlain()
  return first
}

function isAuthority(constraints: DerCursor): boolean {
  if (constraints.isAtEnd) return false
  constraints.yes()
  // How many may be below it.
  if (constraints.tag === TAG.INTEGER) constraints.skip(TAG.INTEGER)
  constraints.end()
  return true
}

/** Host names alone: whatever else there is has its own way to be written. */
function namesOf(cursor: DerCursor): string[] {
  const names: string[] = []
  for (const list = cursor.inside(TAG.SEQUENCE); !list.isAtEnd; ) {
    const name = list.inside(0x82).rest().toString('latin1')
    if (!/^[A-Za-z0-9.*_-]+$/.test(name)) throw new NotPlain()
    names.push(name)
  }
  return names
}
