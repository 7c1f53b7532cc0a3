import type { App } from './app.ts'
import { delegateEdge } from './edge.ts'
import { wantsHttps } from './extensions/hsts.ts'
import type { Endpoint } from './route.ts'
import type { RouterPolicy } from './settings.ts'
import type { PolicySpec, RouteSpec } from './spec.ts'

/** What an app asks for and what the router demands, merged (contract sections 4 and 5). */
export function mergePolicy(app: App, router: RouterPolicy): PolicySpec {
  const referrerPolicy = app.referrerPolicy ?? router.referrerPolicy
  const allow = mergeWhitelist(app.whitelist, router)
  const hsts = app.hsts ?? router.hsts
  return {
    connectTimeoutMs: app.connectTimeoutMs,
    idleTimeoutMs: app.tcpTimeoutMs ?? router.defaultTimeoutMs,
    maintenance: app.maintenance,
    sslEnforce: app.sslEnforce || router.sslEnforce || wantsHttps(app.hsts),
    requestStart: router.requestStart && !app.disableRequestStart,
    bodyBytesMax: app.bodyBytesMax ?? router.bodyBytesMax,
    ...(app.pages && { pages: app.pages }),
    ...(app.compression && { compression: { ...router.compression, ...app.compression } }),
    ...app.upstream,
    ...(allow && { allow }),
    ...(hsts && hsts !== 'off' && { hsts }),
    ...(referrerPolicy && referrerPolicy !== 'none' && { referrerPolicy }),
    ...(app.edge && { edge: app.edge }),
  }
}

/** An app with nothing delegated. */
export function buildRoute(app: App, endpoints: readonly Endpoint[], router: RouterPolicy): RouteSpec {
  const { name, namespace, service, steering } = app
  // Known to nobody outside the cluster, and to every replica of the router alike.
  const sticky = steering?.cookie === undefined ? undefined : { cookie: steering.cookie, salt: app.uid || app.key }
  const policy = mergePolicy(app, router)
  return { app: name, namespace, service, policy, endpoints, ...(sticky && { steering: { sticky } }), locations: [] }
}

/**
 * A host's route with the paths that others serve on it: who may come in, HSTS, Referrer-Policy and X-Request-Start are the host's, all else
 * is the delegate's (contract 5.2). The longest prefix stands first.
 */
export function delegatePaths(host: RouteSpec, delegates: readonly { readonly prefix: string; readonly route: RouteSpec }[]): RouteSpec {
  const { allow, referrerPolicy, requestStart, hsts } = host.policy
  const locations = delegates.map(({ prefix, route }) => {
    const { allow: _allow, referrerPolicy: _referrerPolicy, hsts: _hsts, edge: ownEdge, ...own } = route.policy
    const edge = delegateEdge(host.policy.edge, ownEdge)
    const pages = own.pages ?? host.policy.pages
    const shared = { requestStart, ...(allow && { allow }), ...(referrerPolicy && { referrerPolicy }), ...(hsts && { hsts }) }
    const policy = { ...own, ...shared, ...(edge && { edge }), ...(pages && { pages }), isDelegated: true as const }
    return { prefix, route: { ...route, policy, locations: [] } }
  })
  return { ...host, locations: locations.sort((a, b) => b.prefix.length - a.prefix.length) }
}

/** Contract 5.6. Empty: nobody; absent: everybody. */
function mergeWhitelist(own: readonly string[] | undefined, router: RouterPolicy): readonly string[] | undefined {
  if (own === undefined && router.whitelist.length === 0) return router.enforceWhitelists ? [] : undefined
  const shared = router.whitelistMode === 'extend' || own === undefined ? router.whitelist : []
  return [...new Set([...shared, ...(own ?? [])])]
}
