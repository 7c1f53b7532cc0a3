import { createHmac } from 'node:crypto'
import type { CanaryWish } from './extensions/steering.ts'
import type { Endpoint } from './route.ts'
import { type UpstreamTlsSpec, upstreamEndpoints } from './upstream-tls.ts'

/** How endpoints of a route are chosen where the app asks for more than the least loaded, in plain values. */
export interface SteeringSpec {
  readonly sticky?: StickySpec
  readonly canary?: CanarySpec
}

export interface StickySpec {
  readonly cookie: string
  /** Keys the hash of an endpoint, the same in every replica of the router: clients do not know it. */
  readonly salt: string
}

export interface CanarySpec extends Omit<CanaryWish, 'service'> {
  readonly endpoints: readonly Endpoint[]
  readonly upstreamTls?: UpstreamTlsSpec
  readonly upstreamHttp2?: true
}

/** {@link SteeringSpec} as a worker uses it. */
export interface Steering {
  readonly stable: readonly Endpoint[]
  readonly canary?: Canary
  readonly sticky?: Sticky
}

export interface Canary {
  readonly endpoints: readonly Endpoint[]
  readonly weight: number
  readonly header?: string
  readonly cookie?: string
}

export interface Sticky {
  readonly cookie: string
  /** Of the cookie. */
  readonly path: string
  readonly endpoints: ReadonlyMap<string, Endpoint>
  /** The cookie's value by the endpoint's key. */
  readonly tokens: ReadonlyMap<string, string>
}

/** @param path what of the host the route serves */
export function reviveSteering(spec: SteeringSpec, stable: readonly Endpoint[], path: string): Steering {
  const { sticky } = spec
  const canary = spec.canary && { ...spec.canary, endpoints: upstreamEndpoints(spec.canary.endpoints, spec.canary) }
  return {
    stable,
    ...(canary && { canary }),
    ...(sticky && { sticky: reviveSticky(sticky, [...stable, ...(canary?.endpoints ?? [])], path) }),
  }
}

/** A cookie names an endpoint by a keyed hash: it tells no address, and none can be made up. */
function reviveSticky({ cookie, salt }: StickySpec, all: readonly Endpoint[], path: string): Sticky {
  const pairs = all.map(endpoint => [createHmac('sha256', salt).update(endpoint.key).digest('base64url').slice(0, 22), endpoint] as const)
  return { cookie, path, endpoints: new Map(pairs), tokens: new Map(pairs.map(([token, { key }]) => [key, token])) }
}
