import type { Secret, Service } from 'kubernetes-types/core/v1'
import type { EndpointSlice } from 'kubernetes-types/discovery/v1'
import type { Fault } from './annotations.ts'
import type { App } from './app.ts'
import { delegateEdge } from './edge.ts'
import { readEndpoints } from './endpoints.ts'
import { buildRoute } from './policy.ts'
import type { Endpoint } from './route.ts'
import type { RouterAnnotations } from './settings.ts'
import { shared } from './shared-values.ts'
import type { RouteSpec } from './spec.ts'
import { buildUpstreamTls } from './upstream-tls.ts'

/** Of an app that gives no path away. */
const NO_LOCATIONS: RouteSpec['locations'] = Object.freeze([])

/** Routes by the keys of their apps, as they are before other apps take a part in them. */
export type OwnRoutes = ReadonlyMap<string, RouteSpec>

/**
 * An app's route as far as its own Service and slices tell, and the Secret with the authority of its certificates.
 *
 * @throws where an object has a shape that the API server would not have let pass
 */
export function ownRoute(
  app: App,
  service: Service,
  slices: readonly EndpointSlice[],
  policy: RouterAnnotations['policy'],
  secret: (key: string) => Secret | undefined,
): RouteSpec {
  const route = buildRoute(app, ownEndpoints(service, slices), policy)
  return { ...route, ...upstreamOf(app, secret), policy: shared(route.policy), locations: NO_LOCATIONS }
}

/** The endpoints of an app's Service. @throws as {@link ownRoute} does */
export function ownEndpoints(service: Service, slices: readonly EndpointSlice[]): Endpoint[] {
  return readEndpoints(service, slices, 80)
}

/** The Secret with the authority of an app's own certificates: none or one. */
export function authorityKeys({ protocol, namespace }: App): string[] {
  return typeof protocol === 'object' && protocol.authority !== undefined ? [`${namespace}/${protocol.authority}`] : []
}

/** The Service that gets a share of an app's requests; of the same namespace, as nobody gives requests to a stranger, or takes them. */
export function canaryKey(app: App): string | undefined {
  const { canary } = app.steering ?? {}
  return canary && `${app.namespace}/${canary.service}`
}

/** An app's own route, with the share that another Service gets of it. */
export function withCanary(app: App, routes: OwnRoutes): RouteSpec {
  const own = routes.get(app.key)!
  const { canary } = app.steering ?? {}
  const key = canaryKey(app)
  const other = key === undefined || key === app.key ? undefined : routes.get(key)
  if (!canary || !other) return own
  const { service: _service, ...rest } = canary
  const { upstreamTls, upstreamHttp2 } = other
  const spoken = { ...(upstreamTls && { upstreamTls }), ...(upstreamHttp2 && { upstreamHttp2 }) }
  return { ...own, steering: { ...own.steering, canary: { ...rest, endpoints: other.endpoints, ...spoken } } }
}

/** The route of unknown hosts: nobody is redirected or refused there (contract 5.4). */
export function defaultRoute(own: RouteSpec): RouteSpec {
  const { allow: _allow, hsts: _hsts, edge: access, ...policy } = own.policy
  const edge = delegateEdge({}, access)
  return { ...own, policy: { ...policy, sslEnforce: false, ...(edge && { edge }) } }
}

/** What is wrong with the Secret and the Service that an app's route needs beside its own. */
export function neighbourFaults(app: App, routes: OwnRoutes): Fault[] {
  return [...canaryFaults(app, routes), ...authorityFaults(app, routes.get(app.key))]
}

function upstreamOf(app: App, secret: (key: string) => Secret | undefined): Pick<RouteSpec, 'upstreamTls' | 'upstreamHttp2'> {
  const { protocol } = app
  if (protocol === 'h2c') return { upstreamHttp2: true }
  if (typeof protocol !== 'object') return {}
  const [authority] = authorityKeys(app)
  const found = authority === undefined ? undefined : secret(authority)
  const upstreamTls = buildUpstreamTls(protocol, app.service, app.namespace, found)
  return { upstreamTls, ...(protocol.http2 === true && { upstreamHttp2: true as const }) }
}

function authorityFaults(app: App, own: RouteSpec | undefined): Fault[] {
  if (own?.upstreamTls?.authority !== '') return []
  const [secret = ''] = authorityKeys(app)
  return [{ key: 'x-protocol', value: secret, message: `Cannot check the app's certificate: Secret ${secret} has none under ca.crt` }]
}

function canaryFaults(app: App, routes: OwnRoutes): Fault[] {
  const { canary } = app.steering ?? {}
  const key = canaryKey(app)
  if (!canary || key === undefined || (routes.has(key) && key !== app.key)) return []
  const why = key === app.key ? 'it is the Service itself' : `there is no Service ${key} with the label router.drycc.cc/routable: "true"`
  return [{ key: 'x-canary', value: canary.service, message: `Cannot give "${canary.service}" a share of the requests: ${why}` }]
}
