import { createHash, type KeyObject, sign, X509Certificate } from 'node:crypto'
import { bits, context, der, enumerated, generalizedTime, integer, octets, oid, sequence } from './der.ts'
import { algorithmOf, type Issued, keyHash } from './pki.ts'

/** What a responder of tests says; what is left out is as a good one says it. */
export interface Saying {
  readonly status?: 'good' | 'revoked' | 'unknown'
  /** Milliseconds from now; an hour ago and in 7 days by default, `null`: left out. */
  readonly from?: number
  readonly until?: number | null
  /** OCSPResponseStatus. */
  readonly code?: number
  /** Who signs, in place of the issuer, and what he brings with him. */
  readonly signer?: Issued
  readonly brought?: readonly Issued[]
  /** Calls the signer by his name instead of his key. */
  readonly byName?: boolean
  /** Another's, so that the answer is about another certificate. */
  readonly serial?: string
  readonly about?: Issued
  /** The signature of another key. */
  readonly forger?: KeyObject
  readonly criticalExtension?: boolean
  readonly algorithm?: Buffer
  /** Bytes of padding in an extension that nobody needs to know. */
  readonly padding?: number
}

const HOUR_MS = 3600_000
const BASIC = oid('1.3.6.1.5.5.7.48.1.1')
const SHA1 = sequence(oid('1.3.14.3.2.26'), der(0x05))

/** An OCSPResponse about a certificate, RFC 6960 §4.2.1. */
export function ocspResponse(issuer: Issued, { serial }: Pick<Issued, 'serial'>, saying: Saying = {}): Buffer {
  const { code = 0, signer = issuer, from = -HOUR_MS, until = 7 * 24 * HOUR_MS, about = issuer } = saying
  if (code !== 0) return sequence(enumerated(code))
  const extension = (id: string, isCritical: boolean, value: Buffer) =>
    sequence(oid(id), ...(isCritical ? [der(0x01, Buffer.from([0xff]))] : []), octets(value))
  const extensions = [
    ...(saying.criticalExtension ? [extension('1.2.3.4', true, der(0x05))] : []),
    ...(saying.padding ? [extension('1.2.3.5', false, octets(Buffer.alloc(saying.padding)))] : []),
  ]
  const answer = sequence(
    certificateId(about, saying.serial ?? serial),
    statusOf(saying.status ?? 'good'),
    generalizedTime(Date.now() + from),
    ...(until === null ? [] : [context(0, generalizedTime(Date.now() + until))]),
    ...(extensions.length > 0 ? [context(1, sequence(...extensions))] : []),
  )
  const body = sequence(
    saying.byName ? context(1, signer.subject) : context(2, octets(keyHash(signer.privateKey))),
    generalizedTime(Date.now()),
    sequence(answer),
  )
  const brought = (saying.brought ?? []).map(({ certificate }) => new X509Certificate(certificate).raw)
  const basic = sequence(
    body,
    saying.algorithm ?? algorithmOf(signer.privateKey),
    bits(sign('sha256', body, saying.forger ?? signer.privateKey)),
    ...(brought.length > 0 ? [context(0, sequence(...brought))] : []),
  )
  return sequence(enumerated(0), context(0, sequence(BASIC, octets(basic))))
}

/** CertID: by whom a certificate was issued, and its number. */
export function certificateId({ subject, privateKey }: Issued, serial: string): Buffer {
  return sequence(SHA1, octets(createHash('sha1').update(subject).digest()), octets(keyHash(privateKey)), integer(serial))
}

function statusOf(status: 'good' | 'revoked' | 'unknown'): Buffer {
  if (status === 'revoked') return context(1, generalizedTime(Date.parse('2026-01-02T03:04:05Z')))
  return der(status === 'good' ? 0x80 : 0x82)
}
