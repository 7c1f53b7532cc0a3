import { createHash } from 'node:crypto'
import { type CertificateDescription, describeCertificate, isKeyOf } from '../../kernel/x509.ts'
import { invalid } from './refusal.ts'
import { timestamp } from './timestamp.ts'

/** A certificate of a user, to be attached to domains of apps. `certificate` (the chain) and `key` are PEM and never shown. */
export interface Certificate {
  readonly uuid: string
  readonly name: string
  readonly owner: string
  readonly certificate: string
  readonly key: string
  readonly created: string
  readonly updated: string
}

const NAME = /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/
// `-cert` goes behind it in the Secret's name, which has 253 characters at most.
const NAME_LENGTH_MAX = 248
const PEM_LENGTH_MAX = 131_072

/** Checks the name of a certificate. @throws {Refusal} 400 under `name` */
export function checkCertificateName(name: string): void {
  if (!name) throw invalid('name', 'This field may not be blank.')
  if (name.length > NAME_LENGTH_MAX) throw invalid('name', `Ensure this field has no more than ${NAME_LENGTH_MAX} characters.`)
  if (!NAME.test(name)) throw invalid('name', 'Can only contain a-z (lowercase), 0-9 and hyphens')
}

/** Checks that a certificate and its key can be read and belong together. @throws {Refusal} 400 under `certificate` or `key` */
export function checkKeyPair(certificate: string, key: string): void {
  if (!certificate) throw invalid('certificate', 'This field may not be blank.')
  if (!key) throw invalid('key', 'This field may not be blank.')
  if (certificate.length > PEM_LENGTH_MAX) throw invalid('certificate', 'Could not load certificate: it is too long')
  if (key.length > PEM_LENGTH_MAX) throw invalid('key', 'Could not load private key: it is too long')
  try {
    describeCertificate(certificate)
  } catch (error) {
    throw invalid('certificate', `Could not load certificate: ${reasonOf(error)}`)
  }
  let belongs: boolean
  try {
    belongs = isKeyOf(certificate, key)
  } catch (error) {
    throw invalid('key', `Could not load private key: ${reasonOf(error)}`)
  }
  if (!belongs) throw invalid('key', 'Could not load private key: it is not the key of the certificate')
}

/** The certificate as the API shows it, with what it says of itself. @param domains those it is attached to */
export function showCertificate(certificate: Certificate, domains: readonly string[]) {
  const description: CertificateDescription = describeCertificate(certificate.certificate)
  return {
    id: numberOf(certificate.uuid),
    owner: certificate.owner,
    name: certificate.name,
    common_name: description.commonName,
    san: description.names,
    domains,
    fingerprint: description.fingerprint,
    expires: timestamp(description.notAfter),
    starts: timestamp(description.notBefore),
    issuer: description.issuer,
    subject: description.subject,
    created: timestamp(certificate.created),
    updated: timestamp(certificate.updated),
  }
}

/** Clients read a whole number where there is a uuid behind it: 31 bits of its hash. */
function numberOf(uuid: string): number {
  return createHash('sha256').update(uuid).digest().readUInt32BE(0) >>> 1
}

function reasonOf(error: unknown): string {
  return (error as Error).message.replace(/^Could not load [a-z ]+: /, '')
}
