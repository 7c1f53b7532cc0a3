import { type KeyObject, verify, X509Certificate } from 'node:crypto'
import { bitsOf, contentOf, type DerValue, oid, partsOf, readDer, timeOf } from '../tls/der.ts'
import { type Issuer, identityOf, type Question } from './subject.ts'

/** What a responder says of a certificate. */
export interface Standing {
  readonly status: 'good' | 'revoked' | 'unknown'
  readonly thisUpdateMs: number
  /** From then on it must not be shown. */
  readonly nextUpdateMs: number
  readonly revokedAtMs?: number
}

/** A responder's clock and ours may differ by so much. */
const SKEW_MS = 5 * 60_000
/** A delegate's, and those above it if anybody sends them. */
const CERTIFICATES_MAX = 4

const BASIC = oid(1, 3, 6, 1, 5, 5, 7, 48, 1, 1)
const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9'
/** OCSPResponseStatus, RFC 6960 §4.2.1. */
const REFUSALS: Readonly<Record<number, string>> = {
  1: 'it cannot read our request',
  2: 'it has a fault of its own',
  3: 'it has no time now',
  5: 'it wants requests signed',
  6: 'it may not speak of the certificate',
}

/** SHA-1 is not among them: clients refuse it as well. */
const SIGNATURES: ReadonlyMap<string, { readonly kind: string; readonly digest: string | null }> = new Map(
  (
    [
      [oid(1, 2, 840, 113549, 1, 1, 11), 'rsa', 'sha256'],
      [oid(1, 2, 840, 113549, 1, 1, 12), 'rsa', 'sha384'],
      [oid(1, 2, 840, 113549, 1, 1, 13), 'rsa', 'sha512'],
      [oid(1, 2, 840, 10045, 4, 3, 2), 'ec', 'sha256'],
      [oid(1, 2, 840, 10045, 4, 3, 3), 'ec', 'sha384'],
      [oid(1, 2, 840, 10045, 4, 3, 4), 'ec', 'sha512'],
      [oid(1, 3, 101, 112), 'ed25519', null],
      [oid(1, 3, 101, 113), 'ed448', null],
    ] as const
  ).map(([id, kind, digest]) => [id.toString('hex'), { kind, digest }]),
)

/**
 * Reads a responder's answer and checks all that a client would: that it is about this certificate, signed by who may, and of this time
 * (RFC 6960 §3.2, RFC 5019 §4).
 *
 * @param bytes OCSPResponse, DER
 * @throws {Error} saying, as the end of a sentence, why it cannot be used
 */
export function readResponse(bytes: Buffer, { id, issuer }: Question, nowMs: number): Standing {
  const [status, holder] = partsOf(readDer(bytes))
  const code = contentOf(status, 0x0a)[0] ?? 0xff
  if (code !== 0) throw new Error(`the responder refuses: ${REFUSALS[code] ?? `status ${code}`}`)
  const [type, basic] = partsOf(partsOf(holder, 0xa0)[0])
  if (!type?.bytes.equals(BASIC)) throw new Error('the response is of an unknown type')
  const [body, algorithm, signature, certificates] = partsOf(readDer(contentOf(basic, 0x04)))
  const { responder, answers } = readBody(body)
  const found = answers.map(answer => partsOf(answer)).find(([about]) => isAbout(about, id))
  if (!found) throw new Error('the response is about another certificate')
  const signer = signerOf(responder, certificates, issuer, nowMs)
  if (!isSigned(body!.bytes, algorithm, bitsOf(signature), signer)) throw new Error('the response’s signature is wrong')
  return readStanding(found, nowMs)
}

/** ResponseData, RFC 6960 §4.2.1. */
function readBody(body: DerValue | undefined) {
  const all = partsOf(body)
  const [responder, , answers, extensions] = all.slice(all[0]?.tag === 0xa0 ? 1 : 0)
  refuseCritical(extensions)
  return { responder, answers: partsOf(answers) }
}

