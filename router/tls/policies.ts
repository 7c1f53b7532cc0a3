import { createSecureContext } from 'node:tls'

export type TlsVersion = 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3'

/** Which versions and ciphers are offered. */
export interface TlsPolicy {
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** In OpenSSL's form, the preferred first, suites of TLS 1.3 among them. */
  readonly ciphers: string
}

export const TLS_POLICY_NAMES = ['modern', 'intermediate', 'old'] as const
export type TlsPolicyName = (typeof TLS_POLICY_NAMES)[number]

/** AES-128 first: as safe, and a third cheaper than AES-256. A client that prefers ChaCha20, as it has no AES in hardware, gets it. */
export const TLS13_SUITES = 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256'

const FORWARD_SECRET_AEAD = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
]

const OLD = [
  'ECDHE-ECDSA-AES128-SHA256',
  'ECDHE-RSA-AES128-SHA256',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA384',
  'ECDHE-RSA-AES256-SHA384',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA256',
  'AES256-SHA256',
  'AES128-SHA',
  'AES256-SHA',
]

/** OpenSSL does TLS 1.0 and 1.1, whose handshakes are signed with SHA-1, at this level alone. */
export const OLD_SECURITY_LEVEL = '@SECLEVEL=0'

/**
 * Mozilla's three recommendations, guideline 5.7, but for two things. Finite-field Diffie-Hellman is not offered: an attacker makes it cost a
 * server far more than himself (CVE-2002-20001), and who speaks it with AES-GCM speaks elliptic curves too. Triple DES is not in Node's OpenSSL.
 *
 * @see https://wiki.mozilla.org/Security/Server_Side_TLS
 */
export const TLS_POLICIES: Readonly<Record<TlsPolicyName, TlsPolicy>> = {
  modern: { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3', ciphers: TLS13_SUITES },
  intermediate: { minVersion: 'TLSv1.2', maxVersion: 'TLSv1.3', ciphers: [TLS13_SUITES, ...FORWARD_SECRET_AEAD].join(':') },
  old: {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.3',
    ciphers: [TLS13_SUITES, ...FORWARD_SECRET_AEAD, ...OLD, OLD_SECURITY_LEVEL].join(':'),
  },
}

const GROUPS = 'X25519:P-256:P-384'
const HYBRID = 'X25519MLKEM768'

/** The groups of key exchange, the preferred first: with the post-quantum hybrid where this OpenSSL has it (3.5 on). */
export function keyExchangeGroups(): string {
  known ??= hasHybrid() ? `${HYBRID}:${GROUPS}` : GROUPS
  return known
}

let known: string | undefined

function hasHybrid(): boolean {
  try {
    createSecureContext({ ecdhCurve: HYBRID })
    return true
  } catch {
    return false
  }
}
