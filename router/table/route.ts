import { BlockList, isIP } from 'node:net'
import type { UpstreamTls } from '../tls/upstream-tls.ts'
import type { AppLoad } from './app-load.ts'
import type { Credentials } from './credentials.ts'
import type { Edge } from './edge.ts'
import type { ErrorPages } from './error-pages.ts'
import type { AcmeChallenge } from './extensions/acme.ts'
import { CODINGS, type Coding } from './extensions/compression.ts'
import type { PageSources } from './extensions/pages.ts'
import type { TracingSettings } from './extensions/tracing.ts'
import type { Steering } from './steering.ts'

/** One address of an app, as its EndpointSlice gives it. Counters and pools live beside the table, keyed by `key`. */
export interface Endpoint {
  readonly address: string
  readonly port: number
  /** `address:port` (IPv6 in brackets): the identity of an endpoint over all tables. */
  readonly key: string
  /** False while the endpoint must get no new request. */
  readonly serving: boolean
  /** True while its pod is going away: used only when no other endpoint serves. */
  readonly terminating: boolean
  /** How it is spoken to over TLS; absent: in the clear. */
  readonly tls?: UpstreamTls
  /** Whether it speaks HTTP/2, and from the first byte; absent: HTTP/1.1. */
  readonly http2?: true
}

/** Answers for one textual address; an IPv4-mapped IPv6 address must come in its IPv4 form (see {@link plainAddress}). */
export interface AddressMatcher {
  check(address: string): boolean
}

/** What an app's annotations say about its traffic; defaults and router-wide values are already merged in. */
export interface Policy {
  readonly connectTimeoutMs: number
  /** Longest silence of the app before the first byte of an answer, between two bytes of it, and on an upgraded connection. */
  readonly idleTimeoutMs: number
  readonly maintenance: boolean
  /** Who may come in (router's and app's lists merged by the whitelist mode); absent: everybody. */
  readonly allow?: AddressMatcher
  readonly sslEnforce: boolean
  /** Value of Strict-Transport-Security on answers over https. */
  readonly hsts?: string
  /** Whether the app gets `X-Request-Start`. */
  readonly requestStart: boolean
  /** Value of Referrer-Policy on every answer; absent: none is sent. */
  readonly referrerPolicy?: string
  /** From the last byte of a request to the first of its answer; absent: the idle timeout. */
  readonly firstByteTimeoutMs?: number
  /** From the beginning of a request to the end of its answer; absent: any time. Upgraded connections are free of it. */
  readonly requestTimeoutMs?: number
  /** Up to how many bytes of a body are gathered before an endpoint is asked for; absent: none. */
  readonly requestBufferBytes?: number
  /** The share of requests that may be sent a second time; absent: the usual one. */
  readonly retryPercent?: number
  /** Of the git port: whether the builder is told the client's address by a PROXY header. */
  readonly proxyHeader?: boolean
  /** Largest request body; 0: no limit. */
  readonly bodyBytesMax: number
  /** What the app's extensions ask for; absent: nothing. */
  readonly edge?: Edge
  /** Whether this is another app's share of a host: in maintenance it shows no maintenance page (contract 5.2). */
  readonly isDelegated?: true
  /** Where the app's own error pages stand. */
  readonly pages?: PageSources
  /** Where the app wants another compression than the router's; no codings: none. */
  readonly compression?: { readonly codings: readonly Coding[]; readonly minLengthBytes: number }
}

/**
 * Where requests of one host (and, for delegated paths, one path prefix) go.
 *
 * A delegated path is a Route of its own, in which endpoints, timeouts, maintenance and sslEnforce are the delegate's, allow, referrerPolicy
 * and requestStart the host app's (contract 5.2); whoever builds the table merges them, whoever serves sees one Route.
 */
