import type { Annotations } from './annotations.ts'
import { type AcmeChallenge, readChallenges } from './extensions/acme.ts'
import { type CorsSpec, readCors } from './extensions/cors.ts'
import { type OnDemandNames, readOnDemand } from './extensions/on-demand.ts'
import { parseRate, type Rate } from './extensions/rate-limit.ts'
import { parseCanonicalHost, type Redirect, readRedirects } from './extensions/redirects.ts'
import { type AddressMatcher, addressMatcher } from './route.ts'
import { parseCidr, parseInteger, parseObjectName } from './values.ts'

/** What the router does for an app by the annotations of its own key, in plain values. An app without any of them has none of this. */
export interface EdgeSpec {
  /** What authorities ask for, answered before anything else. */
  readonly challenges?: readonly AcmeChallenge[]
  /** For which names without a certificate one is asked for. */
  readonly onDemand?: OnDemandNames
  /** Networks that are let in by no list. */
  readonly deny?: readonly string[]
  /** How often one client may ask, and all together. */
  readonly clientRate?: Rate
  readonly appRate?: Rate
  /** In flight, and open, in all workers together. */
  readonly requestsMax?: number
  readonly connectionsMax?: number
  /** The key of the Secret that says who may come in. */
  readonly auth?: string
  readonly canonicalHost?: string
  readonly redirects?: readonly Redirect[]
  readonly cors?: CorsSpec
}

/** {@link EdgeSpec} as a worker uses it. */
export interface Edge extends Omit<EdgeSpec, 'deny' | 'cors'> {
  readonly deny?: AddressMatcher
  readonly cors?: Cors
}

/** Reads an app's extensions. @returns `undefined` where it has none */
export function readEdge(
  annotations: Annotations,
  { namespace, domains }: { readonly namespace: string; readonly domains: readonly string[] },
  lastGood: EdgeSpec = {},
): EdgeSpec | undefined {
  const challenges = readChallenges(annotations, domains)
  const onDemand = readOnDemand(annotations, lastGood.onDemand)
  const denied = annotations.items('x-deny', parseCidr)
  const deny = denied?.length === 0 ? lastGood.deny : denied
  const clientRate = annotations.one('x-rate-limit', undefined, parseRate, lastGood.clientRate)
  const appRate = annotations.one('x-rate-limit-app', undefined, parseRate, lastGood.appRate)
  const requestsMax = annotations.one('x-requests-max', undefined, parseCount, lastGood.requestsMax)
  const connectionsMax = annotations.one('x-connections-max', undefined, parseCount, lastGood.connectionsMax)
  const auth = annotations.one('x-basic-auth', undefined, text => `${namespace}/${parseObjectName(text)}`, lastGood.auth ?? `${namespace}/`)
  const canonicalHost = annotations.one('x-canonical-host', undefined, text => parseCanonicalHost(text, domains), lastGood.canonicalHost)
  const redirects = readRedirects(annotations, domains, lastGood.redirects)
  const cors = readCors(annotations, lastGood.cors)
  const edge: EdgeSpec = {
    ...(challenges && { challenges }),
    ...(onDemand && { onDemand }),
    ...(deny && { deny }),
    ...(clientRate && { clientRate }),
    ...(appRate && { appRate }),
    ...(requestsMax !== undefined && { requestsMax }),
    ...(connectionsMax !== undefined && { connectionsMax }),
    ...(auth !== undefined && { auth }),
    ...(canonicalHost !== undefined && { canonicalHost }),
    ...(redirects && redirects.length > 0 && { redirects }),
    ...(cors && { cors }),
  }
  return Object.keys(edge).length > 0 ? edge : undefined
}

/**
 * Of a path that another app serves on a host: who may come in and where addresses lead is the host's, as in contract 5.2, all else the
 * delegate's. A network that either denies is denied; where the delegate asks for no password or rate the host's counts.
 */
export function delegateEdge(host: EdgeSpec = {}, own: EdgeSpec = {}): EdgeSpec | undefined {
  const { challenges: _challenges, onDemand: _onDemand, canonicalHost: _canonicalHost, redirects: _redirects, deny: _deny, ...rest } = own
  const deny = [...new Set([...(host.deny ?? []), ...(own.deny ?? [])])]
  const edge: EdgeSpec = {
    ...(host.clientRate && { clientRate: host.clientRate }),
    ...(host.auth !== undefined && { auth: host.auth }),
    ...rest,
    ...(host.challenges && { challenges: host.challenges }),
    ...(host.onDemand && { onDemand: host.onDemand }),
    ...(deny.length > 0 && { deny }),
    ...(host.canonicalHost !== undefined && { canonicalHost: host.canonicalHost }),
    ...(host.redirects && { redirects: host.redirects }),
  }
  return Object.keys(edge).length > 0 ? edge : undefined
}

function parseCount(text: string): number {
  return parseInteger(text, 1, 1_000_000)
}

/** Makes of plain values what a request is decided by. */
export function reviveEdge({ deny, cors, ...rest }: EdgeSpec): Edge {
  return { ...rest, ...(deny && { deny: addressMatcher(deny) }), ...(cors && { cors: new Cors(cors) }) }
}

/** Which origins are allowed, and the header lines that say so. */
export class Cors {
  /** For any origin, without credentials: nothing varies. */
  readonly any: boolean
  /** Of an answer to an allowed origin, behind Access-Control-Allow-Origin. */
  readonly lines: string
  /** Of the answer to a preflight. */
  readonly preflight: string
  readonly #exact: ReadonlySet<string>
  readonly #wildcards: readonly { readonly scheme: string; readonly suffix: string }[]

  constructor({ origins, methods, headers, expose, credentials, maxAgeSeconds }: CorsSpec) {
    this.any = origins.includes('*')
    this.lines =
      (credentials ? 'Access-Control-Allow-Credentials: true\r\n' : '') +
      (expose.length > 0 ? `Access-Control-Expose-Headers: ${expose.join(', ')}\r\n` : '')
    this.preflight =
      `Access-Control-Allow-Methods: ${methods.join(', ')}\r\n` +
      `Access-Control-Allow-Headers: ${headers.join(', ')}\r\nAccess-Control-Max-Age: ${maxAgeSeconds}\r\n`
    this.#exact = new Set(origins)
    this.#wildcards = origins
      .filter(origin => origin.includes('://*.'))
      .map(origin => ({ scheme: origin.slice(0, origin.indexOf('*')), suffix: origin.slice(origin.indexOf('*') + 1) }))
  }

  /** @param origin as the browser writes it, `https://shop.example.com` */
  allows(origin: string): boolean {
    if (this.#exact.has(origin) && !origin.includes('*')) return true
    if (this.any) return true
    return this.#wildcards.some(
      ({ scheme, suffix }) =>
        origin.startsWith(scheme) && origin.endsWith(suffix) && SUBDOMAIN.test(origin.slice(scheme.length, -suffix.length)),
    )
  }
}

const SUBDOMAIN = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/
