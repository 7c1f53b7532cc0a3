import { hash, X509Certificate } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { type CertificateFacts, readFacts } from './certificate-facts.ts'
import type { Certificate } from './certificates.ts'
import { ID_AD_OCSP } from './chain.ts'
import { NotPlain } from './der-cursor.ts'
import { type PemBlock, readPemBlock } from './pem-block.ts'
import { isSameKey, publicPartOf } from './public-key.ts'

/** With the certificate itself, as one that is sent in a chain. */
interface Facts extends CertificateFacts {
  readonly pem: string
}

/** As `sortChain()` takes them. */
const CERTIFICATE_COUNT_MAX = 20

// Thousands of certificates have a dozen issuers.
const issuers = new LRUCache<string, Facts>({ max: 200 })

/**
 * Reads the pair of a Secret as `readCertificate()` does, in a tenth of its time, where it is as plain as nearly all are: one RSA or EC key,
 * its certificate first, then its issuers in their order. The key is compared with the certificate; what only OpenSSL can tell, as that each
 * name within is well-formed, is not looked at.
 *
 * @param written certificates, PEM
 * @returns `undefined` where it is not so plain, or is wrong in some way: `readCertificate()` tells
 */
export function skimCertificate(written: string, key: string): Certificate | undefined {
  try {
    const [leaf, ...others] = factsOf(written)
    if (leaf === undefined || !isSameKey(leaf.key, publicPartOf(key))) return undefined
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
