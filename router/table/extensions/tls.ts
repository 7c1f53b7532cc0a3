import { createSecureContext, getCiphers } from 'node:tls'
import {
  OLD_SECURITY_LEVEL,
  TLS_POLICIES,
  TLS_POLICY_NAMES,
  TLS13_SUITES,
  type TlsPolicyName,
  type TlsVersion,
} from '../../tls/policies.ts'
import type { Annotations } from '../annotations.ts'
import type { TlsSettings } from '../spec.ts'
import { parseBoolean, parseTimeout, parseWord } from '../values.ts'

const VERSIONS: readonly TlsVersion[] = ['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3']

/**
 * Reads how the https listener secures its connections, `x-tls-policy`, `x-tls-unknown` and the contract's `nginx.ssl.…` of the router's Deployment: the policy
 * says what is offered, and `nginx.ssl.protocols` and `nginx.ssl.ciphers` override it, save that only the policy `old` brings back TLS 1.0 and 1.1.
 */
export function readTls(annotations: Annotations, was?: TlsSettings): TlsSettings {
  const name = annotations.one('x-tls-policy', 'intermediate', parsePolicy, was?.policy)
  const policy = TLS_POLICIES[name]
  const ciphers = readCiphers(annotations, name)
  return {
    policy: name,
    ...readVersions(annotations, name),
    ciphers: ciphers ?? policy.ciphers,
    unknownNames: annotations.one('x-tls-unknown', 'default', text => parseWord(text, ['default', 'refuse']), was?.unknownNames),
    sessionTickets: annotations.one('nginx.ssl.useSessionTickets', true, parseBoolean, was?.sessionTickets),
    sessionTimeoutSeconds: Math.ceil(annotations.one('nginx.ssl.sessionTimeout', 600_000, parseTimeout) / 1000),
  }
}

function readVersions(annotations: Annotations, name: TlsPolicyName): Pick<TlsSettings, 'minVersion' | 'maxVersion'> {
  const { minVersion, maxVersion } = TLS_POLICIES[name]
  const named = annotations.one('nginx.ssl.protocols', undefined, parseProtocols)
  if (!named) return { minVersion, maxVersion }
  const offered = VERSIONS.filter(version => named.includes(version) && (name === 'old' || version > 'TLSv1.1'))
  if (named.some(version => !offered.includes(version as TlsVersion)))
    annotations.fault(
      'nginx.ssl.protocols',
      named.join(' '),
      'Only TLSv1.2 and TLSv1.3 are offered, as what is older is broken (RFC 8996); x-tls-policy: old brings back TLSv1 and TLSv1.1',
    )
  return offered.length > 0 ? { minVersion: offered[0]!, maxVersion: offered.at(-1)! } : { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.2' }
}

/** Drops what OpenSSL would refuse the whole list for; the brackets of equal preference are BoringSSL's and say only an order. */
function readCiphers(annotations: Annotations, name: TlsPolicyName): string | undefined {
  return annotations.one('nginx.ssl.ciphers', undefined, text => parseCiphers(text, name, annotations))
}

function parseCiphers(text: string, name: TlsPolicyName, annotations: Annotations): string {
  const known = new Set(getCiphers().map(cipher => cipher.toUpperCase()))
  const kept = text
    .split(/[:[\]|\s,]+/)
    .filter(Boolean)
    .filter(cipher => {
      const isKnown = known.has(cipher.toUpperCase()) || /^[!+-]?[A-Za-z0-9+]+$|^@STRENGTH$/.test(cipher)
      if (!isKnown) annotations.fault('nginx.ssl.ciphers', cipher, 'Unknown cipher')
      return isKnown
    })
  if (kept.length === 0) throw new RangeError('Cannot use any of these ciphers: write names as OpenSSL does, between colons')
  // Lists of the contract name ciphers of TLS 1.2; those of TLS 1.3 are apart in OpenSSL.
  const suites = kept.some(cipher => /^TLS_/i.test(cipher)) ? [] : [TLS13_SUITES]
  const ciphers = [...suites, ...kept, ...(name === 'old' ? [OLD_SECURITY_LEVEL] : [])].join(':')
  createSecureContext({ ciphers })
  return ciphers
}

function parsePolicy(text: string): TlsPolicyName {
  return parseWord(text, TLS_POLICY_NAMES)
}

function parseProtocols(text: string) {
  return text.split(/\s+/).map(word => parseWord(word, ['SSLv2', 'SSLv3', ...VERSIONS]))
}
