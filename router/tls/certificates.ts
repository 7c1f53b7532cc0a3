import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'
import type { Secret } from 'kubernetes-types/core/v1'
import { alternativeNames } from '../../kernel/x509.ts'
import { type Pair, sortChain } from './chain.ts'
import { skimCertificate } from './skim.ts'

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
  /** Unix time, ms; absent: long ago. */
  readonly notBeforeMs?: number
  readonly notAfterMs: number
  /** `rsa`, `ec` or another kind of key; a client is shown one that it can check. */
  readonly kind?: string
  /** PEM of a root that issued the leaf and is not sent, where OCSP needs it. */
  readonly issuer?: string
  /** Pairs of other kinds of keys for the same names; absent: none. */
  readonly others?: readonly Pick<Certificate, 'id' | 'chain' | 'key' | 'kind' | 'issuer'>[]
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
  if (known && !refuted.has(known)) return known
  const pairs = sortChain(chain, key, partOf(secret, 'ca.crt'))
  const [first, ...others] = onePerKind(pairs)
  const names = pairs
    .map(({ leaf }) => alternativeNames(leaf.subjectAltName))
    .reduce((all, those) => all.filter(name => those.includes(name)))
  return {
    id: idOf(first, ...others),
    chain: first.chain,
    key: first.key,
    names,
    notBeforeMs: Math.max(...pairs.map(({ leaf }) => Date.parse(leaf.validFrom))),
    notAfterMs: Math.min(...pairs.map(({ leaf }) => Date.parse(leaf.validTo))),
    kind: first.kind,
    ...(first.issuer !== undefined && { issuer: first.issuer }),
    ...(others.length > 0 && { others: others.map(({ leaf: _leaf, ...pair }) => ({ id: idOf(pair), ...pair })) }),
  }
}

function idOf(...pairs: readonly Omit<Pair, 'leaf'>[]): string {
  const hash = createHash('sha256')
  for (const { chain, key, issuer = '' } of pairs) hash.update(chain).update('\0').update(key).update(issuer)
  return hash.digest('hex').slice(0, 32)
}

function onePerKind(pairs: readonly [Pair, ...Pair[]]): readonly [Pair, ...Pair[]] {
  return pairs.filter(({ kind }, index) => pairs.findIndex(other => other.kind === kind) === index) as [Pair, ...Pair[]]
}

const prepared = new WeakMap<Secret, Certificate>()
/** Those that were looked at hastily, and nobody has read whole yet. */
const skimmed = new WeakSet<Certificate>()
/** Of these, those that are not what they seemed to be. */
const refuted = new WeakSet<Certificate>()

/**
 * Reads the certificate of a Secret ahead of {@link readCertificate}, which then costs nothing: of thousands that come page by page it is
 * spread over the pages, where all at once would stop the process for seconds.
 *
 * @param isHasty a tenth of a millisecond each is too long: what can be skimmed is, and {@link proven} says later whether it is what it seems
 */
export function prepareCertificate(secret: Secret, isHasty = false): void {
  try {
    const certificate = isHasty
      ? skimCertificate(readPart(secret, 'tls.crt', undefined), readPart(secret, 'tls.key', undefined))
      : undefined
    if (certificate) skimmed.add(certificate)
    prepared.set(secret, certificate ?? readCertificate(secret))
  } catch {
    // Whoever needs it reads it again and is told why it cannot.
  }
}

/** Whether a certificate was looked at hastily only. */
export function isSkimmed(certificate: Certificate): boolean {
  return skimmed.has(certificate)
}

/**
 * Reads a certificate whole that was looked at hastily. One that is not what it seemed to be is not what {@link readCertificate} says of its
 * Secret from then on.
 *
 * @returns the same certificate, or `undefined`
 */
export function proven(certificate: Certificate | undefined): Certificate | undefined {
  if (certificate === undefined || refuted.has(certificate)) return undefined
  if (!skimmed.has(certificate)) return certificate
  skimmed.delete(certificate)
  try {
    const { chain, key } = certificate
    const whole = readCertificate({ stringData: { 'tls.crt': chain, 'tls.key': key } })
    if (isDeepStrictEqual(whole, certificate)) return certificate
  } catch {
    // Whoever reads its Secret again is told.
  }
  refuted.add(certificate)
  return undefined
}

/** Why a certificate that can be used should not be, for the operator to read; it is served where there is no better one. */
export function certificateWarnings(certificate: Certificate, domain: string | undefined, nowMs: number): string[] {
  const warnings: string[] = []
  const { notBeforeMs = 0, notAfterMs } = certificate
  if (notAfterMs < nowMs) warnings.push(`The certificate expired on ${new Date(notAfterMs).toISOString()}`)
  if (notBeforeMs > nowMs) warnings.push(`The certificate is valid from ${new Date(notBeforeMs).toISOString()} on only`)
  if (domain !== undefined && !isFor(certificate, domain))
    warnings.push(`The certificate is not for ${domain} but for ${certificate.names.join(', ') || 'no name'}`)
  return warnings
}

/** Whether a certificate is for a domain, which may be a wildcard itself. */
export function isFor({ names }: Certificate, domain: string): boolean {
  return names.some(name => covers(name, domain))
}

/** Whether its time has begun and has not ended. */
export function isInTime({ notBeforeMs = 0, notAfterMs }: Pick<Certificate, 'notBeforeMs' | 'notAfterMs'>, nowMs: number): boolean {
  return notBeforeMs <= nowMs && nowMs <= notAfterMs
}

function readPart(secret: Secret, name: string, oldName: string | undefined): string {
  const text = partOf(secret, name) || (oldName === undefined ? undefined : partOf(secret, oldName))
  if (!text) throw new Error(`Cannot use the Secret: it has no ${name}`)
  return text
}

function partOf({ data, stringData }: Secret, name: string): string | undefined {
  return stringData?.[name] ?? (data?.[name] === undefined ? undefined : Buffer.from(data[name], 'base64').toString('utf8'))
}

/** A wildcard of a certificate stands for one label (RFC 9525 §6.3). */
function covers(name: string, domain: string): boolean {
  if (name.toLowerCase() === domain) return true
  return name.startsWith('*.') && domain.slice(domain.indexOf('.')) === name.slice(1).toLowerCase()
}
