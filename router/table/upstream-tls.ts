import { X509Certificate } from 'node:crypto'
import type { Secret } from 'kubernetes-types/core/v1'
import { upstreamTls } from '../tls/upstream-tls.ts'
import type { HttpsWish } from './extensions/protocol.ts'
import type { Endpoint } from './route.ts'

/** How an app's endpoints are spoken to over TLS, in plain values. */
export interface UpstreamTlsSpec {
  readonly verify: boolean
  /** PEM; absent: the authorities that Node trusts; '': none, as the one that was named cannot be read. */
  readonly authority?: string
  /** The name that is asked for, and that the certificate must have. */
  readonly name: string
}

/**
 * Puts together what an app wishes and what its Secret holds. Without the authority that it names it trusts nobody: an app that wants its
 * certificate checked is not spoken to unchecked.
 */
export function buildUpstreamTls(wish: HttpsWish, service: string, namespace: string, secret: Secret | undefined): UpstreamTlsSpec {
  const name = wish.name ?? `${service}.${namespace}.svc`
  if (wish.authority === undefined) return { verify: wish.verify, name }
  return { verify: true, name, authority: readAuthority(secret) }
}

function readAuthority(secret: Secret | undefined): string {
  const pem = secret?.stringData?.['ca.crt'] ?? Buffer.from(secret?.data?.['ca.crt'] ?? '', 'base64').toString('latin1')
  try {
    return new X509Certificate(pem) && pem
  } catch {
    return ''
  }
}

/** The endpoints as a worker uses them: connections of another kind than plain HTTP/1.1 are kept apart from all others. */
export function upstreamEndpoints(
  endpoints: readonly Endpoint[],
  spec: { readonly upstreamTls?: UpstreamTlsSpec; readonly upstreamHttp2?: true },
): readonly Endpoint[] {
  const http2 = spec.upstreamHttp2
  if (spec.upstreamTls === undefined)
    return http2 ? endpoints.map(endpoint => ({ ...endpoint, key: `h2c://${endpoint.key}`, http2 })) : endpoints
  const tls = upstreamTls(spec.upstreamTls)
  if (http2) return endpoints.map(endpoint => ({ ...endpoint, key: `h2://${endpoint.key}#${tls.id}`, tls, http2 }))
  return endpoints.map(endpoint => ({ ...endpoint, key: `https://${endpoint.key}#${tls.id}`, tls }))
}
