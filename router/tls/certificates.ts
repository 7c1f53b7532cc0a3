import { createHash } from 'node:crypto'
import type { Secret } from 'kubernetes-types/core/v1'
import { describePair } from '../../kernel/x509.ts'

/** A certificate chain with its key, checked against each other. Plain values: it travels to the workers. */
export interface Certificate {
  /** Changes when chain or key do, and only then. */
  readonly id: string
  /** PEM, the leaf first. */
  readonly chain: string
  /** PEM. */
  readonly key: string
  /** The DNS names and addresses that the leaf is for. */
  readonly names: readonly string[]
  /** Unix time, ms. */
  readonly notAfterMs: number
}

/**
 * Reads a certificate from a Secret, be its type `kubernetes.io/tls` or `Opaque`.
 *
 * @param options.oldKeys also accept the pair `cert` and `key`, which Deis wrote until 2016
 * @throws {Error} when a part is missing or unreadable, or the key is that of another certificate
 */
export function readCertificate(secret: Secret, { oldKeys = false } = {}): Certificate {
  const chain = readPart(secret, 'tls.crt', oldKeys ? 'cert' : undefined)
  const key = readPart(secret, 'tls.key', oldKeys ? 'key' : undefined)
  const known = prepared.get(secret)
  if (known) return known
  const { names, notAfter, isPair } = describePair(chain, key)
  if (!isPair) throw new Error('Cannot use the certificate: tls.key is not its key')
  const id = createHash('sha256').update(chain).update('\0').update(key).digest('hex').slice(0, 32)
  return { id, chain, key, names, notAfterMs: notAfter.getTime() }
}

const prepared = new WeakMap<Secret, Certificate>()

/**
 * Reads the certificate of a Secret ahead of {@link readCertificate}, which then costs nothing. A reading takes a fifth of a millisecond: of
 * thousands that come page by page it is spread over the pages, where all at once would stop the process for seconds.
 */
export function prepareCertificate(secret: Secret): void {
  try {
    prepared.set(secret, readCertificate(secret))
  } catch {
    // Whoever needs it reads it again and is told why it cannot.
  }
}

/** Why a certificate that can be used should not be, for the operator to read; it is served all the same. */
export function certificateWarnings(certificate: Certificate, domain: string | undefined, nowMs: number): string[] {
  const warnings: string[] = []
  if (certificate.notAfterMs < nowMs) warnings.push(`The certificate expired on ${new Date(certificate.notAfterMs).toISOString()}`)
  if (domain !== undefined && !certificate.names.some(name => covers(name, domain)))
    warnings.push(`The certificate is not for ${domain} but for ${certificate.names.join(', ') || 'no name'}`)
  return warnings
}

function readPart(secret: Secret, name: string, oldName: string | undefined): string {
  const text = secret.stringData?.[name] ?? (oldName === undefined ? undefined : secret.stringData?.[oldName])
  if (text) return text
  const value = secret.data?.[name] ?? (oldName === undefined ? undefined : secret.data?.[oldName])
  if (!value) throw new Error(`Cannot use the Secret: it has no ${name}`)
  return Buffer.from(value, 'base64').toString('utf8')
}

/** A wildcard of a certificate stands for one label (RFC 9525 §6.3). */
function covers(name: string, domain: string): boolean {
  if (name.toLowerCase() === domain) return true
  return name.startsWith('*.') && domain.slice(domain.indexOf('.')) === name.slice(1).toLowerCase()
}
