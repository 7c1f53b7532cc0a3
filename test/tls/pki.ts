import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, X509Certificate } from 'node:crypto'
import { bits, boolean, context, der, generalizedTime, integer, octets, oid, sequence } from './der.ts'

/** A certificate with its key, both PEM, and what it takes to sign others. */
export interface Issued {
  readonly certificate: string
  readonly key: string
  readonly privateKey: KeyObject
  /** DER. */
  readonly subject: Buffer
  readonly serial: string
}

export interface Wish {
  readonly kind?: 'ec' | 'rsa'
  /** Of an RSA key; 2048 by default. */
  readonly bits?: number
  /** Days from now; -1 and 90 by default. */
  readonly from?: number
  readonly until?: number
  readonly commonName?: string
  /** Of the responder. */
  readonly ocsp?: string
  /** Clients are to refuse it without an OCSP response (RFC 7633). */
  readonly mustStaple?: boolean
  /** Purposes besides that of a server; OIDs. */
  readonly purposes?: readonly string[]
  readonly isAuthority?: boolean
}

const DAY_MS = 86_400_000
const SHA256_RSA = sequence(oid('1.2.840.113549.1.1.11'), der(0x05))
const SHA256_ECDSA = sequence(oid('1.2.840.10045.4.3.2'))
let issuedCount = Date.now()

/** An authority that vouches for itself, or one below another. */
export function authority(name = 'Test Root', issuer?: Issued, wish: Wish = {}): Issued {
  return issue(issuer, [], { ...wish, commonName: name, isAuthority: true, until: wish.until ?? 3650 })
}

/** A certificate for servers; without an issuer it vouches for itself. Nothing is checked: bad ones are wanted too. */
export function issue(issuer: Issued | undefined, names: readonly string[], wish: Wish = {}): Issued {
  const { privateKey, publicKey } =
    wish.kind === 'rsa'
      ? generateKeyPairSync('rsa', { modulusLength: wish.bits ?? 2048 })
      : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = sequence(der(0x31, sequence(oid('2.5.4.3'), der(0x0c, wish.commonName ?? names[0] ?? 'nobody'))))
  const serial = `4${(++issuedCount).toString(16).padStart(15, '0')}`
  const signer = issuer?.privateKey ?? privateKey
  const toBeSigned = sequence(
    context(0, integer('02')),
    integer(serial),
    algorithmOf(signer),
    issuer?.subject ?? subject,
    sequence(generalizedTime(Date.now() + (wish.from ?? -1) * DAY_MS), generalizedTime(Date.now() + (wish.until ?? 90) * DAY_MS)),
    subject,
    publicKey.export({ type: 'spki', format: 'der' }),
    context(3, sequence(...extensions(publicKey, issuer, names, wish))),
  )
  const bytes = sequence(toBeSigned, algorithmOf(signer), bits(sign('sha256', toBeSigned, signer)))
  const certificate = new X509Certificate(bytes).toString()
  return { certificate, key: privateKey.export({ type: 'pkcs8', format: 'pem' }) as string, privateKey, subject, serial }
}

/** The AlgorithmIdentifier with which a key signs. */
export function algorithmOf(key: KeyObject): Buffer {
  return key.asymmetricKeyType === 'rsa' ? SHA256_RSA : SHA256_ECDSA
}

/** SHA-1 of the public key's bits, as identifiers of keys are made (RFC 5280 §4.2.1.2). */
export function keyHash(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key.export({ type: 'pkcs8', format: 'pem' })) : key
  // PKCS#1 of an RSA key is the bits themselves; of an EC key they are the last 65 bytes, the point on P-256.
  const isRsa = publicKey.asymmetricKeyType === 'rsa'
  const bytes = isRsa ? publicKey.export({ type: 'pkcs1', format: 'der' }) : publicKey.export({ type: 'spki', format: 'der' }).subarray(-65)
  return createHash('sha1').update(bytes).digest()
}

function extensions(publicKey: KeyObject, issuer: Issued | undefined, names: readonly string[], wish: Wish): Buffer[] {
  const extension = (id: string, value: Buffer, isCritical = false) =>
    sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octets(value))
  const purposes = ['1.3.6.1.5.5.7.3.1', ...(wish.purposes ?? [])]
  // Bits from the left: certificate and CRL signing, or digital signature and key encipherment.
  const usage = der(0x03, Buffer.from(wish.isAuthority ? [1, 0x06] : [5, 0xa0]))
  return [
    extension('2.5.29.19', sequence(...(wish.isAuthority ? [boolean(true)] : [])), true),
    extension('2.5.29.15', usage, true),
    extension('2.5.29.14', octets(keyHash(publicKey))),
    ...(issuer ? [extension('2.5.29.35', sequence(der(0x80, keyHash(issuer.privateKey))))] : []),
    ...(wish.isAuthority ? [] : [extension('2.5.29.37', sequence(...purposes.map(oid)))]),
    ...(names.length > 0 ? [extension('2.5.29.17', sequence(...names.map(name => der(0x82, name))))] : []),
    ...(wish.mustStaple ? [extension('1.3.6.1.5.5.7.1.24', sequence(integer('05')))] : []),
    ...(wish.ocsp ? [extension('1.3.6.1.5.5.7.1.1', sequence(sequence(oid('1.3.6.1.5.5.7.48.1'), der(0x86, wish.ocsp))))] : []),
  ]
}