export interface Route {
  /** The label of logs and metrics: the app's name, or `namespace/name` where they differ. */
  readonly app: string
  readonly namespace: string
  readonly service: string
  readonly policy: Policy
  readonly endpoints: readonly Endpoint[]
  /** How endpoints are chosen where the app asks for more than the least loaded. */
  readonly steering?: Steering
  /** Paths that other apps serve on this host, longest prefix first. */
  readonly locations: readonly Location[]
  /** The app's, whatever host and path this is a route of. */
  readonly load: AppLoad
}

/** A path prefix of a host that another app serves; `/webhooks` also takes `/webhooksfoo`, the prefix is not stripped. */
export interface Location {
  readonly prefix: string
  readonly route: Route
}

/** The router-wide annotations, contract section 2. */
export interface RouterSettings extends TracingSettings {
  readonly platformDomain?: string
  /** How long a client may keep an idle connection; also the default of each app's idle timeout. */
  readonly defaultTimeoutMs: number
  /** Whole request head: count times size of `largeHeaderBuffers`. */
  readonly headBytesMax: number
  /** The same of a header list over HTTP/2, as RFC 9113 §6.5.2 counts it, and of name and value of one field; absent: {@link headBytesMax}. */
  readonly http2HeadBytesMax?: number
  readonly http2FieldBytesMax?: number
  /** Peers whose X-Forwarded-* and PROXY headers are believed. */
  readonly trusted: AddressMatcher
  /** Whether every connection but those of the health port must begin with a PROXY header. */
  readonly proxyProtocol: boolean
  readonly requestIds: boolean
  readonly gzip: GzipSettings
  readonly http2: boolean
  /** Where pages stand that go before the built-in ones for all apps, and for hosts that none has. */
  readonly pages?: PageSources
  /** The header field that names the error on answers of ours; absent: none does. */
  readonly errorHeader?: string
  /** Of the default vhost. */
  readonly referrerPolicy?: string
  /** Client connections of one worker; absent: the worker's own limit. */
  readonly workerConnectionsMax?: number
  /** The access log's format where the operator wants another than the classic line (`nginx.logFormat`). */
  readonly logFormat?: string
  /** The least that the router's own log says (`nginx.errorLogLevel`); absent: all. */
  readonly logLevel?: 'info' | 'warn' | 'error'
  /** Serves the hosts that no app claims, on plain http only. */
  readonly defaultService?: Route
}

/** `nginx.gzip.*`, contract section 2 and 5.8. */
export interface GzipSettings {
  /** Of all codings, not of gzip alone. */
  readonly enabled: boolean
  /** Those on offer, the preferred one first. */
  readonly codings: readonly Coding[]
  readonly level: number
  readonly minLengthBytes: number
  readonly types: ReadonlySet<string>
  readonly vary: boolean
  readonly proxied: boolean
  readonly minVersion: '1.0' | '1.1'
}

/** An immutable answer to "which app serves this"; a change makes another table, which one assignment puts in place. */
export interface RouteTable {
  /**
   * @param host lower-case, without port or trailing dot; '' for an HTTP/1.0 request without Host
   * @param target the request target byte for byte, query included (or `*`); looked at only where the host has locations
   */
  match(host: string, target: string): Route | undefined
  /** The pages of a ConfigMap that a route or the settings name. */
  pages(configMap: string): ErrorPages | undefined
  /** Whether a request for a host has no place on a TLS connection that named another server; absent: never. */
  misdirects?(serverName: string, host: string): boolean
  /** What an authority looks for at a domain by TLS; absent while none is expected. */
  readonly challenge?: ((domain: string) => AcmeChallenge | undefined) | undefined
  /** Who may come in by a Secret that a route names; absent: nobody. */
  credentials(secret: string): Credentials | undefined
  /** Where raw connections of the git port go; absent: no builder. */
  readonly git: Route | undefined
  readonly settings: RouterSettings
  /** Grows with every table. */
  readonly version: number
}

