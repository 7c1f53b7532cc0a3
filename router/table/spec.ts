import type { Certificate } from '../tls/certificates.ts'
import type { TlsPolicyName, TlsVersion } from '../tls/policies.ts'
import type { Credentials } from './credentials.ts'
import type { EdgeSpec } from './edge.ts'
import type { ErrorPagesSpec } from './error-pages.ts'
import type { Endpoint, GzipSettings, Policy, Route, RouterSettings } from './route.ts'
import type { SteeringSpec } from './steering.ts'
import type { UpstreamTlsSpec } from './upstream-tls.ts'

/**
 * The table in plain values, as it travels from the process that watches to those that serve, and to the disk: networks are text here,
 * a worker compiles them.
 */
export interface PolicySpec extends Omit<Policy, 'allow' | 'edge'> {
  /** Networks with their prefix length. Empty: nobody; absent: everybody. */
  readonly allow?: readonly string[]
  readonly edge?: EdgeSpec
}

/** {@link Route} in plain values. */
export interface RouteSpec extends Omit<Route, 'policy' | 'locations' | 'load' | 'steering'> {
  readonly steering?: SteeringSpec
  /** Absent: in the clear. */
  readonly upstreamTls?: UpstreamTlsSpec
  /** Absent: HTTP/1.1. */
  readonly upstreamHttp2?: true
  readonly policy: PolicySpec
  readonly locations: readonly { readonly prefix: string; readonly route: RouteSpec }[]
}

/** {@link RouterSettings} in plain values. */
export interface SettingsSpec extends Omit<RouterSettings, 'trusted' | 'gzip' | 'defaultService'> {
  readonly trusted: readonly string[]
  readonly gzip: Omit<GzipSettings, 'types'> & { readonly types: readonly string[] }
  readonly defaultService?: RouteSpec
  readonly tls: TlsSettings
}

/** How the https listener secures its connections, contract section 2 (`nginx.ssl.*`). */
export interface TlsSettings {
  readonly policy: TlsPolicyName
  readonly minVersion: TlsVersion
  readonly maxVersion: TlsVersion
  /** In OpenSSL's form. */
  readonly ciphers: string
  /** What a client sees that asks for a name which nobody has: the default certificate, or an alert. */
  readonly unknownNames: 'default' | 'refuse'
  readonly sessionTickets: boolean
  readonly sessionTimeoutSeconds: number
}

/** Who serves the hosts of one pattern. */
export interface HostSpec {
  /** The key of its route. */
  readonly app: string
  /** The keys of its certificates, between blanks, one for each kind of key; absent: the router's default. */
  readonly certificate?: string
}

/** What a handshake shows beside a certificate. */
export interface StapleSpec {
  /** OCSPResponse, DER. */
  readonly response: Uint8Array
  readonly validUntilMs: number
}

/**
 * A change of the table; `null` removes. A pattern is a host (`shop.example.com`), a wildcard (`*.example.com`), a prefix (`shop.*`: `shop.` and
 * anything) or a regular expression (`~^shop[0-9]+\.`).
 */
export interface TableDelta {
  readonly version: number
  /** True when this is the whole table: what it does not name is gone. */
  readonly whole: boolean
  readonly settings?: SettingsSpec
  readonly routes: readonly (readonly [app: string, route: RouteSpec | null])[]
  readonly hosts: readonly (readonly [pattern: string, host: HostSpec | null])[]
  readonly certificates: readonly (readonly [secret: string, certificate: Certificate | null])[]
  /**
   * Of routes that stand, the endpoints alone, as most changes are of nothing else. Such a delta has no other entries; routes with steering or
   * a protocol of their own are always told as a whole.
   */
  readonly endpoints?: readonly (readonly [app: string, endpoints: readonly Endpoint[]])[]
  /** Pages by the ConfigMap that holds them; absent: as before. */
  readonly pages?: readonly (readonly [configMap: string, pages: ErrorPagesSpec | null])[]
  /** Who may come in, by the Secret that says so; absent: as before. */
  readonly credentials?: readonly (readonly [secret: string, credentials: Credentials | null])[]
  /** OCSP responses by the {@link stapleKey} of their certificates; absent: as before. They stand in no file. */
  readonly staples?: readonly (readonly [key: string, staple: StapleSpec | null])[]
  /** Absent: as before. */
  readonly git?: RouteSpec | null
  /** The key of the certificate for hosts without one of their own; absent: as before, `null`: a self-signed one. */
  readonly defaultCertificate?: string | null
}
