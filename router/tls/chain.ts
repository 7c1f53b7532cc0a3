import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { oid } from './der.ts'

/** A certificate, those that vouch for it, and its key. */
export interface Pair {
  readonly leaf: X509Certificate
  /** PEM, the leaf first, each vouched for by the next. */
  readonly chain: string
  /** PEM. */
  readonly key: string
  readonly kind: string
  /** PEM of the root that issued the leaf itself, which is not sent but signs what OCSP says of the leaf; absent: there is none, or no need. */
  readonly issuer?: string
}

const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----\n?/g
const KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?-----END (?:[A-Z]+ )*PRIVATE KEY-----\n?/g
/** A chain has three or four; a Secret of thousands would take seconds to read. */
const CERTIFICATE_COUNT_MAX = 20
const KEY_COUNT_MAX = 4
/** Of the responder among what a certificate says of its authority (RFC 5280 §4.2.2.1). */
export const ID_AD_OCSP = oid(1, 3, 6, 1, 5, 5, 7, 48, 1)
/** RFC 9325 §4.5; OpenSSL's security level 2 refuses less as well. */
const RSA_BITS_MIN = 2048

// Thousands of certificates have a dozen issuers: to read those once halves the work.
const issuers = new LRUCache<string, X509Certificate>({ max: 200 })

/**
 * Sorts out what stands in a Secret: for each key its certificate, wherever that stands, then its issuers in their order as far as they are
 * there. What belongs to none of them, and roots, which a client has or does not believe, are dropped.
 *
 * @param authorityPem where a root may stand besides
 * @throws {Error} when there is no certificate or no key, one cannot be read, or a key is that of another certificate
 */
export function sortChain(certificatesPem: string, keysPem: string, authorityPem = ''): readonly [Pair, ...Pair[]] {
  const texts = certificatesPem.match(CERTIFICATE) ?? [certificatesPem]
  const keys = keysPem.match(KEY) ?? [keysPem]
  if (texts.length > CERTIFICATE_COUNT_MAX) throw new Error(`Could not load certificate: there are more than ${CERTIFICATE_COUNT_MAX}`)
  if (keys.length > KEY_COUNT_MAX) throw new Error(`Could not load private key: there are more than ${KEY_COUNT_MAX}`)
  const all = texts.map((text, index) => readCertificate(text, index > 0))
  const pairs = keys.map(text => {
    const key = readKey(text)
    const leaf = all.find(certificate => certificate.checkPrivateKey(key))
    if (!leaf) throw new Error('Cannot use the certificate: tls.key is not its key')
    checkStrength(leaf, key)
    const chain = orderChain(leaf, all)
    // As it was written, where nothing was to be mended.
    const isWhole = chain.length === all.length && chain.every((certificate, index) => certificate === all[index])
    const ordered = isWhole ? certificatesPem : chain.map(certificate => withLineEnd(texts[all.indexOf(certificate)]!)).join('')
    const issuer =
      chain.length === 1 ? rootOf(leaf, [...texts, ...(authorityPem.match(CERTIFICATE) ?? []).slice(0, CERTIFICATE_COUNT_MAX)]) : undefined
    return {
      ...{ leaf, chain: ordered, key: keys.length === 1 ? keysPem : text, kind: key.asymmetricKeyType ?? '' },
      ...(issuer !== undefined && { issuer }),
    }
  })
  return pairs as [Pair, ...Pair[]]
}

function readCertificate(text: string, isIssuer: boolean): X509Certificate {
  const known = issuers.get(text)
  if (known) return known
  try {
    const certificate = new X509Certificate(text)
    if (isIssuer) issuers.set(text, certificate)
    return certificate
  } catch (error) {
    throw new Error(`Could not load certificate: ${(error as Error).message}`)
  }
}

function readKey(text: string): KeyObject {
  try {
    return createPrivateKey(text)
  } catch (error) {
    throw new Error(`Could not load private key: ${(error as Error).message}`)
  }
}

/** Clients and OpenSSL refuse these; told here, with the Secret's name beside it, and not by each handshake. */
function checkStrength(leaf: X509Certificate, key: KeyObject): void {
  const bits = key.asymmetricKeyDetails?.modulusLength
  if (bits !== undefined && bits < RSA_BITS_MIN)
    throw new Error(`Cannot use the certificate: its RSA key has ${bits} bits, and ${RSA_BITS_MIN} are the least`)
  if (/sha1|md5/i.test(leaf.signatureAlgorithm ?? ''))
    throw new Error(`Cannot use the certificate: it is signed with ${leaf.signatureAlgorithm}`)
}

function orderChain(leaf: X509Certificate, all: readonly X509Certificate[]): X509Certificate[] {
  const chain = [leaf]
  for (let last = leaf; ; ) {
    const next = all.find(issuer => !chain.includes(issuer) && issuer.ca && last.issuer === issuer.subject && last.checkIssued(issuer))
    if (!next || next.subject === next.issuer) return chain
    chain.push(next)
    last = next
  }
}

/** Looked for where a responder is named only, as others have no use for it; what cannot be read is nobody's root. */
function rootOf(leaf: X509Certificate, texts: readonly string[]): string | undefined {
  if (!leaf.raw.includes(ID_AD_OCSP)) return undefined
  const found = texts.find(text => {
    try {
      const certificate = readCertificate(text, true)
      return certificate.ca && leaf.checkIssued(certificate) && certificate.fingerprint256 !== leaf.fingerprint256
    } catch {
      return false
    }
  })
  return found && withLineEnd(found)
}

function withLineEnd(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
