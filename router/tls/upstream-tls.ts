import { createHash } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { LRUCache } from 'lru-cache'

/** How one app's endpoints are spoken to over TLS. */
export interface UpstreamTls {
  /** Another one for whatever differs: connections of two are never mixed. */
  readonly id: string
  readonly verify: boolean
  /** Asked for by SNI, and looked for on the certificate. */
  readonly name: string
  /** Made when first used: it costs 2 ms. */
  context(): SecureContext
}

// As those of the clients' side; an app beyond costs a context made anew with a change of its endpoints.
const CONTEXT_COUNT_MAX = 1000

const known = new LRUCache<string, UpstreamTls>({ max: CONTEXT_COUNT_MAX })

/** @param spec.authority PEM; absent: the authorities that Node trusts; '': none */
export function upstreamTls(spec: { readonly verify: boolean; readonly authority?: string; readonly name: string }): UpstreamTls {
  const id = createHash('sha256')
    .update(JSON.stringify([spec.verify, spec.authority, spec.name]))
    .digest('hex')
    .slice(0, 12)
  const found = known.get(id)
  if (found !== undefined) return found
  let context: SecureContext | undefined
  const tls = {
    id,
    verify: spec.verify,
    name: spec.name,
    context() {
      const { authority } = spec
      context ??= createSecureContext({ minVersion: 'TLSv1.2', ...(authority !== undefined && { ca: authority === '' ? [] : authority }) })
      return context
    },
  }
  known.set(id, tls)
  return tls
}
