import { challengeReply } from '../edge/acme.ts'
import { preflightReply } from '../edge/cors.ts'
import { admit, rateReply } from '../edge/limits.ts'
import { canonicalReply, movedReply } from '../edge/redirects.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { Edge } from '../table/edge.ts'
import type { Route } from '../table/route.ts'
import { errorReply, type Reply, redirectReply } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { goesInCircle } from './headers.ts'
import type { Phases } from './phases.ts'

/** Whether the client may not come in; who may not learns nothing else (contract 5.6). */
export function refuse(exchange: Exchange, route: Route, phases: Phases): Reply | undefined {
  const { head, origin } = exchange
  const { allow, edge } = route.policy
  if (edge?.challenges !== undefined) {
    const answer = challengeReply(head, edge.challenges)
    if (answer !== undefined) return answer
  }
  if (edge?.deny?.check(origin.address)) return errorReply('R12')
  if (allow !== undefined && !allow.check(origin.address)) return errorReply('R12')
  if (goesInCircle(head.loop)) return errorReply('R13')
  if (edge === undefined) return undefined
  return (
    rateReply(exchange, route, edge, phases) ??
    (edge.cors === undefined ? undefined : preflightReply(exchange, edge.cors)) ??
    (edge.auth === undefined ? undefined : leaveInsecure(exchange, route, phases))
  )
}

/**
 * Whether the router answers by itself: what is down is said to be down, on http as well as on https, and only an app that is up sends its
 * clients to https (contract 5.7). What passes is counted as in flight.
 */
export function decide(exchange: Exchange, route: Route, phases: Phases): Reply | undefined {
  const { head, origin } = exchange
  const { policy } = route
  if (policy.maintenance) return errorReply('R21')
  if (route.endpoints.length === 0 && route.steering?.canary === undefined) return errorReply('R20')
  if (policy.sslEnforce && !origin.secure) return httpsReply(exchange, phases.httpsPort())
  if (policy.edge !== undefined) {
    const moved = redirect(exchange, policy.edge)
    if (moved !== undefined) return moved
  }
  if (policy.bodyBytesMax > 0 && head.length > policy.bodyBytesMax) return errorReply('R43')
  return admit(exchange, route, phases)
}

/** Before a password is asked for: where https is enforced it must not travel in clear, and the browser is to keep it for the right host. */
function leaveInsecure(exchange: Exchange, { policy }: Route, phases: Phases): Reply | undefined {
  if (policy.sslEnforce && !exchange.origin.secure) return httpsReply(exchange, phases.httpsPort())
  const host = policy.edge?.canonicalHost
  return host === undefined ? undefined : canonicalReply(exchange, host)
}

/** @param port where clients reach https; named unless it is the usual one */
function httpsReply({ head, origin }: Exchange, port: number): Reply {
  const scheme = origin.scheme === 'ws' ? 'wss' : 'https'
  return redirectReply(`${scheme}://${head.host}${port === 443 ? '' : `:${port}`}${head.target === '*' ? '/' : head.target}`)
}

function redirect(exchange: Exchange, { canonicalHost, redirects }: Edge): Reply | undefined {
  const answer = canonicalHost === undefined ? undefined : canonicalReply(exchange, canonicalHost)
  return answer ?? (redirects === undefined ? undefined : movedReply(exchange, redirects))
}

/**
 * A connection that was opened to one tenant's name, under that tenant's certificate, carries no request for another's (RFC 9110 §15.5.20):
 * whoever checked the certificate did not check it for this host. A trusted proxy may use one connection for all.
 */
export function misdirected({ head, downstream: { client }, table }: Exchange): Reply | undefined {
  if (client.serverName === '' || client.serverName === head.host) return undefined
  if (table.misdirects?.(client.serverName, head.host) !== true || client.trusted(table.settings)) return undefined
  return errorReply('R16')
}

/** The default vhost: what a host gets that no app claims. */
export function decideUnclaimed(exchange: Exchange): Reply {
  return isHealthCheck(exchange.head) ? { status: 200, fields: 'Content-Type: text/plain\r\n', body: '' } : errorReply('R10')
}

/** Whether the router itself is asked for its health, by a host that no app claims. */
export function isHealthCheck({ method, target }: RequestHead): boolean {
  return (method === 'GET' || method === 'HEAD') && /^\/healthz\/?(?:\?|$)/.test(target)
}
