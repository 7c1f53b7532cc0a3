import type { App } from './app.ts'
import type { Endpoint } from './route.ts'
import type { RouterPolicy } from './settings.ts'
import type { PolicySpec, RouteSpec } from './spec.ts'

/** What an app asks for and what the router demands, merged (contract sections 4 and 5). */
export function mergePolicy(app: App, router: RouterPolicy): PolicySpec {
  const referrerPolicy = app.referrerPolicy ?? router.referrerPolicy
  const allow = mergeWhitelist(app.whitelist, router)
  return {
    connectTimeoutMs: app.connectTimeoutMs,
    idleTimeoutMs: app.tcpTimeoutMs ?? router.defaultTimeoutMs,
    maintenance: app.maintenance,
    sslEnforce: app.sslEnforce || router.sslEnforce,
    requestStart: router.requestStart && !app.disableRequestStart,
    bodyBytesMax: app.bodyBytesMax ?? router.bodyBytesMax,
    ...(allow && { allow }),
    ...(router.hsts && { hsts: router.hsts }),
    ...(referrerPolicy && referrerPolicy !== 'none' && { referrerPolicy }),
  }
}

/** An app with nothing delegated. */
export function buildRoute(app: App, endpoints: readonly Endpoint[], router: RouterPolicy): RouteSpec {
  const { name, namespace, service } = app
  return { app: name, namespace, service, policy: mergePolicy(app, router), endpoints, locations: [] }
}

/**
 * A host's route with the paths that others serve on it: who may come in, Referrer-Policy and X-Request-Start are the host's, all else is
 * the delegate's (contract 5.2). The longest prefix stands first.
 */
export function delegatePaths(host: RouteSpec, delegates: readonly { readonly prefix: string; readonly route: RouteSpec }[]): RouteSpec {
  const { allow, referrerPolicy, requestStart } = host.policy
  const locations = delegates.map(({ prefix, route }) => {
    const { allow: _allow, referrerPolicy: _referrerPolicy, ...own } = route.policy
    const policy = { ...own, requestStart, ...(allow && { allow }), ...(referrerPolicy && { referrerPolicy }) }
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
