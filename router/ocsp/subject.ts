import { createHash, hash, X509Certificate } from 'node:crypto'
import { ID_AD_OCSP } from '../tls/chain.ts'
import { bitsOf, contentOf, type DerValue, der, oid, partsOf, readDer, sequence } from '../tls/der.ts'

/** What there is to ask a responder about a certificate. */
export interface Subject {
  /** By {@link stapleKey}. */
  readonly key: string
  /** Whether clients are told to refuse it without a response (RFC 7633, "must-staple"). */
  readonly isRequired: boolean
  /** Absent: nobody can be asked, and `reason` says why. */
  readonly question?: Question
  readonly reason?: string
}

export interface Question {
  /** Of the responder: http, as its answers are signed. */
  readonly url: URL
  /** OCSPRequest, DER. */
  readonly request: Buffer
  /** CertID, DER: the responder's answer must be about it. */
  readonly id: Buffer
  readonly issuer: Issuer
}

/** Who signed a certificate, and may sign or delegate what is said of it. */
export interface Issuer {
  readonly certificate: X509Certificate
  /** Its name, DER. */
  readonly name: Buffer
  /** SHA-1 of its key's bits. */
  readonly keyHash: Buffer
}

const AUTHORITY_INFORMATION = oid(1, 3, 6, 1, 5, 5, 7, 1, 1)
const TLS_FEATURE = oid(1, 3, 6, 1, 5, 5, 7, 1, 24)
/** status_request, of the extensions of TLS. */
const STATUS_REQUEST = 5
/** SHA-1 it must be: RFC 5019 §2.1.1, and few responders know any other. Nothing here rests on its strength. */
const SHA1 = sequence(oid(1, 3, 14, 3, 2, 26), der(0x05, Buffer.alloc(0)))
const PEM = /-----BEGIN [^-]*CERTIFICATE-----([^-]+)-----END [^-]*CERTIFICATE-----/g

/** By what a handshake finds the response for its certificate. @param leaf DER */
export function stapleKey(leaf: Buffer): string {
  return hash('sha256', leaf, 'base64')
}

/**
 * Reads what OCSP needs of a chain.
 *
 * @param chain PEM, the leaf first, then its issuer
 * @returns `undefined` where OCSP is none of its business: it names no responder and needs none
 * @throws {Error} when a certificate cannot be read
 */
export function readSubject(chain: string): Subject | undefined {
  const [leafText, issuerText] = chain.matchAll(PEM)
  // Of most certificates that is all there is to know, and a reading costs fifty times as much.
  const bytes = Buffer.from(leafText?.[1] ?? '', 'base64')
  if (!bytes.includes(ID_AD_OCSP) && !bytes.includes(TLS_FEATURE)) return undefined
  const leaf = new X509Certificate(leafText![0])
  const fields = fieldsOf(leaf)
  const isRequired = features(fields).includes(STATUS_REQUEST)
  const urls = responders(fields)
  if (urls.length === 0 && !isRequired) return undefined
  const about = { key: stapleKey(leaf.raw), isRequired }
  const url = urls.map(text => URL.parse(text)).find(parsed => parsed?.protocol === 'http:' && parsed.username === '')
  if (!url) return { ...about, reason: urls.length > 0 ? 'its responder is not reached by http' : 'it names no responder' }
  const issuer = issuerText && issuerOf(leaf, new X509Certificate(issuerText[0]))
  if (!issuer) return { ...about, reason: 'its issuer’s certificate does not stand behind it' }
  const id = sequence(SHA1, der(0x04, sha1(issuer.name)), der(0x04, issuer.keyHash), fields.serial.bytes)
  return { ...about, question: { url, request: sequence(sequence(sequence(sequence(id)))), id, issuer } }
}

/** SHA-1 of a certificate's own key and its name, as responders are called by either. */
export function identityOf(certificate: X509Certificate): Omit<Issuer, 'certificate'> {
  const { subject, publicKey } = fieldsOf(certificate)
  return { name: subject.bytes, keyHash: sha1(bitsOf(partsOf(publicKey)[1])) }
}

function issuerOf(leaf: X509Certificate, certificate: X509Certificate): Issuer | undefined {
  return leaf.checkIssued(certificate) ? { certificate, ...identityOf(certificate) } : undefined
}

interface Fields {
  readonly serial: DerValue
  readonly subject: DerValue
  readonly publicKey: DerValue
  /** By their identifiers, DER in hexadecimal. */
  readonly extensions: ReadonlyMap<string, Buffer>
}

/** TBSCertificate, RFC 5280 §4.1. */
function fieldsOf({ raw }: X509Certificate): Fields {
  const all = partsOf(partsOf(readDer(raw))[0])
  const [serial, , , , subject, publicKey] = all.slice(all[0]?.tag === 0xa0 ? 1 : 0)
  if (!serial || !subject || !publicKey) throw new SyntaxError('Cannot read the certificate: it is cut')
  const holder = all.find(({ tag }) => tag === 0xa3)
  const list = holder ? partsOf(partsOf(holder, 0xa3)[0]) : []
  const extensions = list.map(extension => {
    const parts = partsOf(extension)
    return [parts[0]!.bytes.toString('hex'), contentOf(parts.at(-1), 0x04)] as const
  })
  return { serial, subject, publicKey, extensions: new Map(extensions) }
}

function features({ extensions }: Fields): number[] {
  const value = extensions.get(TLS_FEATURE.toString('hex'))
  return value ? partsOf(readDer(value)).map(part => contentOf(part, 0x02).readUIntBE(0, Math.min(part.content.length, 6))) : []
}

function responders({ extensions }: Fields): string[] {
  const value = extensions.get(AUTHORITY_INFORMATION.toString('hex'))
  const descriptions = value ? partsOf(readDer(value)).map(part => partsOf(part)) : []
  return descriptions.flatMap(([method, location]) =>
    // uniformResourceIdentifier is [6].
    method?.bytes.equals(ID_AD_OCSP) && location?.tag === 0x86 ? [location.content.toString('latin1')] : [],
  )
}

function sha1(bytes: Buffer): Buffer {
  return createHash('sha1').update(bytes).digest()
}
