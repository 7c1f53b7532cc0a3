import { type Certificate, isFor, isInTime } from '../tls/certificates.ts'

/** A certificate that a name could be shown. */
export interface Candidate {
  /** Under which workers know it. */
  readonly key: string
  readonly certificate: Certificate
}

/**
 * Which certificates a name is shown: one of each kind of key, so that a client gets one that it can check. Those in their time and for the
 * name go before those for the name alone, and these before all others; among equals the newest does.
 */
export function chooseCertificates(candidates: readonly Candidate[], domain: string, nowMs: number): readonly Candidate[] {
  const ranked = candidates
    .map(candidate => ({ candidate, rank: rankOf(candidate.certificate, domain, nowMs) }))
    .toSorted((a, b) => b.rank - a.rank || newer(a.candidate.certificate, b.candidate.certificate))
  const best = ranked[0]?.rank
  const chosen = ranked.filter(({ rank }) => rank === best).map(({ candidate }) => candidate)
  return chosen.filter(({ certificate: { kind } }, index) => chosen.findIndex(({ certificate }) => certificate.kind === kind) === index)
}

function rankOf(certificate: Certificate, domain: string, nowMs: number): number {
  if (!isFor(certificate, domain)) return 0
  return isInTime(certificate, nowMs) ? 2 : 1
}

function newer(a: Certificate, b: Certificate): number {
  return (b.notBeforeMs ?? 0) - (a.notBeforeMs ?? 0) || b.notAfterMs - a.notAfterMs
}
