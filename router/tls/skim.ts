import { hash, X509Certificate } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Certificate } from './certificates.ts'
import { ID_AD_OCSP } from './chain.ts'
import { DerCursor, NotPlain } from './der-cursor.ts'
import { type PemBlock, readPemBlock } from './pem-block.ts'

/** What a certificate says, as far as it matters here. */
interface Facts {
  readonly pem: string
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

type Kind = 'rsa' | 'ec'

/** `parts`: modulus and exponent, or curve and point; DER. */
interface PublicKey {
  readonly kind: Kind
  readonly parts: readonly [Buffer, Buffer]
}

const BOOLEAN = 0x01
const INTEGER = 0x02
const BIT_STRING = 0x03
const OCTET_STRING = 0x04
const OID = 0x06
const SEQUENCE = 0x30

/** As `sortChain()` takes them, less than which no chain has. */
const CERTIFICATE_COUNT_MAX = 20
/** Of 2048 bits: tag and length, a leading 0 as the number is positive, and the number. */
const MODULUS_BYTES_MIN = 4 + 1 + 256

const RSA = '2a864886f70d010101'
const EC = '2a8648ce3d0201'
const CURVES = ['2a8648ce3d030107', '2b81040022']
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

// Thousands of certificates have a dozen issuers.
const issuers = new LRUCache<string, Facts>({ max: 200 })

/**
 * Reads the pair of a Secret as `readCertificate()` does, in a tenth of its time, where it is as plain as nearly all are: one RSA or EC key,
 * its certificate first, then its issuers in their order. The key is compared with the certificate; what only OpenSSL can tell, as that each
 * name within is well-formed, is not looked at.
 *
 * @param written certificates, PEM
 *
 * @returns `undefined` where it is not so plain, or is wrong in some way: `readCertificate()` tells
 */
export function skimCertificate(written: string, key: string): Certificate | undefined {
  try {
    const [leaf, ...others] = factsOf(written)
    if (leaf === undefined || !isSame(leaf.key, privateKey(key))) return undefined
    const sent = [leaf]
    for (const [index, authority] of others.entries()) {
      if (!authority.isAuthority) continue
      if (isRoot(authority)) {
        // One of two may be the root, the other vouched for by another root: which it is to be is not decided here.
        if (others.slice(index).some(other => other.isAuthority && !isRoot(other))) return undefined
        break
      }
      if (!vouches(authority, sent.at(-1)!)) return undefined
      sent.push(authority)
    }
    // Its root may stand somewhere, and OCSP needs it.
    if (sent.length === 1 && leaf.bytes.includes(ID_AD_OCSP)) return undefined
    const chain = sent.length === others.length + 1 ? written : sent.map(({ pem }) => pem).join('')
    const { names, notBeforeMs, notAfterMs } = leaf
    return { id: hash('sha256', `${chain}\0${key}`, 'hex').slice(0, 32), chain, key, names, notBeforeMs, notAfterMs, kind: leaf.key.kind }
  } catch (error) {
    if (error instanceof NotPlain) return undefined
    throw error
  }
}

function factsOf(chain: string): Facts[] {
  const all: Facts[] = []
  for (let at = 0; at < chain.length; ) {
    const block = readPemBlock(chain, at)
    if (block?.label !== 'CERTIFICATE' || all.length === CERTIFICATE_COUNT_MAX) throw new NotPlain()
    all.push(all.length === 0 ? factsOfBlock(block) : issuerOf(block))
    at = block.next
  }
  return all
}

function issuerOf(block: PemBlock): Facts {
  let facts = issuers.get(block.text)
  if (facts === undefined) {
    facts = factsOfBlock(block)
    confirm(facts)
    issuers.set(block.text, facts)
  }
  return facts
}

/** As there are few issuers, OpenSSL is asked about each: whether its key is one, say. */
function confirm({ pem, isAuthority }: Facts): void {
  try {
    const certificate = new X509Certificate(pem)
    if (certificate.ca === isAuthority && certificate.publicKey.type === 'public') return
  } catch {
    // It is told by who reads it next.
  }
  throw new NotPlain()
}

function factsOfBlock({ text, bytes }: PemBlock): Facts {
  return { pem: `${text}\n`, ...readFacts(bytes()) }
}

function isRoot({ subject, issuer }: Facts): boolean {
  return subject.equals(issuer)
}

/** As `X509_check_issued()` of OpenSSL. */
function vouches(authority: Facts, last: Facts): boolean {
  if (!authority.subject.equals(last.issuer) || authority.key.kind !== last.signedBy) return false
  const [wanted, own] = [last.issuerKeyIdentifier, authority.keyIdentifier]
  return wanted === undefined || own === undefined || wanted.equals(own)
}

function isSame(a: PublicKey, b: PublicKey): boolean {
  return a.kind === b.kind && a.parts[0].equals(b.parts[0]) && a.parts[1].equals(b.parts[1])
}

/** RFC 5280 §4.1. */
function readFacts(bytes: Buffer): Omit<Facts, 'pem'> {
  const cursor = DerCursor.whole(bytes)
  const body = cursor.inside(SEQUENCE)
  // [0], the version.
  body.skip(0xa0)
  body.skip(INTEGER)
  const signature = body.take(SEQUENCE)
  const issuer = body.take(SEQUENCE)
  const validity = body.inside(SEQUENCE)
  const notBeforeMs = validity.time()
  const notAfterMs = validity.time()
  validity.end()
  const subject = body.take(SEQUENCE)
  const key = publicKey(body.inside(SEQUENCE))
  const extensions = readExtensions(body)
  body.end()
  if (!cursor.take(SEQUENCE).equals(signature)) throw new NotPlain()
  cursor.skip(BIT_STRING)
  cursor.end()
  const algorithm = DerCursor.over(signature).inside(SEQUENCE).hex(OID)
  const signedBy = SIGNED_BY.get(algorithm)
  if (signedBy === undefined) throw new NotPlain()
  return { bytes, issuer, subject, notBeforeMs, notAfterMs, signedBy, key, ...extensions }
}

/** SubjectPublicKeyInfo; RFC 3279 §2.3.1, RFC 5480 §2. */
function publicKey(cursor: DerCursor): PublicKey {
  const algorithm = cursor.inside(SEQUENCE)
  const kind = algorithm.hex(OID)
  if (kind === RSA) {
    const key = cursor.bits().inside(SEQUENCE)
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
  const curve = cursor.take(OID)
  cursor.end()
  if (!CURVES.includes(curve.toString('hex', 2))) throw new NotPlain()
  return curve
}

/** The public part of a private key: PKCS #8 (RFC 5958), PKCS #1 (RFC 8017 §A.1.2) or SEC 1 (RFC 5915). */
function privateKey(pem: string): PublicKey {
  const block = readPemBlock(pem, 0)
  if (block === undefined || block.next < pem.length) throw new NotPlain()
  const cursor = DerCursor.whole(block.bytes())
  if (block.label === 'RSA PRIVATE KEY') return rsaKey(cursor)
  if (block.label === 'EC PRIVATE KEY') return ecKey(cursor)
  if (block.label !== 'PRIVATE KEY' || cursor.hex(INTEGER) !== '00') throw new NotPlain()
  const algorithm = cursor.inside(SEQUENCE)
  const kind = algorithm.hex(OID)
  const inner = cursor.inside(OCTET_STRING).inside(SEQUENCE)
  cursor.end()
  if (kind === RSA) return rsaKey(inner)
  if (kind !== EC) throw new NotPlain()
  return ecKey(inner, curveOf(algorithm))
}

function rsaKey(cursor: DerCursor): PublicKey {
  if (cursor.hex(INTEGER) !== '00') throw new NotPlain()
  const parts = [cursor.positive(), cursor.positive()] as const
  // Exponent, two primes, two exponents, coefficient.
  for (let count = 0; count < 6; count++) cursor.positive()
  cursor.end()
  return { kind: 'rsa', parts }
}

function ecKey(cursor: DerCursor, stated?: Buffer): PublicKey {
  if (cursor.hex(INTEGER) !== '01') throw new NotPlain()
  const secret = cursor.inside(OCTET_STRING).rest()
  // The order of both curves begins with 32 ones: a number that does may be above it. None is 0.
  if (secret[0] === 0xff || secret[0] === 0) throw new NotPlain()
  const curve = cursor.tag === 0xa0 ? curveOf(cursor.inside(0xa0)) : stated
  if (curve === undefined || (stated !== undefined && !stated.equals(curve))) throw new NotPlain()
  const point = cursor.inside(0xa1).bits().rest()
  cursor.end()
  return { kind: 'ec', parts: [curve, point] }
}

type Extensions = Pick<Facts, 'names' | 'isAuthority' | 'keyIdentifier' | 'issuerKeyIdentifier'>

function readExtensions(body: DerCursor): Extensions {
  const found: { -readonly [Key in keyof Extensions]: Extensions[Key] } = { names: [], isAuthority: false }
  let maySign = true
  const list = body.inside(0xa3).inside(SEQUENCE)
  while (!list.isAtEnd) {
    const extension = list.inside(SEQUENCE)
    const id = extension.hex(OID)
    if (extension.tag === BOOLEAN) extension.yes()
    const value = extension.inside(OCTET_STRING)
    extension.end()
    // OpenSSL lets none that it cannot read vouch or be vouched for.
    if (id === ALTERNATIVE_NAMES) found.names = namesOf(value)
    else if (id === BASIC_CONSTRAINTS) found.isAuthority = isAuthority(value.inside(SEQUENCE))
    else if (id === KEY_USAGE) maySign = (usagesOf(value) & KEY_CERT_SIGN) !== 0
    else if (id === KEY_IDENTIFIER) found.keyIdentifier = value.inside(OCTET_STRING).rest()
    else if (id === PURPOSES) for (const purposes = value.inside(SEQUENCE); !purposes.isAtEnd; ) purposes.skip(OID)
    else if (id === ISSUER_KEY_IDENTIFIER) {
      const authority = value.inside(SEQUENCE)
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
  if (constraints.tag === INTEGER) constraints.skip(INTEGER)
  constraints.end()
  return true
}

/** Host names alone: whatever else there is has its own way to be written. */
function namesOf(cursor: DerCursor): string[] {
  const names: string[] = []
  for (const list = cursor.inside(SEQUENCE); !list.isAtEnd; ) {
    const name = list.inside(0x82).rest().toString('latin1')
    if (!/^[A-Za-z0-9.*_-]+$/.test(name)) throw new NotPlain()
    names.push(name)
  }
  return names
}
