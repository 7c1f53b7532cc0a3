import { preflightReply } from '../edge/cors.ts'
import { canonicalReply, movedReply } from '../edge/redirects.ts'
import type { Edge } from '../table/edge.ts'
import type { Route } from '../table/route.ts'
import { errorReply, type Reply, redirectReply } from './errors.ts'
import type { Exchange } from './exchange.ts'
import { goesInCircle } from './headers.ts'

/**
 * Whether the router answers by itself. Who may not come in learns nothing else; then what is down is said to be down, on http as well as
 * on https, and only an app that is up sends its clients to https (contract 5.6, 5.7).
 *
 * @param httpsPort where clients reach https; named in a redirect unless it is the usual one
 */
export function decide(exchange: Exchange, route: Route, httpsPort = 443): Reply | undefined {
  const { head, origin } = exchange
  const { policy } = route
  const { edge } = policy
  if (edge?.deny?.check(origin.address)) return errorReply('R12')
  if (policy.allow !== undefined && !policy.allow.check(origin.address)) return errorReply('R12')
  if (goesInCircle(head.loop)) return errorReply('R13')
  if (edge?.cors !== undefined) {
    const answer = preflightReply(exchange, edge.cors)
    if (answer !== undefined) return answer
  }
  if (policy.maintenance) return errorReply('R21')
  if (route.endpoints.length === 0) return errorReply('R20')
  if (policy.sslEnforce && !origin.secure) {
    const scheme = origin.scheme === 'ws' ? 'wss' : 'https'
    const port = httpsPort === 443 ? '' : `:${httpsPort}`
    return redirectReply(`${scheme}://${head.host}${port}${head.target === '*' ? '/' : head.target}`)
  }
  if (edge !== undefined) {
    const moved = redirect(exchange, edge)
    if (moved !== undefined) return moved
  }
  if (policy.bodyBytesMax > 0 && head.length > policy.bodyBytesMax) return errorReply('R43')
  return undefined
}

function redirect(exchange: Exchange, { canonicalHost, redirects }: Edge): Reply | undefined {
  const answer = canonicalHost === undefined ? undefined : canonicalReply(exchange, canonicalHost)
  return answer ?? (redirects === undefined ? undefined : movedReply(exchange, redirects))
}

/** The default vhost: what a host gets that no app claims. */
export function decideUnclaimed(exchange: Exchange): Reply {
  const { head } = exchange
  if ((head.method === 'GET' || head.method === 'HEAD') && /^\/healthz\/?(?:\?|$)/.test(head.target)) {
    return { status: 200, fields: 'Content-Type: text/plain\r\n', body: '' }
  }
  return errorReply('R10')
}