/** The parameters of the hash may be absent or NULL: they say nothing. */
function isAbout(about: DerValue | undefined, wanted: Buffer): boolean {
  const [algorithm, ...values] = partsOf(about)
  const [ours, ...wantedValues] = partsOf(readDer(wanted))
  const isSameHash = partsOf(algorithm)[0]?.bytes.equals(partsOf(ours)[0]!.bytes) ?? false
  return isSameHash && wantedValues.length === values.length && wantedValues.every((value, at) => value.bytes.equals(values[at]!.bytes))
}

/** The issuer itself, or one to whom it gave that right (RFC 6960 §4.2.2.2). */
function signerOf(responder: DerValue | undefined, certificates: DerValue | undefined, issuer: Issuer, nowMs: number): KeyObject {
  const isCalled = ({ name, keyHash }: Omit<Issuer, 'certificate'>) =>
    responder?.tag === 0xa1 ? partsOf(responder, 0xa1)[0]?.bytes.equals(name) : contentOf(partsOf(responder, 0xa2)[0], 0x04).equals(keyHash)
  if (isCalled(issuer)) return issuer.certificate.publicKey
  const all = certificates ? partsOf(partsOf(certificates, 0xa0)[0]) : []
  if (all.length > CERTIFICATES_MAX) throw new Error(`the response brings more than ${CERTIFICATES_MAX} certificates`)
  const delegate = all.map(({ bytes }) => new X509Certificate(bytes)).find(certificate => isCalled(identityOf(certificate)))
  if (!delegate) throw new Error('the response’s signer is unknown')
  if (!delegate.checkIssued(issuer.certificate) || !delegate.verify(issuer.certificate.publicKey))
    throw new Error('the response’s signer was not appointed by the certificate’s issuer')
  if (!delegate.keyUsage?.includes(OCSP_SIGNING)) throw new Error('the response’s signer has no right to sign it')
  if (delegate.validFromDate.getTime() > nowMs + SKEW_MS || delegate.validToDate.getTime() < nowMs)
    throw new Error('the certificate of the response’s signer is not of this time')
  return delegate.publicKey
}

function isSigned(body: Buffer, algorithm: DerValue | undefined, signature: Buffer, signer: KeyObject): boolean {
  const [id] = partsOf(algorithm)
  const known = SIGNATURES.get(id?.bytes.toString('hex') ?? '')
  if (!known || known.kind !== signer.asymmetricKeyType) throw new Error('the response is signed by a method that is not accepted')
  return verify(known.digest, body, signer, signature)
}

/** SingleResponse without its first part: status, thisUpdate, then nextUpdate [0] and extensions [1]. */
function readStanding([, status, from, ...rest]: readonly DerValue[], nowMs: number): Standing {
  refuseCritical(rest.find(({ tag }) => tag === 0xa1))
  const until = rest.find(({ tag }) => tag === 0xa0)
  // Who shows a response must know when it ends (RFC 5019 §2.2.4).
  if (!until) throw new Error('the response does not say when it ends')
  const times = { thisUpdateMs: timeOf(from), nextUpdateMs: timeOf(partsOf(until, 0xa0)[0]) }
  if (times.thisUpdateMs > nowMs + SKEW_MS) throw new Error('the response begins in the future')
  if (times.nextUpdateMs <= nowMs) throw new Error(`the response ended on ${new Date(times.nextUpdateMs).toISOString()}`)
  if (status?.tag === 0x80) return { status: 'good', ...times }
  if (status?.tag === 0xa1) return { status: 'revoked', ...times, revokedAtMs: timeOf(partsOf(status, 0xa1)[0]) }
  return { status: 'unknown', ...times }
}

/** Extensions that must be understood; none is (RFC 6960 §4.4). */
function refuseCritical(holder: DerValue | undefined): void {
  if (!holder) return
  const list = partsOf(partsOf(holder, 0xa1)[0])
  const isCritical = (extension: DerValue) => partsOf(extension).some(({ tag, content }) => tag === 0x01 && content[0] !== 0)
  if (list.some(isCritical)) throw new Error('the response has an extension that is not known here')
}
