import { createPrivateKey, type KeyObject, X509Certificate } from 'node:crypto'
import { LRUCache } from 'lru-cache'

/** A certificate, those that vouch for it, and its key. */
export interface Pair {
  readonly leaf: X509Certificate
  /** PEM, the leaf first, each vouched for by the next. */
  readonly chain: string
  /** PEM. */
  readonly key: string
  readonly kind: string
}

const CERTIFICATE = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----[\s\S]*?-----END (?:X509 |TRUSTED )?CERTIFICATE-----\n?/g
const KEY = /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----[\s\S]*?-----END (?:[A-Z]+ )*PRIVATE KEY-----\n?/g
/** A chain has three or four; a Secret of thousands would take seconds to read. */
const CERTIFICATE_COUNT_MAX = 20
const KEY_COUNT_MAX = 4
/** RFC 9325 §4.5; OpenSSL's security level 2 refuses less as well. */
const RSA_BITS_MIN = 2048

// Thousands of certificates have a dozen issuers: to read those once halves the work.
const issuers = new LRUCache<string, X509Certificate>({ max: 200 })

/**
 * Sorts out what stands in a Secret: for each key its certificate, wherever that stands, then its issuers in their order as far as they are
 * there. What belongs to none of them, and roots, which a client has or does not believe, are dropped.
 *
 * @throws {Error} when there is no certificate or no key, one cannot be read, or a key is that of another certificate
 */
export function sortChain(certificatesPem: string, keysPem: string): readonly [Pair, ...Pair[]] {
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
    return { leaf, chain: ordered, key: keys.length === 1 ? keysPem : text, kind: key.asymmetricKeyType ?? '' }
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

function withLineEnd(text: string): string {
  return text.endsWith('\n') ? text : `${text}\n`
}