/** The values that a router without annotations has. */
export const DEFAULT_SETTINGS: RouterSettings = {
  defaultTimeoutMs: 1_300_000,
  headBytesMax: 128 * 1024,
  trusted: addressMatcher(['10.0.0.0/8']),
  proxyProtocol: false,
  requestIds: false,
  gzip: {
    ...{ enabled: true, codings: CODINGS, level: 5, minLengthBytes: 256, types: new Set<string>() },
    ...{ vary: true, proxied: true, minVersion: '1.1' as const },
  },
  http2: true,
}

/** The values that an app without annotations has. */
export const DEFAULT_POLICY: Policy = {
  connectTimeoutMs: 30_000,
  idleTimeoutMs: 1_300_000,
  maintenance: false,
  sslEnforce: false,
  requestStart: false,
  bodyBytesMax: 1024 * 1024,
}

/** An endpoint that serves. */
export function endpoint(address: string, port: number, state: { serving?: boolean; terminating?: boolean } = {}): Endpoint {
  const key = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`
  return { address, port, key, serving: state.serving ?? true, terminating: state.terminating ?? false }
}

/**
 * A matcher of addresses and networks (`10.0.0.0/8`, `2001:db8::/32`, `192.0.2.7`).
 *
 * @throws {RangeError} when an entry is neither; callers drop bad entries one by one
 */
export function addressMatcher(entries: Iterable<string>): AddressMatcher {
  const list = new BlockList()
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/')
    const version = isIP(address)
    const bits = prefix === undefined ? (version === 4 ? 32 : 128) : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN
    if (version === 0 || !(bits <= (version === 4 ? 32 : 128)))
      throw new RangeError(`Cannot read network "${entry}": write it as 10.0.0.0/8`)
    list.addSubnet(address, bits, version === 4 ? 'ipv4' : 'ipv6')
  }
  return { check: address => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4') }
}

/**
 * The same matcher, which remembers what it said of the last addresses: a question costs 2 µs, a hundredth of a resumed TLS connection, and most
 * clients come again.
 */
export function remembering(matcher: AddressMatcher, max = 1000): AddressMatcher {
  const said = new Map<string, boolean>()
  return {
    check(address) {
      const known = said.get(address)
      if (known !== undefined) return known
      if (said.size >= max) said.clear()
      const answer = matcher.check(address)
      said.set(address, answer)
      return answer
    },
  }
}

/** An address as matchers and logs want it: `::ffff:192.0.2.7` is `192.0.2.7`, a zone is cut off. */
export function plainAddress(address: string): string {
  if (!address.includes(':')) return address
  const zone = address.indexOf('%')
  const bare = zone < 0 ? address : address.slice(0, zone)
  return /^::ffff:\d+\.\d+\.\d+\.\d+$/i.test(bare) ? bare.slice(7) : bare
}

/** The route that serves `target` on a host: its longest matching location, else the host's own. */
export function locate(route: Route, target: string): Route {
  if (route.locations.length === 0) return route
  const path = normalPath(target)
  return route.locations.find(location => path.startsWith(location.prefix))?.route ?? route
}

/**
 * The path by which locations are matched: decoded once, `//` merged, dot segments resolved, as nginx does; what is forwarded stays as it came.
 * A path that cannot be decoded is matched as it is.
 */
export function normalPath(target: string): string {
  const end = target.search(/[?#]/)
  let path = end < 0 ? target : target.slice(0, end)
  try {
    path = decodeURIComponent(path)
  } catch {
    // Not UTF-8 or a stray percent sign: the app may still understand it.
  }
  const segments: string[] = []
  const parts = path.split('/')
  for (const [index, part] of parts.entries()) {
    const last = index === parts.length - 1
    if (part === '..') segments.pop()
    if (part === '.' || part === '..' || part === '') {
      if (last) segments.push('')
    } else segments.push(part)
  }
  return `/${segments.join('/')}`
}
