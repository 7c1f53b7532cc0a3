import { authenticate } from '../edge/authenticate.ts'
import type { RequestHead } from '../http1/request-head.ts'
import type { Route } from '../table/route.ts'
import { decide, decideUnclaimed, isHealthCheck, misdirected, refuse } from './decide.ts'
import { type Downstream, Exchange, type RequestSink, type Startable } from './exchange.ts'
import { Forward } from './forward.ts'
import { newRequestId } from './headers.ts'
import type { Phases } from './phases.ts'
import { reply } from './reply.ts'
import { RequestBuffer } from './request-buffer.ts'
import { joinTrace, keptRequestId } from './trace-context.ts'

/**
 * The life of one request: match, decide, forward or reply, record. It runs on callbacks, not promises: an exchange that finds a kept
 * connection is on its way to the app before this returns. Every path ends in `phases.record()`, once.
 *
 * @param body the request's whole body where it came with the head, else ''
 * @returns who takes the rest of the body
 */
export function handle(head: RequestHead, body: string, downstream: Downstream, phases: Phases): RequestSink | undefined {
  const table = phases.table()
  const exchange = new Exchange(head, downstream, table)
  const { requestIds, keepRequestIds, traceSampledPercent } = table.settings
  if (requestIds) exchange.requestId = (keepRequestIds === true && keptRequestId(exchange)) || newRequestId()
  if (traceSampledPercent !== undefined) joinTrace(exchange, traceSampledPercent)
  const claimed = table.match(head.host, head.target)
  const route = claimed ?? defaultRoute(exchange)
  exchange.route = route
  const answer = route === undefined ? decideUnclaimed(exchange) : (misdirected(exchange) ?? refuse(exchange, route, phases))
  if (answer !== undefined) {
    reply(exchange, answer, phases)
    return undefined
  }
  const secret = route?.policy.edge?.auth
  if (secret !== undefined) return authenticate(exchange, secret, phases, () => prepare(exchange, body, phases))
  const sink = prepare(exchange, body, phases)
  sink?.start()
  return sink
}

/** From where it is known that the client may come in: answers, or says who brings the request to the app once it is started. */
function prepare(exchange: Exchange, body: string, phases: Phases): Startable | undefined {
  const { head, downstream } = exchange
  const route = exchange.route as Route
  const answer = decide(exchange, route, phases)
  if (answer !== undefined) {
    reply(exchange, answer, phases)
    return undefined
  }
  const bufferBytes = route.policy.requestBufferBytes
  return bufferBytes !== undefined && !downstream.requestComplete && head.upgrade === ''
    ? new RequestBuffer(exchange, phases, bufferBytes)
    : new Forward(exchange, body, phases)
}

/** Who serves a host that no app claims: on plain http the default service, save the health check of the router itself (contract 5.1, 5.4). */
function defaultRoute({ head, downstream, table }: Exchange): Route | undefined {
  const { defaultService } = table.settings
  return defaultService === undefined || downstream.client.secure || isHealthCheck(head) ? undefined : defaultService
}
